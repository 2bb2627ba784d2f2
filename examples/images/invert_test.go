package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"hash/crc32"
	"image"
	"image/color"
	"image/png"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The opposite of a colour, by hand.
func TestInverted(t *testing.T) {
	for name, tt := range map[string]struct{ from, want color.Color }{
		"black":                 {color.Gray{}, color.NRGBA{255, 255, 255, 255}},
		"red":                   {color.RGBA{255, 0, 0, 255}, color.NRGBA{0, 255, 255, 255}},
		"half transparent":      {color.NRGBA{10, 20, 30, 128}, color.NRGBA{245, 235, 225, 128}},
		"transparent":           {color.NRGBA{10, 20, 30, 0}, color.NRGBA{245, 235, 225, 0}},
		"of a JPEG":             {color.YCbCr{255, 128, 128}, color.NRGBA{0, 0, 0, 255}},
		"gray of 16 bits":       {color.Gray16{0x1234}, color.NRGBA64{0xedcb, 0xedcb, 0xedcb, 0xffff}},
		"16 bits with an alpha": {color.NRGBA64{1, 0, 0xfffe, 0x8000}, color.NRGBA64{0xfffe, 0xffff, 1, 0x8000}},
	} {
		t.Run(name, func(t *testing.T) {
			got := inverted{uniform{tt.from}}
			if got.At(0, 0) != tt.want {
				t.Errorf("%v became %v, want %v", tt.from, got.At(0, 0), tt.want)
			}
			if got.ColorModel().Convert(tt.want) != tt.want {
				t.Errorf("%v has to be rounded for the picture", tt.want)
			}
		})
	}
}

// uniform is a picture of one pixel.
type uniform struct{ c color.Color }

func (u uniform) At(int, int) color.Color { return u.c }
func (u uniform) Bounds() image.Rectangle { return image.Rect(0, 0, 1, 1) }
func (u uniform) ColorModel() color.Model {
	switch u.c.(type) {
	case color.Gray16:
		return color.Gray16Model
	case color.NRGBA64:
		return color.NRGBA64Model
	}
	return color.RGBAModel
}

// What is no picture, or too much of one, is refused with words that help, and
// leaves no file.
func TestRefused(t *testing.T) {
	var dot bytes.Buffer
	if err := png.Encode(&dot, image.NewGray(image.Rect(0, 0, 1, 1))); err != nil {
		t.Fatal(err)
	}
	answer := func(status int, data []byte) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(status)
			w.Write(data) // whoever gives up reading is right
		}
	}
	for name, tt := range map[string]struct {
		handler http.HandlerFunc
		want    string
	}{
		"not there":        {http.NotFound, "404 Not Found"},
		"a picture of 500": {answer(500, dot.Bytes()), "500 Internal Server Error"},
		"empty":            {answer(200, nil), "decode http://ann:xxxxx@"},
		"a web page":       {answer(200, []byte("<html>")), "unknown format"},
		"cut off":          {answer(200, dot.Bytes()[:dot.Len()-20]), "unexpected EOF"},
		"16385 by 1024":    {answer(200, sized(dot.Bytes(), 16385, 1024)), "16385 by 1024 pixels, and at most 16777216 are read"},
		"1 by 2^31-1":      {answer(200, sized(dot.Bytes(), 1, 1<<31-1)), "1 by 2147483647 pixels"},
		"said to be long": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "33554433")
			w.WriteHeader(200)
		}, "33554433 bytes, and at most 33554432 are read"},
		"endless": {func(w http.ResponseWriter, _ *http.Request) {
			for chunk := make([]byte, 1<<20); ; {
				if _, err := w.Write(chunk); err != nil {
					return
				}
			}
		}, "more than 33554432 bytes"},
		"elsewhere": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "file:///etc/passwd", http.StatusFound)
		}, "unsupported protocol scheme"},
		"in circles": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "/", http.StatusFound)
		}, "stopped after 10 redirects"},
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(tt.handler)
			defer server.Close()
			file := filepath.Join(t.TempDir(), "inverted.png")
			err := invertURL(t.Context(), "http://ann:s3cret@"+server.Listener.Addr().String()+"/picture", file)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Fatalf("said %v, want %q", err, tt.want)
			}
			if strings.Contains(err.Error(), "s3cret") {
				t.Errorf("told the password: %v", err)
			}
			if _, err := os.Stat(file); !os.IsNotExist(err) {
				t.Errorf("there is a file: %v", err)
			}
		})
	}
}

// sized is a PNG that says it were larger than it is.
func sized(data []byte, width, height uint32) []byte {
	const header = 12 // "IHDR" and what follows, after the signature and a length
	data = bytes.Clone(data)
	binary.BigEndian.PutUint32(data[header+4:], width)
	binary.BigEndian.PutUint32(data[header+8:], height)
	binary.BigEndian.PutUint32(data[header+17:], crc32.ChecksumIEEE(data[header:header+17]))
	return data
}

// An address that is none is refused before anybody is asked.
func TestAddresses(t *testing.T) {
	for _, address := range []string{"", "picture.png", "ftp://host/s3cret.png", "file:///etc/passwd", "http:///s3cret.png", "http://ann:s3cret@host:x/"} {
		err := invertURL(t.Context(), address, filepath.Join(t.TempDir(), "inverted.png"))
		if err == nil || !strings.HasPrefix(err.Error(), "want the address") || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%q: %v", address, err)
		}
	}
}

// Whoever waits for a server that says nothing more gives up when it is time.
func TestGivesUp(t *testing.T) {
	asked, ctx := make(chan struct{}), t.Context()
	ctx, cancel := context.WithCancel(ctx)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, "P") // the client may be gone
		w.(http.Flusher).Flush()
		close(asked)
		<-r.Context().Done()
	}))
	defer server.Close()
	go func() { <-asked; cancel() }()
	from, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := fetch(ctx, from); err == nil || !strings.Contains(err.Error(), "context canceled") {
		t.Errorf("said %v", err)
	}
}

// A picture that cannot be written is an error.
func TestUnwritable(t *testing.T) {
	dir := t.TempDir()
	picture := image.NewGray(image.Rect(0, 0, 1, 1))
	if err := write(filepath.Join(dir, "none", "x.png"), picture); err == nil {
		t.Error("wrote into a directory that is not there")
	}
	full := filepath.Join(dir, "x.png")
	if err := write(full, image.NewGray(image.Rect(0, 0, 0, 0))); err == nil {
		t.Error("wrote a picture without pixels, which PNG does not have")
	}
	if _, err := os.Stat(full); !os.IsNotExist(err) {
		t.Errorf("half a picture is left: %v", err)
	}
}
