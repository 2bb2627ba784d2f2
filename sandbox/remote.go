package sandbox

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	pb "github.com/mesos/mesos-go/api/v1/lib/agent"
)

// Door is the way to agents. It is used by many goroutines at once.
type Door interface {
	// Agent gives where an agent listens, such as http://10.0.0.1:5051.
	Agent(ctx context.Context, id string) (base string, err error)

	// Do sends a request to an address that Agent gave, with whatever shows who
	// we are, and follows nothing. After an error Agent may give another address.
	Do(*http.Request) (*http.Response, error)
}

// Remote reads sandboxes from the agents that hold them.
//
// Parts are read by READ_FILE of the agents' operator API, which is safe for
// bytes of any kind where /files/read is not. Whole files come from
// /files/download: on Apache Mesos 1.12 that was 40 times as fast, and a call
// and a line in the agent's log for every 64 KiB less.
type Remote struct {
	Door Door

	timeout time.Duration // of a call, or of a silence in a download; 0: 30 s
}

const defaultTimeout = 30 * time.Second

func (r *Remote) patience() time.Duration {
	if r.timeout > 0 {
		return r.timeout
	}
	return defaultTimeout
}

// List asks for a directory by LIST_FILES. It refuses a listing with a name that
// is none, of more than 100,000 entries, or of more than 32 MB.
func (r *Remote) List(ctx context.Context, l Launch, dir string) ([]Entry, error) {
	path, err := remotePath(l, dir)
	if err != nil {
		return nil, err
	}
	call := &pb.Call{Type: pb.Call_LIST_FILES, ListFiles: &pb.Call_ListFiles{Path: path}}
	answer, err := r.ask(ctx, l.Agent, dir, call, maxListing)
	if err != nil {
		return nil, failed("list", dir, err)
	}
	list := make([]Entry, 0, len(answer.GetListFiles().GetFileInfos()))
	if len(answer.GetListFiles().GetFileInfos()) > maxEntries {
		return nil, failed("list", dir, refused("more than %d files", maxEntries))
	}
	for _, info := range answer.GetListFiles().GetFileInfos() {
		name, ok := strings.CutPrefix(info.Path, path+"/")
		if !ok {
			return nil, failed("list", dir, refused("%.300q is not in it", info.Path))
		}
		if err := checkName(name); err != nil {
			return nil, failed("list", dir, refused("file name %.300q: %v", name, err))
		}
		e := Entry{Name: name, Size: int64(info.GetSize_()), Mode: modeOf(info.GetMode())}
		if e.Size < 0 {
			return nil, failed("list", dir, refused("%q has an impossible size", name))
		}
		if at := info.GetMtime(); at != nil {
			e.Modified = time.Unix(0, at.Nanoseconds)
		}
		list = append(list, e)
	}
	slices.SortFunc(list, func(a, b Entry) int { return strings.Compare(a.Name, b.Name) })
	return list, nil
}

// Read asks for a part by READ_FILE.
func (r *Remote) Read(ctx context.Context, l Launch, name string, offset int64, most int) ([]byte, int64, error) {
	path, err := remotePath(l, name)
	if err != nil {
		return nil, 0, err
	}
	most = min(max(most, 0), PartSize)
	length := uint64(most)
	call := &pb.Call{Type: pb.Call_READ_FILE, ReadFile: &pb.Call_ReadFile{Path: path, Offset: uint64(max(offset, 0)), Length: &length}}
	answer, err := r.ask(ctx, l.Agent, name, call, PartSize+maxAround)
	if err != nil {
		return nil, 0, failed("read", name, err)
	}
	data, size := answer.GetReadFile().GetData(), int64(answer.GetReadFile().GetSize_())
	if len(data) > most || size < 0 {
		return nil, 0, failed("read", name, refused("%d bytes of %d where %d were asked for", len(data), size, most))
	}
	return data, size, nil
}

// Open downloads a file. Where the agent cannot begin in the middle, as Mesos
// cannot, what is behind offset is read in parts.
func (r *Remote) Open(ctx context.Context, l Launch, name string, offset int64) (io.ReadCloser, error) {
	path, err := remotePath(l, name)
	if err != nil {
		return nil, err
	}
	parts := &partReader{ctx: ctx, files: r, launch: l, name: name, at: offset}
	header := http.Header{}
	if offset > 0 {
		header.Set("Range", fmt.Sprintf("bytes=%d-", offset))
	}
	ctx, watch := watchSilence(ctx, r.patience())
	resp, err := r.send(ctx, l.Agent, func(base string) (*http.Request, error) {
		address := base + "/files/download?path=" + url.QueryEscape(path)
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
		if err == nil {
			req.Header = header
		}
		return req, err
	})
	if err != nil {
		watch.stop()
		return nil, failed("download", name, watch.why(err))
	}
	begins := resp.StatusCode == http.StatusOK && offset == 0 ||
		resp.StatusCode == http.StatusPartialContent && strings.HasPrefix(resp.Header.Get("Content-Range"), fmt.Sprintf("bytes %d-", offset))
	switch {
	case begins && resp.Header.Get("Content-Encoding") == "":
		watch.pause()
		return &download{body: resp.Body, watch: watch}, nil
	case resp.StatusCode == http.StatusOK, resp.StatusCode == http.StatusRequestedRangeNotSatisfiable:
		resp.Body.Close()
		watch.stop()
		return parts, nil
	}
	defer watch.stop()
	return nil, failed("download", name, failure(resp, name))
}

// remotePath is the virtual path of a file.
func remotePath(l Launch, name string) (string, error) {
	if err := l.check(); err != nil {
		return "", err
	}
	if err := checkPath(name); err != nil {
		return "", err
	}
	if name == "" {
		return l.virtual(), nil
	}
	return l.virtual() + "/" + name, nil
}

// modeOf reads a mode as stat(2) has it. What it does not know is irregular.
func modeOf(bits uint32) fs.FileMode {
	mode := fs.FileMode(bits & 0o777)
	switch bits & 0o170000 {
	case 0o100000:
		return mode
	case 0o040000:
		return mode | fs.ModeDir
	case 0o120000:
		return mode | fs.ModeSymlink
	}
	return mode | fs.ModeIrregular
}

// partReader reads a file in parts.
type partReader struct {
	ctx    context.Context
	files  Files
	launch Launch
	name   string
	at     int64
	left   []byte
}

func (p *partReader) Read(b []byte) (int, error) {
	if len(p.left) == 0 {
		data, _, err := p.files.Read(p.ctx, p.launch, p.name, p.at, PartSize)
		if err != nil {
			return 0, err
		}
		if len(data) == 0 {
			return 0, io.EOF
		}
		p.at += int64(len(data))
		p.left = data
	}
	n := copy(b, p.left)
	p.left = p.left[n:]
	return n, nil
}

func (p *partReader) Close() error { return nil }

// download is the body of an answer under watch.
type download struct {
	body  io.ReadCloser
	watch *silence
}

func (d *download) Read(b []byte) (int, error) {
	d.watch.listen()
	n, err := d.body.Read(b)
	d.watch.pause()
	if err != nil && err != io.EOF {
		err = d.watch.why(err)
	}
	return n, err
}

func (d *download) Close() error {
	d.watch.stop()
	return d.body.Close()
}

// silence ends a context when somebody listened for a while and heard nothing. How
// long we ourselves do other things does not matter.
type silence struct {
	timer  *time.Timer
	after  time.Duration
	cancel context.CancelCauseFunc
	ctx    context.Context
}

var errSilent = errors.New("the agent fell silent")

func watchSilence(ctx context.Context, after time.Duration) (context.Context, *silence) {
	ctx, cancel := context.WithCancelCause(ctx)
	s := &silence{after: after, cancel: cancel, ctx: ctx}
	s.timer = time.AfterFunc(after, func() { cancel(errSilent) })
	return ctx, s
}

func (s *silence) listen() { s.timer.Reset(s.after) }

func (s *silence) pause() { s.timer.Stop() }

func (s *silence) stop() {
	s.timer.Stop()
	s.cancel(nil)
}

// why is errSilent if that ended it.
func (s *silence) why(err error) error {
	if context.Cause(s.ctx) == errSilent {
		return fmt.Errorf("%w for %s", errSilent, s.after)
	}
	return err
}
