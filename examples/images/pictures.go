package main

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/gif"
	"image/jpeg"
	"image/png"
	"math"
	"path"
)

// picture is one that we serve.
type picture struct {
	name  string
	image image.Image // what was encoded; a JPEG is only close to it
	data  []byte      // in the format that the name ends in
}

// pictures makes twelve, of each format and kind of colours that is read.
func pictures() ([]picture, error) {
	made := []picture{
		{name: "dot.png", image: paint(image.NewRGBA(image.Rect(0, 0, 1, 1)))},
		{name: "wide.png", image: paint(image.NewRGBA(image.Rect(0, 0, 640, 90)))},
		{name: "alpha.png", image: fade(image.NewNRGBA(image.Rect(0, 0, 256, 64)))},
		{name: "gray.png", image: paint(image.NewGray(image.Rect(0, 0, 100, 333)))},
		{name: "gray-16.png", image: paint(image.NewGray16(image.Rect(0, 0, 77, 50)))},
		{name: "alpha-16.png", image: fade(image.NewNRGBA64(image.Rect(0, 0, 128, 31)))},
		{name: "palette.png", image: paint(image.NewPaletted(image.Rect(0, 0, 200, 200), cubes()))},
		{name: "palette.gif", image: paint(image.NewPaletted(image.Rect(0, 0, 320, 200), cubes()))},
		{name: "hole.gif", image: paint(image.NewPaletted(image.Rect(0, 0, 31, 17), color.Palette{color.RGBA{}, color.RGBA{R: 200, A: 255}, color.RGBA{B: 99, A: 255}}))},
		{name: "colours.jpg", image: paint(image.NewRGBA(image.Rect(0, 0, 333, 250)))},
		{name: "gray.jpg", image: paint(image.NewGray(image.Rect(0, 0, 64, 64)))},
		{name: "large.jpg", image: paint(image.NewRGBA(image.Rect(0, 0, 1024, 640)))},
	}
	for i := range made {
		var err error
		if made[i].data, err = encode(made[i].name, made[i].image); err != nil {
			return nil, fmt.Errorf("make %s: %w", made[i].name, err)
		}
	}
	return made, nil
}

func encode(name string, picture image.Image) ([]byte, error) {
	var buf bytes.Buffer
	var err error
	switch ext := path.Ext(name); ext {
	case ".png":
		err = png.Encode(&buf, picture)
	case ".gif":
		err = gif.Encode(&buf, picture, nil)
	case ".jpg":
		err = jpeg.Encode(&buf, picture, nil)
	default:
		err = fmt.Errorf("no format is called %q", ext)
	}
	return buf.Bytes(), err
}

// paint draws rings over a change of colours. Each kind of picture takes what it
// can show of that.
func paint(picture draw.Image) draw.Image {
	b := picture.Bounds()
	for y := b.Min.Y; y < b.Max.Y; y++ {
		for x := b.Min.X; x < b.Max.X; x++ {
			ring := math.Sin(math.Hypot(float64(x-b.Dx()/2), float64(y-b.Dy()/2)) / 5)
			picture.Set(x, y, color.RGBA64{R: part(x, b.Dx()), G: part(y, b.Dy()), B: uint16(0x7fff + 0x7fff*ring), A: 0xffff})
		}
	}
	return picture
}

// fade is paint from transparent on the left to opaque on the right. A pixel that
// is transparent has a colour there all the same.
func fade(picture draw.Image) draw.Image {
	paint(picture)
	b := picture.Bounds()
	for y := b.Min.Y; y < b.Max.Y; y++ {
		for x := b.Min.X; x < b.Max.X; x++ {
			r, g, blue, _ := picture.At(x, y).RGBA()
			picture.Set(x, y, color.NRGBA64{R: uint16(r), G: uint16(g), B: uint16(blue), A: part(x, b.Dx())})
		}
	}
	return picture
}

// part is the share of n in all, as 0 to 0xffff.
func part(n, all int) uint16 { return uint16(0xffff * n / max(1, all-1)) }

// cubes are 216 colours, six steps of red, green and blue.
func cubes() color.Palette {
	var p color.Palette
	for i := range 216 {
		p = append(p, color.RGBA{R: uint8(i / 36 * 51), G: uint8(i / 6 % 6 * 51), B: uint8(i % 6 * 51), A: 255})
	}
	return p
}
