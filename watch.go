package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"github.com/fsnotify/fsnotify"
)

// settleTime is how long a file has to be left alone before it is read: an
// editor writes in several steps.
const settleTime = 150 * time.Millisecond

// restless is how long a list may go on being written before it is read all the
// same: what something appends to may never be left alone. The tasks file itself
// is waited for, since half of it would take out the tasks of the other half.
const restless = 3 * time.Second

// watchFiles calls look some moments after one of the files was written, replaced
// or created, and once at the start, in case that happened before. Which files
// these are may change with every look. Editors replace files by renaming, so it
// is their directories that are watched; where a path is a link, that of its
// target too. It works until ctx ends.
func watchFiles(ctx context.Context, files func() []string, look func(), failed func(error)) error {
	w, err := fsnotify.NewWatcher()
	if err != nil {
		return fmt.Errorf("watch the tasks file: %w", err)
	}
	watched := files()
	names, err := watchDirs(w, watched)
	if err != nil {
		w.Close()
		return err
	}
	go func() {
		defer w.Close()
		quiet := time.NewTimer(0)
		defer quiet.Stop()
		var since time.Time // of the first event that was not looked at yet
		for {
			select {
			case <-ctx.Done():
				return
			case ev := <-w.Events:
				if !names[filepath.Base(ev.Name)] || ev.Op == fsnotify.Chmod {
					continue
				}
				if since.IsZero() {
					since = time.Now()
				}
				wait := settleTime
				if isList(ev.Name, watched) {
					wait = min(wait, time.Until(since.Add(restless)))
				}
				quiet.Reset(wait)
			case err := <-w.Errors:
				failed(fmt.Errorf("watch the tasks file: %w", err))
				quiet.Reset(settleTime) // something may have been missed
			case <-quiet.C:
				since = time.Time{}
				look()
				var err error
				now := files()
				if names, err = watchDirs(w, now); err != nil {
					failed(err)
				}
				if !slices.Equal(now, watched) {
					watched = now
					quiet.Reset(settleTime) // one may have changed before it was watched
				}
			}
		}
	}()
	return nil
}

// isList tells whether a change is one of a list only: the last of the files is
// the tasks file.
func isList(changed string, files []string) bool {
	tasks := files[len(files)-1]
	if target, err := filepath.EvalSymlinks(tasks); err == nil && filepath.Base(target) == filepath.Base(changed) {
		return false
	}
	return filepath.Base(tasks) != filepath.Base(changed)
}

// watchDirs watches the directories of files, and gives the names of those for
// which it does.
func watchDirs(w *fsnotify.Watcher, files []string) (names map[string]bool, err error) {
	names = make(map[string]bool)
	for _, file := range files {
		paths := []string{file}
		if target, err := filepath.EvalSymlinks(file); err == nil && target != file {
			paths = append(paths, target)
		}
		for _, p := range paths {
			if failure := w.Add(filepath.Dir(p)); failure != nil { // again is no error, and does nothing
				err = errors.Join(err, fmt.Errorf("watch %s: %w", filepath.Dir(p), failure))
				continue
			}
			names[filepath.Base(p)] = true
		}
	}
	return names, err
}
