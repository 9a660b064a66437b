package stage

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// patience bounds the start and the end of a process.
const patience = 15 * time.Second

// Process is one program under measurement. Its output goes to NAME.log.
type Process struct {
	Name string
	cmd  *exec.Cmd
	log  string
	done chan struct{}
}

// Start runs a program until Stop, or until this process ends.
func (w *World) Start(name string, env []string, argv ...string) (*Process, error) {
	p := &Process{Name: name, log: filepath.Join(w.Dir, name+".log"), done: make(chan struct{})}
	out, err := os.Create(p.log)
	if err != nil {
		return nil, err
	}
	defer out.Close()
	p.cmd = exec.Command(argv[0], argv[1:]...) //nolint:noctx,gosec // Stop ends it; what to run is fixed
	p.cmd.Dir, p.cmd.Stdout, p.cmd.Stderr = w.Dir, out, out
	p.cmd.Env = append(os.Environ(), env...)
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		_ = p.cmd.Wait() // Stop ends it with a signal
		close(p.done)
	}()
	return p, nil
}

// Await waits until the process listens at every address, for as long as the
// context says.
func (p *Process) Await(ctx context.Context, addrs ...string) error {
	for _, addr := range addrs {
		if err := p.until(ctx, func() bool { return listening(addr) }); err != nil {
			return fmt.Errorf("%s does not listen at %s: %w", p.Name, addr, err)
		}
	}
	return nil
}

// until waits for the process to have done something.
func (p *Process) until(ctx context.Context, done func() bool) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !done() {
		select {
		case <-tick.C:
		case <-p.done:
			return fmt.Errorf("it has ended: %s", p.lastWords())
		case <-ctx.Done():
			return fmt.Errorf("%w: %s", ctx.Err(), p.lastWords())
		}
	}
	return nil
}

// Stop ends the process and what it has started: politely, then by force.
func (p *Process) Stop() {
	for _, signal := range []syscall.Signal{syscall.SIGTERM, syscall.SIGKILL} {
		_ = syscall.Kill(-p.cmd.Process.Pid, signal) // it may have ended
		select {
		case <-p.done:
			return
		case <-time.After(patience):
		}
	}
}

// lastWords is the last line of what the process said.
func (p *Process) lastWords() string {
	text, err := os.ReadFile(p.log)
	if err != nil {
		return err.Error()
	}
	text = bytes.TrimSpace(text)
	last := string(text[bytes.LastIndexByte(text, '\n')+1:])
	return strings.ReplaceAll(last, filepath.Dir(p.log)+"/", "")
}

// listening reports whether some process listens at the TCP address, without
// connecting to it.
func listening(addr string) bool {
	at, err := net.ResolveTCPAddr("tcp4", addr)
	if err != nil {
		return false
	}
	table, err := os.ReadFile("/proc/net/tcp")
	if err != nil {
		return false
	}
	ip := at.IP.To4()
	// Address in host byte order, port, any peer, state 0A = LISTEN.
	row := fmt.Sprintf(": %02X%02X%02X%02X:%04X 00000000:0000 0A ", ip[3], ip[2], ip[1], ip[0], at.Port)
	return strings.Contains(string(table), row)
}

// ticks of the CPU clock per second: USER_HZ, which is 100 on every Linux.
const ticks = 100

// CPU returns the user and system time that the process has used, and those it
// has started.
func (p *Process) CPU() (time.Duration, error) {
	var all int
	for _, pid := range p.group() {
		fields, err := stat(pid)
		if err != nil {
			continue // it has just ended, and counts as a child of its parent
		}
		// utime and stime, then the same of children that have ended.
		for _, text := range fields[11:15] {
			n, err := strconv.Atoi(text)
			if err != nil {
				return 0, err
			}
			all += n
		}
	}
	if all == 0 && !p.running() {
		return 0, errors.New(p.Name + " has ended")
	}
	return time.Duration(all) * time.Second / ticks, nil
}

func (p *Process) running() bool {
	select {
	case <-p.done:
		return false
	default:
		return true
	}
}

// group are the numbers of the process and of those it has started, which share
// its process group.
func (p *Process) group() []int {
	names, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		return nil
	}
	var all []int
	for _, name := range names {
		pid, err := strconv.Atoi(filepath.Base(name))
		if err != nil {
			continue
		}
		if fields, err := stat(pid); err == nil && fields[2] == strconv.Itoa(p.cmd.Process.Pid) {
			all = append(all, pid)
		}
	}
	return all
}

// stat are the fields of /proc/PID/stat after the name, which stands in
// parentheses and may hold anything.
func stat(pid int) ([]string, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return nil, err
	}
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
	if len(fields) < 15 {
		return nil, errors.New("a short /proc/PID/stat")
	}
	return fields, nil
}

// PSS returns the memory of the process and of those it has started, what they
// share counted once, in bytes.
func (p *Process) PSS() (int, error) {
	sum := 0
	for _, pid := range p.group() {
		kib, err := strconv.Atoi(strings.TrimSuffix(field(fmt.Sprintf("/proc/%d/smaps_rollup", pid), "Pss:"), " kB"))
		if err == nil { // otherwise it has just ended
			sum += kib << 10
		}
	}
	if sum == 0 {
		return 0, errors.New(p.Name + ": no memory is known")
	}
	return sum, nil
}

// RSS returns the resident memory of the process, in bytes.
func (p *Process) RSS() (int, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	_, rest, _ := strings.Cut(string(text), "\nVmRSS:")
	amount, _, _ := strings.Cut(rest, " kB")
	kib, err := strconv.Atoi(strings.TrimSpace(amount))
	return kib << 10, err
}
