package main

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"syscall"
)

// endingSignals are those that end us. SIGHUP is not, where whoever started us
// had it ignored, as nohup does.
func endingSignals() []os.Signal {
	list := []os.Signal{syscall.SIGINT, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) {
		list = append(list, syscall.SIGHUP)
	}
	return list
}

// surviveBrokenPipes makes a log or a summary that nobody reads any more an error
// of the write instead of the end of us, who have commands to kill: Ctrl-C ends
// the other side of "cmdq 2>&1 | tee log" too. The signal is taken and not
// ignored, since commands would inherit that.
// The same goes for a file that grows beyond a limit of this process (ulimit -f).
func surviveBrokenPipes() { signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE, syscall.SIGXFSZ) }

// firstSignal gives the first signal that wants us to end. A second one ends us
// at once, whatever we are waiting for; the guardian ends what runs.
func firstSignal() <-chan os.Signal {
	signals, first := make(chan os.Signal, 4), make(chan os.Signal, 1)
	signal.Notify(signals, endingSignals()...)
	go func() {
		sig := <-signals
		first <- sig
		<-signals
		os.Exit(statusOf(sig))
	}()
	return first
}

func statusOf(sig os.Signal) int {
	if sig == syscall.SIGINT {
		return exitSIGINT
	}
	return exitSIGTERM
}

// beforeSignal does something that may take long and is given up at the first
// signal, which it then returns.
func (s *session) beforeSignal(do func(context.Context) error) (os.Signal, error) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- do(ctx) }()
	select {
	case err := <-done:
		return nil, err
	case sig := <-s.signals:
		cancel()
		<-done
		return sig, nil
	}
}

// signalled is the exit status of a start that was given up.
func signalled(sig os.Signal, err error) error {
	if sig == nil {
		return err
	}
	return &exit{statusOf(sig), errors.New("ended before anything was launched")}
}
