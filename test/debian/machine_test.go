// Package debian tests the Debian package, under a systemd of its own.
package debian

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// patience bounds every wait.
const patience = 60 * time.Second

// missing skips the test for what this machine lacks, or fails it when CI=true.
func missing(t *testing.T, what string) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatal(what)
	}
	t.Skip(what)
}

// need looks for a program.
func need(t *testing.T, name string) {
	t.Helper()
	if _, err := exec.LookPath(name); err != nil {
		missing(t, name+" is not installed")
	}
}

// machine is a Debian that has booted.
type machine struct {
	leader int // its systemd, as seen from here
}

// boot starts the system that test/setup.sh has made. What is written there is gone
// when the test ends.
func boot(t *testing.T) *machine {
	t.Helper()
	root := os.Getenv("EDGED_TEST_DEBIAN")
	if root == "" {
		root = "/var/cache/edged-test/bookworm"
	}
	need(t, "systemd-nspawn")
	if os.Getuid() != 0 {
		missing(t, "only root can boot a system")
	}
	if _, err := os.Stat(root); err != nil {
		missing(t, root+" is not there; test/setup.sh makes it")
	}
	var out bytes.Buffer
	nspawn := exec.Command("systemd-nspawn", "--directory="+root, "--volatile=overlay", "--boot", "--register=no",
		"--keep-unit", "--private-network", "--console=pipe", "--link-journal=no", fmt.Sprint("--machine=edged-test-", os.Getpid()))
	nspawn.Stdout, nspawn.Stderr = &out, &out
	nspawn.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
	m, started, ended := &machine{}, make(chan error), make(chan error, 1)
	go func() {
		runtime.LockOSThread() // whose end would be taken for that of this process
		defer runtime.UnlockOSThread()
		started <- nspawn.Start()
		ended <- nspawn.Wait()
	}()
	if err := <-started; err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() && m.leader != 0 {
			t.Log(m.try("journalctl", "--no-pager", "--lines=60", "--unit=edged*").text())
		}
		_ = nspawn.Process.Signal(syscall.SIGTERM) // the whole system goes down in order
		t.Log("the system is down:", <-ended)
	})
	eventually(t, "the system has booted", func() error {
		select {
		case err := <-ended:
			ended <- err
			t.Fatalf("%v\n%s", err, out.String())
		default:
		}
		m.leader = child(nspawn.Process.Pid)
		if m.leader == 0 {
			return errors.New("there is no process yet")
		}
		if state := strings.TrimSpace(m.try("systemctl", "is-system-running").stdout); state != "running" && state != "degraded" {
			return errors.New(state)
		}
		return nil
	})
	m.run(t, "ip", "link", "set", "lo", "up")
	return m
}

// child returns the first child of a process, 0 if there is none.
func child(pid int) int {
	raw, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	first, _, _ := strings.Cut(string(raw), " ")
	n, _ := strconv.Atoi(first)
	return n
}

// eventually waits until a condition holds.
func eventually(t *testing.T, what string, holds func() error) {
	t.Helper()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	late := time.After(patience)
	for {
		err := holds()
		if err == nil {
			return
		}
		select {
		case <-tick.C:
		case <-late:
			t.Fatalf("not yet, and given up: %s: %v", what, err)
		}
	}
}

// result is how a command ended.
type result struct {
	status         int
	stdout, stderr string
}

func (r result) text() string { return fmt.Sprintf("status %d\n%s%s", r.status, r.stdout, r.stderr) }

// try runs a command in the system, as its root.
func (m *machine) try(args ...string) result {
	cmd := exec.Command("nsenter", append([]string{fmt.Sprint("--target=", m.leader), "--mount", "--uts", "--ipc", "--net", "--pid", "--"}, args...)...)
	var stdout, stderr strings.Builder
	cmd.Stdout, cmd.Stderr, cmd.Dir = &stdout, &stderr, "/"
	cmd.Env = []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "DEBIAN_FRONTEND=noninteractive", "LC_ALL=C.UTF-8", "HOME=/root"}
	err := cmd.Run()
	if exit, ok := errors.AsType[*exec.ExitError](err); err != nil && !ok {
		return result{-1, "", fmt.Sprint(err, exit)}
	}
	return result{cmd.ProcessState.ExitCode(), stdout.String(), stderr.String()}
}

// run runs a command that has to succeed, and returns what it prints.
func (m *machine) run(t *testing.T, args ...string) string {
	t.Helper()
	r := m.try(args...)
	if r.status != 0 {
		t.Fatalf("%s: %s", strings.Join(args, " "), r.text())
	}
	return strings.TrimSpace(r.stdout)
}

// path is where a file of the system is seen from here.
func (m *machine) path(name string) string {
	return filepath.Join(fmt.Sprintf("/proc/%d/root", m.leader), name)
}

// write puts a file into the system, and the folders above it.
func (m *machine) write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(m.path(name)), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(m.path(name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(m.path(name), 0o644); err != nil { // whatever the umask is
		t.Fatal(err)
	}
}

// copy puts a file of ours into the system.
func (m *machine) copy(t *testing.T, from, to string) {
	t.Helper()
	raw, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	m.write(t, to, string(raw))
}

// inside runs f on a thread that is in the system's network.
func (m *machine) inside(f func() error) error {
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends with this goroutine
		ns, err := os.Open(fmt.Sprintf("/proc/%d/ns/net", m.leader))
		if err == nil {
			err = unix.Setns(int(ns.Fd()), unix.CLONE_NEWNET)
			_ = ns.Close()
		}
		if err == nil {
			err = f()
		}
		done <- err
	}()
	return <-done
}

// dial opens a connection in the system's network. Nothing in it may use another
// goroutine, which is why addr is an address.
func (m *machine) dial(network, addr string) (conn net.Conn, err error) {
	err = m.inside(func() error {
		conn, err = net.DialTimeout(network, addr, patience)
		return err
	})
	return conn, err
}
