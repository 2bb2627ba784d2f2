package store

import (
	"encoding/binary"
	"fmt"
	"slices"
	"time"
)

// A payload is a row of fields in the order of their numbers. A field is a
// uvarint, number<<1 | kind, and then either a uvarint or a length and that many
// bytes. A field that holds its zero value is left out, so that a later version
// can add fields to records that it finds. Signed numbers are zigzag varints.
const (
	kindNumber = 0
	kindBytes  = 1
)

// encoder writes fields.
type encoder struct{ b []byte }

func (e *encoder) tag(number, kind uint64) { e.b = binary.AppendUvarint(e.b, number<<1|kind) }

func (e *encoder) uint(number, v uint64) {
	if v != 0 {
		e.tag(number, kindNumber)
		e.b = binary.AppendUvarint(e.b, v)
	}
}

func (e *encoder) int(number uint64, v int64) { e.uint(number, uint64(v)<<1^uint64(v>>63)) }

func (e *encoder) flag(number uint64, v bool) {
	if v {
		e.uint(number, 1)
	}
}

func (e *encoder) text(number uint64, s string) {
	if s != "" {
		e.tag(number, kindBytes)
		e.b = binary.AppendUvarint(e.b, uint64(len(s)))
		e.b = append(e.b, s...)
	}
}

// time keeps the instant, not the zone: seconds since 1970, then nanoseconds.
func (e *encoder) time(number uint64, t time.Time) {
	if t.IsZero() {
		return
	}
	e.message(number, func() {
		e.b = binary.AppendVarint(e.b, t.Unix())
		e.b = binary.AppendUvarint(e.b, uint64(t.Nanosecond()))
	})
}

// message writes a field of bytes that write appends. It is written even if it
// is empty: that it is there tells something.
func (e *encoder) message(number uint64, write func()) {
	e.tag(number, kindBytes)
	start := len(e.b)
	write()
	var size [binary.MaxVarintLen64]byte
	n := binary.PutUvarint(size[:], uint64(len(e.b)-start))
	e.b = slices.Insert(e.b, start, size[:n]...)
}

// decoder reads fields. It believes nothing: the first thing that is wrong ends
// it, and err says what. Errors never quote what a field holds.
type decoder struct {
	rest   []byte
	texts  *texts
	number uint64 // of the field that next found
	kind   uint64
	value  uint64
	bytes  []byte // aliases the payload
	err    error
}

func (d *decoder) fail(format string, args ...any) {
	if d.err == nil {
		d.err = fmt.Errorf(format, args...)
		d.rest = nil
	}
}

// next goes to the next field, if there is one.
func (d *decoder) next() bool {
	if len(d.rest) == 0 {
		return false
	}
	tag, ok := d.uvarint()
	if !ok {
		return false
	}
	last := d.number
	d.number, d.kind, d.bytes = tag>>1, tag&1, nil
	if d.number < last || d.number == 0 {
		d.fail("field %d follows field %d", d.number, last)
		return false
	}
	if d.value, ok = d.uvarint(); !ok || d.kind == kindNumber {
		return ok
	}
	if d.value > uint64(len(d.rest)) {
		d.fail("field %d is longer than its record", d.number)
		return false
	}
	d.bytes, d.rest = d.rest[:d.value], d.rest[d.value:]
	return true
}

func (d *decoder) uvarint() (uint64, bool) {
	v, n := binary.Uvarint(d.rest)
	if n <= 0 {
		d.fail("a number behind field %d is cut off or too large", d.number)
		return 0, false
	}
	d.rest = d.rest[n:]
	return v, true
}

func (d *decoder) is(kind uint64) bool {
	if d.kind != kind {
		d.fail("field %d is of the wrong kind", d.number)
	}
	return d.kind == kind
}

func (d *decoder) uint() uint64 {
	if !d.is(kindNumber) {
		return 0
	}
	return d.value
}

func (d *decoder) int() int64 {
	v := d.uint()
	return int64(v>>1) ^ -int64(v&1)
}

// small reads a number that is at most most.
func (d *decoder) small(most uint64) uint64 {
	v := d.uint()
	if v > most {
		d.fail("field %d is out of range", d.number)
		return 0
	}
	return v
}

func (d *decoder) flag() bool { return d.small(1) == 1 }

// message is the payload of a field within this one.
func (d *decoder) message() *decoder {
	d.is(kindBytes)
	return &decoder{rest: d.bytes, texts: d.texts}
}

// text is a copy, which equal texts share.
func (d *decoder) text() string {
	d.is(kindBytes)
	return d.texts.keep(d.bytes)
}

func (d *decoder) time() time.Time {
	d.is(kindBytes)
	seconds, n := binary.Varint(d.bytes)
	if n <= 0 {
		d.fail("field %d is no time", d.number)
		return time.Time{}
	}
	nanos, m := binary.Uvarint(d.bytes[n:])
	if m <= 0 || n+m != len(d.bytes) || nanos >= 1e9 {
		d.fail("field %d is no time", d.number)
		return time.Time{}
	}
	return time.Unix(seconds, int64(nanos))
}

func (d *decoder) unknown() { d.fail("field %d is unknown", d.number) }

// inner notes what is wrong with a message within this one.
func (d *decoder) inner(m *decoder) {
	if m.err != nil {
		d.fail("field %d: %v", d.number, m.err)
	}
}
