package executor

import (
	"archive/tar"
	"archive/zip"
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ulikunitz/xz"
)

// outer makes a directory with a canary in it and a sandbox beside it; the
// sandbox already has links that lead out. (The words "leads outside" of such a
// link are the task's own affair; the fetcher must not follow them.)
func outer(t testing.TB) (dir, sandbox string) {
	t.Helper()
	dir = t.TempDir()
	sandbox = filepath.Join(dir, "sandbox")
	err := errors.Join(
		os.WriteFile(filepath.Join(dir, "canary"), []byte("alive"), 0o600),
		os.Mkdir(sandbox, 0o755),
		os.Symlink("..", filepath.Join(sandbox, "out")),
		os.Symlink(dir, filepath.Join(sandbox, "abs")),
		os.Symlink("../canary", filepath.Join(sandbox, "bird")))
	if err != nil {
		t.Fatal(err)
	}
	return dir, sandbox
}

// wantAlive checks that nothing happened beside the sandbox.
func wantAlive(t testing.TB, dir string) {
	t.Helper()
	names, err := os.ReadDir(dir)
	if err != nil || len(names) != 2 {
		t.Errorf("beside the sandbox there is %v, %v", names, err)
	}
	wantFile(t, filepath.Join(dir, "canary"), "alive")
	if info, err := os.Stat(filepath.Join(dir, "canary")); err != nil || info.Mode() != 0o600 {
		t.Errorf("the canary is now %v, %v", info, err)
	}
}

func TestUnpackRefusesTricks(t *testing.T) {
	const link, hard = tar.TypeSymlink, tar.TypeLink
	tests := []struct {
		name    string
		entries []entry
	}{
		{"absolute", []entry{{name: "/canary", body: "dead"}}},
		{"dot dot", []entry{{name: "../canary", body: "dead"}}},
		{"inner dot dot", []entry{{name: "a/../../canary", body: "dead"}}},
		{"harmless dot dot", []entry{{name: "a/../b", body: "dead"}}},
		{"dot dot directory", []entry{{name: "../new/"}}},
		{"name too long", []entry{{name: strings.Repeat("a/", 2500) + "b"}}},
		{"through a link there before", []entry{{name: "out/canary", body: "dead"}}},
		{"through an absolute link there before", []entry{{name: "abs/canary", body: "dead"}}},
		{"name too deep", []entry{{name: strings.Repeat("a/", 257) + "b"}}},
		{"directory through a link", []entry{{name: "out/new/"}}},
		{"link to an absolute path", []entry{{name: "l", link: "/etc", kind: link}}},
		{"link to the sandbox's parent", []entry{{name: "l", link: "..", kind: link}, {name: "l/canary", body: "dead"}}},
		{"link to the outside", []entry{{name: "d/l", link: "../../canary", kind: link}}},
		{"link over a link over a link", []entry{{name: "d/"}, {name: "d/here", link: "..", kind: link}, {name: "d/up", link: "here/..", kind: link}}},
		{"link through a link there before", []entry{{name: "l", link: "out/canary", kind: link}}},
		{"link by way of a deep link", []entry{{name: "a/b/c/"}, {name: "a/b/c/root", link: "../../..", kind: link}, {name: "a/b/c/l", link: "root/../../canary", kind: link}}},
		{"link made good, then bad", []entry{{name: "a/b/c/"}, {name: "l", link: "a/b/c/x/../../canary", kind: link}, {name: "a/b/c/x", link: "../../..", kind: link}}},
		{"link placed through a link", []entry{{name: "a/b/"}, {name: "a/b/top", link: "../..", kind: link}, {name: "a/b/top/l", link: "../x/../../canary", kind: link}}},
		{"empty link", []entry{{name: "l", link: "", kind: link}}},
		{"endless link", []entry{{name: "l", link: strings.Repeat("a/", 3000), kind: link}}},
		{"hard link to the outside", []entry{{name: "h", link: "../canary", kind: hard}}},
		{"hard link to an absolute path", []entry{{name: "h", link: "/etc/passwd", kind: hard}}},
		{"hard link through a link", []entry{{name: "h", link: "out/canary", kind: hard}}},
		{"hard link to a link out", []entry{{name: "h", link: "bird", kind: hard}}},
		{"hard link to a directory", []entry{{name: "d/"}, {name: "h", link: "d", kind: hard}}},
		{"hard link to nothing", []entry{{name: "h", link: "nothing", kind: hard}}},
		{"pipe", []entry{{name: "p", kind: tar.TypeFifo}}},
		{"device", []entry{{name: "p", kind: tar.TypeChar}}},
		{"block device", []entry{{name: "p", kind: tar.TypeBlock}}},
		{"unknown kind", []entry{{name: "p", kind: 'Z'}}},
	}
	run := func(t *testing.T, file string, content []byte) {
		dir, sandbox := outer(t)
		before := tree(t, sandbox)
		src := write(t, file, content, 0o600)
		err := new(Fetcher).Fetch(t.Context(), sandbox, []URI{{Value: src, Extract: true}})
		if err == nil || len(err.Error()) > 500 {
			t.Errorf("got %v", err)
		}
		wantAlive(t, dir)
		if err := os.Remove(filepath.Join(sandbox, file)); err != nil {
			t.Error(err)
		}
		wantTree(t, sandbox, before...)
	}
	for _, tt := range tests {
		last := tt.entries[len(tt.entries)-1].kind
		t.Run("tar/"+tt.name, func(t *testing.T) { run(t, "a.tar", tarOf(t, tt.entries...)) })
		if last == hard || last == tar.TypeBlock || last == 'Z' {
			continue // zip has no such thing
		}
		t.Run("zip/"+tt.name, func(t *testing.T) { run(t, "a.zip", zipOf(t, tt.entries...)) })
	}
}

// A link that leads out is not followed if an entry has its name, but replaced.
func TestUnpackReplacesLinks(t *testing.T) {
	dir, sandbox := outer(t)
	src := write(t, "a.tar", tarOf(t, entry{name: "bird", body: "new"}, entry{name: "out", body: "new"}, entry{name: "abs", link: "out", kind: tar.TypeLink}), 0o600)
	if err := new(Fetcher).Fetch(t.Context(), sandbox, []URI{{Value: src, Extract: true}}); err != nil {
		t.Fatal(err)
	}
	wantAlive(t, dir)
	if err := os.Remove(filepath.Join(sandbox, "a.tar")); err != nil {
		t.Error(err)
	}
	wantTree(t, sandbox, "abs 644 new", "bird 644 new", "out 644 new")
}

func TestUnpackRefusesBombs(t *testing.T) {
	const limit = 1 << 16 // so 1016 entries
	zeros := strings.Repeat("\x00", limit)
	var many, deep []entry
	for i := range 1017 {
		many = append(many, entry{name: fmt.Sprint(i)})
	}
	for i := range 9 {
		deep = append(deep, entry{name: fmt.Sprint(i, strings.Repeat("/d", 120))})
	}
	two := []entry{{name: "a", body: zeros[1:]}, {name: "b", body: "xy"}}
	liar := zipOf(t, entry{name: "a", body: zeros + zeros})
	binary.LittleEndian.PutUint32(liar[bytes.Index(liar, []byte("PK\x01\x02"))+24:], 5)
	header := tarOf(t, entry{name: "x"})[:512] // of an extended kind, and says nothing
	header[156] = 'x'
	copy(header[148:], fmt.Sprintf("%06o\x00 ", checksum(header)))
	var listed bytes.Buffer
	w := zip.NewWriter(&listed)
	_, err := w.CreateHeader(&zip.FileHeader{Name: "a", Comment: strings.Repeat("x", 1<<16-1)})
	if err := errors.Join(err, w.Close()); err != nil {
		t.Fatal(err)
	}
	start, end := bytes.Index(listed.Bytes(), []byte("PK\x01\x02")), bytes.Index(listed.Bytes(), []byte("PK\x05\x06"))
	tail := listed.Bytes()[end:]
	listing := append(bytes.Clone(listed.Bytes()[:start]), bytes.Repeat(listed.Bytes()[start:end], maxDirectory>>16+8)...)
	binary.LittleEndian.PutUint32(tail[12:], uint32(len(listing)-start))
	listing = append(listing, tail...)
	tests := []struct {
		name    string
		content []byte
		want    string
	}{
		{"one.tar", tarOf(t, entry{name: "a", body: zeros + "x"}), "too much"},
		{"two.tar", tarOf(t, two...), "too much"},
		{"two.tgz", gz(t, tarOf(t, two...)), "too much"},
		{"two.zip", zipOf(t, two...), "more than 65536 bytes"},
		{"file.gz", gz(t, []byte(zeros+"x")), "too much"},
		{"many.tar", tarOf(t, many...), "too many entries"},
		{"many.zip", zipOf(t, many...), "too many entries"},
		{"deep.tar", tarOf(t, deep...), "too many entries"},
		{"headers.tgz", gz(t, bytes.Repeat(header, 9000)), "too much"},
		{"liar.zip", liar, "unpack: "},
		{"listing.zip", listing, "directory is too long"},
		{"memory.txz", bigDictionary(xzOf(t, xz.WriterConfig{}, tarOf(t, two[1]))), "dictionary"},
		{"memory-later.txz", append(xzOf(t, xz.WriterConfig{BlockSize: 700}, tarOf(t, two[1])), bigDictionary(xzOf(t, xz.WriterConfig{}, []byte("x")))...), "dictionary"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			src, dir := write(t, tt.name, tt.content, 0o600), t.TempDir()
			f := &Fetcher{MaxUnpacked: limit}
			err := f.Fetch(t.Context(), dir, []URI{{Value: src, Extract: true}})
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want an error with %q", err, tt.want)
			}
			if err := os.Remove(filepath.Join(dir, tt.name)); err != nil {
				t.Error(err)
			}
			wantTree(t, dir)
		})
	}
}

// What just fits is not refused.
func TestUnpackUpToTheBound(t *testing.T) {
	body := strings.Repeat("x", 1<<16)
	plain := []entry{{name: "a", body: body[1:]}, {name: "b", body: "x"}}
	for name, content := range map[string][]byte{
		"a.tar": tarOf(t, plain...), "a.zip": zipOf(t, plain...), "a.tgz": gz(t, tarOf(t, plain...)), "f.gz": gz(t, []byte(body)),
		"a.txz": xzOf(t, xz.WriterConfig{DictCap: 1 << 20}, tarOf(t, plain...)),
	} {
		src := write(t, name, content, 0o600)
		if err := (&Fetcher{MaxUnpacked: 1 << 16}).Fetch(t.Context(), t.TempDir(), []URI{{Value: src, Extract: true}}); err != nil {
			t.Error(err)
		}
	}
}

// checksum is a tar header's, of which the field for it counts as spaces.
func checksum(h []byte) (sum int) {
	for i, b := range h {
		if i >= 148 && i < 156 {
			b = ' '
		}
		sum += int(b)
	}
	return sum
}

// bigDictionary makes the first block of an xz file ask for 4 GB.
func bigDictionary(b []byte) []byte {
	header := b[12 : 12+4*(int(b[12])+1)]
	at := bytes.Index(header, []byte{0x21, 1})
	header[at+2] = 40
	end := len(header) - 4
	binary.LittleEndian.PutUint32(header[end:], crc32.ChecksumIEEE(header[:end]))
	return b
}

// FuzzTar and FuzzZip unpack anything: nothing may happen beside the sandbox,
// and no new link may lead there.
func FuzzTar(f *testing.F) {
	plain := tarOf(f, entry{name: "d/f", body: "x"}, entry{name: "d/l", link: "../d/f", kind: tar.TypeSymlink}, entry{name: "h", link: "d/f", kind: tar.TypeLink})
	bad := tarOf(f, entry{name: "l", link: "out", kind: tar.TypeSymlink}, entry{name: "l/canary", body: "dead"})
	for _, seed := range [][]byte{plain, bad, gz(f, plain), bz2Of(f), xzOf(f, xz.WriterConfig{}, plain)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, b []byte) { fuzzUnpack(t, "a.tar", b) })
}

func FuzzZip(f *testing.F) {
	f.Add(zipOf(f, entry{name: "d/f", body: "x"}, entry{name: "d/l", link: "../d/f", kind: tar.TypeSymlink}))
	f.Add(zipOf(f, entry{name: "l", link: "out", kind: tar.TypeSymlink}, entry{name: "l/canary", body: "dead"}))
	f.Fuzz(func(t *testing.T, b []byte) { fuzzUnpack(t, "a.zip", b) })
}

func fuzzUnpack(t *testing.T, name string, b []byte) {
	dir, sandbox := outer(t)
	before := tree(t, sandbox)
	src := write(t, name, b, 0o600)
	err := (&Fetcher{MaxUnpacked: 1 << 18}).Fetch(t.Context(), sandbox, []URI{{Value: src, Extract: true}})
	wantAlive(t, dir)
	if err == nil {
		wantNoWayOut(t, sandbox)
		return
	}
	if err := os.Remove(filepath.Join(sandbox, name)); err == nil && len(tree(t, sandbox)) > len(before) {
		t.Errorf("left behind: %q", tree(t, sandbox))
	}
}

// wantNoWayOut follows every link in the sandbox that was not there before.
func wantNoWayOut(t *testing.T, sandbox string) {
	for _, line := range tree(t, sandbox) {
		name, to, isLink := strings.Cut(line, " -> ")
		if !isLink || to == ".." || to == "../canary" || to == filepath.Dir(sandbox) {
			continue
		}
		real, err := filepath.EvalSymlinks(filepath.Join(sandbox, name))
		if err == nil && real != sandbox && !strings.HasPrefix(real, sandbox+"/") {
			t.Errorf("%s leads to %s", line, real)
		}
	}
}

// FuzzXZ writes xz files as the library does: checkXZ knows how much is in one,
// and refuses one that is cut short anywhere. It also reads what is no xz file.
func FuzzXZ(f *testing.F) {
	f.Add([]byte("some text, some text"), uint16(7), byte(0), uint16(50))
	f.Add(bytes.Repeat([]byte("more text, "), 400), uint16(1000), byte(1), uint16(0))
	f.Add(xzOf(f, xz.WriterConfig{}, []byte("x")), uint16(0), byte(2), uint16(1))
	f.Add([]byte{}, uint16(0), byte(3), uint16(9))
	f.Fuzz(func(t *testing.T, b []byte, block uint16, check byte, cut uint16) {
		_, _ = checkXZ(bufio.NewReader(bytes.NewReader(b)))
		c := xz.WriterConfig{DictCap: 1 << 16, BlockSize: int64(block), CheckSum: []byte{xz.CRC32, xz.CRC64, xz.SHA256}[check%3], NoCheckSum: check%4 == 3}
		packed := xzOf(t, c, b)
		n, err := checkXZ(bufio.NewReader(bytes.NewReader(packed)))
		if err != nil || n != int64(len(b)) {
			t.Errorf("%d bytes, %v, want %d", n, err, len(b))
		}
		packed = packed[:int(cut)%len(packed)]
		if _, err := checkXZ(bufio.NewReader(bytes.NewReader(packed))); err == nil {
			t.Errorf("cut after %d bytes: no error", len(packed))
		}
	})
}

// Damage anywhere in an xz file, where only its checks can show it, is noticed
// as long as it is in what tar reads.
func TestUnpackDamagedXZ(t *testing.T) {
	plain := tarOf(t, entry{name: "a", body: strings.Repeat("some words ", 100)}, entry{name: "b", body: "more"})
	good := xzOf(t, xz.WriterConfig{BlockSize: 1024}, plain)
	sandbox, src := t.TempDir(), write(t, "a.txz", nil, 0o600)
	for i := range good {
		bad := bytes.Clone(good)
		bad[i] ^= 0x10
		if err := os.WriteFile(src, bad, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := new(Fetcher).Fetch(t.Context(), sandbox, []URI{{Value: src, Extract: true}}); err != nil {
			continue
		}
		b, err := os.ReadFile(filepath.Join(sandbox, "a"))
		if err != nil || string(b) != strings.Repeat("some words ", 100) {
			t.Errorf("byte %d: unpacked without an error to %q, %v", i, b, err)
		}
		wantFile(t, filepath.Join(sandbox, "b"), "more")
	}
}
