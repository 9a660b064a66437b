package consent_test

import (
	"bufio"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"edged/pkg/consent"
	"edged/pkg/domain"
	"edged/pkg/store"
)

// granterEnv makes this program a process that grants, into the folder, until it
// is killed.
const granterEnv = "EDGED_TEST_CONSENT_GRANTER"

func numbered(n int) (local, remote consent.Party) {
	jabber, _ := domain.Parse("jabber.example")
	contoso, _ := domain.Parse("contoso.com")
	return consent.Party{Local: "u" + strconv.Itoa(n), Domain: contoso}, consent.Party{Local: "b", Domain: jabber}
}

// grantForEver prints how many pairs are in the file, each time that all are.
func grantForEver(dir string) error {
	s, err := store.Open(dir)
	if err != nil {
		return err
	}
	b, err := consent.Open(s, consent.Config{Max: 1_000_000, Log: slog.Default(), Now: time.Now})
	if err != nil {
		return err
	}
	tick := time.NewTicker(time.Millisecond)
	for n := 0; ; n++ {
		b.Grant(numbered(n))
		if n%100 != 0 {
			continue
		}
		for b.Stats().Unwritten > 0 {
			<-tick.C
		}
		fmt.Fprintln(os.Stdout, n+1)
	}
}

func TestKilledWhileGranting(t *testing.T) {
	dir := t.TempDir()
	granted := killedGranter(t, dir)
	b := open(t, dir, 1_000_000)
	for n := range granted {
		if !b.Has(numbered(n)) {
			t.Errorf("pair %d is lost", n)
		}
	}
	if b.log.Len() > 0 {
		t.Errorf("log %q", b.log)
	}
}

// killedGranter starts a granter, kills it in the middle and returns how many
// pairs it said were in the file.
func killedGranter(t *testing.T, dir string) (granted int) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), granterEnv+"="+dir)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for in := bufio.NewScanner(out); in.Scan(); {
		if granted, err = strconv.Atoi(in.Text()); err != nil {
			t.Fatal(in.Text())
		}
		if granted > 500 {
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := cmd.Wait(); err == nil || cmd.ProcessState.ExitCode() != -1 {
		t.Fatalf("the granter was not killed: %v", err)
	}
	return granted
}

func TestFullDisk(t *testing.T) {
	if !inOwnProcess(t) {
		return
	}
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		b := open(t, dir, 1000)
		b.grant(t, "first@contoso.com b@jabber.example")
		<-time.After(time.Second)
		restore := fillDisk(t)
		defer restore()
		for n := range 2000 { // also more than there is room for
			b.Grant(numbered(n))
		}
		<-time.After(10 * time.Second)
		synctest.Wait()
		got := b.Stats()
		if got.Pairs != 1000 || got.Unwritten == 0 || got.WriteErrors < 5 || got.WriteErrors > 15 || !b.Has(numbered(1999)) {
			t.Errorf("while it is full: %+v", got)
		}
		b.Remove(numbered(1999))
		restore()
		<-time.After(2 * time.Second)
		synctest.Wait()
		if got := b.Stats(); got.Unwritten != 0 || b.stored(t) != 999 || got.Pairs != 999 {
			t.Errorf("with room again: %+v, %d in the file", got, b.stored(t))
		}
		b.close()
		if errs := strings.Count(b.log.String(), "level=ERROR"); errs != 1 || !strings.Contains(b.log.String(), "in the state file again") {
			t.Errorf("log:\n%s", b.log)
		}
	})
}

// While nothing can be written, what comes and goes again leaves nothing behind.
func TestFullDiskForLong(t *testing.T) {
	if !inOwnProcess(t) {
		return
	}
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		b := open(t, dir, 10)
		restore := fillDisk(t)
		defer restore()
		for n := range 5000 {
			b.Grant(numbered(n))
			if n%500 == 0 {
				<-time.After(time.Second)
			}
		}
		if got := b.Stats(); got.Unwritten > 40 {
			t.Errorf("%+v", got)
		}
		restore()
		<-time.After(2 * time.Second)
		synctest.Wait()
		if got := b.Stats(); got.Unwritten != 0 || b.stored(t) != 10 {
			t.Errorf("%+v, %d in the file", got, b.stored(t))
		}
		b.close()
	})
}

func TestCloseTellsWhatIsLost(t *testing.T) {
	if !inOwnProcess(t) {
		return
	}
	dir := t.TempDir()
	s, err := store.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	b, err := consent.Open(s, consent.Config{Max: 10, Log: slog.New(slog.DiscardHandler), Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	restore := fillDisk(t)
	defer restore()
	b.Grant(numbered(1))
	for range 2 {
		if err := b.Close(); err == nil || !strings.Contains(err.Error(), "not all of consent is in the state file") {
			t.Errorf("close: %v", err)
		}
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// aloneEnv marks a process that runs one test only.
const aloneEnv = "EDGED_TEST_ALONE"

// inOwnProcess runs the test that calls it in a process of its own, and reports
// whether this is that process: fillDisk holds for everything a process
// writes, the notes of the test runner among it.
func inOwnProcess(t *testing.T) bool {
	t.Helper()
	if os.Getenv(aloneEnv) != "" {
		return true
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+t.Name()+"$")
	cmd.Env = append(os.Environ(), aloneEnv+"=1")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	return false
}

// fillDisk makes writes to every file fail, until restore.
func fillDisk(t *testing.T) (restore func()) {
	t.Helper()
	var was syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &was); err != nil {
		t.Fatal(err)
	}
	set := func(l syscall.Rlimit) {
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &l); err != nil {
			t.Fatal(err)
		}
	}
	set(syscall.Rlimit{Cur: 1, Max: was.Max})
	return func() { set(was) }
}
