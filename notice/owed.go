package notice

import (
	"net/url"
	"time"

	"cmdq/task"
)

// Owed is a notice that was not delivered yet. It is kept in the journal until it
// is, or was tried for a day.
type Owed struct {
	ID     string
	Kind   string // Finish or Failure
	Notice task.Notice
	Body   []byte    // a Message, as JSON
	Tries  int       // that were begun
	Since  time.Time // when it came to be owed
	Next   time.Time // when to try next
}

const (
	firstWait = time.Second // after a try that failed, doubling up to mostWait
	mostWait  = 5 * time.Minute

	// maxTries are those of a day: after 1, 2, 4 up to 256 seconds, and then every
	// five minutes. Counted are tries and not hours, since a cmdq that does not run
	// tries nothing.
	maxTries = 296
)

// wait is the time from a try, the first is 1, to the one after it.
func wait(tries int) time.Duration {
	d := firstWait
	for i := 1; i < tries && d < mostWait; i++ {
		d *= 2
	}
	return min(d, mostWait)
}

// begun is what is owed once a try begins: should nobody hear how it ends, there
// is another one.
func (o Owed) begun(now time.Time) Owed {
	o.Tries++
	o.Next = now.Add(wait(o.Tries))
	return o
}

// failed is what is owed after a try that went wrong.
func (o Owed) failed(now time.Time) Owed {
	o.Next = now.Add(wait(o.Tries))
	return o
}

// hopeless tells that it was tried often enough.
func (o *Owed) hopeless() bool { return o.Tries >= maxTries }

// taken is what is owed when a Courier takes it: a time from before a clock was set
// back makes nobody wait for long.
func (o Owed) taken(now time.Time) Owed {
	if latest := now.Add(mostWait); o.Next.After(latest) {
		o.Next = latest
	}
	return o
}

// place says where a notice goes, in a log: of an address only the host, since the
// rest often is a secret.
func place(n task.Notice) string {
	if n.URL == "" {
		return "the command"
	}
	u, err := url.Parse(n.URL)
	if err != nil || u.Host == "" {
		return "its address"
	}
	return u.Scheme + "://" + u.Host
}
