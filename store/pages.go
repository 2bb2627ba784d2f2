package store

import (
	"bytes"
	"errors"
	"fmt"
	"io"
)

// pages reads a bbolt file without bbolt, which trusts what it maps: what is
// wrong in a file makes it panic or fault, some of that in goroutines where
// nobody can recover. It checks all that bbolt relies on: every page of the file
// is in use once or free, every page is what its place says, its elements lie
// within it one behind the other, and keys ascend.
type pages struct {
	file    io.ReaderAt
	meta    meta
	seen    []uint64 // a bit a page: in use, or free
	buffers [][]byte // one a level, so that a parent stays while its children are read
}

// maxDepth is of a tree. One of that many levels has more pages than any file.
const maxDepth = 24

// visit gets every bucket, without key and record, and then its records. What it
// gets is gone when it returns.
type visit func(bucket string, key, record []byte) error

// checkPages checks the structure of a file and shows every record, bucket by
// bucket in the order of the keys. It gives the last transaction.
func checkPages(file io.ReaderAt, size int64, f visit) (txid uint64, err error) {
	m, err := readMeta(file, size)
	if err != nil {
		return 0, err
	}
	p := &pages{file: file, meta: m, seen: make([]uint64, m.pages/64+1)}
	if err := errors.Join(p.use(0, 1), p.use(1, 1)); err != nil {
		return 0, err
	}
	root := &tree{pages: p, top: true, visit: f}
	if err := root.page(m.root, 0, nil); err != nil {
		return 0, err
	}
	return m.txid, p.freelist()
}

// use marks pages, each of which may be marked once.
func (p *pages) use(id, n uint64) error {
	if id >= p.meta.pages || n > p.meta.pages-id {
		return fmt.Errorf("page %d lies behind the end", id)
	}
	for i := id; i < id+n; i++ {
		if p.seen[i/64]&(1<<(i%64)) != 0 {
			return fmt.Errorf("page %d is used twice", i)
		}
		p.seen[i/64] |= 1 << (i % 64)
	}
	return nil
}

// read reads a page with those that continue it, and marks them.
func (p *pages) read(id uint64, depth int) ([]byte, error) {
	if depth >= maxDepth {
		return nil, fmt.Errorf("page %d is %d levels deep", id, depth)
	}
	if id < 2 {
		return nil, fmt.Errorf("page %d is none of a tree", id)
	}
	for len(p.buffers) <= depth {
		p.buffers = append(p.buffers, make([]byte, pageSize))
	}
	if err := p.use(id, 1); err != nil {
		return nil, err
	}
	page := p.buffers[depth][:pageSize]
	if _, err := p.file.ReadAt(page, int64(id)*pageSize); err != nil {
		return nil, fmt.Errorf("page %d cannot be read: %w", id, err)
	}
	if native.Uint64(page) != id {
		return nil, fmt.Errorf("page %d says that it is another one", id)
	}
	more := uint64(native.Uint32(page[12:]))
	if more == 0 {
		return page, nil
	}
	if err := p.use(id+1, more); err != nil {
		return nil, err
	}
	long := make([]byte, (more+1)*pageSize) // use has found that the file is longer
	if _, err := p.file.ReadAt(long, int64(id)*pageSize); err != nil {
		return nil, fmt.Errorf("page %d cannot be read: %w", id, err)
	}
	return long, nil
}

// freelist checks that all pages that are not in use are free, and none twice.
func (p *pages) freelist() error {
	page, err := p.read(p.meta.freelist, 0)
	if err != nil {
		return fmt.Errorf("the list of free pages: %w", err)
	}
	if native.Uint16(page[8:]) != freelistPage {
		return fmt.Errorf("page %d is no list of free pages", p.meta.freelist)
	}
	ids, n := page[16:], uint64(native.Uint16(page[10:]))
	if n == 0xffff { // too many for the header
		n, ids = native.Uint64(ids), ids[8:]
	}
	if n > uint64(len(ids)/8) {
		return fmt.Errorf("the list of free pages is longer than its page")
	}
	last := uint64(1)
	for ; n > 0; n-- {
		id := native.Uint64(ids)
		if id <= last {
			return fmt.Errorf("the list of free pages has %d behind %d", id, last)
		}
		if err := p.use(id, 1); err != nil {
			return fmt.Errorf("the list of free pages: %w", err)
		}
		last, ids = id, ids[8:]
	}
	for id := range p.meta.pages {
		if p.seen[id/64]&(1<<(id%64)) == 0 {
			return fmt.Errorf("page %d is neither used nor free", id)
		}
	}
	return nil
}

// tree is one bucket while it is read: the one of all buckets, or one of ours.
type tree struct {
	*pages
	visit visit
	top   bool
	name  string
	depth int    // levels of the tree of buckets above it
	last  []byte // the last key, nil before the first
}

// page reads a page and all below it. low is the key that its parent has for
// it, nil at the root.
func (t *tree) page(id uint64, depth int, low []byte) error {
	page, err := t.read(id, t.depth+depth)
	if err != nil {
		return err
	}
	kind, n := native.Uint16(page[8:]), int(native.Uint16(page[10:]))
	if n == 0 && depth > 0 {
		return fmt.Errorf("page %d is empty", id)
	}
	switch kind {
	case leafPage:
		if err := t.leaf(page, n, low, depth); err != nil {
			return fmt.Errorf("page %d: %w", id, err)
		}
		return nil
	case branchPage:
		return t.branch(page, n, low, id, depth)
	}
	return fmt.Errorf("page %d is none of a tree", id)
}

// A branch has its elements, {position, size of key, page}, and then their keys.
func (t *tree) branch(page []byte, n int, low []byte, id uint64, depth int) error {
	end := 16 + 16*n
	if n == 0 || end > len(page) {
		return fmt.Errorf("page %d cannot have %d elements", id, n)
	}
	for i := range n {
		at := 16 + 16*i
		element := page[at:]
		key, _, err := cut(page, at, &end, native.Uint32(element), native.Uint32(element[4:]), 0)
		if err == nil {
			err = t.order(key, low, i == 0)
		}
		if err != nil {
			return fmt.Errorf("page %d: element %d: %w", id, i, err)
		}
		if err := t.page(native.Uint64(element[8:]), depth+1, key); err != nil {
			return err
		}
	}
	return nil
}

// A leaf has its elements, {flags, position, size of key, size of value}, and
// then each's key and value.
func (t *tree) leaf(page []byte, n int, low []byte, depth int) error {
	end := 16 + 16*n
	if end > len(page) {
		return fmt.Errorf("it cannot have %d elements", n)
	}
	for i := range n {
		at := 16 + 16*i
		element := page[at:]
		key, value, err := cut(page, at, &end, native.Uint32(element[4:]), native.Uint32(element[8:]), native.Uint32(element[12:]))
		if err == nil {
			err = t.order(key, low, i == 0)
		}
		if err != nil {
			return fmt.Errorf("element %d: %w", i, err)
		}
		t.last = append(t.last[:0], key...)
		switch flags := native.Uint32(element); {
		case t.top && flags == 1:
			err = t.bucket(string(key), value, depth)
		case !t.top && flags == 0:
			err = t.visit(t.name, key, value)
		default:
			err = fmt.Errorf("element %d has the flags %#x", i, flags)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// order checks that a key is above all before it, and not below the one that
// the parent has for the page whose first it is.
func (t *tree) order(key, low []byte, first bool) error {
	if t.last != nil && bytes.Compare(key, t.last) <= 0 || first && bytes.Compare(key, low) < 0 {
		return errors.New("its key is out of order")
	}
	return nil
}

// bucket reads a bucket, which has a tree of its own or, if it is small, one
// leaf within the value.
func (t *tree) bucket(name string, value []byte, depth int) error {
	if err := t.visit(name, nil, nil); err != nil {
		return err
	}
	if len(value) < 16 || native.Uint64(value[8:]) != 0 {
		return fmt.Errorf("the bucket %q is none of ours", name)
	}
	b := &tree{pages: t.pages, visit: t.visit, name: name, depth: t.depth + depth + 1}
	if root := native.Uint64(value); root != 0 {
		return b.page(root, 0, nil)
	}
	leaf := value[16:]
	if len(leaf) < 16 || native.Uint64(leaf) != 0 || native.Uint16(leaf[8:]) != leafPage || native.Uint32(leaf[12:]) != 0 {
		return fmt.Errorf("the bucket %q has no leaf", name)
	}
	if err := b.leaf(leaf, int(native.Uint16(leaf[10:])), nil, 0); err != nil {
		return fmt.Errorf("the bucket %q: %w", name, err)
	}
	return nil
}

// cut takes the key and the value of the element at at. bbolt writes them one
// behind the other, so the place of each is known: end, which moves on.
func cut(page []byte, at int, end *int, position, keySize, valueSize uint32) (key, value []byte, err error) {
	keyEnd := uint64(*end) + uint64(keySize)
	valueEnd := keyEnd + uint64(valueSize)
	switch {
	case uint64(at)+uint64(position) != uint64(*end):
		return nil, nil, errors.New("it points to a wrong place")
	case keySize == 0 || keySize > maxKey || valueEnd > uint64(len(page)):
		return nil, nil, errors.New("it has a wrong size")
	}
	key, value = page[*end:keyEnd:keyEnd], page[keyEnd:valueEnd:valueEnd]
	*end = int(valueEnd)
	return key, value, nil
}
