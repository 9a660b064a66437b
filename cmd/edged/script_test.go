package main

import (
	"errors"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"edged/internal/config/configtest"
	"edged/internal/lab/zone"
)

// minimal is the configuration that the cases in testdata differ from.
const minimal = "../../internal/config/testdata/good/minimal"

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"edged": main})
}

// TestScripts runs testdata/script in folders that hold the minimal configuration
// with its certificates, unless the script brings files of its own. $DNS is a name
// server. Further commands:
//
//	exits STATUS PROGRAM ARGS    runs it and compares the exit status
//	await PATTERN FILE           waits until a line of the file matches
//	signal NAME                  sends HUP or TERM to what runs in the background
//	get PATH FILE                saves what the metrics listener answers, status first
//	connect                      connects to it, and says nothing until the script ends
func TestScripts(t *testing.T) {
	laid := configtest.Lay(t, minimal)
	dns, err := zone.Serve(zone.Zone{TTL: 60, NegativeTTL: 60, SRV: map[string][]zone.SRV{
		"_sipfederationtls._tcp.fabrikam.com": {{Port: 5061, Target: "sip.fabrikam.com"}},
		"_sipfederationtls._tcp.contoso.com":  {{Port: 5061, Target: "sip.contoso.com"}},
		"_sips._tcp.relecloud.example":        {{Port: 5061, Target: "sip.relecloud.example"}},
	}, A: map[string][]netip.Addr{"sip.contoso.com": {netip.MustParseAddr("127.0.0.1")}}, Failing: map[string]bool{"_sipfederationtls._tcp.failing.example": true}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { dns.Close() }) // after the scripts, which run beside each other
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(e *testscript.Env) error {
			e.Setenv("DNS", dns.Addr())
			return complete(e.WorkDir, laid)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits": exits, "await": await, "signal": signalAll, "get": get, "connect": connect,
		},
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
	})
}

// complete copies the files that dir does not have.
func complete(dir, from string) error {
	return filepath.WalkDir(from, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		to := filepath.Join(dir, name)
		if e.IsDir() {
			return os.MkdirAll(to, 0o755)
		}
		if _, err := os.Stat(to); !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		raw, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(to, raw, 0o600)
	})
}

func exits(ts *testscript.TestScript, _ bool, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	var exit *exec.ExitError
	if err := ts.Exec(args[1], args[2:]...); errors.As(err, &exit) {
		got = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if got != want {
		ts.Fatalf("exit status %d, want %d", got, want)
	}
}

func await(ts *testscript.TestScript, _ bool, args []string) {
	if _, err := awaitLine(ts.MkAbs(args[1]), regexp.MustCompile(args[0])); err != nil {
		ts.Fatalf("%v", err)
	}
}

// patience bounds every wait. Nothing waits so long unless it fails.
const patience = 20 * time.Second

// awaitLine reads a file that is being written until it holds what re matches,
// and returns the match with its groups.
func awaitLine(file string, re *regexp.Regexp) ([]string, error) {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	late := time.After(patience)
	for {
		raw, err := os.ReadFile(file)
		if found := re.FindStringSubmatch(string(raw)); found != nil {
			return found, nil
		}
		select {
		case <-tick.C:
		case <-late:
			return nil, errors.Join(err, errors.New("nothing matches "+re.String()+" in:\n"+string(raw)))
		}
	}
}

func signalAll(ts *testscript.TestScript, _ bool, args []string) {
	s := map[string]os.Signal{"HUP": syscall.SIGHUP, "TERM": syscall.SIGTERM}[args[0]]
	for _, cmd := range ts.BackgroundCmds() {
		ts.Check(cmd.Process.Signal(s))
	}
}

func get(ts *testscript.TestScript, _ bool, args []string) {
	client := http.Client{Timeout: patience}
	answer, err := client.Get("http://" + metricsAddr(ts) + args[0])
	ts.Check(err)
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), append([]byte(answer.Status+"\n"), body...), 0o600))
}

func connect(ts *testscript.TestScript, _ bool, _ []string) {
	conn, err := net.Dial("tcp", metricsAddr(ts))
	ts.Check(err)
	ts.Defer(func() { conn.Close() })
}

// metricsAddr reads in the log where the metrics are.
func metricsAddr(ts *testscript.TestScript) string {
	found, err := awaitLine(ts.MkAbs("log"), regexp.MustCompile(`msg=serving .*metrics=(\S+)\n`))
	ts.Check(err)
	return found[1]
}
