package executor

import (
	"archive/tar"
	"archive/zip"
	"bufio"
	"bytes"
	"compress/bzip2"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"time"
)

// maxDirectory bounds the bytes read to list a zip file, which is held in
// memory as a whole; a bound on the file does not help.
const maxDirectory = 64 << 20

// archive unpacks a file. What kind of archive it is its first bytes say, not
// its name, as with libarchive, and an empty file is an empty archive.
func (u *unpacker) archive(file patient, it item) error {
	in := bufio.NewReaderSize(file, 64<<10)
	if it.pack == gzipped {
		return u.file(it.gunzipped(), 0o644, time.Time{}, &gunzip{in: in})
	}
	magic, err := in.Peek(6)
	switch {
	case err != nil && err != io.EOF:
		return err
	case len(magic) == 0:
		return nil
	case bytes.HasPrefix(magic, []byte("PK\x03\x04")), bytes.HasPrefix(magic, []byte("PK\x05\x06")):
		return u.zip(file)
	case bytes.HasPrefix(magic, []byte{0x1f, 0x8b}):
		return u.tar(&gunzip{in: in})
	case bytes.HasPrefix(magic, []byte("BZh")):
		return u.tar(bzip2.NewReader(in))
	case string(magic) == xzMagic:
		content, err := readXZ(file)
		if err != nil {
			return err
		}
		return u.tar(content)
	}
	return u.tar(in)
}

// tar unpacks a tar archive. The stream itself is bounded too, as headers cost
// time but no entries.
func (u *unpacker) tar(src io.Reader) error {
	left := u.bytesLeft + 4096*u.entriesLeft
	in := tar.NewReader(readerFunc(func(p []byte) (int, error) {
		n, err := src.Read(p)
		if left -= int64(n); left < 0 {
			return 0, errTooBig
		}
		return n, err
	}))
	for {
		h, err := in.Next()
		if err == io.EOF {
			return nil
		}
		if err == nil {
			err = u.tarEntry(h, in)
		}
		if err != nil {
			return err
		}
	}
}

func (u *unpacker) tarEntry(h *tar.Header, src io.Reader) error {
	switch h.Typeflag {
	case tar.TypeReg, tar.TypeCont, tar.TypeGNUSparse:
		if err := u.afford(h.Size); err != nil {
			return err
		}
		return u.file(h.Name, fs.FileMode(h.Mode), h.ModTime, src)
	case tar.TypeDir:
		return u.dir(pathOf(h.Name), fs.FileMode(h.Mode))
	case tar.TypeSymlink:
		return u.symlink(h.Name, h.Linkname)
	case tar.TypeLink:
		return u.link(h.Name, h.Linkname)
	case tar.TypeXGlobalHeader: // git archive's commit
		return u.count()
	}
	return at(h.Name, errKind)
}

// zip unpacks a zip archive, if all that it announces fits.
func (u *unpacker) zip(file patient) error {
	info, err := file.file.Stat()
	if err != nil {
		return err
	}
	listing := &bounded{file: file, left: maxDirectory}
	in, err := zip.NewReader(listing, info.Size())
	if err != nil {
		return err
	}
	listing.unbound = true
	var total uint64
	for _, f := range in.File {
		if total += f.UncompressedSize64; f.UncompressedSize64 > uint64(u.bytesLeft) || total > uint64(u.bytesLeft) {
			return fmt.Errorf("%w: more than %d bytes", errTooBig, u.bytesLeft)
		}
	}
	for _, f := range in.File {
		if err := u.zipEntry(f); err != nil {
			return err
		}
	}
	return nil
}

func (u *unpacker) zipEntry(f *zip.File) error {
	mode := f.Mode()
	switch {
	case mode.IsDir():
		return u.dir(pathOf(f.Name), mode)
	case f.Flags&1 != 0:
		return at(f.Name, errors.New("is encrypted"))
	case !mode.IsRegular() && mode.Type() != fs.ModeSymlink:
		return at(f.Name, errKind)
	}
	src, err := f.Open()
	if err != nil {
		return at(f.Name, err)
	}
	defer src.Close()
	if mode.IsRegular() {
		if mode.Perm() == 0 {
			mode |= 0o644 // some makers of zip files leave it out
		}
		return u.file(f.Name, mode, f.Modified, src)
	}
	target, err := io.ReadAll(io.LimitReader(src, maxName+1))
	if err != nil {
		return at(f.Name, err)
	}
	return u.symlink(f.Name, string(target))
}

// bounded reads a file until a number of bytes are read, or without end.
type bounded struct {
	file    patient
	left    int64
	unbound bool
}

func (b *bounded) ReadAt(p []byte, at int64) (int, error) {
	if b.left -= int64(len(p)); b.left < 0 && !b.unbound {
		return 0, errors.New("the zip file's directory is too long")
	}
	return b.file.ReadAt(p, at)
}
