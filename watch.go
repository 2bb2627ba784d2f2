package main

import (
	"context"
	"fmt"
	"path/filepath"
	"time"

	"github.com/fsnotify/fsnotify"
)

// settleTime is how long a file has to be left alone before it is read: an
// editor writes in several steps.
const settleTime = 150 * time.Millisecond

// watchFile calls look some moments after the file was written, replaced or
// created, and once at the start, in case that happened before. Editors replace
// files by renaming, so it is the directory that is watched; where the path is a
// link, that of its target too. It works until ctx ends.
func watchFile(ctx context.Context, path string, look func(), failed func(error)) error {
	w, err := fsnotify.NewWatcher()
	if err != nil {
		return fmt.Errorf("watch %s: %w", path, err)
	}
	paths := []string{path}
	if target, err := filepath.EvalSymlinks(path); err == nil && target != path {
		paths = append(paths, target)
	}
	names := map[string]bool{}
	for _, p := range paths {
		names[filepath.Base(p)] = true
		if err := w.Add(filepath.Dir(p)); err != nil {
			w.Close()
			return fmt.Errorf("watch %s: %w", filepath.Dir(p), err)
		}
	}
	go func() {
		defer w.Close()
		quiet := time.NewTimer(0)
		defer quiet.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case ev := <-w.Events:
				if names[filepath.Base(ev.Name)] && ev.Op != fsnotify.Chmod {
					quiet.Reset(settleTime)
				}
			case err := <-w.Errors:
				failed(fmt.Errorf("watch %s: %w", path, err))
				quiet.Reset(settleTime) // something may have been missed
			case <-quiet.C:
				look()
			}
		}
	}()
	return nil
}
