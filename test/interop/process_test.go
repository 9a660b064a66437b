package interop

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// patience bounds every wait for another process.
const patience = 20 * time.Second

// process is one program started by a test. Its output is kept in log.
type process struct {
	name string
	log  string
	cmd  *exec.Cmd
	done chan struct{} // closed when the process has ended
	err  error         // how it ended; read after done
}

// findBinary returns the path of a peer's program. Without it the test is
// skipped, or fails when CI=true: there every peer must be present.
func findBinary(t testing.TB, name string) string {
	t.Helper()
	if path, err := exec.LookPath(name); err == nil {
		return path
	}
	// Debian keeps daemons in a directory that only root has in PATH.
	if path, err := exec.LookPath(filepath.Join("/usr/sbin", name)); err == nil {
		return path
	}
	missing(t, name+" is not installed")
	return ""
}

// missing skips the test for what this machine lacks, or fails it when CI=true.
func missing(t testing.TB, what string) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatal(what)
	}
	t.Skip(what)
}

// start runs a program until the end of the test. Its output goes to
// NAME.log in the world's directory.
func (w *world) start(t testing.TB, name, bin string, args ...string) *process {
	t.Helper()
	p := w.prepare(t, name, bin, args...)
	p.run(t)
	return p
}

// prepare is start without the start: p.cmd may still be changed.
func (w *world) prepare(t testing.TB, name, bin string, args ...string) *process {
	t.Helper()
	p := &process{name: name, log: w.logFile(t, name+".log"), done: make(chan struct{})}
	p.cmd = exec.Command(bin, args...)
	p.cmd.Dir = w.dir
	p.cmd.Env = append(os.Environ(), "TERM=xterm")
	// Its own process group, so that a hung daemon's children can be ended with
	// it; and ended with this process if that is killed.
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	return p
}

// run starts a prepared process. What it writes goes to its log, but for a
// standard output that somebody reads.
func (p *process) run(t testing.TB) {
	t.Helper()
	out, err := os.Create(p.log)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	if p.cmd.Stdout == nil {
		p.cmd.Stdout = out
	}
	p.cmd.Stderr = out
	if err := p.cmd.Start(); err != nil {
		t.Fatalf("start %s: %v", p.name, err)
	}
	go func() {
		p.err = p.cmd.Wait()
		close(p.done)
	}()
	t.Cleanup(p.stop)
}

// kill ends the process and its children at once, as a power cut would.
func (p *process) kill() {
	_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL) // it may just have ended
	<-p.done
}

// stop ends the process: politely, then by force.
func (p *process) stop() {
	for _, signal := range []syscall.Signal{syscall.SIGTERM, syscall.SIGKILL} {
		if p.ended() {
			return
		}
		pid := p.cmd.Process.Pid
		if signal == syscall.SIGKILL {
			pid = -pid
		}
		_ = syscall.Kill(pid, signal) // it may just have ended
		select {
		case <-p.done:
		case <-time.After(5 * time.Second):
		}
	}
}

func (p *process) ended() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// wait waits for the process to end by itself, successfully.
func (p *process) wait() error {
	select {
	case <-p.done:
		return p.err
	case <-time.After(patience):
		return fmt.Errorf("%s still runs after %v", p.name, patience)
	}
}

// awaitListening waits until the process listens at the TCP address.
func (p *process) awaitListening(t testing.TB, at netip.AddrPort) {
	t.Helper()
	await(t, fmt.Sprintf("%s to listen at %v", p.name, at), func() bool {
		if p.ended() {
			t.Fatalf("%s ended: %v", p.name, p.err)
		}
		return listening(at)
	})
}

// await polls until done, and fails the test when patience ends.
func await(t testing.TB, what string, done func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !done() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("waited %v for %s", patience, what)
		}
	}
}

// listening reports whether some process listens at the TCP address, without
// connecting to it: SIPp would count a connection.
func listening(at netip.AddrPort) bool {
	table, err := os.ReadFile("/proc/net/tcp")
	if err != nil {
		return false
	}
	ip := at.Addr().As4()
	// Address in host byte order, port, any peer, state 0A = LISTEN.
	row := fmt.Sprintf(": %02X%02X%02X%02X:%04X 00000000:0000 0A ", ip[3], ip[2], ip[1], ip[0], at.Port())
	return strings.Contains(string(table), row)
}
