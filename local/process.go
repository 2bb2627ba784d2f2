package local

import "syscall"

// launcher starts commands as real processes and ends everything they leave
// behind. The guardian is the real one.
type launcher interface {
	// Run starts a command. The channel gets exactly one exit, when the
	// command and everything descended from it is gone. pid is known when Run
	// returns. An error means that nothing was started.
	Run(spec process) (exit <-chan processExit, pid int, err error)

	// Signal sends sig to the whole process tree of the command with this id.
	Signal(id string, sig syscall.Signal) error

	// Close ends every command with SIGKILL and waits until none is left.
	Close() error
}

// process is a command to start.
type process struct {
	ID     string   // the container's uuid; unique
	Argv   []string // argv[0] included
	Path   string   // what to execute
	Env    []string // exactly this environment, NAME=value
	Dir    string   // working directory: the sandbox
	Stdout string   // file the output is appended to
	Stderr string   // the same for standard error
}

// processExit is how a command ended.
type processExit struct {
	Status syscall.WaitStatus

	// Err is set when the command could not be executed: it then counts as
	// exit status 1, and the text stands in its Stderr file too. It is also
	// set when the launcher was lost and nobody knows how the command ended.
	Err error
}
