package store

import (
	"bytes"
	"time"
)

// Notice is one that somebody is owed: a command of this machine, or an address
// that gets a POST, and what it is told.
type Notice struct {
	ID           string
	Kind         string // what of: the owner's word
	Command, URL string // one of them; they may hold secrets
	Body         []byte // JSON
	Tries        int
	Since, Next  time.Time // when it came to be owed, and when it is tried next
}

func encodeNotice(e *encoder, n Notice) {
	e.text(1, n.ID)
	e.text(2, n.Kind)
	e.text(3, n.Command)
	e.text(4, n.URL)
	e.text(5, string(n.Body))
	e.int(6, int64(n.Tries))
	e.time(7, n.Since)
	e.time(8, n.Next)
}

func decodeNotice(d *decoder) Notice {
	m := d.message()
	var n Notice
	for m.next() {
		switch m.number {
		case 1:
			n.ID = m.text()
		case 2:
			n.Kind = m.text()
		case 3:
			n.Command = m.text()
		case 4:
			n.URL = m.text()
		case 5:
			m.is(kindBytes)
			n.Body = bytes.Clone(m.bytes)
		case 6:
			n.Tries = m.whole()
		case 7:
			n.Since = m.time()
		case 8:
			n.Next = m.time()
		default:
			m.unknown()
		}
	}
	d.inner(m)
	return n
}
