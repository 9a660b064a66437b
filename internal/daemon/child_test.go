package daemon_test

import (
	"bufio"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"edged/internal/daemon"
)

// childConfig is the variable that makes this program an edge.
const childConfig = "EDGED_TEST_CONFIG"

// listeners are what a child says of itself.
func listeners() []string {
	return []string{"sip.external", "sip.internal", "xmpp.external", "xmpp.internal", "metrics"}
}

// beChild serves until it is killed.
func beChild(t *testing.T, path string) {
	t.Helper()
	d, err := daemon.Start(t.Context(), daemon.Options{ConfigPath: path, Version: "child"})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range listeners() {
		if at := d.Addr(name); at != nil {
			if _, err := os.Stdout.WriteString("at " + name + " " + at.String() + "\n"); err != nil {
				t.Fatal(err)
			}
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*patience) // if nobody kills it
	defer cancel()
	<-ctx.Done()
	_ = d.Stop(ctx)
}

// child is an edge in a process of its own.
type child struct {
	*bed
	cmd *exec.Cmd
	at  map[string]string // where it listens
}

// child runs the edge in a process of its own, by the test that calls beChild there,
// and waits until it serves all that is named.
func (b *bed) child(test string, names ...string) *child {
	b.Helper()
	c := &child{bed: b, cmd: exec.CommandContext(b.Context(), os.Args[0], "-test.run=^"+test+"$"), at: map[string]string{}}
	c.cmd.Env = append(os.Environ(), childConfig+"="+filepath.Join(b.Dir, "edged.yaml"))
	c.cmd.Stderr = b.log
	out, err := c.cmd.StdoutPipe()
	if err == nil {
		err = c.cmd.Start()
	}
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = c.cmd.Process.Kill() })
	for lines := bufio.NewScanner(out); len(c.at) < len(names) && lines.Scan(); {
		for _, name := range names {
			if at, ok := strings.CutPrefix(lines.Text(), "at "+name+" "); ok {
				c.at[name] = at
			}
		}
	}
	if len(c.at) < len(names) {
		b.Fatalf("the child does not serve:\n%s", b.log.text())
	}
	return c
}

func (c *child) kill() {
	c.Helper()
	if err := c.cmd.Process.Kill(); err != nil {
		c.Fatal(err)
	}
	_ = c.cmd.Wait() // it was killed
}
