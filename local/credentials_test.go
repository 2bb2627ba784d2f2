package local

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func TestParseCredentials(t *testing.T) {
	for _, text := range []string{
		``, `{}`, `[]`, `{"credentials": []}`, `{"credentials": [{}]}`, `{"credentials": [{"principal": "p"}]}`, `{"credentials": [{"secret": "hidden"}]}`,
		`{"credentials": [{"principal": "", "secret": "hidden"}]}`, `{"credentials": [{"principal": "p", "secret": ""}]}`,
		`{"credentials": [{"principal": "a:b", "secret": "hidden"}]}`, `{"credentials": [{"principal": "p", "secret": "hidden:x"}]}`,
		`{"credentials": [{"principal": "p", "secret": "hidden"}, {"principal": "p", "secret": "hidden2"}]}`,
		`{"credentials": [{"principal": "p", "secret": 7331}]}`, `{"credentials": [{"principal": "p", "secret": "hidden"`, `p hidden`,
	} {
		_, err := parseCredentials([]byte(text))
		if err == nil {
			t.Errorf("%s is accepted", text)
		} else if strings.Contains(err.Error(), "hidden") || strings.Contains(err.Error(), "7331") {
			t.Errorf("the error tells a secret: %v", err)
		}
	}
}

func TestReadCredentials(t *testing.T) {
	file := filepath.Join(t.TempDir(), "credentials")
	write := func(text string, mode os.FileMode) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(file, mode); err != nil {
			t.Fatal(err)
		}
	}
	const good = `{"credentials": [{"principal": "p", "secret": "hidden"}]}`
	write(good, 0o600)
	c, err := ReadCredentials(file)
	if err != nil {
		t.Fatal(err)
	}
	if who, ok := c.authenticate("Basic cDpoaWRkZW4="); who != "p" || !ok {
		t.Errorf("%q %v", who, ok)
	}
	for _, mode := range []os.FileMode{0o604, 0o640, 0o602, 0o666} {
		write(good, mode)
		if _, err := ReadCredentials(file); err == nil || !strings.Contains(err.Error(), "chmod 600") {
			t.Errorf("mode %o: %v", mode, err)
		}
	}
	write(good+strings.Repeat(" ", maxCredentials), 0o600)
	if _, err := ReadCredentials(file); err == nil || !strings.Contains(err.Error(), "larger") {
		t.Errorf("a large file: %v", err)
	}
	if err := syscall.Mkfifo(file+".pipe", 0o600); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{filepath.Dir(file), file + "2", file + ".pipe"} {
		if _, err := ReadCredentials(name); err == nil {
			t.Errorf("%s is accepted", name)
		}
	}
}

// FuzzCredentials: no text and no header breaks anything, and no header lets
// anybody in that is not the one right.
func FuzzCredentials(f *testing.F) {
	f.Add([]byte(`{"credentials": [{"principal": "p", "secret": "s"}]}`), "Basic cDpz")
	f.Add([]byte(`{"credentials": [{"principal": "p"`), "Basic cA==")
	f.Fuzz(func(t *testing.T, text []byte, header string) {
		c, err := parseCredentials(text)
		if (c == nil) == (err == nil) {
			t.Fatal("neither or both")
		}
		if who, ok := c.authenticate(header); ok && (c == nil || who == "") {
			t.Fatalf("%q lets in %q", header, who)
		}
	})
}
