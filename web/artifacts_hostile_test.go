package web

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// patience is how long a test waits for what has to come.
const patience = 20 * time.Second

// raw sends a request as it is written and reads its answer.
func raw(t *testing.T, address, request string) (*http.Response, string) {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(conn, request); err != nil {
		t.Fatal(err)
	}
	method, _, _ := strings.Cut(request, " ")
	answer, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: method})
	if err != nil {
		t.Fatalf("%.200q: %v", request, err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer, string(text)
}

// TestOnlyOffered: whatever else is asked for is 404, and looks the same.
func TestOnlyOffered(t *testing.T) {
	a, _ := serveArtifacts(t)
	dir := t.TempDir()
	file := put(t, dir, "in.txt", "offered")
	put(t, dir, "secret.txt", "secret")
	at := strings.TrimPrefix(offered(t, a, file, "in.txt"), a.base)
	other, err := NewArtifacts(a.base, []byte("of another run..."), silent())
	if err != nil {
		t.Fatal(err)
	}
	token := strings.Split(at, "/")[2]
	in := func(name string) string { return "/artifacts/" + token + "/" + name }
	paths := map[string]string{
		"root": "/", "below": "/artifacts", "listing": "/artifacts/", "listing of a token": "/artifacts/" + token,
		"listing of a token/": in(""), "dot": in("."), "dots": in(".."), "neighbour": in("secret.txt"),
		"up": in("../in.txt"), "up and up": in("../../in.txt"), "up and back": "/artifacts/../artifacts/" + token + "/in.txt",
		"up to the disk": in("../../../../../../../../etc/passwd"), "encoded dots": in("%2e%2e%2f%2e%2e%2fetc%2fpasswd"),
		"encoded dots and back": in("%2e%2e/" + token + "/in.txt"), "dot in between": in("./in.txt"), "encoded dot": in("%2e/in.txt"),
		"encoded slash": "/artifacts%2F" + token + "/in.txt", "encoded slash small": "/artifacts/" + token + "%2fin.txt",
		"encoded twice": in("%252e%252e%252fin.txt"), "double slash": "/artifacts//" + token + "/in.txt", "double slash in front": "/" + at,
		"double slash behind": in("/in.txt"), "slash at the end": at + "/", "backslash": "/artifacts\\" + token + "\\in.txt",
		"encoded backslash": in("..%5cin.txt"), "NUL": at + "%00", "NUL in it": in("in.txt%00.png"), "newline": at + "%0a",
		"encoded letter": in("%69n.txt"), "of another scheme": "gopher:" + at, "of no host": "http:" + at, "path parameter": at + ";x=1", "encoded query": at + "%3f", "absolute": in("/etc/passwd"),
		"absolute encoded": in("%2fetc%2fpasswd"), "path of the file": file, "file encoded": in(url.PathEscape(file)),
		"upper case": "/artifacts/" + strings.ToUpper(token) + "/in.txt", "upper case name": in("IN.TXT"),
		"shorter token": "/artifacts/" + token[:63] + "/in.txt", "longer token": "/artifacts/" + token + "0/in.txt",
		"half token": "/artifacts/" + token[:32] + "/in.txt", "no token": "/artifacts//in.txt", "zero token": "/artifacts/" + strings.Repeat("0", 64) + "/in.txt",
		"token of another run": strings.TrimPrefix(other.URL(file, "in.txt"), a.base), "not offered": strings.TrimPrefix(a.URL(dir+"/secret.txt", "secret.txt"), a.base),
		"offered by another path": strings.TrimPrefix(a.URL(dir+"/./in.txt", "in.txt"), a.base), "other name": strings.TrimPrefix(a.URL(file, "secret.txt"), a.base),
		"long": in(strings.Repeat("a", 8000)), "the program, not offered": a.at(kindProgram, "", "cmdq-000000000000"),
		"unicode slash": in("..∕in.txt"), "overlong slash": in("%c0%ae%c0%ae%c0%afin.txt"), "last digit": "/artifacts/" + flip(token) + "/in.txt",
	}
	for name, path := range paths {
		for _, method := range []string{"GET", "HEAD"} {
			answer, text := raw(t, a.base[len("http://"):], method+" "+path+" HTTP/1.1\r\nHost: x\r\n\r\n")
			want := "not found\n"
			if method == "HEAD" {
				want = ""
			}
			if answer.StatusCode != 404 || text != want {
				t.Errorf("%s: %s %s: %s %q", name, method, path, answer.Status, text)
			}
		}
	}
	for _, method := range []string{"POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "PROPFIND", "get", "CONNECT"} {
		if answer, text := raw(t, a.base[len("http://"):], method+" "+at+" HTTP/1.1\r\nHost: x\r\n\r\n"); answer.StatusCode != 404 || text != "not found\n" {
			t.Errorf("%s: %s %q", method, answer.Status, text)
		}
	}
	if answer, _ := raw(t, a.base[len("http://"):], "OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n"); answer.StatusCode != 404 {
		t.Error("OPTIONS *:", answer.Status)
	}
	for _, request := range []string{"GET " + at + " HTTP/1.1\r\nHost: whoever.example", "GET " + a.base + at + " HTTP/1.1\r\nHost: x", "GET " + at + "?x=1 HTTP/1.1\r\nHost: x", "GET " + at + " HTTP/1.0"} {
		if answer, text := raw(t, a.base[len("http://"):], request+"\r\n\r\n"); answer.StatusCode != 200 || text != "offered" {
			t.Errorf("%q: %s %q", request, answer.Status, text)
		}
	}
}

// flip changes the last digit of a token.
func flip(token string) string {
	last := "0"
	if strings.HasSuffix(token, last) {
		last = "1"
	}
	return token[:len(token)-1] + last
}

// TestSwapped: what takes the place of an offered file, or of a directory above
// it, is served only if it is a file and no link led there.
func TestSwapped(t *testing.T) {
	secret := put(t, t.TempDir(), "file", "secret")
	tests := []struct {
		name string
		swap func(dir, file string) error // file is dir/a/b/file
		want string                       // empty: 404
	}{
		{"nothing", func(_, _ string) error { return nil }, "offered"},
		{"link in its place", func(_, file string) error { return relink(secret, file) }, ""},
		{"link beside it", func(_, file string) error {
			if err := os.Rename(file, file+".moved"); err != nil {
				return err
			}
			return os.Symlink("file.moved", file)
		}, ""},
		{"directory becomes a link", func(dir, _ string) error {
			if err := os.Rename(dir+"/a/b", dir+"/a/moved"); err != nil {
				return err
			}
			return os.Symlink(filepath.Dir(secret), dir+"/a/b")
		}, ""},
		{"upper directory becomes a link", func(dir, _ string) error {
			if err := os.Rename(dir+"/a", dir+"/moved"); err != nil {
				return err
			}
			return os.Symlink("moved", dir+"/a")
		}, ""},
		{"directory in its place", func(_, file string) error {
			if err := os.Remove(file); err != nil {
				return err
			}
			return os.Mkdir(file, 0o700)
		}, ""},
		{"FIFO in its place", func(_, file string) error {
			if err := os.Remove(file); err != nil {
				return err
			}
			return unix.Mkfifo(file, 0o600)
		}, ""},
		{"socket in its place", func(_, file string) error {
			if err := os.Remove(file); err != nil {
				return err
			}
			l, err := net.Listen("unix", file)
			if err == nil {
				t.Cleanup(func() { l.Close() })
			}
			return err
		}, ""},
		{"gone", func(_, file string) error { return os.Remove(file) }, ""},
		{"a file above it", func(dir, _ string) error {
			if err := os.RemoveAll(dir + "/a"); err != nil {
				return err
			}
			return os.WriteFile(dir+"/a", nil, 0o600)
		}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a, _ := serveArtifacts(t)
			dir, err := os.MkdirTemp("", "web") // short, for the socket
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { os.RemoveAll(dir) })
			if err := os.MkdirAll(dir+"/a/b", 0o700); err != nil {
				t.Fatal(err)
			}
			file := put(t, dir+"/a/b", "file", "offered")
			at := offered(t, a, file, "file")
			if err := tt.swap(dir, file); err != nil {
				t.Fatal(err)
			}
			answer, text := ask(t, "GET", at)
			if ok := answer.StatusCode == 200; ok != (tt.want != "") || ok && string(text) != tt.want {
				t.Errorf("%s %q", answer.Status, text)
			}
		})
	}
}

func relink(to, at string) error {
	if err := os.Remove(at); err != nil {
		return err
	}
	return os.Symlink(to, at)
}

// TestOfferedLink: a link that is offered stands for what it led to then; to
// follow it again it is offered again.
func TestOfferedLink(t *testing.T) {
	a, _ := serveArtifacts(t)
	dir := t.TempDir()
	put(t, dir, "one", "1")
	put(t, dir, "two", "2")
	link := filepath.Join(dir, "link")
	if err := os.Symlink("one", link); err != nil {
		t.Fatal(err)
	}
	at := offered(t, a, link, "link")
	want := func(text string) {
		t.Helper()
		if answer, got := ask(t, "GET", at); string(got) != text {
			t.Errorf("%s %q, want %q", answer.Status, got, text)
		}
	}
	want("1")
	if err := relink("two", link); err != nil {
		t.Fatal(err)
	}
	want("1")
	offered(t, a, link, "link")
	want("2")
}

// absolute is what a request line may have in front of a path.
var absolute = regexp.MustCompile(`^https?://[^/]*`)

// FuzzOnlyOffered: no request line brings anything but an offered file, asked
// for by its exact path.
func FuzzOnlyOffered(f *testing.F) {
	dir := f.TempDir()
	a := newArtifacts(f, "http://h:1")
	content := map[string]string{}
	for _, name := range []string{"in.txt", "it's 100%", "cmdq"} {
		content[strings.TrimPrefix(offered(f, a, put(f, dir, name, "content of "+name), name), a.base)] = "content of " + name
	}
	put(f, dir, "secret", "secret")
	// Tokens depend on the directory: a seed names an offer by $0 to $2.
	var paths []string
	for path := range content {
		paths = append(paths, path)
	}
	for i := range paths {
		for _, seed := range []string{"$%d", "http://h:1$%d", "$%d?a=b", "$%d/", "/$%d", "$%d/../secret", "$%d%%2f..", "/artifacts/..$%d", "$%d#x", "$%d;x", "/.$%d"} {
			f.Add("GET", fmt.Sprintf(seed, i))
		}
	}
	f.Add("HEAD", "$0")
	f.Add("POST", "$1")
	f.Add("GET", "/etc/passwd")
	f.Add("GET", "*")
	f.Add("GET", "gopher:$0")
	f.Add("GET", "http:$0")
	f.Add("GET", "http:///x$0")
	f.Fuzz(func(t *testing.T, method, target string) {
		if strings.ContainsAny(method+target, " \r\n") {
			return // no longer one request line
		}
		for i, path := range paths {
			target = strings.ReplaceAll(target, fmt.Sprint("$", i), path)
		}
		r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(method + " " + target + " HTTP/1.1\r\nHost: x\r\n\r\n")))
		if err != nil {
			return
		}
		w := httptest.NewRecorder()
		a.ServeHTTP(w, r)
		if w.Code == http.StatusNotFound && w.Body.String() == "not found\n" {
			return
		}
		path, _, _ := strings.Cut(target, "?")
		text, ok := content[absolute.ReplaceAllString(path, "")]
		if !ok || w.Code != http.StatusOK || method == "GET" && w.Body.String() != text || method == "HEAD" && w.Body.Len() != 0 ||
			method != "GET" && method != "HEAD" {
			t.Errorf("%q %q: %d %q", method, target, w.Code, w.Body.String())
		}
	})
}
