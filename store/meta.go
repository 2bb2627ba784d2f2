package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
)

// What this file and pages.go know of bbolt's files is in its internal/common
// (page.go, meta.go, bucket.go, inode.go) and internal/freelist/shared.go, of
// v1.5.0; its file format has been version 2 since 2013.
//
// Pages 0 and 1 are meta pages. A transaction writes its pages where nothing of
// the last transaction stands, syncs, writes the meta page whose turn it is, and
// syncs again. So a machine that stops at any time leaves one of these:
//
//   - the file as it was, perhaps longer, with anything in pages that are free
//     or behind the high-water mark: both meta pages are valid, and everything
//     that the newer one leads to stands there;
//   - the same with the new meta page. All that it leads to was synced before.
//
// A meta page that is half written would be a third, but what there is of one
// lies in the first 80 bytes, and disks write sectors of 512 bytes or more
// whole. So after any crash both meta pages are valid and their transactions
// are neighbours, as they are in a new file. bbolt itself is content with one
// valid page, and would then go on with the older transaction: that is how
// damage becomes a loss that nobody is told of. Here it is refused.

const (
	pageSize = 4096 // bytes, of every journal, on machines of any page size

	metaMagic   = 0xED0CDAED
	metaVersion = 2
	metaSize    = 80 // bytes of a page that count: its header and the meta
)

// The flags of a page: what it is.
const (
	branchPage   = 0x01
	leafPage     = 0x02
	metaPage     = 0x04
	freelistPage = 0x10
)

// meta is where a transaction begins.
type meta struct {
	root     uint64 // page of the bucket of buckets
	freelist uint64 // page
	pages    uint64 // the high-water mark: pages from here on are not used
	txid     uint64
}

var native = binary.NativeEndian

// parseMeta reads the meta page with this number; page has metaSize bytes.
func parseMeta(page []byte, number uint64) (meta, error) {
	m := page[16:]
	sum := fnv.New64a()
	sum.Write(m[:56])
	switch {
	case native.Uint32(m) != metaMagic:
		return meta{}, fmt.Errorf("page %d does not begin a journal", number)
	case native.Uint64(m[56:]) != sum.Sum64():
		return meta{}, fmt.Errorf("the checksum of page %d is wrong", number)
	case native.Uint32(m[4:]) != metaVersion, native.Uint32(m[8:]) != pageSize, native.Uint32(m[12:]) != 0, native.Uint64(m[24:]) != 0:
		return meta{}, fmt.Errorf("page %d is of another kind of journal", number)
	case native.Uint64(page) != number, native.Uint16(page[8:]) != metaPage,
		native.Uint16(page[10:]) != 0, native.Uint32(page[12:]) != 0:
		return meta{}, fmt.Errorf("the header of page %d is wrong", number)
	}
	out := meta{root: native.Uint64(m[16:]), freelist: native.Uint64(m[32:]), pages: native.Uint64(m[40:]), txid: native.Uint64(m[48:])}
	if out.txid%2 != number {
		return meta{}, fmt.Errorf("page %d is of transaction %d", number, out.txid)
	}
	return out, nil
}

// readMeta finds the last transaction of a file of this size, in bytes.
func readMeta(file io.ReaderAt, size int64) (meta, error) {
	if size == 0 {
		return meta{}, errors.New("it is empty")
	}
	var found [2]meta
	for i := range found {
		page := make([]byte, metaSize)
		if _, err := file.ReadAt(page, int64(i)*pageSize); err != nil {
			return meta{}, fmt.Errorf("page %d cannot be read: %w", i, err)
		}
		m, err := parseMeta(page, uint64(i))
		if err != nil {
			return meta{}, err
		}
		found[i] = m
	}
	old, last := found[0], found[1]
	if old.txid > last.txid {
		old, last = last, old
	}
	switch {
	case last.txid != old.txid+1:
		return meta{}, fmt.Errorf("a transaction is missing between %d and %d", old.txid, last.txid)
	case last.pages < 4 || last.pages > uint64(size)/pageSize:
		return meta{}, fmt.Errorf("it has %d bytes, too few for %d pages", size, last.pages)
	}
	return last, nil
}
