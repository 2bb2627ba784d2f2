package executor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
)

const (
	// fetchesAtOnce bounds the tasks whose URIs are on their way; others wait.
	fetchesAtOnce = 8

	// roomsAtOnce bounds the directories that are made at a time. Thousands of
	// launches may come together, and each takes a thread and descriptors
	// meanwhile, of which a process has few.
	roomsAtOnce = 64
)

// workshop makes the directory of a task, and brings its URIs and files there.
type workshop struct {
	sandbox string
	env     []string // of every command
	fetcher *Fetcher
	post    func(event)
	slots   chan struct{} // who fetches has one
	rooms   chan struct{} // who works on a directory
	ctx     context.Context
	cancel  context.CancelFunc
	work    sync.WaitGroup

	mu       sync.Mutex
	underway map[*job]context.CancelFunc
}

func newWorkshop(cfg Config, post func(event)) *workshop {
	w := &workshop{
		sandbox: cfg.Sandbox, env: inherited(), post: post,
		// Outside of the directories of the tasks: they may not change it by accident.
		fetcher: &Fetcher{CacheDir: filepath.Join(cfg.Sandbox, ".fetch")},
		slots:   make(chan struct{}, fetchesAtOnce), rooms: make(chan struct{}, roomsAtOnce), underway: map[*job]context.CancelFunc{},
	}
	w.ctx, w.cancel = context.WithCancel(context.Background())
	return w
}

// prepare begins; the outcome comes as prepared.
func (w *workshop) prepare(j *job) {
	ctx, cancel := context.WithCancel(w.ctx)
	w.mu.Lock()
	w.underway[j] = cancel
	w.mu.Unlock()
	w.work.Go(func() {
		defer cancel()
		fault, err := w.equip(ctx, j)
		w.mu.Lock()
		delete(w.underway, j)
		w.mu.Unlock()
		w.post(prepared{job: j, err: err, fault: fault})
	})
}

// abandon ends what is being prepared. The outcome still comes.
func (w *workshop) abandon(j *job) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if cancel := w.underway[j]; cancel != nil {
		cancel()
	}
}

func (w *workshop) close() {
	w.cancel()
	w.work.Wait()
}

// equip does the work; fault says that the task's description is wrong.
func (w *workshop) equip(ctx context.Context, j *job) (fault bool, err error) {
	name := filepath.Join("tasks", j.id)
	err = w.inside(ctx, func(root *os.Root) error {
		if j.as, err = identity(j.command.User); err != nil {
			fault = true
			return err
		}
		return room(root, name, j.as)
	})
	if err != nil {
		return fault, err
	}
	j.dir = filepath.Join(w.sandbox, name)
	j.env = environment(w.env, j.command.Env, j.dir)
	if err := w.fetch(ctx, j); err != nil {
		return false, err
	}
	if j.as == nil {
		return false, nil
	}
	return false, w.inside(ctx, func(root *os.Root) error { return giveAway(root, name, j.as) })
}

// inside works in the sandbox, when it is its turn.
func (w *workshop) inside(ctx context.Context, work func(*os.Root) error) error {
	select {
	case w.rooms <- struct{}{}:
		defer func() { <-w.rooms }()
	case <-ctx.Done():
		return ctx.Err()
	}
	root, err := os.OpenRoot(w.sandbox)
	if err != nil {
		return err
	}
	defer root.Close()
	return work(root)
}

func (w *workshop) fetch(ctx context.Context, j *job) error {
	uris := j.command.fetches()
	if len(uris) == 0 {
		return nil
	}
	select {
	case w.slots <- struct{}{}:
		defer func() { <-w.slots }()
	case <-ctx.Done():
		return ctx.Err()
	}
	if err := w.fetcher.Fetch(ctx, j.dir, uris); err != nil {
		//lint:ignore ST1005 these are Mesos' words, and frameworks look for them
		return fmt.Errorf("Failed to fetch all URIs for task '%s': %w", j.id, err)
	}
	return nil
}

// room makes the task's directory with its outputs. One that is there is used:
// an id that comes again goes on with its files. But one that may be another
// user's is not, as we write there with our rights.
func room(root *os.Root, name string, as *syscall.Credential) error {
	if err := root.MkdirAll("tasks", 0o750); err != nil {
		return err
	}
	if err := root.Mkdir(name, 0o750); err != nil && (as != nil || !errors.Is(err, fs.ErrExist)) {
		return err
	}
	for _, out := range []string{"stdout", "stderr"} {
		f, err := root.OpenFile(filepath.Join(name, out), os.O_WRONLY|os.O_CREATE|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0o640)
		if err == nil {
			err = f.Close()
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// giveAway makes a task's directory and all below it another user's, who has to
// get through to it. Until then nobody else could change anything there.
func giveAway(root *os.Root, name string, as *syscall.Credential) error {
	for _, dir := range []string{".", "tasks"} {
		if info, err := root.Stat(dir); err != nil {
			return err
		} else if err := root.Chmod(dir, info.Mode().Perm()|0o011); err != nil {
			return err
		}
	}
	var all []string
	err := fs.WalkDir(root.FS(), name, func(path string, _ fs.DirEntry, err error) error {
		all = append(all, path)
		return err
	})
	for _, path := range slices.Backward(all) { // the directory itself comes last
		err = errors.Join(err, root.Lchown(path, int(as.Uid), int(as.Gid)))
	}
	return err
}

// identity is what a command of a user runs as; nil: as we do. Only root may
// run commands of others.
func identity(name string) (*syscall.Credential, error) {
	if name == "" {
		return nil, nil
	}
	u, err := user.Lookup(name)
	if err != nil {
		return nil, fmt.Errorf("run as another user: %w", err)
	}
	if u.Uid == strconv.Itoa(os.Geteuid()) {
		return nil, nil
	}
	if os.Geteuid() != 0 {
		return nil, fmt.Errorf("run as user %q: the executor is not root, but user %d", name, os.Geteuid())
	}
	groups, err := u.GroupIds()
	if err != nil {
		return nil, fmt.Errorf("run as user %q: %w", name, err)
	}
	as := new(syscall.Credential)
	var bad error
	number := func(text string) uint32 {
		n, err := strconv.ParseUint(text, 10, 32)
		bad = errors.Join(bad, err)
		return uint32(n)
	}
	as.Uid, as.Gid = number(u.Uid), number(u.Gid)
	for _, g := range groups {
		as.Groups = append(as.Groups, number(g))
	}
	if bad != nil {
		return nil, fmt.Errorf("run as user %q: %w", name, bad)
	}
	return as, nil
}

// environment is what a command finds: the executor's variables, then its own,
// then where it is. A later one replaces an earlier one.
func environment(base []string, own map[string]string, dir string) []string {
	vars := make(map[string]string, len(own)+2)
	for name, value := range own {
		vars[name] = value
	}
	vars["MESOS_SANDBOX"], vars[directoryVariable] = dir, dir
	var env []string
	for _, v := range base {
		name, _, _ := strings.Cut(v, "=")
		if _, replaced := vars[name]; !replaced {
			env = append(env, v)
		}
	}
	for name, value := range vars {
		env = append(env, name+"="+value)
	}
	return env
}
