package local

import (
	"slices"
	"testing"
	"time"
)

// TestHeldMailbox: what is posted waits while the mailbox is held, and then
// runs in order; interrupts do not wait; the end does not either.
func TestHeldMailbox(t *testing.T) {
	b := newMailbox()
	go b.run(func(time.Time) {}, func() {}, nil, nil)
	var order []string
	note := func(s string) func() { return func() { order = append(order, s) } }
	b.override(func() { b.hold(true) })
	for _, s := range []string{"a", "b"} {
		b.post(note(s))
	}
	b.override(note("urgent"))
	b.override(func() {
		if !slices.Equal(order, []string{"urgent"}) {
			t.Errorf("while it is held, %v ran", order)
		}
		b.hold(false)
	})
	b.call(note("c"))
	b.override(func() {
		if !slices.Equal(order, []string{"urgent", "a", "b", "c"}) {
			t.Errorf("%v ran", order)
		}
		b.hold(true)
	})
	ended := make(chan bool)
	go func() { ended <- b.call(func() {}) }()
	b.close()
	if <-ended {
		t.Error("a held mailbox that is closed has run something")
	}
	<-b.done
	if b.post(func() {}) || b.interrupt(func() {}) || b.override(func() {}) {
		t.Error("a closed mailbox takes something")
	}
}
