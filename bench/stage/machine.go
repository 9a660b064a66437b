package stage

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
)

// Machine says on what kind of machine the run is.
func Machine() []string {
	memory, _ := strconv.Atoi(strings.TrimSuffix(field("/proc/meminfo", "MemTotal:"), " kB"))
	return []string{
		fmt.Sprintf("%d × %s, %.0f GiB", runtime.NumCPU(), field("/proc/cpuinfo", "model name\t:"), float64(memory)/(1<<20)),
		strings.Trim(field("/etc/os-release", "PRETTY_NAME="), `"`) + ", Linux " + field("/proc/sys/kernel/osrelease", ""),
	}
}

// Versions says what is measured.
func Versions(edged string) []string {
	all := []string{"sender, sink and relays: " + runtime.Version()}
	if v := output(edged, "version"); v != "" {
		all = append(all, v)
	}
	for _, name := range []string{"prosody", "lua-sec", "ejabberd", "erlang-base"} {
		if v := output("dpkg-query", "-W", "-f", "${Version}", name); v != "" {
			all = append(all, name+" "+v)
		}
	}
	return all
}

// Load is how many processes wanted to run during the last minute: more than a
// few tenths and somebody else is at work.
func Load() string {
	load, _, _ := strings.Cut(field("/proc/loadavg", ""), " ")
	return load
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
