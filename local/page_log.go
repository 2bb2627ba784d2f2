package local

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path"
	"slices"
	"strconv"
	"unicode/utf8"
)

// logView is a part of a file.
type logView struct {
	ID, Name, Path    string
	From, To, Size    int64
	Text              string
	Earlier, Later    string
	Whole, Download   string
	Read              string // the script asks it for what follows To
	AtEnd             bool
	Following, Binary bool
}

// log reads the part of a file at an offset, or its last for -1.
func (t *sandboxTask) log(f *os.File, rel string, offset int64) (logView, error) {
	c, err := readChunk(f, offset, true)
	if err != nil {
		return logView{}, err
	}
	v := logView{
		ID: "log-" + path.Base(rel), Name: path.Base(rel), Path: rel, From: c.from, To: c.to, Size: c.size, Text: printable(c.data),
		Whole: t.address("", rel), Download: t.address("/download", rel), Read: t.address("/read", rel), AtEnd: c.to >= c.size,
		Binary: slices.Contains(c.data, 0),
	}
	v.Following = v.AtEnd && !stateEnds(t.view.State)
	if c.from > 0 {
		v.Earlier = t.address("", rel, "offset", strconv.FormatInt(max(0, c.from-pageChunk), 10))
	}
	if !v.AtEnd {
		v.Later = t.address("", rel, "offset", strconv.FormatInt(c.to, 10))
	}
	return v, nil
}

// chunk is the bytes from one offset to another of a file of a size.
type chunk struct {
	from, to, size int64
	data           []byte
}

// readChunk reads at an offset, or the end of the file for -1. A file that has
// become shorter than the offset is read from its last part again. With align
// it begins with a whole character.
func readChunk(f *os.File, offset int64, align bool) (chunk, error) {
	info, err := f.Stat()
	if err != nil {
		return chunk{}, fmt.Errorf("read: %w", err)
	}
	if !info.Mode().IsRegular() {
		return chunk{}, errNotFile
	}
	c := chunk{size: info.Size(), from: offset}
	if c.from < 0 || c.from > c.size {
		c.from, align = max(0, c.size-pageChunk), true
	}
	data := make([]byte, min(pageChunk, c.size-c.from))
	n, err := f.ReadAt(data, c.from)
	if err != nil && !errors.Is(err, io.EOF) {
		return chunk{}, fmt.Errorf("read: %w", err)
	}
	data = wholeRunes(data[:n])
	for i := 0; align && c.from > 0 && i < utf8.UTFMax-1 && len(data) > 0 && !utf8.RuneStart(data[0]); i++ {
		data = data[1:]
		c.from++
	}
	c.data, c.to = data, c.from+int64(len(data))
	return c, nil
}

// serveSandboxRead answers a follower: what a file has after ?offset=.
func (m *master) serveSandboxRead(w http.ResponseWriter, r *http.Request) {
	m.serveSandboxFile(w, r, func(w http.ResponseWriter, r *http.Request, _ *os.Root, f *os.File, _ string) error {
		offset, err := fileNumber(r, "offset")
		if err != nil {
			return err
		}
		c, err := readChunk(f, offset, false)
		if err != nil {
			return err
		}
		w.Header().Set("Cache-Control", "no-store")
		writeJSON(w, marshal(struct {
			From int64  `json:"from"`
			To   int64  `json:"to"`
			Size int64  `json:"size"`
			Text string `json:"text"`
		}{c.from, c.to, c.size, printable(c.data)}))
		return nil
	})
}

// serveSandboxDownload answers with a file as it is. Should a browser show it
// all the same, it may do nothing.
func (m *master) serveSandboxDownload(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Security-Policy", "default-src 'none'; sandbox")
	m.serveSandboxFile(w, r, download)
}

// serveSandboxFile opens what ?path= names and hands it to use, as /files does.
func (m *master) serveSandboxFile(w http.ResponseWriter, r *http.Request, use func(http.ResponseWriter, *http.Request, *os.Root, *os.File, string) error) {
	if !allow(w, r, http.MethodGet, http.MethodHead) {
		return
	}
	t, err := m.sandboxTask(r)
	if err != nil {
		http.Error(w, err.Error(), sandboxStatus(err))
		return
	}
	name := r.URL.Query().Get("path")
	if name == "" {
		http.Error(w, "expecting 'path=value' in query", http.StatusBadRequest)
		return
	}
	root, f, rel, err := t.open(name)
	if err != nil {
		http.Error(w, err.Error(), fileStatus(err))
		return
	}
	defer root.Close()
	defer f.Close()
	if err := use(w, r, root, f, rel); err != nil {
		http.Error(w, err.Error(), fileStatus(err))
	}
}
