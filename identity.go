package main

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"syscall"
	"unicode"
	"unicode/utf8"

	"github.com/spf13/pflag"

	"cmdq/mesosapi"
)

// The most that is read of a file, in bytes.
const (
	maxSecret = 64 << 10
	maxPEM    = 1 << 20
)

// identityFlags say who we are to the master, and how it shows who it is.
type identityFlags struct {
	principal  string
	secretFile string
	caFile     string
	certFile   string
	keyFile    string

	secret secret            // read by check
	roots  *x509.CertPool    // nil: those of the system
	certs  []tls.Certificate // ours, none or one
}

// secret is a text that fmt, JSON and the log do not show. It is behind a
// pointer because fmt asks no method of what lies in an unexported field.
type secret struct{ text *string }

// reveal is the text; empty if there is none.
func (s secret) reveal() string {
	if s.text == nil {
		return ""
	}
	return *s.text
}

func (secret) String() string               { return "(secret)" }
func (secret) MarshalText() ([]byte, error) { return []byte("(secret)"), nil }

// Format is for every verb, %#v and %x among them.
func (s secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, s.String()) }

func (i *identityFlags) register(f *pflag.FlagSet) {
	f.StringVar(&i.principal, "principal", "", "who we are to the master; needs --secret-file")
	f.StringVar(&i.secretFile, "secret-file", "", "file with the principal's secret, readable by you alone")
	f.StringVar(&i.caFile, "ca-file", "", "PEM certificates that a https:// master is checked with;\ndefault: those of the system; behind zk:// it asks for https")
	f.StringVar(&i.certFile, "cert-file", "", "PEM certificate that shows a https:// master who we are;\nneeds --key-file")
	f.StringVar(&i.keyFile, "key-file", "", "PEM key of --cert-file")
}

// given names the flags that are in use, in the order of the help.
func (i *identityFlags) given() []string {
	var names []string
	for _, flag := range []struct{ name, value string }{{"principal", i.principal}, {"secret-file", i.secretFile},
		{"ca-file", i.caFile}, {"cert-file", i.certFile}, {"key-file", i.keyFile}} {
		if flag.value != "" {
			names = append(names, flag.name)
		}
	}
	return names
}

// check reads the files and finds what is wrong with the flags for a master
// (embedded: --master local, and masters is of no meaning). Its errors are of
// bad usage and hold nothing of what a file says.
func (i *identityFlags) check(f *pflag.FlagSet, masters mesosapi.Masters, embedded bool) error {
	for _, name := range []string{"principal", "secret-file", "ca-file", "cert-file", "key-file"} {
		if f.Changed(name) && f.Lookup(name).Value.String() == "" {
			return usage("--%s is empty", name)
		}
	}
	if names := i.given(); embedded && len(names) > 0 {
		return usage("--%s is for a cluster's master; --master local has a secret of its own", names[0])
	}
	if err := i.checkTLS(masters); err != nil {
		return err
	}
	switch {
	case i.principal == "" && i.secretFile == "":
		return nil
	case i.secretFile == "":
		return usage("--principal needs --secret-file")
	case i.principal == "":
		return usage("--secret-file needs --principal")
	case strings.Contains(i.principal, ":"):
		return usage("--principal: HTTP's Basic authentication ends a principal with a colon, so it cannot hold one")
	case !utf8.ValidString(i.principal) || strings.ContainsFunc(i.principal, unicode.IsControl):
		return usage("--principal: want a name of printable text")
	}
	s, err := readSecret(i.secretFile)
	if err != nil {
		return usage("--secret-file: %w", err)
	}
	i.secret = s
	return nil
}

func (i *identityFlags) checkTLS(masters mesosapi.Masters) error {
	tlsFlags := i.caFile + i.certFile + i.keyFile
	switch {
	case tlsFlags == "":
		return nil
	case !masters.Secure() && !masters.ZooKeeper():
		return usage("--ca-file, --cert-file and --key-file are for https:// masters, and --master is %s", masters)
	case i.certFile == "" && i.keyFile != "":
		return usage("--key-file needs --cert-file")
	case i.certFile != "" && i.keyFile == "":
		return usage("--cert-file needs --key-file")
	}
	if i.caFile != "" {
		roots, err := readRoots(i.caFile)
		if err != nil {
			return usage("--ca-file: %w", err)
		}
		i.roots = roots
	}
	if i.certFile == "" {
		return nil
	}
	cert, err := readFile(i.certFile, maxPEM, 0)
	if err != nil {
		return usage("--cert-file: %w", err)
	}
	key, err := readFile(i.keyFile, maxPEM, 0o007)
	if err != nil {
		return usage("--key-file: %w", err)
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return usage("--cert-file %s with --key-file %s: %w", i.certFile, i.keyFile, err)
	}
	i.certs = []tls.Certificate{pair}
	return nil
}

// warning is what should be said once about the way to this master, or nothing.
func (i *identityFlags) warning(masters mesosapi.Masters) string {
	if i.principal == "" || masters.Secure() || masters.Loopback() || masters.ZooKeeper() && i.tls() != nil {
		return ""
	}
	return fmt.Sprintf("the secret of principal %q goes to %s in the clear, where others can read it; https:// hides it", i.principal, masters)
}

// apply makes cfg speak as the flags say, once check was good.
func (i *identityFlags) apply(cfg *mesosapi.Config) {
	if i.principal != "" {
		name, word := i.principal, i.secret.reveal()
		cfg.Authorize = func(r *http.Request) { r.SetBasicAuth(name, word) }
	}
	if t := i.tls(); t != nil {
		cfg.TLS = t
	}
}

// tls is nil unless a flag asks for something of it.
func (i *identityFlags) tls() *tls.Config {
	if i.roots == nil && i.certs == nil {
		return nil
	}
	return &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: i.roots, Certificates: i.certs}
}

// readSecret reads a secret: one line, with or without its end. Mesos takes no
// credentials with a second colon, so none may be in it
// (3rdparty/libprocess/src/authenticator.cpp).
func readSecret(path string) (secret, error) {
	text, err := readFile(path, maxSecret, 0o077)
	if err != nil {
		return secret{}, err
	}
	line := strings.TrimSuffix(string(text), "\n")
	switch {
	case line == "":
		return secret{}, fmt.Errorf("%s is empty", path)
	case strings.ContainsAny(line, "\r\n\x00"):
		return secret{}, fmt.Errorf("%s holds more than one line", path)
	case strings.Contains(line, ":"):
		return secret{}, fmt.Errorf("%s: Mesos takes no secret that holds a colon", path)
	}
	return secret{&line}, nil
}

// readRoots reads the certificates of authorities. One that cannot be read is
// an error: x509's own reader passes over it in silence.
func readRoots(path string) (*x509.CertPool, error) {
	text, err := readFile(path, maxPEM, 0)
	if err != nil {
		return nil, err
	}
	pool, n := x509.NewCertPool(), 0
	for {
		var block *pem.Block
		if block, text = pem.Decode(text); block == nil {
			break
		}
		if block.Type != "CERTIFICATE" {
			continue
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("%s: certificate %d: %w", path, n+1, err)
		}
		pool.AddCert(cert)
		n++
	}
	if n == 0 {
		return nil, fmt.Errorf("%s holds no certificate in PEM", path)
	}
	return pool, nil
}

// readFile reads a regular file of at most so many bytes that has none of the
// unwanted permissions. It does not wait for a pipe that nobody writes to.
func readFile(path string, most int64, unwanted os.FileMode) ([]byte, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	mode := info.Mode()
	switch {
	case !mode.IsRegular():
		return nil, fmt.Errorf("%s is not a file", path)
	case mode.Perm()&unwanted != 0:
		return nil, fmt.Errorf("%s is open to other users (mode %04o); run: chmod 600 %s", path, mode.Perm(), path)
	}
	text, err := io.ReadAll(io.LimitReader(f, most+1))
	if err != nil {
		return nil, err
	}
	if int64(len(text)) > most {
		return nil, errors.New(path + " is larger than " + fmt.Sprint(most) + " bytes")
	}
	return text, nil
}
