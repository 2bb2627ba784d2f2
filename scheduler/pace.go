package scheduler

import (
	"time"

	"cmdq/task"
)

// pace is what is known of how fast the queue gets on.
type pace struct {
	ends  [60]int // tasks that ended, by second
	at    int64   // the second of the last of them
	began time.Time

	runs map[task.Resources]runs // by what a task needs

	// gave is what the cluster gives us, in thousandths of a cpu, smoothed over
	// some two minutes; since is when it was last brought up to date.
	gave  float64
	since time.Time
	span  time.Duration // for how long there was something to give
}

// runs are the runs of tasks that finished.
type runs struct {
	n     int
	total time.Duration
}

const paceSpan = 2 * time.Minute

// ended counts a task that has ended.
func (p *pace) ended(now time.Time) {
	p.turn(now)
	p.ends[p.at%60]++
}

// turn forgets what is more than a minute ago.
func (p *pace) turn(now time.Time) {
	second := now.Unix()
	if p.began.IsZero() {
		p.began = now
	}
	p.at = max(p.at, second-60)
	for ; p.at < second; p.at++ {
		p.ends[(p.at+1)%60] = 0
	}
}

// rate is how many tasks ended a second, in the last minute or since the start.
func (p *pace) rate(now time.Time) float64 {
	if p.began.IsZero() {
		return 0
	}
	p.turn(now)
	n := 0
	for _, k := range p.ends {
		n += k
	}
	return float64(n) / min(60, max(1, now.Sub(p.began).Seconds()))
}

// ran takes in how long a command ran that finished.
func (p *pace) ran(need task.Resources, took time.Duration) {
	if took < 0 {
		return
	}
	if p.runs == nil {
		p.runs = map[task.Resources]runs{}
	}
	const most = 10_000 // kinds of tasks
	r, known := p.runs[need]
	if !known && len(p.runs) >= most {
		return
	}
	p.runs[need] = runs{r.n + 1, r.total + took}
}

// give brings up to date what the cluster gives: milli of a cpu, until now.
func (p *pace) give(now time.Time, milli int64) {
	if p.since.IsZero() {
		p.since = now
		return
	}
	d := now.Sub(p.since)
	p.since = now
	if d <= 0 {
		return
	}
	if milli > 0 {
		p.span += d
	}
	weight := min(1, float64(d)/float64(min(paceSpan, max(p.span, d))))
	p.gave += weight * (float64(milli) - p.gave)
}

// work is the cpu time of a task by the mean of those like it, in thousandths of
// a cpu times seconds; false: none like it has finished, or it has run for so much
// longer that it is not like them.
func (p *pace) work(t *task.Task, ran time.Duration) (float64, bool) {
	r := p.runs[t.Spec.Resources]
	if r.n == 0 {
		return 0, false
	}
	mean := r.total / time.Duration(r.n)
	if ran > 2*mean+time.Second {
		return 0, false
	}
	return float64(max(10, t.Spec.Resources.CPUs)) * max(0, (mean-ran).Seconds()), true
}

// left is the time until all that may run has ended: the cpu time that remains by
// what the cluster gave. It is not known while a tenth of the tasks are of kinds
// of which none has finished, or while nothing is given.
func (p *pace) left(s *state) (time.Duration, bool) {
	var work float64
	n, unknown := 0, 0
	for t := range s.queue.All() {
		ran := time.Duration(0)
		switch {
		case t.State == task.Running:
			ran = s.now.Sub(t.Current().Started)
		case t.State == task.Starting || t.State == task.Idle && !t.Held:
		default:
			continue
		}
		n++
		if w, ok := p.work(t, ran); ok {
			work += w
		} else {
			unknown++
		}
	}
	switch {
	case n == 0:
		return 0, true
	case unknown*10 > n || p.gave < 1 || p.span < 2*time.Second:
		return 0, false
	}
	return time.Duration(work / p.gave * float64(n) / float64(n-unknown) * float64(time.Second)), true
}
