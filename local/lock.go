package local

import (
	"fmt"

	"cmdq/lock"
)

// LockedError says that another cluster uses the work directory.
type LockedError = lock.HeldError

// lockWorkDir keeps a work directory for one cluster, or says who has it.
func lockWorkDir(dir string) (*lock.Lock, error) {
	l, err := lock.Take(dir)
	if err != nil {
		return nil, fmt.Errorf("the work directory: %w", err)
	}
	return l, nil
}
