package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"image/color"
	_ "image/gif" // formats that are read
	_ "image/jpeg"
	"image/png"
	"net/url"
	"os"
)

// maxPixels bounds a picture: a small file can say that it is huge, and the task
// has 512 MB. A progressive JPEG takes most, 15 bytes a pixel.
const maxPixels = 16 << 20

// invertURL fetches a picture and writes it to a file, inverted. A file that
// could not be written whole is removed.
func invertURL(ctx context.Context, address, name string) error {
	from, err := url.Parse(address)
	if err != nil || from.Host == "" || from.Scheme != "http" && from.Scheme != "https" {
		return errors.New("want the address of a picture, as http://host/picture.png") // what was found may hold a password
	}
	data, err := fetch(ctx, from)
	if err != nil {
		return err
	}
	picture, err := decode(data)
	if err != nil {
		return fmt.Errorf("decode %s: %w", from.Redacted(), err)
	}
	return write(name, inverted{picture})
}

// decode reads a PNG, a JPEG, or the first picture of a GIF.
func decode(data []byte) (image.Image, error) {
	config, _, err := image.DecodeConfig(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	if config.Height > 0 && config.Width > maxPixels/config.Height {
		return nil, fmt.Errorf("%d by %d pixels, and at most %d are read", config.Width, config.Height, maxPixels)
	}
	picture, _, err := image.Decode(bytes.NewReader(data))
	return picture, err
}

func write(name string, picture image.Image) error {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	if err := errors.Join(png.Encode(f, picture), f.Close()); err != nil {
		return errors.Join(fmt.Errorf("write %s: %w", name, err), os.Remove(name))
	}
	return nil
}

// inverted is a picture with each colour turned into its opposite. What is
// transparent stays so.
type inverted struct{ image.Image }

// ColorModel has 16 bits a channel if the picture has, else 8, so that nothing
// is rounded.
func (i inverted) ColorModel() color.Model {
	switch i.Image.ColorModel() {
	case color.Gray16Model, color.RGBA64Model, color.NRGBA64Model:
		return color.NRGBA64Model
	}
	return color.NRGBAModel
}

func (i inverted) At(x, y int) color.Color {
	switch c := i.ColorModel().Convert(i.Image.At(x, y)).(type) {
	case color.NRGBA64:
		return color.NRGBA64{R: 0xffff - c.R, G: 0xffff - c.G, B: 0xffff - c.B, A: c.A}
	case color.NRGBA:
		return color.NRGBA{R: 0xff - c.R, G: 0xff - c.G, B: 0xff - c.B, A: c.A}
	default:
		panic(fmt.Sprintf("a colour of type %T", c)) // those two models have no other
	}
}
