package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
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

// fileCheck is how often it is looked whether files are as they were: nothing tells
// of a directory that is put in the place of another, or that comes back.
const fileCheck = 2 * time.Second

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
	dirs := watchedDirs{}
	names, err := dirs.watch(w, watched)
	if err != nil {
		w.Close()
		return err
	}
	go func() {
		defer w.Close()
		quiet, check := time.NewTimer(0), time.NewTicker(fileCheck)
		defer quiet.Stop()
		defer check.Stop()
		var since time.Time // of the first event that was not looked at yet
		looked := map[string]os.FileInfo{}
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
			case <-check.C:
				if since.IsZero() && !maps.EqualFunc(looked, statAll(watched), sameFile) {
					since = time.Now()
					quiet.Reset(settleTime)
				}
			case <-quiet.C:
				since, looked = time.Time{}, statAll(watched)
				look()
				var err error
				now := files()
				if names, err = dirs.watch(w, now); err != nil {
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

// watchedDirs are the directories that are watched, as they were then.
type watchedDirs map[string]os.FileInfo

// watch watches the directories of files, and gives the names of those for which
// it does.
func (d watchedDirs) watch(w *fsnotify.Watcher, files []string) (names map[string]bool, err error) {
	names = make(map[string]bool)
	for _, p := range places(files) {
		dir := filepath.Dir(p)
		info, failure := os.Stat(dir)
		if before := d[dir]; before != nil && (failure != nil || !os.SameFile(before, info)) {
			_ = w.Remove(dir) // it may have gone with the directory
			delete(d, dir)
		}
		if failure == nil {
			failure = w.Add(dir) // again is no error, and does nothing
		}
		if failure != nil {
			err = errors.Join(err, fmt.Errorf("watch %s: %w", dir, failure))
			continue
		}
		d[dir] = info
		names[filepath.Base(p)] = true
	}
	return names, err
}

// statAll are the files that are there, by where they are.
func statAll(files []string) map[string]os.FileInfo {
	there := map[string]os.FileInfo{}
	for _, p := range places(files) {
		if info, err := os.Stat(p); err == nil {
			there[p] = info
		}
	}
	return there
}

func sameFile(a, b os.FileInfo) bool {
	return os.SameFile(a, b) && a.Size() == b.Size() && a.ModTime().Equal(b.ModTime())
}

// places are the paths of files, and those that links of them lead to.
func places(files []string) []string {
	var paths []string
	for _, file := range files {
		paths = append(paths, file)
		if target, err := filepath.EvalSymlinks(file); err == nil && target != file {
			paths = append(paths, target)
		}
	}
	return paths
}
