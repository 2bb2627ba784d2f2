package wire

import "fmt"

// Unmarshal decodes a protobuf message that came over a wire, with mesos-go's
// generated decoder, but for one that could end the process: nested too deep, or
// with one of the hostile lengths on which these decoders of 2020 index out of
// range (CVE-2021-3121).
func Unmarshal(message []byte, into interface{ Unmarshal([]byte) error }) (err error) {
	defer func() {
		if r := recover(); r != nil { // nothing else can panic in here
			err = fmt.Errorf("%v", r)
		}
	}()
	if err := checkNesting(message); err != nil {
		return err
	}
	return into.Unmarshal(message)
}

const (
	maxNesting  = 100      // messages within messages; Mesos' own events stay below 20
	shallowSize = 64 << 10 // bytes that cannot nest deep enough to hurt
)

// checkNesting refuses a protobuf message that nests deeper than 100 messages or
// groups.
func checkNesting(message []byte) error {
	if len(message) > shallowSize && tooDeep(message, maxNesting) {
		return fmt.Errorf("nested deeper than %d messages", maxNesting)
	}
	return nil
}

// tooDeep tells whether b, read as a protobuf message, nests deeper than limit.
//
// mesos-go's generated decoders call themselves for every group and every
// ContainerID.parent without a bound, and a stack that outgrows Go's limit ends
// the process; no recover helps. So a long event is looked at before. The schema
// is not known here: whatever can be read as a message counts as one, and
// text or numbers cannot be read so a hundred times over by chance.
func tooDeep(b []byte, limit int) bool {
	groups := 0
	for len(b) > 0 {
		tag, ok := varint(&b)
		if !ok {
			return false // here the decoder gives up as well
		}
		switch tag & 7 {
		case 0:
			if _, ok = varint(&b); !ok {
				return false
			}
		case 1:
			ok = skip(&b, 8)
		case 2:
			n, isLength := varint(&b)
			if !isLength || n > uint64(len(b)) {
				return false
			}
			if groups+1 >= limit || tooDeep(b[:n], limit-groups-1) {
				return true
			}
			b = b[n:]
		case 3:
			if groups++; groups >= limit {
				return true
			}
		case 4:
			groups--
			ok = groups >= 0
		case 5:
			ok = skip(&b, 4)
		default:
			return false
		}
		if !ok {
			return false
		}
	}
	return false
}

// varint takes a number off b. Like the generated code, and unlike
// encoding/binary, it lets the bits beyond 64 of a tenth byte go: what the two
// read differently could hide something.
func varint(b *[]byte) (n uint64, ok bool) {
	for i, c := range *b {
		if i == 10 {
			return 0, false
		}
		n |= uint64(c&0x7f) << (7 * i)
		if c < 0x80 {
			*b = (*b)[i+1:]
			return n, true
		}
	}
	return 0, false
}

func skip(b *[]byte, n int) bool {
	if len(*b) < n {
		return false
	}
	*b = (*b)[n:]
	return true
}
