package main

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path"
	"strings"
	"syscall"
	"time"
)

// serve serves pictures on a free port of 127.0.0.1, writes their URLs into the
// file list, and runs a command meanwhile.
func serve(list string, command []string) error {
	pictures, err := pictures()
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	server := &http.Server{Handler: gallery(pictures), ReadTimeout: 10 * time.Second, WriteTimeout: time.Minute}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	if err = os.WriteFile(list, []byte(urls("http://"+listener.Addr().String(), pictures)), 0o666); err == nil {
		err = runCommand(command)
	}
	closed := server.Close()
	if gone := <-served; !errors.Is(gone, http.ErrServerClosed) {
		closed = errors.Join(closed, gone)
	}
	return errors.Join(err, closed)
}

// urls are the addresses of pictures, one a line.
func urls(base string, pictures []picture) string {
	var b strings.Builder
	for _, p := range pictures {
		fmt.Fprintf(&b, "%s/%s\n", base, p.name)
	}
	return b.String()
}

// gallery answers with the picture of that name, or 404.
func gallery(pictures []picture) http.Handler {
	named := make(map[string]picture, len(pictures))
	for _, p := range pictures {
		named["/"+p.name] = p
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p, ok := named[r.URL.Path]
		if !ok {
			http.NotFound(w, r)
			return
		}
		http.ServeContent(w, r, path.Base(r.URL.Path), time.Time{}, bytes.NewReader(p.data))
	})
}

// runCommand runs a command to its end. A signal to end is the command's to
// handle: SIGINT comes from a terminal, which sends it to both of us.
func runCommand(command []string) error {
	c := exec.Command(command[0], command[1:]...)
	c.Stdin, c.Stdout, c.Stderr = os.Stdin, os.Stdout, os.Stderr
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	defer signal.Stop(signals)
	if err := c.Start(); err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- c.Wait() }()
	for {
		select {
		case err := <-ended:
			return err
		case s := <-signals:
			if s == syscall.SIGINT {
				continue
			}
			if err := c.Process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
				return errors.Join(err, <-ended)
			}
		}
	}
}
