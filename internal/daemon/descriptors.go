package daemon

import (
	"fmt"
	"math"
	"syscall"

	"edged/internal/config"
	"edged/pkg/limit"
)

// bounds are the limits of a configuration, with no more connections than this process
// can afford: each takes a descriptor, and some must be left for what else the edge
// opens, which is links inside, look-ups and files. The text is a warning, "" if
// everything fits.
func bounds(c *config.Config, files int) (limit.Bounds, string) {
	b, sides, outwards := c.Limits, 0, 0
	if c.SIP.Serves() {
		sides, outwards = 2, dialled(c, files)
	}
	if c.XMPP.Serves() {
		sides += 2 // whose streams are bounded by themselves
	}
	most := max((files/4*3-outwards)/max(sides, 1), 1)
	if b.Connections <= most {
		return b, ""
	}
	text := fmt.Sprintf("limits.connections is %d, but this process may open no more than %d files: on each side %d connections are accepted; "+
		"raise LimitNOFILE of the unit, or ulimit -n", b.Connections, files, most)
	b.Connections, b.ConnectionsPerAddress = most, min(b.ConnectionsPerAddress, most)
	return b, text
}

// dialled is how many connections to partners' servers SIP may open: no more than are
// accepted, and a sixteenth of all files.
func dialled(c *config.Config, files int) int {
	return max(min(c.Limits.Connections, files/16), 1)
}

// mayOpen is how many files this process may have open (RLIMIT_NOFILE). The Go
// runtime has raised it as far as it may.
func mayOpen() int {
	var r syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &r); err != nil || r.Cur > math.MaxInt32 {
		return math.MaxInt32
	}
	return int(r.Cur)
}
