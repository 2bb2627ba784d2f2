package executor

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// packing says what is done with a file once it is there.
type packing uint8

const (
	notPacked packing = iota
	archive           // unpacked into the sandbox
	gzipped           // one file, gunzipped into the sandbox
)

// item is a URI that was found sound.
type item struct {
	uri        string // without leading spaces
	local      string // the file to copy; "" is a download
	name       string // where it goes below the sandbox, clean
	pack       packing
	executable bool
	cache      bool
}

// parse checks a URI and says what there is to do (Mesos: fetcher.cpp,
// validateUri, validateOutputFile, basename and uriToLocalPath).
func parse(u URI) (item, error) {
	it := item{uri: strings.TrimLeft(u.Value, " \t\r\n"), executable: u.Executable, cache: u.Cache}
	if strings.ContainsAny(it.uri, "\\'\x00") {
		return item{}, errors.New(`illegal character: \, ' or NUL`)
	}
	base, err := baseName(it.uri)
	if err != nil {
		return item{}, err
	}
	if it.local, err = localPath(it.uri); err != nil {
		return item{}, err
	}
	if it.name, err = outputName(base, u.OutputFile); err != nil {
		return item{}, err
	}
	if u.Extract && !u.Executable {
		it.pack = packingOf(it.name)
		if u.Cache {
			it.pack = packingOf(base) // the name that Mesos gives the file in its cache ends as the URI does
		}
	}
	return it, nil
}

// baseName is the last part of a URI. A query string belongs to it; Mesos takes
// a URI for a file's path.
func baseName(uri string) (string, error) {
	if _, rest, ok := strings.Cut(uri, "://"); ok {
		_, below, ok := strings.Cut(rest, "/")
		if !ok || below == "" {
			return "", errors.New("malformed URI: it has no path")
		}
	}
	return uri[strings.LastIndex(uri, "/")+1:], nil
}

// localPath is the file a URI names, or "" if it is one to download.
func localPath(uri string) (string, error) {
	scheme, rest, ok := strings.Cut(uri, "://")
	switch {
	case !ok && !strings.HasPrefix(uri, "/"):
		return "", errors.New("a relative path: there is no directory it could be relative to")
	case !ok:
		return uri, nil
	case scheme == "http" || scheme == "https":
		return "", nil
	case scheme != "file":
		return "", fmt.Errorf("scheme %q is not one of file, http and https", scheme)
	}
	name := strings.TrimPrefix(rest, "localhost")
	if !strings.HasPrefix(name, "/") {
		return "", errors.New("a file URI only takes an absolute path")
	}
	return name, nil
}

// outputName is the place of a file below the sandbox.
func outputName(base, output string) (string, error) {
	if output == "" {
		if base == "" || base == "." || base == ".." {
			return "", errors.New("the URI names no file")
		}
		return base, nil
	}
	if strings.HasSuffix(output, "/") || !below(output) {
		return "", fmt.Errorf("output file %q is not a file within the sandbox", output)
	}
	return path.Clean(output), nil
}

// below says whether a name is relative, without "..", and not the directory
// it is relative to.
func below(name string) bool {
	return filepath.IsLocal(name) && path.Clean(name) != "." &&
		!slices.Contains(strings.Split(name, "/"), "..")
}

// packingOf tells by a file's name what it is (Mesos: fetcher.cpp, extract).
func packingOf(name string) packing {
	for _, end := range []string{".tar", ".tgz", ".tar.gz", ".tbz2", ".tar.bz2", ".txz", ".tar.xz", ".zip"} {
		if strings.HasSuffix(name, end) {
			return archive
		}
	}
	if strings.HasSuffix(name, ".gz") {
		return gzipped
	}
	return notPacked
}

// gunzipped is the name of the file a .gz unpacks to, in the sandbox itself
// even if the .gz is not. Mesos leaves the number of its cache file on it when
// it comes from the cache; we do not.
func (it item) gunzipped() string {
	return strings.TrimSuffix(path.Base(it.name), ".gz")
}

// attributes are those of the item's file in the sandbox, given its source's
// mode.
func (it item) attributes(mode fs.FileMode) attributes {
	if it.executable {
		return attributes{perm: 0o755, exact: true}
	}
	return attributes{perm: mode.Perm()}
}

// Redacted is a URI as people may see it: a password, a query string and a fragment
// can be secrets.
func Redacted(uri string) string {
	if scheme, rest, ok := strings.Cut(uri, "://"); ok {
		rest, _, fragment := strings.Cut(rest, "#")
		rest, _, query := strings.Cut(rest, "?")
		host, file, slash := strings.Cut(rest, "/")
		if i := strings.LastIndex(host, "@"); i >= 0 {
			host = "…" + host[i:]
		}
		uri = scheme + "://" + host
		if slash {
			uri += "/" + file
		}
		if query {
			uri += "?…"
		}
		if fragment {
			uri += "#…"
		}
	}
	return uri
}
