package sandbox

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"path"
	"slices"
	"strings"

	"cmdq/task"
)

// Bounds of what the outputs of one launch may be.
const (
	maxFetched = 100_000 // files and directories
	maxSeen    = 200_000 // entries of all directories that are looked through
	maxDepth   = 64      // directories in directories
)

// outputs is what patterns match in a sandbox.
type outputs struct {
	files   []found
	dirs    []string // in which order they are made
	missing []string // patterns, not optional, that match nothing
	skipped int      // links that are left out

	named map[string]bool // what patterns match, not what is in it
}

// found is a file to be fetched.
type found struct {
	name string // path in the sandbox
	Entry
}

// bytes is the size of all files.
func (o *outputs) bytes() int64 {
	var sum int64
	for _, f := range o.files {
		sum += f.Size
	}
	return sum
}

// leave leaves out files.
func (o *outputs) leave(names map[string]bool) {
	before := len(o.files)
	o.files = slices.DeleteFunc(o.files, func(f found) bool { return names[f.name] })
	o.skipped += before - len(o.files)
}

// same tells whether nothing changed from one look to the next.
func (o *outputs) same(p *outputs) bool {
	return slices.Equal(o.dirs, p.dirs) && slices.EqualFunc(o.files, p.files, func(a, b found) bool {
		return a.name == b.name && a.Size == b.Size && a.Mode == b.Mode && a.Modified.Equal(b.Modified)
	})
}

// survey looks for what the patterns match. Of a directory that matches all is
// taken that is in it. Links are followed, by the agent and within the sandbox;
// one that leads nowhere, and what is neither file nor directory, is not there.
//
// Mesos shows a link as what it leads to, and lets nobody read what is out of the
// sandbox. So in a directory, which nobody named all of, what is not to be read is
// taken for a link that leads out and left out, as is a directory that is in itself:
// that is a link that leads back up. Where links can be told (Disk), those to
// directories are left out, too; else such a directory is there twice.
func survey(ctx context.Context, f Files, l Launch, patterns []task.Output) (*outputs, error) {
	s := &surveyor{ctx: ctx, files: f, launch: l, listed: map[string][]Entry{}, taken: map[string]bool{}}
	s.out.named = map[string]bool{}
	if _, err := s.list(""); err != nil {
		if errors.Is(err, ErrNotFound) {
			err = fmt.Errorf("agent %s has no sandbox of %s: %w", l.Agent, l.Task, err)
		}
		return nil, err
	}
	for _, p := range patterns {
		matched, err := s.match("", strings.Split(p.Path, "/"))
		if err != nil {
			return nil, err
		}
		if !matched && !p.Optional {
			s.out.missing = append(s.out.missing, p.Path)
		}
	}
	return &s.out, nil
}

// surveyor is a survey under way.
type surveyor struct {
	ctx    context.Context
	files  Files
	launch Launch
	listed map[string][]Entry // directories that were looked through
	seen   int                // entries of these
	taken  map[string]bool    // paths that are in out
	out    outputs
}

// list looks through a directory, once.
func (s *surveyor) list(dir string) ([]Entry, error) {
	if list, ok := s.listed[dir]; ok {
		return list, nil
	}
	list, err := s.files.List(s.ctx, s.launch, dir)
	if err != nil {
		if dir != "" && errors.Is(err, ErrNotFound) { // but it was in a listing
			err = fmt.Errorf("%q: %w", dir, errVanished)
		}
		return nil, err
	}
	for _, e := range list {
		if err := checkName(e.Name); err != nil {
			return nil, refused("file name %.300q: %v", e.Name, err)
		}
	}
	if s.seen += 1 + len(list); s.seen > maxSeen {
		return nil, refused("more than %d files to look through", maxSeen)
	}
	s.listed[dir] = list
	return list, nil
}

// match takes what the parts of a pattern match below dir.
func (s *surveyor) match(dir string, parts []string) (matched bool, err error) {
	list, err := s.list(dir)
	if err != nil {
		return false, err
	}
	for _, e := range list {
		ok, err := path.Match(parts[0], e.Name)
		if err != nil {
			return false, refused("pattern %q: %v", parts[0], err)
		}
		if !ok {
			continue
		}
		name := path.Join(dir, e.Name)
		passed := len(parts) > 1 && strings.ContainsAny(parts[0], `*?[`) // nobody named it
		if e, ok, err = s.resolve(name, e); err != nil {
			if passed && final(err) {
				continue
			}
			return false, err
		}
		switch {
		case !ok:
		case len(parts) == 1:
			s.out.named[name] = true
			if err := s.take(name, e); err != nil {
				return false, err
			}
			matched = true
		case e.Mode.IsDir():
			if _, err := s.list(name); err != nil && passed && withheld(s.ctx, s.files, s.launch, name, err) {
				continue
			}
			below, err := s.match(name, parts[1:])
			if err != nil {
				return false, err
			}
			matched = matched || below
		}
	}
	return matched, nil
}

// resolve finds out what a link leads to; ok is false for what cannot be fetched.
func (s *surveyor) resolve(name string, e Entry) (_ Entry, ok bool, err error) {
	if e.Mode&fs.ModeSymlink == 0 {
		return e, e.Mode.IsRegular() || e.Mode.IsDir(), nil
	}
	e.Mode = 0o644
	_, e.Size, err = s.files.Read(s.ctx, s.launch, name, 0, 0)
	switch {
	case err == nil:
		return e, true, nil
	case errors.Is(err, ErrNotFound):
		return e, false, nil
	case !final(err):
		return e, false, err
	}
	if _, err := s.files.List(s.ctx, s.launch, name); err != nil {
		return e, false, err
	}
	e.Mode, e.Size = fs.ModeDir|0o755, 0
	return e, true, nil
}

// take takes a file, or a directory with all that is in it.
func (s *surveyor) take(name string, e Entry) error {
	if s.taken[name] {
		return nil
	}
	s.taken[name] = true
	switch {
	case len(s.taken) > maxFetched:
		return refused("more than %d files to fetch", maxFetched)
	case strings.Count(name, "/") >= maxDepth:
		return refused("deeper than %d directories: %.300q", maxDepth, name)
	case strings.HasPrefix(name, partPrefix):
		return refused("%q: names that begin with %s are taken", name, partPrefix)
	case !e.Mode.IsDir():
		s.out.files = append(s.out.files, found{name, e})
		return nil
	}
	list, err := s.list(name)
	if err != nil {
		return err
	}
	s.out.dirs = append(s.out.dirs, name)
	for _, below := range list {
		if err := s.takeBelow(path.Join(name, below.Name), below); err != nil {
			return err
		}
	}
	return nil
}

// takeBelow takes what is in a directory that is taken, or leaves it out.
func (s *surveyor) takeBelow(name string, e Entry) error {
	link := e.Mode&fs.ModeSymlink != 0
	e, ok, err := s.resolve(name, e)
	leave := link && (err != nil && final(err) || err == nil && e.Mode.IsDir())
	if !leave && err != nil {
		return err
	}
	if !leave && e.Mode.IsDir() && !s.taken[name] {
		if leave, err = s.leavesOut(name); err != nil {
			return err
		}
	}
	switch {
	case leave:
		s.out.skipped++
	case ok:
		return s.take(name, e)
	}
	return nil
}

// leavesOut tells whether a directory in another one that is taken is not to be.
func (s *surveyor) leavesOut(dir string) (bool, error) {
	list, err := s.list(dir)
	switch {
	case err != nil && withheld(s.ctx, s.files, s.launch, dir, err):
		return true, nil
	case err != nil || len(list) == 0:
		return false, err
	}
	for up := dir; up != ""; {
		up = parent(up)
		if slices.EqualFunc(s.listed[up], list, sameEntry) {
			return s.endless(dir, strings.TrimPrefix(dir[len(up):], "/"))
		}
	}
	return false, nil
}

func sameEntry(a, b Entry) bool {
	return a.Name == b.Name && a.Size == b.Size && a.Mode == b.Mode && a.Modified.Equal(b.Modified)
}

// longWay is far enough for a path, in bytes: agents have their own before it, and
// Linux takes no more than 4096.
const longWay = 3000

// endless tells whether the way that led down to a directory, from one above that
// holds the same, leads on for ever: directories can be alike, but not so deep. A
// system that gave up following links is an answer, too.
func (s *surveyor) endless(dir, way string) (bool, error) {
	far := dir + "/" + way
	for strings.Count(far, "/") < maxDepth && len(far)+len(way) < longWay {
		far += "/" + way
	}
	switch _, err := s.files.List(s.ctx, s.launch, far); {
	case err == nil, inaccessible(err):
		return true, nil
	case errors.Is(err, ErrNotFound):
		return false, nil
	default:
		return false, err
	}
}

// parent is the directory that a path is in.
func parent(name string) string {
	if dir := path.Dir(name); dir != "." {
		return dir
	}
	return ""
}

// inaccessible tells whether an agent refused a path, and not us or the question.
func inaccessible(err error) bool {
	var refused *Refused
	return errors.As(err, &refused) && refused.Status == http.StatusBadRequest
}

// withheld tells whether an agent that lists a file or directory will never let us
// read it, for all that err says: it refused that, or denies it and lists it still.
func withheld(ctx context.Context, f Files, l Launch, name string, err error) bool {
	if !errors.Is(err, ErrNotFound) {
		return inaccessible(err)
	}
	list, err := f.List(ctx, l, parent(name))
	return err == nil && slices.ContainsFunc(list, func(e Entry) bool { return e.Name == path.Base(name) })
}
