package executor

import (
	"bufio"
	"compress/gzip"
	"io"
)

// gunzip reads what gzip files say, one after another, and like gunzip(1)
// ignores zeros behind the last: tapes end so.
type gunzip struct {
	in *bufio.Reader
	gz *gzip.Reader
}

func (g *gunzip) Read(p []byte) (int, error) {
	if g.gz == nil {
		gz, err := gzip.NewReader(g.in)
		if err == io.EOF {
			err = io.ErrUnexpectedEOF // an empty file is not one of gzip's
		}
		if err != nil {
			return 0, err
		}
		g.gz = gz
		g.gz.Multistream(false)
	}
	n, err := g.gz.Read(p)
	if err == io.EOF {
		err = g.next()
	}
	return n, err
}

// next goes to the next gzip file; io.EOF is that there is none.
func (g *gunzip) next() error {
	for {
		switch c, err := g.in.ReadByte(); {
		case err != nil:
			return err
		case c == 0:
			continue
		}
		if err := g.in.UnreadByte(); err != nil {
			return err
		}
		if err := g.gz.Reset(g.in); err != nil {
			if err == io.EOF {
				return io.ErrUnexpectedEOF
			}
			return err
		}
		g.gz.Multistream(false)
		return nil
	}
}
