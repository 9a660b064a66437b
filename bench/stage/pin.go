package stage

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
)

// Split divides the CPUs: one for the program under measurement, and the others
// for everybody else. Both are lists as taskset takes them.
func Split() (program, others string, err error) {
	all := cpus(field("/proc/self/status", "Cpus_allowed_list:"))
	if len(all) < 2 {
		return "", "", errors.New("one CPU only: nothing can be pinned")
	}
	return all[0], strings.Join(all[1:], ","), nil
}

// cpus takes a list such as 0-2,5 apart.
func cpus(list string) []string {
	var all []string
	for part := range strings.SplitSeq(list, ",") {
		low, high, ranged := strings.Cut(part, "-")
		if !ranged {
			high = low
		}
		first, err := strconv.Atoi(low)
		last, wrong := strconv.Atoi(high)
		if err != nil || wrong != nil {
			return nil
		}
		for n := first; n <= last; n++ {
			all = append(all, strconv.Itoa(n))
		}
	}
	return all
}

// Pin keeps this process to CPUs.
func Pin(list string) error {
	text, err := exec.Command("taskset", "-a", "-c", "-p", list, strconv.Itoa(os.Getpid())).CombinedOutput() //nolint:noctx,gosec // ends at once
	if err != nil {
		return fmt.Errorf("taskset: %w: %s", err, text)
	}
	return nil
}

// On runs a program on CPUs only: it stands before its arguments.
func On(list string) []string { return []string{"taskset", "-c", list} }
