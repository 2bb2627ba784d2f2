package executor

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// server answers on 127.0.0.1 until the test ends.
func server(t *testing.T, answer http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewServer(answer)
	t.Cleanup(s.Close)
	return s.URL
}

func TestDownload(t *testing.T) {
	url := server(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/moved/a":
			http.Redirect(w, r, "/moved/again", http.StatusFound)
		case "/moved/again":
			http.Redirect(w, r, "/real", http.StatusPermanentRedirect)
		case "/auth":
			user, password, _ := r.BasicAuth()
			fmt.Fprint(w, user, "+", password)
		case "/chunks":
			fmt.Fprint(w, "one ")
			w.(http.Flusher).Flush()
			fmt.Fprint(w, "two")
		case "/page.gz":
			w.Header().Set("Content-Encoding", "gzip") // as servers do who guess by the name
			_, _ = w.Write(gz(t, []byte("zipped")))
		default:
			fmt.Fprint(w, r.URL.RequestURI())
		}
	})
	withUser := strings.Replace(url, "http://", "http://me:secret@", 1)
	tests := []struct {
		name string
		uri  URI
		want []string
	}{
		{"query is part of the name", URI{Value: url + "/d/f?x=1&y"}, []string{"f?x=1&y 644 /d/f?x=1&y"}},
		{"up to its last slash", URI{Value: url + "/d/f?x=a/b"}, []string{"b 644 /d/f?x=a/b"}},
		{"percent stays", URI{Value: url + "/a%20b"}, []string{"a%20b 644 /a%20b"}},
		{"output file", URI{Value: url + "/f", OutputFile: "d/g", Executable: true}, []string{"d/ 755", "d/g 755 /f"}},
		{"redirects keep the name", URI{Value: url + "/moved/a"}, []string{"a 644 /real"}},
		{"chunks", URI{Value: url + "/chunks"}, []string{"chunks 644 one two"}},
		{"password", URI{Value: withUser + "/auth"}, []string{"auth 644 me+secret"}},
		{"a .gz arrives packed", URI{Value: url + "/page.gz", Extract: true}, []string{"page 644 zipped", fmt.Sprintf("page.gz 644 (%d bytes)", len(gz(t, []byte("zipped"))))}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			if err := new(Fetcher).Fetch(t.Context(), dir, []URI{tt.uri}); err != nil {
				t.Fatal(err)
			}
			wantTree(t, dir, tt.want...)
		})
	}
}

func TestDownloadFails(t *testing.T) {
	url := server(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/none":
			w.WriteHeader(http.StatusNoContent)
		case "/short":
			w.Header().Set("Content-Length", "100")
			fmt.Fprint(w, "not a hundred")
		case "/cut":
			w.(http.Flusher).Flush()
			panic(http.ErrAbortHandler)
		case "/loop":
			http.Redirect(w, r, "/loop", http.StatusFound)
		case "/file":
			http.Redirect(w, r, "file:///etc/passwd", http.StatusFound)
		case "/stall":
			fmt.Fprint(w, "some")
			w.(http.Flusher).Flush()
			<-r.Context().Done()
		case "/mute":
			<-r.Context().Done()
		default:
			http.NotFound(w, r)
		}
	})
	tests := []struct{ path, want string }{
		{"/missing?token=hush", "answered 404"},
		{"/none", "answered 204"},
		{"/short", "unexpected EOF"},
		{"/cut", "unexpected EOF"},
		{"/loop", "stopped after 10 redirects"},
		{"/file", "unsupported protocol scheme"},
		{"/stall", "download stalled"},
		{"/mute", "download stalled"},
	}
	for _, tt := range tests {
		t.Run(tt.path, func(t *testing.T) {
			f, dir := &Fetcher{}, t.TempDir()
			if strings.Contains(tt.want, "stalled") {
				f.StallTimeout = 20 * time.Millisecond
			}
			err := f.Fetch(t.Context(), dir, []URI{{Value: url + tt.path}})
			if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "hush") {
				t.Errorf("got %v, want an error with %q", err, tt.want)
			}
			wantTree(t, dir)
		})
	}
	if err := new(Fetcher).Fetch(t.Context(), t.TempDir(), []URI{{Value: "http://127.0.0.1:1/a"}}); err == nil {
		t.Error("nobody listens, but there is no error")
	}
}

// slow is a server without a network: a byte comes every now and then.
type slow struct {
	every time.Duration
	bytes int // then nothing more comes
}

func (s slow) RoundTrip(r *http.Request) (*http.Response, error) {
	body := readerFunc(func(p []byte) (int, error) {
		if s.bytes--; s.bytes < 0 {
			<-r.Context().Done()
			return 0, r.Context().Err()
		}
		time.Sleep(s.every)
		p[0] = 'x'
		return 1, nil
	})
	return &http.Response{StatusCode: http.StatusOK, ContentLength: -1, Body: io.NopCloser(body), Request: r}, nil
}

// A slow download goes on; a minute after the last byte it is over.
func TestDownloadStallsAfterAMinute(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		f := &Fetcher{Client: &http.Client{Transport: slow{59 * time.Second, 10}}}
		start := time.Now()
		err := f.Fetch(t.Context(), dir, []URI{{Value: "http://h/a"}})
		if !errors.Is(err, errStalled) {
			t.Errorf("got %v", err)
		}
		if took, want := time.Since(start), 590*time.Second+time.Minute; took != want {
			t.Errorf("ended after %v, want %v", took, want)
		}
	})
	wantTree(t, dir)
}

func TestDownloadCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	url := server(t, func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, strings.Repeat("x", 1<<16))
		w.(http.Flusher).Flush()
		cancel()
		<-r.Context().Done()
	})
	dir := t.TempDir()
	if err := new(Fetcher).Fetch(ctx, dir, []URI{{Value: url + "/a"}}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	wantTree(t, dir)
}

// A large file passes through without being held in memory.
func TestDownloadStreams(t *testing.T) {
	const blocks = 200
	block := make([]byte, 1<<20)
	url := server(t, func(w http.ResponseWriter, r *http.Request) {
		for range blocks {
			if _, err := w.Write(block); err != nil {
				return
			}
		}
	})
	src, err := new(Fetcher).download(t.Context(), url+"/large")
	if err != nil {
		t.Fatal(err)
	}
	defer src.body.Close()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	n, err := io.Copy(io.Discard, src.body)
	if err != nil || n != blocks<<20 {
		t.Fatalf("%d bytes, %v", n, err)
	}
	runtime.ReadMemStats(&after)
	if grown := after.TotalAlloc - before.TotalAlloc; grown > 8<<20 {
		t.Errorf("%d bytes allocated for a file of %d", grown, n)
	}
}
