package store

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// damage is one way to spoil a journal.
type damage struct {
	name  string
	spoil func(data []byte) []byte // of a copy
}

// TestDamage: a journal that was spoiled in any way is refused and left alone,
// or opens with everything in it.
func TestDamage(t *testing.T) {
	dir, m := sample(t, 1, 500)
	whole := journalOf(t, dir)
	meta, err := readMeta(bytes.NewReader(whole), int64(len(whole)))
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d bytes, %d pages in use or free, %d tasks", len(whole), meta.pages, len(m.order))
	for name, group := range damages(len(whole), int(meta.pages)) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			refused := 0
			for i, d := range group {
				if tryDamaged(t, dir, d, whole, m, i%20 == 0) {
					refused++
				}
			}
			t.Logf("%d refused, %d opened with everything in it", refused, len(group)-refused)
			if refused == 0 {
				t.Error("none was refused")
			}
		})
	}
}

func damages(size, pages int) map[string][]damage {
	rnd := rand.New(rand.NewPCG(2, 2))
	var boundaries, offsets, bits, bytes, zeroed, swapped []damage
	cut := func(at int) damage {
		return damage{fmt.Sprintf("cut at %d", at), func(b []byte) []byte { return b[:at] }}
	}
	for at := 0; at <= size; at += pageSize {
		for _, at := range []int{at - 1, at, at + 1} {
			if at >= 0 && at < size {
				boundaries = append(boundaries, cut(at))
			}
		}
	}
	n := 2000
	if raceDetector {
		n = 200
	}
	for range n {
		offsets = append(offsets, cut(rnd.IntN(size)))
		at, bit := rnd.IntN(pages*pageSize), rnd.IntN(8)
		bits = append(bits, damage{fmt.Sprintf("bit %d of byte %d", bit, at), func(b []byte) []byte {
			b[at] ^= 1 << bit
			return b
		}})
	}
	// Headers and elements are few among the bytes of a file: these are them.
	for page := range pages {
		for range n / 200 {
			at, bit := page*pageSize+rnd.IntN(96), rnd.IntN(8)
			bits = append(bits, damage{fmt.Sprintf("bit %d of byte %d of page %d", bit, at%pageSize, page), func(b []byte) []byte {
				b[at] ^= 1 << bit
				return b
			}})
		}
		zeroed = append(zeroed, damage{fmt.Sprintf("page %d zeroed", page), func(b []byte) []byte {
			clear(b[page*pageSize : (page+1)*pageSize])
			return b
		}})
		other := rnd.IntN(pages)
		swapped = append(swapped, damage{fmt.Sprintf("page %d in the place of %d", other, page), func(b []byte) []byte {
			copy(b[page*pageSize:(page+1)*pageSize], b[other*pageSize:])
			return b
		}})
	}
	for i := range n / 4 {
		seed := uint64(i)
		bytes = append(bytes, damage{fmt.Sprintf("random bytes %d", i), func(b []byte) []byte {
			rnd := rand.New(rand.NewPCG(seed, 3))
			at := rnd.IntN(pages * pageSize)
			for i := range rnd.IntN(64) + 2 {
				b[(at+i)%len(b)] = byte(rnd.Uint32())
			}
			return b
		}})
	}
	return map[string][]damage{"boundaries": boundaries, "offsets": offsets, "bits": bits, "bytes": bytes, "zeroed": zeroed, "swapped": swapped}
}

// tryDamaged tells whether a spoiled journal was refused. One that was not is
// written to as well, if that is asked for: it takes a while.
func tryDamaged(t *testing.T, dir string, d damage, whole []byte, m *model, written bool) bool {
	t.Helper()
	data := d.spoil(bytes.Clone(whole))
	place(t, dir, data)
	before := modTime(t, dir)
	s, err := Open(dir)
	if err == nil {
		if what := m.differs(s); what != "" {
			t.Errorf("%s: opened, but %s", d.name, what)
		}
		if !written {
			mustClose(t, s)
			return false
		}
		mustWrite(t, s, Batch{Tasks: []Task{m.tasks[m.order[3]]}})
		mustClose(t, s)
		s = mustOpen(t, dir)
		if what := m.differs(s); what != "" {
			t.Errorf("%s: opened and written, but %s", d.name, what)
		}
		mustClose(t, s)
		return false
	}
	if !isDamaged(err) {
		t.Errorf("%s: %v", d.name, err)
	}
	if !bytes.Equal(journalOf(t, dir), data) || !modTime(t, dir).Equal(before) {
		t.Errorf("%s: refused, but the file was changed", d.name)
	}
	return true
}

// TestNoJournal: what is no journal at all is refused too, and says what to do.
func TestNoJournal(t *testing.T) {
	for name, data := range map[string][]byte{"empty": {}, "text": []byte("tasks: []\n"), "long text": bytes.Repeat([]byte("tasks: []\n"), 5000)} {
		dir := t.TempDir()
		place(t, dir, data)
		_, err := Open(dir)
		if !isDamaged(err) || !strings.Contains(err.Error(), "--state") || !strings.Contains(err.Error(), filepath.Join(dir, fileName)) {
			t.Errorf("%s: %v", name, err)
		}
	}
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, fileName), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(dir); !isDamaged(err) {
		t.Errorf("a directory: %v", err)
	}
	other, _ := sample(t, 1, 3)
	dir = t.TempDir()
	if err := os.Symlink(filepath.Join(other, fileName), filepath.Join(dir, fileName)); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(dir); !isDamaged(err) {
		t.Errorf("a link: %v", err)
	}
}
