package store

import "fmt"

// Damaged says that a journal cannot be trusted: a part of it is not what was
// written there, a newer cmdq wrote it, or it is no journal at all. The file was
// left as it is.
type Damaged struct {
	Path  string
	What  string // what is wrong; never holds anything of a task
	Newer bool   // nothing is wrong but that a newer cmdq wrote it
}

func (e *Damaged) Error() string {
	if e.Newer {
		return fmt.Sprintf("%s %s; it was left as it is: use that cmdq, or name another directory with --state", e.Path, e.What)
	}
	return fmt.Sprintf("the journal %s is damaged: %s; it was left as it is: restore a copy of it, "+
		"or move it away and begin anew, or name another directory with --state", e.Path, e.What)
}
