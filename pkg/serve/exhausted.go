package serve

import (
	"errors"
	"syscall"
)

// Exhausted reports whether an error, of a connection to be opened for one, says that
// this process or host has no descriptors left: nobody else is to blame.
func Exhausted(err error) bool {
	return errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE)
}
