package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
)

// A record is a value of a bucket: a CRC-32C, 4 bytes little-endian, over the
// bucket's name, the key and what follows; the sequence number of the
// transaction that wrote it, a uvarint; the payload.

// The buckets. A task or a spec has its number as its key, 8 bytes big-endian,
// from 1 without a gap: the order of first storing, so that new ones go to the
// end of the tree and neighbours share a page.
const (
	headBucket     = "head" // "head", and "run" if a run was begun
	specBucket     = "spec"
	taskBucket     = "task"
	unwantedBucket = "unwanted" // by launch id; the payload is the agent

	headKey = "head"
	runKey  = "run"
)

// buckets has all of them, in the order of the file.
var buckets = []string{headBucket, specBucket, taskBucket, unwantedBucket}

const (
	maxPayload = 16 << 20 // bytes of a record's payload
	maxKey     = 4096     // bytes of a key; a Mesos task id has at most 255
	minRecord  = 5        // bytes: the CRC and a sequence number
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func checksum(bucket string, key, rest []byte) uint32 {
	// The names of buckets are no prefixes of each other, and keys have one
	// length in each but the last.
	crc := crc32.Update(0, castagnoli, []byte(bucket))
	crc = crc32.Update(crc, castagnoli, key)
	return crc32.Update(crc, castagnoli, rest)
}

// seal makes the record of a payload.
func seal(bucket string, key []byte, sequence uint64, payload []byte) []byte {
	record := make([]byte, 4, 4+binary.MaxVarintLen64+len(payload))
	record = binary.AppendUvarint(record, sequence)
	record = append(record, payload...)
	binary.LittleEndian.PutUint32(record, checksum(bucket, key, record[4:]))
	return record
}

// unseal gives the payload of a record and its sequence number.
func unseal(bucket string, key, record []byte) (payload []byte, sequence uint64, err error) {
	if len(record) < minRecord {
		return nil, 0, errors.New("too short")
	}
	if sum(record) != checksum(bucket, key, record[4:]) {
		return nil, 0, errors.New("its checksum is wrong")
	}
	sequence, n := binary.Uvarint(record[4:])
	if n <= 0 {
		return nil, 0, errors.New("it has no sequence number")
	}
	payload = record[4+n:]
	if len(payload) > maxPayload {
		return nil, 0, fmt.Errorf("it has %d bytes, at most %d are allowed", len(payload), maxPayload)
	}
	return payload, sequence, nil
}

// sum is the checksum that a record of at least 4 bytes holds.
func sum(record []byte) uint32 { return binary.LittleEndian.Uint32(record) }

func numberKey(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }

// format is the version of all that this package writes: 1 had no files, outputs
// and executors, 2 no rules, held and given tasks, policy and notices, and 3 did not
// have of launches when they were queued and starting, and their ports, nor failures
// that count no more; nothing else is different. The record of the head and the
// number of its first field are the same in all versions.
const format = 4

// head is what the journal says of itself, written in every transaction.
type head struct {
	format   uint64
	sequence uint64 // of the last transaction
	specs    uint64 // how many there are; also the highest number
	tasks    uint64 // the same
	unwanted uint64
	run      bool // there is one
	// sums is the sum of the checksums of all records but this one. A page that
	// went back to what it held before has records that are right in
	// themselves, and this tells that it did.
	sums uint64
}

func (h *head) encode(e *encoder) {
	e.uint(1, h.format)
	e.uint(2, h.sequence)
	e.uint(3, h.specs)
	e.uint(4, h.tasks)
	e.uint(5, h.unwanted)
	e.flag(6, h.run)
	e.uint(7, h.sums)
}

// errNewer is wrong with a head of which only the format could be read.
var errNewer = errors.New("written by a newer cmdq")

func decodeHead(payload []byte) (head, error) {
	d := &decoder{rest: payload, texts: &texts{}}
	var h head
	for d.next() {
		if h.format > format {
			return h, errNewer // whatever follows
		}
		switch d.number {
		case 1:
			h.format = d.uint()
		case 2:
			h.sequence = d.uint()
		case 3:
			h.specs = d.uint()
		case 4:
			h.tasks = d.uint()
		case 5:
			h.unwanted = d.uint()
		case 6:
			h.run = d.flag()
		case 7:
			h.sums = d.uint()
		default:
			d.unknown()
		}
	}
	switch {
	case h.format > format:
		return h, errNewer
	case d.err != nil:
		return h, d.err
	case h.format == 0:
		return h, errors.New("it has no format version")
	}
	return h, nil
}
