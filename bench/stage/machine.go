package stage

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Machine says on what kind of machine the run is.
func Machine() []string {
	memory, _ := strconv.Atoi(strings.TrimSuffix(field("/proc/meminfo", "MemTotal:"), " kB"))
	kernel := strings.SplitN(field("/proc/sys/kernel/osrelease", ""), ".", 3)
	return []string{
		fmt.Sprintf("%d × %s, %.0f GiB", runtime.NumCPU(), field("/proc/cpuinfo", "model name\t:"), float64(memory)/(1<<20)),
		strings.Trim(field("/etc/os-release", "PRETTY_NAME="), `"`) + ", Linux " + strings.Join(kernel[:min(2, len(kernel))], "."),
	}
}

// Versions says what is measured: edged, and packages of Debian.
func Versions(edged string, packages ...string) []string {
	all := []string{"sender, sink and relays: " + runtime.Version()}
	if v := output(edged, "version"); v != "" {
		all = append(all, v)
	}
	for _, name := range packages {
		if v := output("dpkg-query", "-W", "-f", "${Version}", name); v != "" {
			all = append(all, name+" "+v)
		}
	}
	return all
}

// Usage is CPU time at one moment.
type Usage struct{ all, busy, ours time.Duration }

// Look reads what the machine has spent and what this process and its ended
// children have.
func Look() Usage {
	var u Usage
	for i, text := range strings.Fields(field("/proc/stat", "cpu ")) {
		n, _ := strconv.Atoi(text)
		spent := time.Duration(n) * time.Second / ticks
		if i > 7 { // guests, which are in the first two already
			break
		}
		u.all += spent
		if i != 3 && i != 4 { // idle, and waiting for a disk
			u.busy += spent
		}
	}
	u.ours = spent(syscall.RUSAGE_SELF) + spent(syscall.RUSAGE_CHILDREN)
	return u
}

// Own is the CPU time that this process has used.
func Own() time.Duration { return spent(syscall.RUSAGE_SELF) }

func spent(who int) time.Duration {
	var r syscall.Rusage
	if err := syscall.Getrusage(who, &r); err != nil {
		return 0
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

// Others is the share of the machine that others have used since before, from 0
// to 1.
func (u Usage) Others(before Usage) float64 {
	others := (u.busy - before.busy) - (u.ours - before.ours)
	return max(0, float64(others)/float64(max(1, u.all-before.all)))
}

// field is the rest of the first line that begins with key.
func field(file, key string) string {
	text, err := os.ReadFile(file)
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, key); ok {
			return strings.TrimSpace(rest)
		}
	}
	return ""
}

// output is what a program prints, empty if it is not there.
func output(name string, args ...string) string {
	text, err := exec.Command(name, args...).Output() //nolint:noctx,gosec // prints and ends; what to run is fixed
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(text))
}
