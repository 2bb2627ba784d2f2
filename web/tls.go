package web

import (
	"crypto/tls"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
)

// Secure lets the listener speak TLS from its first connection on, with a
// certificate and its key (--tls-cert, --tls-key; PEM). When the files change,
// new connections get what is in them, as soon as both belong together. Agents
// have to trust the certificate, if they fetch anything from here.
func (l *Listener) Secure(certFile, keyFile string) error {
	if l.named && !strings.HasPrefix(l.base, "https://") {
		return fmt.Errorf("--advertise %s: with --tls-cert it has to be https://", l.base)
	}
	c := &certificate{cert: certFile, key: keyFile}
	if err := c.load(); err != nil {
		return fmt.Errorf("--tls-cert and --tls-key: %w", err)
	}
	l.tls = &tls.Config{GetCertificate: c.get, NextProtos: []string{"http/1.1"}}
	l.base = "https://" + strings.TrimPrefix(strings.TrimPrefix(l.base, "http://"), "https://")
	return nil
}

// certificate is read again when its files have changed.
type certificate struct {
	cert, key string

	mu     sync.Mutex
	loaded *tls.Certificate
	of     string // versions of the files that were last read
}

func (c *certificate) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now, err := c.versions(); err == nil && now != c.of {
		_ = c.load() // until it succeeds, the one of before is good enough
		c.of = now
	}
	return c.loaded, nil
}

func (c *certificate) load() error {
	of, err := c.versions()
	if err != nil {
		return err
	}
	loaded, err := tls.LoadX509KeyPair(c.cert, c.key)
	if err != nil {
		return errors.New(strings.TrimPrefix(err.Error(), "tls: "))
	}
	c.loaded, c.of = &loaded, of
	return nil
}

func (c *certificate) versions() (string, error) {
	var all string
	for _, name := range []string{c.cert, c.key} {
		info, err := os.Stat(name)
		if err != nil {
			return "", err
		}
		all += version(info) + "\n"
	}
	return all, nil
}
