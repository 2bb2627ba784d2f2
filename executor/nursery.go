package executor

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// nursery starts commands, each the leader of a process group, and sees to it
// that nothing of them is left when they have ended. The process is the
// subreaper of all of them (prctl(2), PR_SET_CHILD_SUBREAPER), so what a command
// leaves behind becomes our child.
//
// A leader dies with us, however we end: PR_SET_PDEATHSIG. That signal comes
// when the *thread* that forked ends, so a thread of its own does, which lives as
// long as the process, and is not the first one: that has the orphans, and
// nothing else, as its children (kernel/exit.c, find_new_reaper). The rest of a
// group is ended by whoever ends the container, as all of it is in our session.
type nursery struct {
	post  func(event)
	woken chan struct{} // there is a child
	gone  chan struct{} // closed by close: there will be no more children
	done  chan struct{} // closed when the forker has ended
	ends  sync.WaitGroup

	line    sync.Mutex // protects waiting and shut
	waiting []*job     // to be started
	shut    bool       // no more come
	more    sync.Cond  // one has come, or shut

	mu      sync.Mutex     // protects what follows
	groups  map[int]*job   // by the leader's pid
	byID    map[string]int // the leader's pid by the task
	forking bool
	early   map[int]syscall.WaitStatus // of children that ended while we forked
	closing bool
}

// newNursery makes the process fit to have children.
func newNursery(post func(event)) (*nursery, error) {
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return nil, fmt.Errorf("become subreaper: %w", err)
	}
	n := &nursery{
		post: post, woken: make(chan struct{}, 1), gone: make(chan struct{}), done: make(chan struct{}),
		groups: map[int]*job{}, byID: map[string]int{}, early: map[int]syscall.WaitStatus{},
	}
	n.more.L = &n.line
	go n.fork(false)
	n.ends.Go(n.reap)
	return n, nil
}

// start begins with a command; the outcome comes as started, and then exited.
// It does not wait.
func (n *nursery) start(j *job) {
	n.line.Lock()
	defer n.line.Unlock()
	n.waiting = append(n.waiting, j)
	n.more.Signal()
}

// next waits for a command to start; nil: there will be none.
func (n *nursery) next() *job {
	n.line.Lock()
	defer n.line.Unlock()
	for len(n.waiting) == 0 && !n.shut {
		n.more.Wait()
	}
	if len(n.waiting) == 0 {
		return nil
	}
	j := n.waiting[0]
	n.waiting[0] = nil
	n.waiting = n.waiting[1:]
	return j
}

// withdraw keeps a command from being started, if that has not begun; then the
// outcome comes at once, also while another one is long in starting.
func (n *nursery) withdraw(j *job) {
	n.line.Lock()
	defer n.line.Unlock()
	if i := slices.Index(n.waiting, j); i >= 0 {
		n.waiting = slices.Delete(n.waiting, i, i+1)
		go n.post(started{id: j.id, err: errWithdrawn})
	}
}

// signal sends a signal to a command's group, if it is there.
func (n *nursery) signal(id string, sig syscall.Signal) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if pid, there := n.byID[id]; there {
		_ = unix.Kill(-pid, sig) // it may just have ended
	}
}

// fork starts commands on a thread of its own, for ever.
func (n *nursery) fork(again bool) {
	runtime.LockOSThread() // and not unlocked: the commands would die
	if !again && unix.Gettid() == os.Getpid() {
		go n.fork(true) // while we hold the first thread it gets another one
		<-n.done
		runtime.UnlockOSThread()
		return
	}
	for j := n.next(); j != nil; j = n.next() {
		ended, err := n.launch(j)
		n.post(started{id: j.id, err: err})
		if ended != nil {
			n.finish(j, *ended)
		}
	}
	close(n.done)
	<-n.gone // until then our thread's children live on it
}

// launch starts one command. The error is what kept it from being forked. One
// that has ended by now, since it could not be executed for example, gives its
// status here, all others through reap.
func (n *nursery) launch(j *job) (*syscall.WaitStatus, error) {
	files, err := openFiles(j.dir)
	if err != nil {
		return nil, err
	}
	defer files.close()
	if !n.begin() {
		return nil, errors.New("the executor ends")
	}
	argv := j.command.arguments()
	pid, err := Execvpe(argv[0], j.dir, argv, j.env, func(path string, argv []string) (int, error) {
		return syscall.ForkExec(path, argv, &syscall.ProcAttr{
			Dir: j.dir, Env: j.env, Files: files[:],
			Sys: &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL, Credential: j.as},
		})
	})
	n.mu.Lock()
	defer n.mu.Unlock()
	defer clear(n.early)
	n.forking = false
	switch {
	case errors.Is(err, syscall.EAGAIN), errors.Is(err, syscall.ENOMEM), errors.Is(err, syscall.EPERM):
		return nil, fmt.Errorf("fork: %w", err)
	case err != nil:
		text := fmt.Sprintf("Failed to execute '%s': %s\n", argv[0], reason(err))
		if _, err := unix.Write(int(files[2]), []byte(text)); err != nil {
			return nil, fmt.Errorf("%s: and to say so: %w", text, err)
		}
		one := syscall.WaitStatus(1 << 8)
		return &one, nil
	}
	if status, ended := n.early[pid]; ended {
		_ = unix.Kill(-pid, unix.SIGKILL)
		return &status, nil
	}
	n.groups[pid], n.byID[j.id] = j, pid
	select {
	case n.woken <- struct{}{}:
	default:
	}
	return nil, nil
}

func (n *nursery) begin() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.forking = !n.closing
	return n.forking
}

// reap waits for children. That of a leader's pid, its group's number, is free
// again from then on, but nobody gets it before thousands of others were given
// away; what is left of the group is ended at once.
func (n *nursery) reap() {
	for {
		var status syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &status, 0, nil)
		switch {
		case errors.Is(err, syscall.EINTR):
			continue
		case err != nil: // there are none
			select {
			case <-n.woken:
				continue
			case <-n.gone:
				return
			}
		}
		n.mu.Lock()
		j := n.groups[pid]
		if j != nil {
			_ = unix.Kill(-pid, unix.SIGKILL)
			delete(n.groups, pid)
			delete(n.byID, j.id)
		} else if n.forking {
			n.early[pid] = status
		}
		n.mu.Unlock()
		if j != nil {
			n.finish(j, status)
		}
	}
}

// finish tells of the end of a command once nothing is left of it.
func (n *nursery) finish(j *job, status syscall.WaitStatus) {
	if len(orphans()) == 0 {
		n.post(exited{id: j.id, status: status})
		return
	}
	n.ends.Go(func() {
		n.sweep(func(t trace) bool { return t.dir == j.dir || t.dir == "" && !n.busy() })
		n.post(exited{id: j.id, status: status})
	})
}

// busy tells whether some command runs.
func (n *nursery) busy() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.forking || len(n.groups) > 0
}

// stuckAfter is how long processes that got SIGKILL may take to end. Those in
// uninterruptible sleep are then left alone.
const stuckAfter = 10 * time.Second

// unclearFor is much longer than a process takes to execute a program, or to
// end. One that stays unclear has no environment; it is ended when nothing else runs.
const unclearFor = time.Second

// sweep ends orphans until there are no more of those that are meant.
func (n *nursery) sweep(ours func(trace) bool) {
	began := time.Now()
	for pause := time.Millisecond; time.Since(began) < stuckAfter; pause = min(2*pause, 50*time.Millisecond) {
		again := false
		for _, pid := range orphans() {
			killed, unclear := endOrphan(pid, ours)
			again = again || killed || unclear && time.Since(began) < unclearFor
		}
		if !again {
			return
		}
		time.Sleep(pause) // nobody tells when the child of a child ends
	}
}

// close ends all commands and waits until nothing is left of them.
func (n *nursery) close() {
	n.mu.Lock()
	n.closing = true
	n.mu.Unlock()
	n.line.Lock()
	n.shut = true
	n.more.Broadcast()
	n.line.Unlock()
	select {
	case <-n.done:
	case <-time.After(stuckAfter): // an execve that hangs; its process dies with us
	}
	n.mu.Lock()
	for pid := range n.groups {
		_ = unix.Kill(-pid, unix.SIGKILL)
	}
	n.mu.Unlock()
	deadline := time.Now().Add(stuckAfter)
	for n.busy() && time.Now().Before(deadline) {
		n.sweep(func(trace) bool { return true })
		time.Sleep(time.Millisecond)
	}
	n.sweep(func(trace) bool { return true })
	close(n.gone)
	n.ends.Wait()
}
