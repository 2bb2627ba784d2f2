package sandbox

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"cmdq/task"
)

// Fetched is what Fetch brought.
type Fetched struct {
	Missing []string // patterns that are not optional and matched nothing
	Files   int
	Bytes   int64
	Skipped int // links in directories that were left out: see survey
}

// surveyTime bounds the looks through a sandbox.
const surveyTime = 10 * time.Minute

// Fetch tries once to bring the outputs of a launch that has ended to a place.
// All files are brought under other names first and moved to theirs when all are
// there and none has changed meanwhile, so that an earlier run's stay whole until
// then. A try after one that failed, in another process too, goes on where that
// one stopped. An error that is a *Refused (by errors.As) will come again.
//
// A sandbox that is not there is an error and nothing missing.
func Fetch(ctx context.Context, f Files, l Launch, patterns []task.Output, to Place) (Fetched, error) {
	what, err := look(ctx, f, l, patterns)
	if err != nil {
		return Fetched{}, err
	}
	if len(what.files)+len(what.dirs) == 0 {
		return what.fetched(), nil
	}
	folder, err := to.open(l, "outputs")
	if err != nil {
		return Fetched{}, err
	}
	defer folder.close()
	left, err := folder.bring(ctx, f, what)
	if err != nil {
		return Fetched{}, err
	}
	again, err := look(ctx, f, l, patterns)
	if err != nil {
		return Fetched{}, err
	}
	what.leave(left)
	again.leave(left)
	if !what.same(again) {
		return Fetched{}, fmt.Errorf("outputs of %s: %w", l.Task, errChanged)
	}
	if err := folder.install(what); err != nil {
		return Fetched{}, err
	}
	folder.sweep()
	return what.fetched(), nil
}

func (o *outputs) fetched() Fetched {
	return Fetched{Missing: o.missing, Files: len(o.files), Bytes: o.bytes(), Skipped: o.skipped}
}

// Keep tries once to copy stdout and stderr of a launch that has ended to a
// place, as Fetch does; one that is not there is left out. They may grow
// meanwhile, as Mesos' command executor writes of the end of its command itself:
// what was there at first is copied.
func Keep(ctx context.Context, f Files, l Launch, to Place) error {
	what, err := look(ctx, f, l, []task.Output{{Path: "stdout", Optional: true}, {Path: "stderr", Optional: true}})
	if err != nil {
		return err
	}
	what.dirs = nil
	what.files = slices.DeleteFunc(what.files, func(f found) bool { return f.name != "stdout" && f.name != "stderr" })
	if len(what.files) == 0 {
		return nil
	}
	folder, err := to.open(l, "streams")
	if err != nil {
		return err
	}
	defer folder.close()
	if _, err := folder.bring(ctx, f, what); err != nil {
		return err
	}
	if err := folder.install(what); err != nil {
		return err
	}
	folder.sweep()
	return nil
}

func look(ctx context.Context, f Files, l Launch, patterns []task.Output) (*outputs, error) {
	wait, cancel := context.WithTimeout(ctx, surveyTime)
	defer cancel()
	what, err := survey(wait, f, l, patterns)
	if err != nil && ctx.Err() == nil && wait.Err() != nil {
		err = errors.New("the sandbox could not be looked through in " + surveyTime.String())
	}
	return what, err
}

// bring fetches all files into their parts, but for those that nobody named and
// that the agent does not let us read.
func (d *folder) bring(ctx context.Context, files Files, what *outputs) (left map[string]bool, err error) {
	if err := d.clear(what); err != nil {
		return nil, err
	}
	left = map[string]bool{}
	for _, f := range what.files {
		err := d.fetch(ctx, files, f)
		switch {
		case err == nil:
		case !what.named[f.name] && withheld(ctx, files, d.launch, f.name, err):
			left[f.name] = true
		default:
			return nil, err
		}
	}
	return left, nil
}

// discard removes what tries that failed left of the files of a launch.
func discard(to Place, what string) {
	if !filepath.IsLocal(to.Name) {
		return
	}
	dir, err := os.OpenRoot(to.Dir)
	if err != nil {
		return
	}
	defer dir.Close()
	if root, err := dir.OpenRoot(to.Name); err == nil {
		(&folder{place: to, root: root, what: what}).sweep()
		root.Close()
	}
}
