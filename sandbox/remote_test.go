package sandbox

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	lib "github.com/mesos/mesos-go/api/v1/lib"
	pb "github.com/mesos/mesos-go/api/v1/lib/agent"

	"cmdq/task"
)

// door leads to one server, whatever agent is asked for.
type door string

func (d door) Agent(context.Context, string) (string, error) { return string(d), nil }

func (d door) Do(r *http.Request) (*http.Response, error) {
	return transport.RoundTrip(r)
}

var transport = &http.Transport{DisableCompression: true}

// fakeAgent answers the operator API from a tree, and downloads without ranges,
// as Mesos does.
type fakeAgent struct {
	t      *testing.T
	tree   *tree
	answer func(w http.ResponseWriter, r *http.Request) bool // false: as usual
	ranges []string                                          // that were asked for
	calls  int
	cut    int // bytes after which a download breaks; 0: none
}

func (a *fakeAgent) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if a.answer != nil && a.answer(w, r) {
		return
	}
	base := testLaunch.virtual()
	if r.URL.Path == "/files/download" {
		a.ranges = append(a.ranges, r.Header.Get("Range"))
		text := a.tree.files[strings.TrimPrefix(r.URL.Query().Get("path"), base+"/")]
		w.Header().Set("Content-Length", strconv.Itoa(len(text)))
		if a.cut > 0 && a.cut < len(text) {
			_, _ = io.WriteString(w, text[:a.cut])
			panic(http.ErrAbortHandler)
		}
		_, _ = io.WriteString(w, text)
		return
	}
	a.calls++
	body, err := io.ReadAll(r.Body)
	call := &pb.Call{}
	if err == nil {
		err = call.Unmarshal(body)
	}
	if err != nil || r.URL.Path != "/api/v1" || r.Header.Get("Content-Type") != protobuf || r.Header.Get("Accept") != protobuf {
		a.t.Errorf("%s %v: %v", r.URL, r.Header, err)
		return
	}
	path := call.GetListFiles().GetPath() + call.GetReadFile().GetPath()
	name := strings.TrimPrefix(strings.TrimPrefix(path, base), "/")
	answer := &pb.Response{}
	if call.Type == pb.Call_LIST_FILES {
		list, err := a.tree.List(r.Context(), testLaunch, name)
		if err != nil {
			http.NotFound(w, r)
			return
		}
		answer.Type, answer.ListFiles = pb.Response_LIST_FILES, &pb.Response_ListFiles{}
		for _, e := range list {
			mode := uint32(0o100644)
			if e.Mode.IsDir() {
				mode = 0o040755
			}
			answer.ListFiles.FileInfos = append(answer.ListFiles.FileInfos, lib.FileInfo{Path: path + "/" + e.Name, Size_: new(uint64(e.Size)), Mode: &mode})
		}
	} else {
		data, size, err := a.tree.Read(r.Context(), testLaunch, name, int64(call.ReadFile.Offset), int(*call.ReadFile.Length))
		if err != nil {
			http.NotFound(w, r)
			return
		}
		answer.Type, answer.ReadFile = pb.Response_READ_FILE, &pb.Response_ReadFile{Size_: uint64(size), Data: append([]byte{}, data...)}
	}
	a.write(w, answer)
}

func (a *fakeAgent) write(w http.ResponseWriter, answer *pb.Response) {
	body, err := answer.Marshal()
	if err != nil {
		a.t.Error(err)
	}
	w.Header().Set("Content-Type", protobuf)
	_, _ = w.Write(body)
}

func startAgent(t *testing.T, files map[string]string) (*fakeAgent, *Remote) {
	a := &fakeAgent{t: t, tree: newTree(t, files)}
	s := httptest.NewServer(a)
	t.Cleanup(s.Close)
	return a, &Remote{Door: door(s.URL), timeout: 10 * time.Second}
}

// TestRemoteResumes: Mesos knows no ranges. A download that broke is gone on with
// in parts.
func TestRemoteResumes(t *testing.T) {
	text := strings.Repeat("0123456789", 100_000)
	a, remote := startAgent(t, map[string]string{"big": text})
	a.cut = 600_000
	to := Place{t.TempDir(), "t"}
	if _, err := Fetch(t.Context(), remote, testLaunch, wanted("big"), to); err == nil || final(err) {
		t.Fatalf("a download that broke: %v", err)
	}
	before := a.calls
	if _, err := Fetch(t.Context(), remote, testLaunch, wanted("big"), to); err != nil {
		t.Fatal(err)
	}
	if got := contents(t, to.Dir); got["t/big"] != text || len(got) != 1 {
		t.Errorf("%d files", len(got))
	}
	// How much of the broken download arrived depends on the buffers in between.
	if len(a.ranges) != 2 || a.ranges[0] != "" || !strings.HasPrefix(a.ranges[1], "bytes=") || a.ranges[1] == "bytes=0-" {
		t.Errorf("ranges %q", a.ranges)
	}
	if parts := a.calls - before - 2; parts > len(text)/PartSize {
		t.Errorf("%d parts: it started over", parts)
	}
}

// TestRemoteHostile: whatever an agent answers is refused, or an error.
func TestRemoteHostile(t *testing.T) {
	listing := func(paths ...string) *pb.Response {
		r := &pb.Response{Type: pb.Response_LIST_FILES, ListFiles: &pb.Response_ListFiles{}}
		for _, p := range paths {
			r.ListFiles.FileInfos = append(r.ListFiles.FileInfos, lib.FileInfo{Path: p, Size_: new(uint64(1)), Mode: new(uint32(0o100644))})
		}
		return r
	}
	base := testLaunch.virtual()
	part := func(size uint64, n int) *pb.Response {
		return &pb.Response{Type: pb.Response_READ_FILE, ReadFile: &pb.Response_ReadFile{Size_: size, Data: make([]byte, n)}}
	}
	raw := func(status int, body string) func(http.ResponseWriter) {
		return func(w http.ResponseWriter) {
			w.WriteHeader(status)
			_, _ = io.WriteString(w, body)
		}
	}
	for _, tt := range []struct {
		name   string
		answer any // *pb.Response or func(http.ResponseWriter)
		list   string
		read   string
		final  bool
	}{
		{"a name that leads up", listing(base + "/../x"), "a path and no name", "the answer to READ_FILE", true},
		{"a name elsewhere", listing("/etc/passwd"), "is not in it", "the answer to READ_FILE", true},
		{"a name in a directory", listing(base + "/a/b"), "a path and no name", "the answer to READ_FILE", true},
		{"no name", listing(base + "/"), "an empty name", "the answer to READ_FILE", true},
		{"the parent", listing(base + "/.."), "not a name of its own", "the answer to READ_FILE", true},
		{"more than was asked for", part(5, 200), "the answer to LIST_FILES", "200 bytes of 5 where 100", true},
		{"an impossible size", part(math.MaxUint64, 1), "the answer to LIST_FILES", "bytes of -1", true},
		{"no message", raw(200, "<html>"), "decode the answer", "decode the answer", true},
		{"nothing", raw(200, ""), "the answer to LIST_FILES is a", "the answer to READ_FILE is a", true},
		{"a hostile length", raw(200, "\x08\x03\xfa\xff\xff\xff\xff\xff\xff\xff\xff\x01"), "decode the answer", "decode the answer", true},
		{"nested", raw(200, strings.Repeat("\x0b", 100_000)), "decode the answer", "longer than", true},
		{"too long", raw(200, strings.Repeat("\x0b", maxListing+1)), "longer than", "longer than", true},
		{"a redirect", raw(307, ""), "status 307", "status 307", true},
		{"unauthorized", raw(401, "who\x1b?"), "status 401: who ?", "status 401: who ?", true},
		{"forbidden", raw(403, ""), "status 403", "status 403", true},
		{"bad", raw(400, "'/x' is inaccessible.\n"), "status 400: '/x' is inaccessible.", "status 400", true},
		{"starting", raw(503, "recovering"), "status 503: recovering", "status 503", false},
		{"failing", raw(500, strings.Repeat("x", 1<<20)), "status 500", "status 500", false},
		{"busy", raw(429, ""), "status 429", "status 429", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a, remote := startAgent(t, nil)
			a.answer = func(w http.ResponseWriter, r *http.Request) bool {
				if message, ok := tt.answer.(*pb.Response); ok {
					a.write(w, message)
				} else {
					tt.answer.(func(http.ResponseWriter))(w)
				}
				return true
			}
			_, list := remote.List(t.Context(), testLaunch, "")
			_, _, read := remote.Read(t.Context(), testLaunch, "x", 0, 100)
			for err, want := range map[error]string{list: tt.list, read: tt.read} {
				if err == nil || !strings.Contains(err.Error(), want) || final(err) != tt.final || len(err.Error()) > 2000 || strings.ContainsAny(err.Error(), "\x1b\n") {
					t.Errorf("%.300v, want %s, final %v", err, want, tt.final)
				}
			}
		})
	}
}

// pipe is a door to an agent over a network in memory, for tests with synctest:
// no socket, so that time moves only when everybody waits.
type pipe struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
	client http.Transport
}

func (p *pipe) Agent(context.Context, string) (string, error) { return "http://agent", nil }
func (p *pipe) Do(r *http.Request) (*http.Response, error)    { return p.client.RoundTrip(r) }
func (p *pipe) Close() error                                  { p.once.Do(func() { close(p.closed) }); return nil }
func (p *pipe) Addr() net.Addr                                { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 5051} }
func (p *pipe) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipe) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	ours, theirs := net.Pipe()
	select {
	case p.conns <- theirs:
		return ours, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// agentInBubble is startAgent within a bubble, with the time that a call has by
// default. Agent and connections end with it.
func agentInBubble(t *testing.T, files map[string]string) (*fakeAgent, *Remote) {
	a := &fakeAgent{t: t, tree: newTree(t, files)}
	p := &pipe{conns: make(chan net.Conn), closed: make(chan struct{})}
	p.client.DialContext, p.client.DisableCompression = p.dial, true
	s := &http.Server{Handler: a}
	go s.Serve(p)
	t.Cleanup(func() { p.client.CloseIdleConnections(); s.Close() })
	return a, &Remote{Door: p}
}

// TestRemoteSlow: an agent that does not answer, or not on, is given up.
func TestRemoteSlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, remote := agentInBubble(t, nil)
		a.answer = func(w http.ResponseWriter, r *http.Request) bool {
			if r.URL.Path == "/files/download" {
				w.Header().Set("Content-Length", "1000000")
				_, _ = io.WriteString(w, "begin")
				_ = http.NewResponseController(w).Flush()
			}
			_, _ = io.Copy(io.Discard, r.Body)
			<-r.Context().Done()
			return true
		}
		began := time.Now()
		if _, err := remote.List(t.Context(), testLaunch, ""); err == nil || final(err) || !strings.Contains(err.Error(), "no answer within 30s") {
			t.Errorf("list: %v", err)
		}
		if took := time.Since(began); took != defaultTimeout {
			t.Errorf("list: it took %s", took)
		}
		r, err := remote.Open(t.Context(), testLaunch, "x", 0)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		began = time.Now()
		if got, err := io.ReadAll(r); string(got) != "begin" || !errors.Is(err, errSilent) || final(err) {
			t.Errorf("download: %q, %v", got, err)
		}
		if took := time.Since(began); took != defaultTimeout {
			t.Errorf("download: it took %s", took)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := remote.List(ctx, testLaunch, ""); !errors.Is(err, context.Canceled) {
			t.Errorf("cancelled: %v", err)
		}
	})
}

// TestRemoteSlowReader: that we are slow is no silence of the agent.
func TestRemoteSlowReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		text := strings.Repeat("0123456789", 1_000_000)
		_, remote := agentInBubble(t, map[string]string{"x": text})
		r, err := remote.Open(t.Context(), testLaunch, "x", 0)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		first := make([]byte, 10)
		if _, err := io.ReadFull(r, first); err != nil {
			t.Fatal(err)
		}
		time.Sleep(3 * defaultTimeout)
		if rest, err := io.ReadAll(r); string(first)+string(rest) != text || err != nil {
			t.Errorf("%d bytes, %v", len(rest), err)
		}
	})
}

// TestRemoteDownloads: an answer to a range that is not the range asked for is
// not taken for it.
func TestRemoteDownloads(t *testing.T) {
	text := strings.Repeat("0123456789", 20_000)
	for name, answer := range map[string]func(w http.ResponseWriter, r *http.Request){
		"ranges": func(w http.ResponseWriter, r *http.Request) {
			http.ServeContent(w, r, "", time.Time{}, strings.NewReader(text))
		},
		"from the beginning": func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, text) },
		"behind the end":     func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(416) },
		"compressed": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			_, _ = io.WriteString(w, "squeezed")
		},
	} {
		t.Run(name, func(t *testing.T) {
			a, remote := startAgent(t, map[string]string{"x": text})
			a.answer = func(w http.ResponseWriter, r *http.Request) bool {
				if r.URL.Path != "/files/download" {
					return false
				}
				answer(w, r)
				return true
			}
			for _, offset := range []int64{0, 5, 150_000} {
				r, err := remote.Open(t.Context(), testLaunch, "x", offset)
				if err != nil {
					t.Fatal(err)
				}
				if got, err := io.ReadAll(r); string(got) != text[offset:] || err != nil {
					t.Errorf("from %d: %d bytes, %v", offset, len(got), err)
				}
				r.Close()
			}
		})
	}
	a, remote := startAgent(t, map[string]string{"x": text})
	a.answer = func(w http.ResponseWriter, r *http.Request) bool {
		w.Header().Set("Content-Range", "bytes 0-9/10")
		w.WriteHeader(http.StatusPartialContent)
		return true
	}
	if _, err := remote.Open(t.Context(), testLaunch, "x", 5); err == nil || !final(err) {
		t.Errorf("another range: %v", err)
	}
}

// TestFetchFromCluster fetches, tails and follows on a Mesos.
func TestFetchFromCluster(t *testing.T) {
	c := startCluster(t)
	l := c.run("t1", makeContent+`; head -c 5000000 /dev/urandom >sub/random; cp sub/random random; rm evil`)
	remote := &Remote{Door: c.agents}
	nested := Launch{Framework: l.Framework, Agent: l.Agent, Executor: l.Task, Task: "t2"}

	dir := t.TempDir()
	got, err := Fetch(t.Context(), remote, l, wanted("bin", "large", "sub", "l*", "empty", "random", "dangling", "*.jpg", "*.png?"), Place{dir, "t1"})
	if err != nil {
		t.Fatal(err)
	}
	have := contents(t, dir)
	if have["t1/random"] != have["t1/sub/random"] || len(have["t1/random"]) != 5_000_000 || have["t1/bin"] != "a\x00b\xffc\r\n" ||
		have["t1/ly"] != "x\n" || have["t1/lsub/deeper/z"] != "z\n" || len(have["t1/large"]) != 300_003 {
		t.Errorf("%d files", len(have))
	}
	names := slices.Sorted(maps.Keys(have))
	if want := "t1/bin t1/empty/ t1/large t1/lsub/deeper/z t1/lsub/random t1/lsub/y t1/ly t1/random t1/sub/deeper/z t1/sub/random t1/sub/y"; strings.Join(names, " ") != want {
		t.Errorf("%q", names)
	}
	if fmt.Sprint(got.Missing) != "[dangling *.jpg]" || got.Files != len(have)-1 {
		t.Errorf("%+v", got)
	}
	if _, err := Fetch(t.Context(), remote, nested, wanted("std*"), Place{dir, "t2"}); err != nil {
		t.Error(err)
	}
	if err := Keep(t.Context(), remote, nested, Place{dir, "t2/attempt-1"}); err != nil {
		t.Error(err)
	}
	for _, name := range []string{"t2/stdout", "t2/attempt-1/stdout"} {
		if got := contents(t, dir)[name]; got != "out2\n" {
			t.Errorf("%s: %q", name, got)
		}
	}
	gone := Launch{Framework: l.Framework, Agent: l.Agent, Task: "t9"}
	if _, err := Fetch(t.Context(), remote, gone, wanted("x?"), Place{dir, "t9"}); !errors.Is(err, ErrNotFound) {
		t.Errorf("no sandbox: %v", err)
	}
	if text, err := Tail(t.Context(), remote, nested, "stderr", 10, 2048); text != "err2" || err != nil {
		t.Errorf("%q, %v", text, err)
	}
}

// TestFollowOnCluster follows a command while it runs.
func TestFollowOnCluster(t *testing.T) {
	c := startCluster(t)
	wait := filepath.Join(t.TempDir(), "go")
	l := c.start("t1", `mkdir -p tasks/t2; cd tasks/t2; printf 'one\0\n' >stdout; while ! test -e `+wait+`; do sleep 0.05; done; printf 'two\377\n' >>stdout`)
	l = Launch{Framework: l.Framework, Agent: l.Agent, Executor: l.Task, Task: "t2"}
	remote := &Remote{Door: c.agents}
	var out bytes.Buffer
	over := make(chan struct{})
	first := make(chan struct{}, 1)
	followed := make(chan error)
	go func() {
		followed <- Follow(t.Context(), writerFunc(func(b []byte) (int, error) {
			if len(b) > 0 && out.Len() == 0 {
				first <- struct{}{}
			}
			return out.Write(b)
		}), remote, l, "stdout", FollowOptions{Tail: -1, Follow: true, Ended: func(context.Context) (bool, error) {
			select {
			case <-over:
				return true, nil
			default:
				return false, nil
			}
		}})
	}()
	select {
	case <-first:
	case <-time.After(patience):
		t.Fatal("nothing came")
	}
	writeFile(t, wait, "")
	c.finish("t1")
	close(over)
	if err := <-followed; err != nil || out.String() != "one\x00\ntwo\xff\n" {
		t.Errorf("%q, %v", out.String(), err)
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(b []byte) (int, error) { return f(b) }

// BenchmarkFetch fetches one large file, and reads it in parts.
func BenchmarkFetch(b *testing.B) {
	c := startCluster(b)
	const size = 1 << 30
	l := c.run("t1", fmt.Sprintf("head -c %d /dev/urandom >big", size))
	remote := &Remote{Door: c.agents}
	b.Run("fetch", func(b *testing.B) {
		b.SetBytes(size)
		for b.Loop() {
			if _, err := Fetch(b.Context(), remote, l, []task.Output{{Path: "big"}}, Place{b.TempDir(), "t"}); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("download", func(b *testing.B) {
		b.SetBytes(size)
		for b.Loop() {
			if at, err := copyPart(b.Context(), io.Discard, remote, l, "big", 0, size); at != size || err != nil {
				b.Fatal(at, err)
			}
		}
	})
	b.Run("parts", func(b *testing.B) {
		b.SetBytes(size / 8)
		for b.Loop() {
			r := &partReader{ctx: b.Context(), files: remote, launch: l, name: "big"}
			if _, err := io.CopyN(io.Discard, r, size/8); err != nil {
				b.Fatal(err)
			}
		}
	})
}
