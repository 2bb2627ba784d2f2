package main

import (
	"context"
	"errors"
	"io"

	"cmdq/sandbox"
)

// behind are files without so many bytes at the beginning of each that is read.
// One goroutine may use them.
func behind(files sandbox.Files, from int64) sandbox.Files {
	if from == 0 {
		return files
	}
	return &rest{files, from}
}

type rest struct {
	sandbox.Files
	from int64
}

// Read reads behind from. A file that is shorter was cut: then it is read from its
// beginning on, as tail -F does. That it is shorter than nothing tells a follower,
// wherever it was, to begin anew.
func (r *rest) Read(ctx context.Context, l sandbox.Launch, name string, offset int64, most int) ([]byte, int64, error) {
	data, size, err := r.Files.Read(ctx, l, name, r.from+offset, most)
	if err == nil && size < r.from+offset {
		r.from = 0
		return nil, -1, nil
	}
	return data, size - r.from, err
}

func (r *rest) Open(ctx context.Context, l sandbox.Launch, name string, offset int64) (io.ReadCloser, error) {
	return r.Files.Open(ctx, l, name, r.from+offset)
}

// tailFrom finds where the last lines of a file begin that is going to be
// followed; negative if the agent does not say. Of one that is not there yet that
// is its beginning.
func tailFrom(ctx context.Context, files sandbox.Files, l sandbox.Launch, name string, lines int) int64 {
	ctx, cancel := context.WithTimeout(ctx, beginTime)
	defer cancel()
	place := &placing{Files: files}
	err := sandbox.Follow(ctx, place, place, l, name, sandbox.FollowOptions{Tail: lines})
	switch {
	case errors.Is(err, errPlaced):
		return place.at
	case errors.Is(err, sandbox.ErrNotFound):
		return 0
	case err != nil:
		return -1
	}
	return place.size // there is nothing to write
}

// placing are files that remember what was read last. As a writer it takes
// nothing: the first that is written is what was read last.
type placing struct {
	sandbox.Files
	at, size int64
}

var errPlaced = errors.New("the beginning is found")

func (p *placing) Read(ctx context.Context, l sandbox.Launch, name string, offset int64, most int) ([]byte, int64, error) {
	data, size, err := p.Files.Read(ctx, l, name, offset, most)
	if err == nil {
		p.at, p.size = offset, max(size, 0)
	}
	return data, size, err
}

func (p *placing) Write([]byte) (int, error) { return 0, errPlaced }
