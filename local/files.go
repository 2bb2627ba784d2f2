package local

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"mime"
	"net/http"
	"os"
	"os/user"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"unicode/utf8"

	"golang.org/x/sys/unix"
)

// maxRead is the most that one /files/read returns: 16 pages (Mesos:
// src/files/files.cpp).
const maxRead = 16 * 4096

// Why a path is refused.
var (
	errNotAttached = errors.New("no such file")
	errEscapes     = errors.New("the path leaves its attached directory")
	errNoPath      = errors.New("the path cannot be resolved")
	errNotFile     = errors.New("cannot read a directory, or what is not a file")
)

// sandboxPath is a path of the files endpoints, split into the sandbox it is
// below of and the rest.
type sandboxPath struct {
	root string // a run's directory, or runs/latest
	rest string // relative, clean; "." is the sandbox itself
}

// locate finds the sandbox a path is in. Attached are, for every run of an
// executor, its real directory, runs/latest beside it, and for the latest run
// /frameworks/FID/executors/EID/runs/latest.
func (a *agent) locate(name string) (sandboxPath, error) {
	select {
	case <-a.ready:
	default:
		return sandboxPath{}, errNotAttached // there is no id yet, so there is no task
	}
	below, ok := strings.CutPrefix(name, filepath.Join(a.workDir, "slaves", a.id)+"/")
	if !ok {
		below, ok = strings.CutPrefix(name, "/")
	}
	part := strings.SplitN(below, "/", 7)
	if !ok || len(part) < 6 || part[0] != "frameworks" || part[2] != "executors" || part[4] != "runs" {
		return sandboxPath{}, errNotAttached
	}
	for _, id := range []string{part[1], part[3], part[5]} {
		if validateID(id) != "" {
			return sandboxPath{}, errNotAttached
		}
	}
	rest := ""
	if len(part) == 7 {
		rest = part[6]
	}
	return inSandbox(runDir(a.workDir, a.id, part[1], part[3], part[5]), rest)
}

// inSandbox is a path in a sandbox; "" is the sandbox itself.
func inSandbox(root, name string) (sandboxPath, error) {
	p := sandboxPath{root: root, rest: strings.TrimPrefix(path.Clean(name), "/")}
	switch {
	case p.rest == "":
		p.rest = "."
	case p.rest == ".." || strings.HasPrefix(p.rest, "../"):
		return sandboxPath{}, errEscapes
	}
	return p, nil
}

// open resolves all links of a path and opens it, but nothing outside of its
// sandbox, whatever a task does to its links meanwhile.
func (p sandboxPath) open() (*os.Root, *os.File, string, error) {
	real, err := filepath.EvalSymlinks(p.root)
	if err != nil {
		return nil, nil, "", errNotAttached
	}
	if filepath.Dir(real) != filepath.Dir(p.root) {
		return nil, nil, "", errEscapes // only runs/latest is a link, to what is beside it
	}
	target, err := filepath.EvalSymlinks(filepath.Join(real, p.rest))
	if err != nil {
		return nil, nil, "", pathError(err)
	}
	rel, err := filepath.Rel(real, target)
	if err != nil || !filepath.IsLocal(rel) {
		return nil, nil, "", errEscapes
	}
	root, err := openRoot(real)
	if err != nil {
		return nil, nil, "", errNotAttached
	}
	f, err := root.OpenFile(rel, os.O_RDONLY|syscall.O_NONBLOCK, 0) // a FIFO would hang
	if err != nil {
		root.Close()
		if errors.Is(err, fs.ErrNotExist) {
			return nil, nil, "", errNotAttached
		}
		return nil, nil, "", fmt.Errorf("open: %w", err)
	}
	return root, f, rel, nil
}

// pathError says why a path does not resolve, without what lies where its links lead.
func pathError(err error) error {
	var missing *fs.PathError
	if errors.As(err, &missing) || errors.Is(err, syscall.ENOTDIR) {
		return errNotAttached
	}
	return errNoPath // too many links
}

// openRoot opens a directory whose path holds no links, not even by now: a task
// owns what its sandbox lies in.
func openRoot(dir string) (*os.Root, error) {
	const how = unix.O_PATH | unix.O_DIRECTORY | unix.O_NOFOLLOW | unix.O_CLOEXEC
	at, err := unix.Open("/", how, 0)
	for part := range strings.SplitSeq(strings.Trim(dir, "/"), "/") {
		if err != nil {
			return nil, fmt.Errorf("open %s: %w", dir, err)
		}
		above := at
		at, err = unix.Openat(above, part, how, 0)
		_ = unix.Close(above) // nothing was written
	}
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", dir, err)
	}
	defer unix.Close(at)
	return os.OpenRoot("/proc/self/fd/" + strconv.Itoa(at))
}

// fileStatus chooses the status code for an error.
func fileStatus(err error) int {
	switch {
	case errors.Is(err, errNotAttached):
		return http.StatusNotFound
	case errors.Is(err, fs.ErrPermission):
		return http.StatusForbidden
	}
	return http.StatusBadRequest
}

// onFile opens what ?path= names and hands it to use, whose error is the
// client's.
func (a *agent) onFile(use func(w http.ResponseWriter, r *http.Request, root *os.Root, f *os.File, rel string) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if !allow(w, r, http.MethodGet, http.MethodHead) {
			return
		}
		name := r.URL.Query().Get("path")
		if name == "" {
			http.Error(w, "expecting 'path=value' in query", http.StatusBadRequest)
			return
		}
		err := a.withFile(name, func(root *os.Root, f *os.File, rel string) error { return use(w, r, root, f, rel) })
		if err != nil {
			http.Error(w, err.Error(), fileStatus(err))
		}
	}
}

// withFile opens what a path names for use. rel is its path below root, its
// sandbox.
func (a *agent) withFile(name string, use func(root *os.Root, f *os.File, rel string) error) error {
	p, err := a.locate(strings.TrimRight(name, "/"))
	if err != nil {
		return err
	}
	root, f, rel, err := p.open()
	if err != nil {
		return err
	}
	defer root.Close()
	defer f.Close()
	return use(root, f, rel)
}

// fileView is an entry of /files/browse.
type fileView struct {
	Path  string `json:"path"`
	Nlink uint64 `json:"nlink"`
	Size  int64  `json:"size"`
	Mtime int64  `json:"mtime"` // seconds
	Mode  string `json:"mode"`
	UID   string `json:"uid"` // names, or numbers where there are none
	GID   string `json:"gid"`
}

// browse lists a directory; nothing for a file.
func browse(w http.ResponseWriter, r *http.Request, root *os.Root, f *os.File, rel string) error {
	list := []fileView{}
	entries, err := entriesOf(root, f, rel)
	if err != nil {
		return err
	}
	given := strings.TrimRight(r.URL.Query().Get("path"), "/")
	for name, info := range entries {
		list = append(list, viewFile(given+"/"+name, info))
	}
	slices.SortFunc(list, func(a, b fileView) int { return cmp.Compare(a.Path, b.Path) })
	writeJSON(w, marshal(list))
	return nil
}

// entriesOf reads a directory; nothing for a file. As Mesos has it, a link is what it
// leads to, and one that leads nowhere is not there.
func entriesOf(root *os.Root, f *os.File, rel string) (map[string]fs.FileInfo, error) {
	names, err := f.Readdirnames(-1)
	if err != nil && !errors.Is(err, syscall.ENOTDIR) {
		return nil, fmt.Errorf("list: %w", err)
	}
	entries := map[string]fs.FileInfo{}
	for _, name := range names {
		info, err := root.Lstat(filepath.Join(rel, name))
		if err == nil && info.Mode()&fs.ModeSymlink != 0 {
			info, err = leadsTo(root, f, rel, name, info)
		}
		if err == nil { // else it has gone since, or leads nowhere
			entries[name] = info
		}
	}
	return entries, nil
}

// leadsTo is what a link in the directory dir, at rel in its sandbox, leads to. Of
// what is out of the sandbox nothing is told but that it is there: Mesos shows its
// size and times, but opens it no more than we do.
func leadsTo(root *os.Root, dir *os.File, rel, name string, link fs.FileInfo) (fs.FileInfo, error) {
	at, err := os.Readlink("/proc/self/fd/" + strconv.Itoa(int(dir.Fd())))
	if err != nil {
		return nil, err
	}
	target, err := filepath.EvalSymlinks(filepath.Join(at, name))
	if err != nil {
		return nil, err
	}
	sandbox := at
	if rel != "." {
		sandbox = strings.TrimSuffix(at, "/"+rel)
	}
	inside, err := filepath.Rel(sandbox, target)
	if err != nil || !filepath.IsLocal(inside) {
		return outside{link}, nil
	}
	return root.Lstat(inside)
}

// outside is a link out of the sandbox: it looks like a file.
type outside struct{ fs.FileInfo }

func (o outside) Mode() fs.FileMode { return 0o644 }
func (o outside) IsDir() bool       { return false }

func viewFile(name string, info fs.FileInfo) fileView {
	v := fileView{Path: name, Nlink: 1, Size: info.Size(), Mtime: info.ModTime().Unix(), Mode: modeText(info.Mode())}
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		v.Nlink = uint64(st.Nlink)
		v.UID, v.GID = strconv.Itoa(int(st.Uid)), strconv.Itoa(int(st.Gid))
		if u, err := user.LookupId(v.UID); err == nil {
			v.UID = u.Username
		}
		if g, err := user.LookupGroupId(v.GID); err == nil {
			v.GID = g.Name
		}
	}
	return v
}

// modeText is a mode as ls -l shows it.
func modeText(m fs.FileMode) string {
	kind := byte('-')
	for bit, c := range map[fs.FileMode]byte{
		fs.ModeDir: 'd', fs.ModeSymlink: 'l', fs.ModeNamedPipe: 'p', fs.ModeSocket: 's', fs.ModeCharDevice: 'c',
	} {
		if m&bit != 0 {
			kind = c
		}
	}
	if m&fs.ModeDevice != 0 && m&fs.ModeCharDevice == 0 {
		kind = 'b'
	}
	return string(kind) + m.Perm().String()[1:]
}

// readFile answers with a part of a file: {data, offset}. Without an offset it
// says how large the file is. A follower asks next for the offset plus the
// bytes it got, so what is not UTF-8 at the end, the first part of a
// character, is left for the next answer.
func readFile(w http.ResponseWriter, r *http.Request, _ *os.Root, f *os.File, _ string) error {
	info, err := f.Stat()
	if err != nil {
		return fmt.Errorf("read: %w", err)
	}
	if !info.Mode().IsRegular() {
		return errNotFile
	}
	offset, err := fileNumber(r, "offset")
	if err != nil {
		return err
	}
	length, err := fileNumber(r, "length")
	if err != nil {
		return err
	}
	if offset == -1 {
		offset, length = info.Size(), 0
	}
	if length == -1 || length > maxRead {
		length = maxRead
	}
	data := make([]byte, max(0, min(length, info.Size()-offset)))
	n, err := f.ReadAt(data, offset)
	if err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("read: %w", err)
	}
	out := appendString([]byte(`{"data":`), wholeRunes(data[:n]))
	out = strconv.AppendInt(append(out, `,"offset":`...), offset, 10)
	writeJSON(w, append(out, '}', '\n'))
	return nil
}

// fileNumber reads an offset or length; -1 if it is absent.
func fileNumber(r *http.Request, name string) (int64, error) {
	text := r.URL.Query().Get(name)
	if text == "" {
		return -1, nil
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < -1 {
		return 0, fmt.Errorf("%s must be a whole number of at least -1", name)
	}
	return n, nil
}

// wholeRunes cuts off the beginning of a character at the end, unless there is
// nothing else.
func wholeRunes(data []byte) []byte {
	for back := 1; back < utf8.UTFMax && back < len(data); back++ {
		tail := data[len(data)-back:]
		if utf8.RuneStart(tail[0]) {
			if !utf8.FullRune(tail) {
				return data[:len(data)-back]
			}
			break
		}
	}
	return data
}

// download answers with the bytes of a file.
func download(w http.ResponseWriter, r *http.Request, _ *os.Root, f *os.File, rel string) error {
	info, err := f.Stat()
	if err != nil {
		return fmt.Errorf("download: %w", err)
	}
	if !info.Mode().IsRegular() {
		return errNotFile
	}
	kind := mime.TypeByExtension(filepath.Ext(rel))
	if kind == "" {
		kind = "application/octet-stream"
	}
	w.Header().Set("Content-Type", kind)
	w.Header().Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": filepath.Base(rel)}))
	http.ServeContent(w, r, "", info.ModTime(), f)
	return nil
}
