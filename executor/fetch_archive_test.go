package executor

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ulikunitz/xz"
)

// entry is one of an archive that a test makes.
type entry struct {
	name, body, link string
	kind             byte // of tar; 0 is a file, or a directory if the name ends in /
	mode             int64
}

var when = time.Date(2001, 2, 3, 4, 5, 6, 0, time.UTC)

func tarOf(t testing.TB, entries ...entry) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, e := range entries {
		if e.kind == tar.TypeXGlobalHeader {
			if err := w.WriteHeader(&tar.Header{Typeflag: e.kind, Name: e.name, PAXRecords: map[string]string{"comment": "c0ffee"}}); err != nil {
				t.Fatal(err)
			}
			continue
		}
		h := &tar.Header{Name: e.name, Linkname: e.link, Typeflag: e.kind, Mode: e.mode, Size: int64(len(e.body)), ModTime: when}
		if e.kind == 0 {
			h.Typeflag = tar.TypeReg
			if strings.HasSuffix(e.name, "/") {
				h.Typeflag = tar.TypeDir
			}
		}
		if h.Mode == 0 {
			h.Mode = 0o644
		}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, e.body); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func zipOf(t testing.TB, entries ...entry) []byte {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for _, e := range entries {
		h := &zip.FileHeader{Name: e.name, Method: zip.Deflate, Modified: when}
		mode := fs.FileMode(e.mode)
		switch {
		case e.kind == tar.TypeSymlink:
			mode, e.body = 0o777|fs.ModeSymlink, e.link
		case e.kind == tar.TypeFifo:
			mode |= fs.ModeNamedPipe
		case e.kind == tar.TypeChar:
			mode |= fs.ModeDevice | fs.ModeCharDevice
		case mode == 0:
			mode = 0o644
		}
		if strings.HasSuffix(e.name, "/") {
			mode |= fs.ModeDir
		}
		h.SetMode(mode)
		f, err := w.CreateHeader(h)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(f, e.body); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func gz(t testing.TB, b []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	if _, err := w.Write(b); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func xzOf(t testing.TB, c xz.WriterConfig, b []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	w, err := c.NewWriter(&out)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(b); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// bz2 is a tar of d/f, "hello\n", mode 0644, that bzip2 made: Go only reads it.
const bz2 = "QlpoOTFBWSZTWQWwDnUAAJP7hMmQAFBAAP+AAANnRJ4AAACACCAAlISgp6o0xMmJjSZo1BJSGgyaGgA0Ds+4fGDRqQDqkJIupixwYEMXlYRGCQTC5ZHJjH4eAE2lAmwKYQg6jlxeDkYe7FiCCWvplWpg+kqTk0+jQNQ6LCZQqChQgRA/F3JFOFCQBbAOdQ=="

func bz2Of(t testing.TB) []byte {
	t.Helper()
	b, err := base64.StdEncoding.DecodeString(bz2)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestUnpack(t *testing.T) {
	files := []entry{{name: "./"}, {name: "d/", mode: 0o500}, {name: "d/f", body: "hello\n", mode: 0o6755}, {name: "e/g", body: "x", mode: 0o666},
		{name: "l", link: "d/f", kind: tar.TypeSymlink}, {name: "d/up", link: "../e", kind: tar.TypeSymlink}, {name: "d/up/h", body: "y", mode: 0o400}}
	plain := tarOf(t, files...)
	all := []string{"d/ 700", "d/f 755 hello\n", "d/up -> ../e", "e/ 755", "e/g 644 x", "e/h 400 y", "l -> d/f"}
	linked := tarOf(t, entry{name: "pax", kind: tar.TypeXGlobalHeader}, files[2], entry{name: "hard", link: "d/f", kind: tar.TypeLink},
		entry{name: "d/f", link: "hard", kind: tar.TypeLink}, entry{name: "l", link: "d/f", kind: tar.TypeSymlink}, entry{name: "m", link: "l", kind: tar.TypeLink})
	large := xz.WriterConfig{BlockSize: 3000}
	tests := []struct {
		name    string
		content []byte
		want    []string
	}{
		{"a.tar", plain, all},
		{"a.tgz", gz(t, plain), all},
		{"a.tar.gz", gz(t, plain), all},
		{"a.tbz2", bz2Of(t), []string{"d/ 755", "d/f 644 hello\n"}},
		{"a.tar.bz2", bz2Of(t), []string{"d/ 755", "d/f 644 hello\n"}},
		{"a.txz", xzOf(t, xz.WriterConfig{}, plain), all},
		{"a.tar.xz", xzOf(t, large, plain), all},
		{"streams.txz", append(append(xzOf(t, large, plain[:5000]), 0, 0, 0, 0), xzOf(t, xz.WriterConfig{CheckSum: xz.SHA256}, plain[5000:])...), all},
		{"members.tgz", append(gz(t, plain[:5000]), gz(t, plain[5000:])...), all},
		{"a.zip", zipOf(t, files...), all},
		{"linked.tar", linked, []string{"d/ 755", "d/f 755 hello\n", "hard 755 hello\n", "l -> d/f", "m -> d/f"}},
		{"really-gzip.tar", gz(t, plain), all},
		{"really-tar.tgz", plain, all},
		{"really-zip.tar.gz", zipOf(t, files...), all},
		{"empty.tar", nil, nil},
		{"empty.zip", nil, nil},
		{"nothing.zip", zipOf(t), nil},
		{"nothing.tar", tarOf(t), nil},
		{"f.gz", gz(t, []byte("one")), []string{"f 644 one"}},
		{"f.txt.gz", append(append(gz(t, []byte("one")), gz(t, []byte(" two"))...), 0, 0, 0), []string{"f.txt 644 one two"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			src, dir := write(t, tt.name, tt.content, 0o600), t.TempDir()
			if err := new(Fetcher).Fetch(t.Context(), dir, []URI{{Value: src, Extract: true}}); err != nil {
				t.Fatal(err)
			}
			if err := os.Remove(filepath.Join(dir, tt.name)); err != nil {
				t.Errorf("the archive was not kept: %v", err)
			}
			wantTree(t, dir, tt.want...)
			if info, err := os.Stat(filepath.Join(dir, "d/f")); err == nil && info.ModTime().Unix() != when.Unix() && !strings.Contains(tt.name, "bz2") {
				t.Errorf("d/f is of %v, want %v", info.ModTime(), when)
			}
		})
	}
}

func TestGunzipGoesToTheSandboxItself(t *testing.T) {
	src, dir := write(t, "x", gz(t, []byte("hi")), 0o600), t.TempDir()
	if err := new(Fetcher).Fetch(t.Context(), dir, []URI{{Value: src, Extract: true, OutputFile: "a/b.gz"}}); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(dir, "a/b.gz")); err != nil {
		t.Error(err)
	}
	wantTree(t, dir, "a/ 755", "b 644 hi")
}

// Broken archives fail, and leave nothing but themselves.
func TestUnpackBroken(t *testing.T) {
	plain := tarOf(t, entry{name: "a", body: "first"}, entry{name: "d/b", body: strings.Repeat("x", 5000)})
	packed := xzOf(t, xz.WriterConfig{}, plain)
	flipped := bytes.Clone(gz(t, []byte("hello hello")))
	flipped[len(flipped)-5] ^= 1
	garbled := zipOf(t, entry{name: "a", body: "first"}, entry{name: "b", body: "second"})
	garbled[bytes.LastIndex(garbled, []byte("PK\x01\x02"))+10] = 99 // the second's method
	encrypted := zipOf(t, entry{name: "a", body: "first"})
	encrypted[bytes.Index(encrypted, []byte("PK\x01\x02"))+8] |= 1
	tests := []struct {
		name    string
		content []byte
	}{
		{"words.tar", []byte("<html>404</html>")},
		{"cut.tar", plain[:3000]},
		{"cut.tgz", gz(t, plain)[:80]},
		{"cut.txz", packed[:len(packed)/2]},
		{"cut.tbz2", bz2Of(t)[:80]},
		{"cut.zip", garbled[:len(garbled)-30]},
		{"method.zip", garbled},
		{"encrypted.zip", encrypted},
		{"magic.txz", []byte(xzMagic)},
		{"not.gz", []byte("plain text")},
		{"empty.gz", nil},
		{"cut.gz", gz(t, plain)[:80]},
		{"crc.gz", flipped},
		{"tail.gz", append(gz(t, plain), "tail"...)},
		{".gz", gz(t, plain)},
		{"over-itself.tar", tarOf(t, entry{name: "a/b", body: "x"}, entry{name: "a", body: "y"})},
		{"below-a-file.tar", tarOf(t, entry{name: "a", body: "x"}, entry{name: "a/b", body: "y"})},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			src, dir := write(t, tt.name, tt.content, 0o600), t.TempDir()
			err := new(Fetcher).Fetch(t.Context(), dir, []URI{{Value: src, Extract: true}})
			if err == nil || !strings.Contains(err.Error(), "unpack: ") {
				t.Errorf("got %v", err)
			}
			if err := os.Remove(filepath.Join(dir, tt.name)); err != nil {
				t.Errorf("the archive was not kept: %v", err)
			}
			wantTree(t, dir)
		})
	}
}
