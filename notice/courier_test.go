package notice

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sirupsen/logrus"

	"cmdq/task"
)

func quiet() *logrus.Entry {
	log := logrus.New()
	log.SetOutput(io.Discard)
	return logrus.NewEntry(log)
}

// book keeps what is owed in memory, and what was delivered beside it.
type book struct {
	mu        sync.Mutex
	owed      map[string]Owed
	delivered []string
	trying    int
	most      int              // tries at a time
	at        []time.Time      // of the tries
	fails     func(Owed) error // nil: none
	takes     time.Duration    // a try
	keep      func(Owed) error
	drop      func(id string) error
}

func newBook(owed ...Owed) *book {
	b := &book{owed: map[string]Owed{}}
	for _, o := range owed {
		b.owed[o.ID] = o
	}
	return b
}

func (b *book) all() []Owed {
	b.mu.Lock()
	defer b.mu.Unlock()
	var all []Owed
	for _, o := range b.owed {
		all = append(all, o)
	}
	slices.SortFunc(all, func(x, y Owed) int { return x.Next.Compare(y.Next) })
	return all
}

func (b *book) Keep(_ context.Context, o Owed) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.keep != nil {
		if err := b.keep(o); err != nil {
			return err
		}
	}
	b.owed[o.ID] = o
	return nil
}

func (b *book) Drop(_ context.Context, id string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.drop != nil {
		if err := b.drop(id); err != nil {
			return err
		}
	}
	delete(b.owed, id)
	return nil
}

func (b *book) deliver(ctx context.Context, o Owed) error {
	b.mu.Lock()
	b.trying++
	b.most = max(b.most, b.trying)
	b.at = append(b.at, time.Now())
	kept, fails := b.owed[o.ID], b.fails
	b.mu.Unlock()
	if kept.Tries != o.Tries {
		panic(fmt.Sprintf("%s: try %d is made while %d are kept", o.ID, o.Tries, kept.Tries))
	}
	var err error
	select {
	case <-time.After(b.takes):
	case <-ctx.Done():
		err = ctx.Err()
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.trying--
	if err == nil && fails != nil {
		err = fails(o)
	}
	if err == nil {
		b.delivered = append(b.delivered, o.ID)
	}
	return err
}

func (b *book) start(owed ...Owed) *Courier {
	return Start(Config{Book: b, Deliver: b.deliver, Log: quiet()}, owed)
}

func owes(id string) Owed {
	return Owed{ID: id, Kind: Finish, Notice: task.Notice{Command: "true"}, Body: []byte("{}"), Next: time.Now()}
}

func TestDelivers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		old, fresh := owes("old"), owes("new")
		b := newBook(old, fresh)
		b.takes = time.Second
		c := b.start(old, old)
		defer c.Close()
		c.Owe(fresh, old) // old is there already
		if left := c.Settle(t.Context()); left != 0 {
			t.Errorf("%d are left", left)
		}
		if slices.Sort(b.delivered); !slices.Equal(b.delivered, []string{"new", "old"}) {
			t.Errorf("delivered %v", b.delivered)
		}
		if len(b.owed) != 0 {
			t.Errorf("the book has %v", b.owed)
		}
	})
}

// The times between tries, from the end of one to the beginning of the next.
func TestTriesAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBook()
		b.takes = 10 * time.Millisecond
		b.fails = func(o Owed) error {
			if o.Tries < 12 {
				return errors.New("not now")
			}
			return nil
		}
		o := owes("a")
		c := b.start(o)
		defer c.Close()
		if left := c.Settle(t.Context()); left != 0 {
			t.Errorf("%d are left", left)
		}
		var got []time.Duration
		for i := 1; i < len(b.at); i++ {
			got = append(got, b.at[i].Sub(b.at[i-1])-b.takes)
		}
		var want []time.Duration
		for _, s := range []int{1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300} {
			want = append(want, time.Duration(s)*time.Second)
		}
		if !slices.Equal(got, want) {
			t.Errorf("it waited %v, not %v", got, want)
		}
	})
}

func TestGivesUpAfterADay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBook()
		b.fails = func(Owed) error { return errors.New("never") }
		began := time.Now()
		c := b.start(owes("a"))
		defer c.Close()
		c.Settle(t.Context())
		took := time.Since(began)
		if took > 24*time.Hour || took < 24*time.Hour-mostWait {
			t.Errorf("given up after %s", took)
		}
		if len(b.owed) != 0 || len(b.at) != maxTries {
			t.Errorf("%d tries, and the book has %v", len(b.at), b.owed)
		}
	})
}

func TestFewAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBook()
		b.takes = time.Second
		var all []Owed
		for i := range 21 {
			all = append(all, owes(fmt.Sprint(i)))
		}
		began := time.Now()
		c := b.start(all...)
		defer c.Close()
		c.Settle(t.Context())
		if b.most != maxTrying || len(b.delivered) != len(all) {
			t.Errorf("%d at a time, %d delivered", b.most, len(b.delivered))
		}
		if took := time.Since(began); took != 6*time.Second {
			t.Errorf("it took %s", took)
		}
	})
}

// Who owes a notice waits for no try, however many are under way.
func TestOweWaitsForNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBook()
		b.takes = time.Hour
		c := b.start()
		defer c.Close()
		began := time.Now()
		for i := range 2*maxTrying + 1 {
			c.Owe(owes(fmt.Sprint(i)))
			synctest.Wait() // it is being tried, or waits for those that are
		}
		if took := time.Since(began); took != 0 {
			t.Errorf("it took %s", took)
		}
		if b.trying != maxTrying {
			t.Errorf("%d are under way, not %d", b.trying, maxTrying)
		}
	})
}

// A receiver that is away holds up no other.
func TestOneIsAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBook()
		b.fails = func(o Owed) error {
			if o.ID == "away" {
				return errors.New("away")
			}
			return nil
		}
		c := b.start(owes("away"))
		defer c.Close()
		synctest.Wait()
		c.Owe(owes("here"))
		synctest.Wait()
		if !slices.Equal(b.delivered, []string{"here"}) {
			t.Errorf("delivered %v", b.delivered)
		}
	})
}

func TestSettleGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBook()
		b.fails = func(Owed) error { return errors.New("away") }
		c := b.start(owes("a"), owes("b"))
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		if left := c.Settle(ctx); left != 2 {
			t.Errorf("%d are left, not 2", left)
		}
		c.Close()
		if left := c.Settle(t.Context()); left != 2 {
			t.Errorf("after its end %d are left, not 2", left)
		}
	})
}

// Close cuts off a try, and what it was about stays in the book, with its try
// counted. What comes later is left there too, and holds nobody up.
func TestClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBook()
		b.takes = time.Hour
		c := b.start(owes("a"))
		synctest.Wait()
		began := time.Now()
		c.Close()
		if took := time.Since(began); took != 0 {
			t.Errorf("Close took %s", took)
		}
		if b.owed["a"].Tries != 1 || len(b.delivered) != 0 {
			t.Errorf("the book has %+v, delivered %v", b.owed["a"], b.delivered)
		}
		c.Owe(owes("late"))
		c.Close()
		synctest.Wait()
		if len(b.at) != 1 {
			t.Errorf("%d tries", len(b.at))
		}
	})
}

// Nothing is delivered that could not be noted before: it would be delivered again
// and again by one start after the other, uncounted.
func TestNotKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBook(owes("a"))
		full := errors.New("no space left on device")
		b.keep = func(Owed) error { return full }
		c := b.start(owes("a"))
		defer c.Close()
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if len(b.at) != 0 {
			t.Errorf("%d tries while nothing can be kept", len(b.at))
		}
		b.mu.Lock()
		b.keep = nil
		b.mu.Unlock()
		c.Settle(t.Context())
		if len(b.delivered) != 1 {
			t.Errorf("delivered %v", b.delivered)
		}
	})
}

// What was delivered is delivered once, however long the book cannot forget it.
func TestNotDropped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBook(owes("a"))
		began := time.Now()
		b.drop = func(string) error {
			if time.Since(began) < time.Minute {
				return errors.New("no space left on device")
			}
			return nil
		}
		c := b.start(owes("a"))
		defer c.Close()
		c.Settle(t.Context())
		if len(b.delivered) != 1 || len(b.owed) != 0 {
			t.Errorf("delivered %v, the book has %v", b.delivered, b.owed)
		}
	})
}

// A time that a clock of before wrote, far in the future, holds up nothing for
// longer than the longest wait.
func TestClockSetBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := owes("a")
		o.Next = time.Now().AddDate(10, 0, 0)
		b := newBook(o)
		began := time.Now()
		c := b.start(o)
		defer c.Close()
		c.Settle(t.Context())
		if took := time.Since(began); took > mostWait {
			t.Errorf("it took %s", took)
		}
	})
}

// However often cmdq ends in the middle, and whatever fails: every notice comes at
// least once, and none is left.
func TestRestarts(t *testing.T) {
	for seed := range uint64(200) {
		synctest.Test(t, func(t *testing.T) {
			random := rand.New(rand.NewPCG(seed, 6))
			var mu sync.Mutex
			number := func(below int64) int64 { mu.Lock(); defer mu.Unlock(); return random.Int64N(below) }
			b := newBook()
			b.takes = time.Second
			oops := func() error {
				if number(3) == 0 {
					return errors.New("no")
				}
				return nil
			}
			b.fails = func(Owed) error { return oops() }
			b.keep = func(Owed) error { return oops() }
			b.drop = func(string) error { return oops() }
			for i := range 1 + number(6) {
				o := owes(fmt.Sprint(i))
				b.owed[o.ID] = o
			}
			want := len(b.owed)
			for range number(6) {
				c := b.start(b.all()...)
				time.Sleep(time.Duration(number(int64(20 * time.Second))))
				c.Close()
			}
			c := b.start(b.all()...)
			defer c.Close()
			if left := c.Settle(t.Context()); left != 0 {
				t.Errorf("seed %d: %d are left", seed, left)
			}
			slices.Sort(b.delivered)
			if got := len(slices.Compact(b.delivered)); got != want || len(b.owed) != 0 {
				t.Errorf("seed %d: %d of %d delivered, the book has %v", seed, got, want, b.owed)
			}
		})
	}
}
