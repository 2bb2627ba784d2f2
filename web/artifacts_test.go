package web

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/sirupsen/logrus"
)

var testSecret = []byte("0123456789abcdef")

func silent() *logrus.Entry {
	l := logrus.New()
	l.SetOutput(io.Discard)
	return logrus.NewEntry(l)
}

// serveArtifacts is an artifact server on a free port.
func serveArtifacts(t testing.TB) (*Artifacts, *Server) {
	t.Helper()
	l, err := Listen("", "", true)
	if err != nil {
		t.Fatal(err)
	}
	a := newArtifacts(t, l.URL())
	s := Serve(l, a, silent())
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return a, s
}

func newArtifacts(t testing.TB, base string) *Artifacts {
	t.Helper()
	a, err := NewArtifacts(base, testSecret, silent())
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// put makes a file of this content and returns its path, which has no links.
func put(t testing.TB, dir, name, text string) string {
	t.Helper()
	at := filepath.Join(dir, name)
	if err := os.WriteFile(at, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return at
}

func offered(t testing.TB, a *Artifacts, file, name string) string {
	t.Helper()
	if err := a.Offer(file, name); err != nil {
		t.Fatal(err)
	}
	return a.URL(file, name)
}

// ask is a request with headers, name and value in turn.
func ask(t testing.TB, method, at string, header ...string) (*http.Response, []byte) {
	t.Helper()
	r, err := http.NewRequest(method, at, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	answer, err := http.DefaultTransport.RoundTrip(r) // follows no redirect
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer, text
}

// TestArtifact: an offered file can be had by GET and HEAD, as it is now.
func TestArtifact(t *testing.T) {
	a, _ := serveArtifacts(t)
	dir := t.TempDir()
	file := put(t, dir, "in.html", "<script>1</script>")
	at := offered(t, a, file, "in.html")
	answer, text := ask(t, "GET", at)
	if answer.StatusCode != 200 || string(text) != "<script>1</script>" {
		t.Fatal(answer.Status, string(text))
	}
	for name, want := range map[string]string{"Content-Type": "application/octet-stream", "X-Content-Type-Options": "nosniff",
		"Cache-Control": "no-store", "Content-Length": "18", "Accept-Ranges": "bytes", "Last-Modified": ""} {
		if got := answer.Header.Get(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	answer, text = ask(t, "HEAD", at)
	if answer.StatusCode != 200 || len(text) != 0 || answer.ContentLength != 18 {
		t.Error("HEAD:", answer.Status, len(text), answer.ContentLength)
	}
	put(t, dir, "new", "new content")
	if err := os.Rename(filepath.Join(dir, "new"), file); err != nil {
		t.Fatal(err)
	}
	if _, text = ask(t, "GET", at); string(text) != "new content" {
		t.Errorf("after another file took its place: %q", text)
	}
}

// TestURL: the same for a run whenever it is asked, another for everything else.
func TestURL(t *testing.T) {
	a := newArtifacts(t, "http://h:1")
	at := a.URL("/x/in put.txt", "sub/in put.txt")
	token, name, ok := strings.Cut(strings.TrimPrefix(at, "http://h:1/artifacts/"), "/")
	if raw, err := hex.DecodeString(token); !ok || err != nil || len(raw) != sha256.Size || name != "in%20put.txt" {
		t.Fatal(at)
	}
	if again := newArtifacts(t, "http://h:1").URL("/x/in put.txt", "in put.txt"); again != at {
		t.Errorf("%s, and after a restart %s", at, again)
	}
	other, err := NewArtifacts("http://h:1", []byte("another secret 16"), silent())
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{token: true}
	for _, u := range []string{other.URL("/x/in put.txt", "in put.txt"), a.URL("/x/in put.tx", "tin put.txt"),
		a.URL("/x/in put.txt", "in put.tx"), a.URL("", "in put.txt"), a.base + a.at(kindProgram, "/x/in put.txt", "in put.txt")} {
		token := strings.Split(u, "/")[4]
		if seen[token] {
			t.Errorf("%s has the token of another", u)
		}
		seen[token] = true
	}
	if _, err := NewArtifacts("http://h:1", testSecret[:15], silent()); err == nil {
		t.Error("a short secret was taken")
	}
}

// TestNames: what Mesos takes for an illegal URI is escaped, and comes back.
func TestNames(t *testing.T) {
	a, _ := serveArtifacts(t)
	dir := t.TempDir()
	for _, name := range []string{"it's", `back\slash`, "q?x=1#f", "100%", "%2e%2e", "ä ö", "new\nline", "...", "-", "a+b&c;d", strings.Repeat("n", 255)} {
		file := put(t, dir, name, "content of "+name)
		at := offered(t, a, file, name)
		if strings.ContainsAny(at, `\'?#`+"\n\x00 ") {
			t.Errorf("%s is a URI that Mesos refuses", at)
		}
		if answer, text := ask(t, "GET", at); answer.StatusCode != 200 || string(text) != "content of "+name {
			t.Errorf("%q: %s %q", name, answer.Status, text)
		}
		if u, err := url.Parse(at); err != nil || !strings.HasSuffix(u.Path, "/"+name) {
			t.Errorf("%s does not end in %q: %v", at, name, err)
		}
	}
	file := put(t, dir, "plain", "x")
	for _, name := range []string{"", ".", "..", "/", "a/..", "nul\x00", "bad\xff", strings.Repeat("n", 256)} {
		if a.Offer(file, name) == nil {
			t.Errorf("the name %q was taken", name)
		}
	}
}

// TestOffer: what cannot be offered.
func TestOffer(t *testing.T) {
	a := newArtifacts(t, "http://h:1")
	dir := t.TempDir()
	file := put(t, dir, "plain", "x")
	for _, bad := range []string{"plain", "", dir, filepath.Join(dir, "none"), file + "/x", "/dev/null", "/"} {
		if err := a.Offer(bad, "name"); err == nil || strings.Contains(err.Error(), "\n") {
			t.Errorf("Offer(%q): %v", bad, err)
		}
	}
	a.Close()
	if a.Offer(file, "plain") == nil {
		t.Error("an offer after Close")
	}
	if _, err := a.OfferProgram(); err == nil {
		t.Error("an offer after Close")
	}
}

// TestProgram: what is served is what runs, under a name that tells it from
// others.
func TestProgram(t *testing.T) {
	a, _ := serveArtifacts(t)
	at, err := a.OfferProgram()
	if err != nil {
		t.Fatal(err)
	}
	own, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	want, err := os.ReadFile(own)
	if err != nil {
		t.Fatal(err)
	}
	answer, got := ask(t, "GET", at)
	if answer.StatusCode != 200 || !bytes.Equal(got, want) {
		t.Fatalf("%s, %d bytes of %d", answer.Status, len(got), len(want))
	}
	sum := sha256.Sum256(want)
	if !strings.HasSuffix(at, "/cmdq-"+hex.EncodeToString(sum[:])[:12]) {
		t.Error(at)
	}
	if strings.Split(at, "/")[4] == hex.EncodeToString(sum[:]) {
		t.Error("the token can be told from the program")
	}
}

// TestResume: a download that broke off goes on where it was, unless the file
// has changed, were it within the same second and to the same size.
func TestResume(t *testing.T) {
	a, _ := serveArtifacts(t)
	file := put(t, t.TempDir(), "data", "0123456789")
	at := offered(t, a, file, "data")
	tag := func() string {
		answer, _ := ask(t, "HEAD", at)
		return answer.Header.Get("ETag")
	}
	old := tag()
	tests := []struct {
		ranges, want string
		status       int
	}{
		{"bytes=4-", "456789", 206}, {"bytes=0-3", "0123", 206}, {"bytes=-2", "89", 206}, {"bytes=9-100", "9", 206},
		{"bytes=10-", "invalid range: failed to overlap\n", 416}, {"lines=1-", "invalid range\n", 416}, {"", "0123456789", 200},
	}
	for _, tt := range tests {
		answer, text := ask(t, "GET", at, "Range", tt.ranges, "If-Range", old)
		if answer.StatusCode != tt.status || string(text) != tt.want {
			t.Errorf("%q: %s %q", tt.ranges, answer.Status, text)
		}
	}
	if answer, _ := ask(t, "GET", at, "If-None-Match", old); answer.StatusCode != 304 {
		t.Error("unchanged:", answer.Status)
	}
	for _, change := range []func() error{
		func() error { return os.WriteFile(file, []byte("abcdefghij"), 0o600) },
		func() error {
			return errors.Join(os.WriteFile(file+".new", []byte("ABCDEFGHIJ"), 0o600), os.Rename(file+".new", file))
		},
	} {
		before := tag()
		if err := change(); err != nil {
			t.Fatal(err)
		}
		answer, text := ask(t, "GET", at, "Range", "bytes=4-", "If-Range", before)
		if answer.StatusCode != 200 || len(text) != 10 {
			t.Errorf("a changed file goes on as if it were the same: %s %q", answer.Status, text)
		}
	}
}

// TestLarge: a large file is never in memory.
func TestLarge(t *testing.T) {
	a, _ := serveArtifacts(t)
	file := put(t, t.TempDir(), "large", "begin")
	const size = 256 << 20
	if err := os.Truncate(file, size); err != nil {
		t.Fatal(err)
	}
	at := offered(t, a, file, "large")
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	answer, err := http.Get(at)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	n, err := io.Copy(io.Discard, answer.Body)
	runtime.ReadMemStats(&after)
	if n != size || err != nil {
		t.Fatal(n, err)
	}
	if took := after.TotalAlloc - before.TotalAlloc; took > 8<<20 {
		t.Errorf("%d bytes were allocated for it", took)
	}
}
