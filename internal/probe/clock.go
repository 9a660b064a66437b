package probe

import "syscall"

// synchronised tells what the kernel knows about this host's clock (adjtimex(2)), ""
// if it does not say.
func synchronised() string {
	const timeError, unsynchronised = 5, 0x40 // TIME_ERROR, STA_UNSYNC
	var t syscall.Timex
	state, err := syscall.Adjtimex(&t)
	switch {
	case err != nil:
		return ""
	case state == timeError || t.Status&unsynchronised != 0:
		return "the kernel says that nothing synchronises it"
	}
	return "the kernel says that it is synchronised"
}
