package web

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/sirupsen/logrus"
)

// below is where artifacts are, in the path of their URL.
const below = "/artifacts/"

// minSecret is the shortest secret that Artifacts take, in bytes.
const minSecret = 16

// What a token is for. Two kinds never share one.
const (
	kindFile    = "file"
	kindProgram = "program"
)

// Artifacts serves files of this machine to whoever knows their URL:
// /artifacts/TOKEN/NAME, where the token is an HMAC by the run's secret. So URLs
// stay the same when cmdq is started again, cannot be guessed, and end with the
// run. Only GET and HEAD of exactly such a path are answered, with ranges;
// everything else is 404. Its methods may be called by many goroutines.
type Artifacts struct {
	base   string
	secret []byte
	log    *logrus.Entry
	pace   pace

	mu      sync.RWMutex
	offered map[[sha256.Size]byte]offer // by the hash of offer.at; nil once closed
}

// NewArtifacts offers nothing yet. base is where it will be reached,
// Listener.URL; secret is the run's, of at least 16 bytes.
func NewArtifacts(base string, secret []byte, log *logrus.Entry) (*Artifacts, error) {
	if len(secret) < minSecret {
		return nil, fmt.Errorf("artifact server: a secret of %d bytes is too short", len(secret))
	}
	return &Artifacts{
		base: base, secret: append([]byte(nil), secret...), log: log, pace: defaultPace,
		offered: map[[sha256.Size]byte]offer{},
	}, nil
}

// Offer serves a regular file, given by its absolute path, under a name, of
// which the last part counts. Links in the path are resolved now: what is served
// is the file that lies there then, at each request, as long as no link has come
// into its path. To follow a link that was turned, offer it again.
func (a *Artifacts) Offer(file, name string) error {
	if !filepath.IsAbs(file) {
		return fmt.Errorf("offer %s: not an absolute path", file)
	}
	if !soundName(path.Base(name)) {
		return fmt.Errorf("offer %s: %q is no name of a file", file, name)
	}
	real, err := filepath.EvalSymlinks(file)
	if err != nil {
		return fmt.Errorf("offer %s: %w", file, err)
	}
	o := offer{at: a.fileAt(file, name), file: real}
	f, _, err := o.open() // now somebody can still be told
	if err != nil {
		return fmt.Errorf("offer %s: %w", file, err)
	}
	return errors.Join(f.Close(), a.add(o))
}

// URL is where a file is, or will be, once it is offered by the same path and
// name. It needs no offer, and depends on nothing but its arguments, the base
// and the secret.
func (a *Artifacts) URL(file, name string) string { return a.base + a.fileAt(file, name) }

// OfferProgram serves the program that runs here, even if another has taken its
// place on disk since, as cmdq-HASH, and returns its URL. The hash is the
// beginning of its SHA-256: the cache of Mesos knows a file by its URL alone. It
// reads the whole program.
func (a *Artifacts) OfferProgram() (string, error) {
	o := offer{file: self}
	f, _, err := o.open()
	if err != nil {
		return "", fmt.Errorf("offer cmdq itself: %w", err)
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", fmt.Errorf("offer cmdq itself: %w", err)
	}
	name := "cmdq-" + hex.EncodeToString(h.Sum(nil))[:12]
	o.at = a.at(kindProgram, "", name)
	return a.base + o.at, a.add(o)
}

// Close takes all offers back, for good.
func (a *Artifacts) Close() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.offered = nil
}

func (a *Artifacts) add(o offer) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.offered == nil {
		return errors.New("offer: the artifact server is closed")
	}
	a.offered[sha256.Sum256([]byte(o.at))] = o
	return nil
}

func (a *Artifacts) fileAt(file, name string) string { return a.at(kindFile, file, path.Base(name)) }

// at is the path of an artifact's URL, as it has to be asked for, byte by byte.
func (a *Artifacts) at(kind, file, name string) string {
	mac := hmac.New(sha256.New, a.secret)
	for _, part := range []string{kind, file, name} {
		fmt.Fprintf(mac, "%d:%s", len(part), part)
	}
	return below + hex.EncodeToString(mac.Sum(nil)) + "/" + url.PathEscape(name)
}

// find looks a path up by its hash, so that the time it takes tells nothing of
// how much of a token was right.
func (a *Artifacts) find(at string) (offer, bool) {
	a.mu.RLock()
	o, ok := a.offered[sha256.Sum256([]byte(at))]
	a.mu.RUnlock()
	return o, ok && subtle.ConstantTimeCompare([]byte(o.at), []byte(at)) == 1
}

// ServeHTTP answers GET and HEAD of what is offered. All that it refuses looks
// the same.
func (a *Artifacts) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
	o, ok := a.find(sentPath(r))
	if !ok || r.Method != http.MethodGet && r.Method != http.MethodHead {
		notFound(w)
		return
	}
	f, info, err := o.open()
	if err != nil {
		a.log.WithError(err).WithField("file", o.file).Warn("an offered file cannot be served")
		notFound(w)
		return
	}
	defer f.Close()
	h.Set("Content-Type", "application/octet-stream")
	h.Set("ETag", a.etag(info))
	// No Last-Modified: seconds are too coarse to resume by.
	http.ServeContent(a.pace.writer(w, r), r, "", time.Time{}, f)
}

// sentPath is the path of a request as it was sent: nothing is decoded or cleaned, as
// r.URL would be. The absolute form of RFC 9112 §3.2.2 may name any host, but no
// scheme beside those that a server is asked by.
func sentPath(r *http.Request) string {
	at, _, _ := strings.Cut(r.RequestURI, "?")
	for _, scheme := range []string{"http://", "https://"} {
		if rest, ok := strings.CutPrefix(at, scheme); ok {
			_, path, _ := strings.Cut(rest, "/")
			return "/" + path
		}
	}
	return at
}

// etag changes whenever the content may have, and tells nothing else.
func (a *Artifacts) etag(info os.FileInfo) string {
	mac := hmac.New(sha256.New, a.secret)
	fmt.Fprintf(mac, "etag:%s", version(info))
	return `"` + hex.EncodeToString(mac.Sum(nil)[:16]) + `"`
}

func notFound(w http.ResponseWriter) { http.Error(w, "not found", http.StatusNotFound) }
