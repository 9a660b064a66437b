package faults

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

var (
	program  = flag.String("edge", "", "the edged to test, such as one built with the race detector; empty: build it")
	perSec   = flag.Int("rate", 2000, "messages per second of the tests under load")
	duration = flag.Duration("storm", time.Minute, "how long the storm of reloads lasts")
)

// TestMain builds the daemon once, where the tests find it.
func TestMain(m *testing.M) {
	_ = flag.Set("test.parallel", "16") // most of them wait most of the time
	flag.Parse()
	if *program != "" {
		os.Exit(m.Run())
	}
	dir, err := os.MkdirTemp("", "edged-faults")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	*program = filepath.Join(dir, "edged")
	if out, err := exec.Command("go", "build", "-o", *program, "edged/cmd/edged").CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build edged: %v\n%s", err, out)
	}
	code := m.Run()
	os.RemoveAll(dir)
	os.Exit(code)
}

// lookAtSources looks at what the program is built from. The go command notes what
// a test looks at, and remembers no result when it has changed.
var lookAtSources = sync.OnceFunc(func() {
	for _, dir := range []string{"cmd", "internal", "pkg"} {
		_ = filepath.WalkDir(filepath.Join("..", "..", dir), func(path string, _ fs.DirEntry, _ error) error {
			_, _ = os.Stat(path)
			return nil
		})
	}
})

// needEdge fails a test if there is nothing to test.
func needEdge(t *testing.T) {
	t.Helper()
	lookAtSources()
	if _, err := os.Stat(*program); err != nil {
		t.Fatal("edged could not be built, see above")
	}
}

// edge is a running edged.
type edge struct {
	*bed
	addr string // of its listeners
	log  string
	cmd  *exec.Cmd
	done chan struct{}
}

// edge starts an edged with the bed's settings and waits until it is ready. A
// command before it, such as a shell's ulimit, may bound it.
func (b *bed) edge(changes ...func(*settings)) *edge {
	b.Helper()
	b.write("edged.yaml", changes...)
	e := b.launch("edged.yaml", "exec %s serve -c %s")
	b.await("edged to be ready", patience, func() bool { return e.ended() || e.ready() })
	if e.ended() {
		b.Fatal("edged has ended")
	}
	return e
}

// launch starts an edged by a shell command.
func (b *bed) launch(config, command string) *edge {
	b.Helper()
	out, err := os.CreateTemp(b.Dir, "log")
	if err != nil {
		b.Fatal(err)
	}
	defer out.Close()
	e := &edge{bed: b, addr: b.settings.Address, log: out.Name(), done: make(chan struct{})}
	e.cmd = exec.Command("sh", "-c", fmt.Sprintf(command, *program, config))
	e.cmd.Dir, e.cmd.Stdout, e.cmd.Stderr = b.Dir, out, out
	e.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := e.cmd.Start(); err != nil {
		b.Fatal(err)
	}
	go func() {
		_ = e.cmd.Wait() // its state says how it ended
		close(e.done)
	}()
	b.Cleanup(e.dismiss)
	return e
}

// dismiss ends the process at the end of its test, and shows its log if that
// failed.
func (e *edge) dismiss() {
	e.kill()
	text := e.text()
	if strings.Contains(text, "\npanic: ") || strings.Contains(text, "DATA RACE") {
		e.Error("edged crashed")
	}
	if e.Failed() {
		const most = 16 << 10
		e.Logf("the edge's log, %d bytes, ends:\n%s", len(text), text[max(0, len(text)-most):])
	}
}

func (e *edge) ended() bool { return ended(e.done) }

// kill ends the process as a loss of power would.
func (e *edge) kill() {
	_ = e.cmd.Process.Kill() // it may have ended
	<-e.done
}

func (e *edge) signal(s syscall.Signal) {
	e.Helper()
	if err := e.cmd.Process.Signal(s); err != nil {
		e.Fatal(err)
	}
}

// exit waits for the process to end by itself, and returns its status.
func (e *edge) exit(within time.Duration) int {
	e.Helper()
	if !e.ended() {
		select {
		case <-e.done:
		case <-time.After(within):
			e.Fatalf("edged still runs after %v", within)
		}
	}
	return e.cmd.ProcessState.ExitCode()
}

func (e *edge) ready() bool {
	status, _, err := e.get("/-/ready")
	return err == nil && status == http.StatusOK
}

func (e *edge) get(path string) (status int, body string, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+e.addr+":9061"+path, nil)
	if err != nil {
		return 0, "", err
	}
	answer, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(req)
	if err != nil {
		return 0, "", err
	}
	raw, err := io.ReadAll(answer.Body)
	return answer.StatusCode, string(raw), errors.Join(err, answer.Body.Close())
}

// metric is the sum of the samples whose lines begin so.
func (e *edge) metric(prefix string) float64 {
	e.Helper()
	_, body, err := e.get("/metrics")
	if err != nil {
		e.Fatal(err)
	}
	var sum float64
	for line := range strings.Lines(body) {
		if rest, ok := strings.CutPrefix(line, prefix); ok {
			fields := strings.Fields(rest)
			v, err := strconv.ParseFloat(fields[len(fields)-1], 64)
			if err != nil {
				e.Fatal(err)
			}
			sum += v
		}
	}
	return sum
}

func (e *edge) text() string {
	raw, err := os.ReadFile(e.log)
	if err != nil {
		return err.Error()
	}
	return string(raw)
}

// count is how many times a pattern is in the log.
func (e *edge) count(pattern string) int {
	return len(regexp.MustCompile(pattern).FindAllStringIndex(e.text(), -1))
}

// logged waits for a line of the log.
func (e *edge) logged(pattern string) {
	e.Helper()
	e.await("a line like "+pattern, patience, func() bool { return e.count(pattern) > 0 })
}

// cpu is the processor time that the process has used.
func (e *edge) cpu() time.Duration {
	e.Helper()
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", e.cmd.Process.Pid))
	if err != nil {
		e.Fatal(err)
	}
	var user, system int
	fields := strings.Fields(string(raw[strings.LastIndexByte(string(raw), ')')+1:]))
	if _, err := fmt.Sscan(fields[11]+" "+fields[12], &user, &system); err != nil {
		e.Fatal(err)
	}
	return time.Duration(user+system) * 10 * time.Millisecond // USER_HZ is 100
}
