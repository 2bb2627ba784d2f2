package store

import (
	"bytes"
	"math/rand/v2"
	"testing"
)

// TestCrash stops the machine in the middle of writes: what a transaction wrote
// before its meta page has reached the disk in any part and order, sector by
// sector. The journal then holds what it held before; with the meta page, it
// holds all of the transaction.
func TestCrash(t *testing.T) {
	rnd := rand.New(rand.NewPCG(4, 4))
	specs := randomSpecs(rnd, 6)
	dir, crashed, m := t.TempDir(), t.TempDir(), newModel()
	s := mustOpen(t, dir)
	before := journalOf(t, dir)
	writes := 150
	if raceDetector {
		writes = 40
	}
	for range writes {
		old := m.copy()
		b := randomBatch(rnd, m, specs)
		mustWrite(t, s, b)
		m.write(b)
		after := journalOf(t, dir)
		for range 4 {
			expect(t, crashed, partly(rnd, before, after), old)
		}
		expect(t, crashed, after, m)
		before = after
	}
	mustClose(t, s)
	if len(m.order) < writes/4 {
		t.Errorf("only %d tasks", len(m.order))
	}
}

// partly is the file when only some sectors of after's have reached the disk,
// and none of its meta pages.
func partly(rnd *rand.Rand, before, after []byte) []byte {
	const sector = 512
	disk := bytes.Clone(before)
	if rnd.IntN(2) == 0 { // the file grows before it is written to
		disk = append(disk, make([]byte, max(0, len(after)-len(before)))...)
	}
	for at := 2 * pageSize; at < len(disk); at += sector {
		if rnd.IntN(3) > 0 {
			copy(disk[at:at+sector], after[at:])
		}
	}
	return disk
}

func expect(t *testing.T, dir string, data []byte, m *model) {
	t.Helper()
	place(t, dir, data)
	s := mustOpen(t, dir)
	if what := m.differs(s); what != "" {
		t.Fatal(what)
	}
	mustClose(t, s)
}

// TestMetaIsNotRolledBack: bbolt would open these with the transaction before
// the last one.
func TestMetaIsNotRolledBack(t *testing.T) {
	dir, _ := sample(t, 5, 20)
	whole := journalOf(t, dir)
	for page := range 2 {
		for name, spoil := range map[string]func([]byte){
			"cleared": func(b []byte) { clear(b) },
			"torn":    func(b []byte) { clear(b[40:]) },
			"old":     func(b []byte) { b[16+48] -= 2 }, // the transaction's number
		} {
			data := bytes.Clone(whole)
			spoil(data[page*pageSize:][:pageSize])
			place(t, dir, data)
			if _, err := Open(dir); !isDamaged(err) {
				t.Errorf("meta page %d %s: %v", page, name, err)
			}
		}
	}
}

// TestLostMetaWrite: a meta page that never reached the disk while later ones
// did leaves a gap between the transactions.
func TestLostMetaWrite(t *testing.T) {
	dir, _ := sample(t, 5, 20)
	old := journalOf(t, dir)
	s := mustOpen(t, dir)
	for i := range 3 {
		mustWrite(t, s, Batch{Run: &Run{Master: string(rune('a' + i))}})
	}
	mustClose(t, s)
	data := journalOf(t, dir)
	m, err := readMeta(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	page := int((m.txid + 1) % 2)
	copy(data[page*pageSize:(page+1)*pageSize], old[page*pageSize:])
	place(t, dir, data)
	if _, err := Open(dir); !isDamaged(err) {
		t.Errorf("a gap between the meta pages: %v", err)
	}
}
