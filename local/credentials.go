package local

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"
)

// maxCredentials bounds a credentials file.
const maxCredentials = 1 << 20

// Credentials are the principals that may ask for something, and their
// secrets. No secret is kept, only its SHA-256, and none is ever in an error or
// a log. The value is not changed once made.
type Credentials struct {
	secrets map[string][sha256.Size]byte // by principal
}

// ReadCredentials reads a file of the form that Mesos takes as JSON:
//
//	{"credentials": [{"principal": "ann", "secret": "…"}]}
//
// Nobody but its owner may be able to read or write it.
func ReadCredentials(path string) (*Credentials, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0) // a pipe that nobody writes to would hold us up
	if err != nil {
		return nil, fmt.Errorf("read credentials: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	switch {
	case err != nil:
		return nil, fmt.Errorf("read credentials: %w", err)
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("read credentials: %s is not a file", path)
	case info.Mode().Perm()&0o077 != 0:
		return nil, fmt.Errorf("read credentials: %s is open to other users (mode %04o); run: chmod 600 %s", path, info.Mode().Perm(), path)
	}
	text, err := io.ReadAll(io.LimitReader(f, maxCredentials+1))
	if err != nil {
		return nil, fmt.Errorf("read credentials: %w", err)
	}
	if len(text) > maxCredentials {
		return nil, fmt.Errorf("read credentials: %s is larger than %d bytes", path, maxCredentials)
	}
	c, err := parseCredentials(text)
	if err != nil {
		return nil, fmt.Errorf("read credentials: %s: %w", path, err)
	}
	return c, nil
}

// parseCredentials reads the text of a credentials file. Its errors say where
// something is wrong, never what stands there: it could be a secret.
func parseCredentials(text []byte) (*Credentials, error) {
	var file struct {
		Credentials []struct {
			Principal *string `json:"principal"`
			Secret    *string `json:"secret"`
		} `json:"credentials"`
	}
	if json.Unmarshal(text, &file) != nil {
		return nil, errors.New(`want {"credentials": [{"principal": "…", "secret": "…"}]}`)
	}
	if len(file.Credentials) == 0 {
		return nil, errors.New("there are no credentials in it")
	}
	c := &Credentials{secrets: map[string][sha256.Size]byte{}}
	for i, x := range file.Credentials {
		switch {
		case x.Principal == nil || *x.Principal == "":
			return nil, fmt.Errorf("credential %d has no principal", i+1)
		case strings.Contains(*x.Principal, ":"):
			return nil, fmt.Errorf("credential %d: a principal cannot hold a colon, which HTTP's Basic authentication ends it with", i+1)
		case x.Secret == nil || *x.Secret == "":
			return nil, fmt.Errorf("credential %d has no secret", i+1)
		case strings.Contains(*x.Secret, ":"):
			return nil, fmt.Errorf("credential %d: Mesos takes no secret that holds a colon", i+1)
		}
		if _, twice := c.secrets[*x.Principal]; twice {
			return nil, fmt.Errorf("credential %d: its principal was already there", i+1)
		}
		c.secrets[*x.Principal] = sha256.Sum256([]byte(*x.Secret))
	}
	return c, nil
}

// authenticate tells whose credentials an Authorization header holds. It must
// be "Basic " and the base64 of principal:secret, with one colon (Mesos:
// 3rdparty/libprocess/src/authenticator.cpp).
func (c *Credentials) authenticate(header string) (principal string, ok bool) {
	encoded, basic := strings.CutPrefix(header, "Basic ")
	if c == nil || !basic {
		return "", false
	}
	plain, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		return "", false
	}
	principal, secret, ok := strings.Cut(string(plain), ":")
	if !ok || strings.Contains(secret, ":") {
		return "", false
	}
	want, known := c.secrets[principal]
	sum := sha256.Sum256([]byte(secret))
	if subtle.ConstantTimeCompare(sum[:], want[:]) != 1 || !known {
		return "", false
	}
	return principal, true
}
