package executor

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/ulikunitz/xz"
	"github.com/ulikunitz/xz/lzma"
)

const (
	xzMagic = "\xfd7zXZ\x00"
	// maxDictionary bounds the memory an xz file may ask for, in bytes: what
	// xz -9 does. A file can ask for 4 GB, and the library would get them.
	maxDictionary = 64 << 20
)

var errXZ = errors.New("xz: malformed")

// readXZ reads an xz file, from the start, after a look at all of it.
func readXZ(file patient) (io.Reader, error) {
	start := func() (*bufio.Reader, error) {
		_, err := file.file.Seek(0, io.SeekStart)
		return bufio.NewReaderSize(file, 64<<10), err
	}
	in, err := start()
	if err != nil {
		return nil, err
	}
	left, err := checkXZ(in)
	if err != nil {
		return nil, err
	}
	if in, err = start(); err != nil {
		return nil, err
	}
	content, err := xz.NewReader(in)
	if err != nil {
		return nil, err
	}
	return readerFunc(func(p []byte) (int, error) {
		n, err := content.Read(p)
		if left -= int64(n); err == io.EOF && left != 0 {
			err = io.ErrUnexpectedEOF // some damage the library takes for the end
		}
		return n, err
	}), nil
}

// checkXZ walks over all blocks of an xz file without unpacking them, refuses
// one that asks for too much memory, and returns how many bytes the file unpacks
// to. It looks at nothing else that the library looks at again. (The format:
// tukaani.org/xz/xz-file-format.txt.)
func checkXZ(in *bufio.Reader) (unpacked int64, err error) {
	for {
		header := make([]byte, 12) // magic, flags, CRC
		if _, err := io.ReadFull(in, header); err != nil {
			return 0, whole(err)
		}
		if string(header[:6]) != xzMagic {
			return 0, errXZ
		}
		check, ok := map[byte]int64{0: 0, 1: 4, 4: 8, 10: 32}[header[7]]
		if !ok {
			return 0, fmt.Errorf("xz: check %d is not supported", header[7])
		}
		n, err := checkXZBlocks(in, check)
		if err != nil {
			return 0, err
		}
		unpacked += n
		// What follows the streams is padding, of zeros in fours.
		for {
			next, err := in.Peek(4)
			if len(next) == 0 && err == io.EOF {
				return unpacked, nil
			}
			if string(next) != "\x00\x00\x00\x00" {
				break
			}
			if _, err := in.Discard(4); err != nil {
				return 0, err
			}
		}
	}
}

// checkXZBlocks goes over the blocks of one stream, its index and its footer.
// Behind each block's data comes a check of so many bytes.
func checkXZBlocks(in *bufio.Reader, check int64) (unpacked int64, err error) {
	for {
		size, err := in.ReadByte()
		if err != nil {
			return 0, whole(err)
		}
		if size == 0 {
			return unpacked, skipXZIndex(in)
		}
		header := make([]byte, 4*(int(size)+1)-1)
		if _, err := io.ReadFull(in, header); err != nil {
			return 0, whole(err)
		}
		if err := checkXZFilter(header[:len(header)-4]); err != nil {
			return 0, err
		}
		packed, n, err := skipLZMA2(in)
		if err != nil {
			return 0, err
		}
		unpacked += n
		if err := skip(in, -packed&3+check); err != nil {
			return 0, err
		}
	}
}

// checkXZFilter reads a block's header without its size and CRC: flags, sizes if
// the flags say so, and filters, of which the library knows one, alone.
func checkXZFilter(header []byte) error {
	flags, rest := header[0], header[1:]
	if flags&^0xc0 != 0 {
		return errors.New("xz: filters besides LZMA2 are not supported")
	}
	for _, has := range []byte{0x40, 0x80} {
		if flags&has == 0 {
			continue
		}
		_, n := binary.Uvarint(rest)
		if n <= 0 {
			return errXZ
		}
		rest = rest[n:]
	}
	if len(rest) < 3 || rest[0] != 0x21 || rest[1] != 1 {
		return errXZ
	}
	dict, err := lzma.DecodeDictCap(rest[2])
	if err != nil {
		return err
	}
	if dict > maxDictionary {
		return fmt.Errorf("xz: a dictionary of %d bytes is more than the %d that xz -9 makes", dict, maxDictionary)
	}
	return nil
}

// skipLZMA2 goes over a block's data, chunk by chunk, and returns its length, and
// the length of what it unpacks to.
func skipLZMA2(in *bufio.Reader) (packed, unpacked int64, err error) {
	for {
		control, err := in.ReadByte()
		if err != nil {
			return 0, 0, whole(err)
		}
		packed++
		if control == 0 {
			return packed, unpacked, nil
		}
		head := 2 // length; all lengths are less one
		switch {
		case control >= 0xc0:
			head = 5 // unpacked length, packed length, properties
		case control >= 0x80:
			head = 4 // unpacked length, packed length
		case control > 2:
			return 0, 0, errXZ
		}
		b := make([]byte, head)
		if _, err := io.ReadFull(in, b); err != nil {
			return 0, 0, whole(err)
		}
		size := int64(binary.BigEndian.Uint16(b)) + 1
		if head == 2 {
			unpacked += size
		} else {
			unpacked += int64(control&0x1f)<<16 + size
			size = int64(binary.BigEndian.Uint16(b[2:])) + 1
		}
		packed += int64(head) + size
		if err := skip(in, size); err != nil {
			return 0, 0, err
		}
	}
}

// skipXZIndex goes over a stream's index, whose first byte is read, and its footer.
func skipXZIndex(in *bufio.Reader) error {
	counted := &counter{in: in, n: 1}
	records, err := binary.ReadUvarint(counted)
	for i := uint64(0); i < 2*records && err == nil; i++ {
		_, err = binary.ReadUvarint(counted)
	}
	if err != nil {
		return whole(err)
	}
	return skip(in, -counted.n&3+4+12) // padding, CRC, footer
}

// counter counts the bytes read.
type counter struct {
	in *bufio.Reader
	n  int64
}

func (c *counter) ReadByte() (byte, error) {
	c.n++
	return c.in.ReadByte()
}

// skip goes n bytes forward.
func skip(in *bufio.Reader, n int64) error {
	_, err := io.CopyN(io.Discard, in, n)
	return whole(err)
}

// whole makes an end in the middle an error.
func whole(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}
