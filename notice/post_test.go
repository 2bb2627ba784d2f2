package notice

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"cmdq/task"
)

const body = `{"id":"n1","kind":"finish","text":"all is well"}`

func toURL(url string) Owed {
	return Owed{ID: "n1", Kind: Finish, Notice: task.Notice{URL: url}, Body: []byte(body), Tries: 1}
}

func testDeliverer(t *testing.T) *Deliverer {
	d := NewDeliverer(t.TempDir(), "cmdq/v1")
	t.Cleanup(d.http.CloseIdleConnections)
	return d
}

// The last word of a server with many habits.
func TestPost(t *testing.T) {
	elsewhere := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		t.Errorf("another host got a %s", r.Method)
	}))
	defer elsewhere.Close()
	var got string
	take := func(w http.ResponseWriter, r *http.Request) {
		b, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		got = r.Method + " " + string(b)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/ok", func(w http.ResponseWriter, r *http.Request) {
		take(w, r)
		if r.Header.Get("Content-Type") != "application/json" || r.Header.Get("User-Agent") != "cmdq/v1" {
			t.Errorf("headers %v", r.Header)
		}
		w.WriteHeader(http.StatusAccepted)
	})
	mux.HandleFunc("/long", func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusInternalServerError)
		_, _ = w.Write([]byte("\x1b[31mred\r\n"))
		for range 1000 { // the reader has left long before
			if _, err := w.Write(make([]byte, 64<<10)); err != nil {
				return
			}
		}
	})
	mux.Handle("/307", http.RedirectHandler("/ok", http.StatusTemporaryRedirect))
	mux.Handle("/308", http.RedirectHandler("/ok", http.StatusPermanentRedirect))
	mux.Handle("/303", http.RedirectHandler("/ok", http.StatusSeeOther))
	mux.Handle("/302", http.RedirectHandler("/ok", http.StatusFound))
	mux.Handle("/loop", http.RedirectHandler("/loop", http.StatusTemporaryRedirect))
	mux.Handle("/away", http.RedirectHandler(elsewhere.URL+"/secret", http.StatusTemporaryRedirect))
	mux.HandleFunc("/cut", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	server := httptest.NewServer(mux)
	defer server.Close()

	const notFollowed = ": only a redirect to the same host is followed, and only one that keeps the POST"
	for _, tt := range []struct{ path, want string }{
		{"/ok", ""},
		{"/307", ""},
		{"/308", ""},
		{"/long", "status 500 Internal Server Error: [31mred"},
		{"/none", "status 404 Not Found: 404 page not found"},
		{"/303", "status 303 See Other" + notFollowed},
		{"/302", "status 302 Found" + notFollowed},
		{"/away", "status 307 Temporary Redirect" + notFollowed},
		{"/loop", "status 307 Temporary Redirect" + notFollowed},
		{"/cut", "EOF"},
	} {
		t.Run(tt.path[1:], func(t *testing.T) {
			got = ""
			err := testDeliverer(t).Deliver(t.Context(), toURL(server.URL+tt.path+"?key=secret"))
			text := ""
			if err != nil {
				text = err.Error()
			}
			if !strings.HasPrefix(text, tt.want) || (text == "") != (tt.want == "") {
				t.Errorf("error %q, not %q", text, tt.want)
			}
			if len(text) > 5*maxWords || strings.ContainsAny(text, "\x1b\r\n\x00") {
				t.Errorf("error %q", text)
			}
			if tt.want == "" && got != "POST "+body {
				t.Errorf("it got %q", got)
			}
		})
	}
}

// Addresses are secrets: no error tells more of one than its host.
func TestPostErrorsHoldNoAddress(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed := l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	odd := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Location", "http://%zz\x1b")
		w.WriteHeader(http.StatusTemporaryRedirect)
	}))
	defer odd.Close()
	for _, url := range []string{"http://" + closed + "/secret", "http://ann:secret@" + closed + "/", "ftp://h/secret", "http://h/%zzsecret",
		"http://nowhere.invalid/secret", odd.URL + "/secret"} {
		err := testDeliverer(t).Deliver(t.Context(), toURL(url))
		if err == nil {
			t.Errorf("%s: no error", url)
		} else if strings.Contains(err.Error(), "secret") || strings.Contains(err.Error(), "\x1b") {
			t.Errorf("%s: %v", url, err)
		}
	}
}

// A server that takes the connection and says nothing costs a try its time, and no
// more; and neither does the end of the Courier wait for it.
func TestPostTimeout(t *testing.T) {
	free := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-free }))
	defer server.Close()
	defer close(free)
	d := testDeliverer(t)
	if d.http.Timeout != postTime {
		t.Fatalf("a POST has %s", d.http.Timeout)
	}
	d.http.Timeout = 50 * time.Millisecond
	if err := d.Deliver(t.Context(), toURL(server.URL)); err == nil || err.Error() != "no answer in time" {
		t.Errorf("error %v", err)
	}
	d.http.Timeout = time.Hour
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := d.Deliver(ctx, toURL(server.URL)); err == nil {
		t.Error("no error")
	}
}

func TestToNobody(t *testing.T) {
	if err := testDeliverer(t).Deliver(t.Context(), Owed{}); err == nil {
		t.Error("no error")
	}
}
