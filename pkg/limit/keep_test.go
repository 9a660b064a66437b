package limit_test

import (
	"errors"
	"log/slog"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"edged/internal/lab/ca"
	"edged/pkg/domain"
	"edged/pkg/limit"
	"edged/pkg/store"
)

func domains(names ...string) []domain.Name {
	var all []domain.Name
	for _, n := range names {
		all = append(all, domain.MustParse(n))
	}
	return all
}

func names(all ...string) []string { return all }

const bucket = "watch:sip"

// keep opens the state file in dir and lets the budgets keep their watch list
// there. close is what a restart does first.
func (b *budgets) keep(dir string) (s *store.Store, log *strings.Builder, end func()) {
	b.t.Helper()
	s, err := store.Open(dir)
	if err != nil {
		b.t.Fatal(err)
	}
	log = new(strings.Builder)
	if err := b.Keep(limit.KeepConfig{Store: s, Bucket: bucket, Log: slog.New(slog.NewTextHandler(log, nil))}); err != nil {
		b.t.Fatal(err)
	}
	return s, log, func() {
		if err := errors.Join(b.Close(), s.Close()); err != nil {
			b.t.Error(err)
		}
	}
}

// TestWatchListIsKept: over a restart, with what a partner may still do.
func TestWatchListIsKept(t *testing.T) {
	dir := t.TempDir()
	b := newBudgets(t, roomy())
	_, _, end := b.keep(dir)
	b.tell("loud.example/u x.loud.example/v loud.example/w mail.example:failed*100 quiet.example free.example:failed*100")
	b.Release("free.example")
	before := b.Watched()
	end()

	b = newBudgets(t, roomy())
	b.now = b.now.Add(time.Minute)
	_, _, end = b.keep(dir)
	for i := range before { // what is counted begins anew, but for whom a partner may still address
		before[i].Requests, before[i].Failed, before[i].Refused = 0, 0, 0
	}
	if diff := cmp.Diff(before, b.Watched()); diff != "" {
		t.Errorf("watch list (-before +after):\n%s", diff)
	}
	if got := b.tell("loud.example/w y.loud.example/v loud.example/u +1s mail.example*2 quiet.example free.example*2"); got != "cyyyryyy" {
		t.Errorf("after the restart: %s", got)
	}
	if got := b.tell("+60m mail.example +60m mail.example*3 loud.example/w"); got != "yyyyc" {
		t.Errorf("two periods after the restart: %s", got)
	}
	b.Release("loud.example")
	end()

	b = newBudgets(t, roomy())
	_, _, end = b.keep(dir)
	if all := b.Watched(); len(all) != 1 || all[0].Partner != "mail.example" || all[0].Suspicious {
		t.Errorf("after the second restart: %+v", all)
	}
	end()
}

// TestWatchListKeepsUsersOfAHigherBound: a partner that may address more users by
// now addresses them after a restart too.
func TestWatchListKeepsUsersOfAHigherBound(t *testing.T) {
	dir, c := t.TempDir(), roomy()
	b := newBudgets(t, c)
	_, _, end := b.keep(dir)
	b.tell("a.example/u a.example/v a.example/w")
	c.Contacts = 3
	b.SetConfig(c)
	b.tell("+1s a.example/w")
	end()
	b = newBudgets(t, c)
	_, _, end = b.keep(dir)
	if got := b.tell("a.example/w a.example/x"); got != "yc" {
		t.Errorf("answers %s", got)
	}
	end()
}

func TestWatchListOfNonsense(t *testing.T) {
	b := newBudgets(t, roomy())
	dir := t.TempDir()
	s, err := store.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	for key, value := range map[string]string{
		"a.example": "nonsense", "b.example": "{}", "c.example": `{"why":9}`, "d.example": `{"why":1,"contacts":"AAAA"}`,
		"e.example": `{"why":1,"domains":["-"]}`, "f.example": `{"why":1,"since":"2026-01-02T03:04:05Z"}`,
	} {
		if err := s.Put(bucket, []byte(key), []byte(value)); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	_, log, end := b.keep(dir)
	defer end()
	if all := b.Watched(); len(all) != 1 || all[0].Partner != "f.example" {
		t.Errorf("watch list %+v", all)
	}
	if !strings.Contains(log.String(), "no watch list") || !strings.Contains(log.String(), "count=5") {
		t.Errorf("log %s", log)
	}
}

// TestWatchListOnAFullDisk: goes on in memory, says so once, and is in the file when
// there is room again.
func TestWatchListOnAFullDisk(t *testing.T) {
	if os.Getenv(aloneEnv) == "" { // the bound below holds for all that the process writes
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+t.Name()+"$")
		cmd.Env = append(os.Environ(), aloneEnv+"=1")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%v\n%s", err, out)
		}
		return
	}
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		b := newBudgets(t, roomy())
		s, log, end := b.keep(dir)
		var was syscall.Rlimit
		if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &was); err != nil {
			t.Fatal(err)
		}
		limitFiles := func(l syscall.Rlimit) {
			if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &l); err != nil {
				t.Fatal(err)
			}
		}
		limitFiles(syscall.Rlimit{Cur: 1, Max: was.Max})
		b.tell("a.example:failed*100 b.example:failed*100")
		b.Release("b.example") // waits for an attempt
		<-time.After(5 * time.Second)
		synctest.Wait()
		if got := b.Stats(); got.Watched != 1 || got.Unwritten != 2 || got.WriteErrors < 3 || b.tell("+1s a.example*2") != "yr" {
			t.Errorf("while it is full: %+v", got)
		}
		limitFiles(was)
		<-time.After(2 * time.Second)
		synctest.Wait()
		if got := b.Stats(); got.Watched != 1 || got.Unwritten != 0 {
			t.Errorf("with room again: %+v", got)
		}
		if v, err := s.Get(bucket, []byte("a.example")); err != nil || v == nil {
			t.Errorf("in the file: %s, %v", v, err)
		}
		end()
		if errs := strings.Count(log.String(), "level=ERROR"); errs != 1 || !strings.Contains(log.String(), "in the state file again") {
			t.Errorf("log:\n%s", log)
		}
	})
}

// aloneEnv marks a process that runs one test only.
const aloneEnv = "EDGED_TEST_ALONE"

func TestOnWatch(t *testing.T) {
	leaf := ca.New("public").Issue(ca.Leaf{DNS: []string{"a.example"}}).TLS.Leaf
	b := newBudgets(t, roomy())
	var told []string
	b.OnWatch = func(w limit.Watch, c limit.Change) {
		b.Watched() // no lock is held
		told = append(told, c.String()+" "+w.Partner+": "+w.Why.String())
	}
	b.tell("a.example/u a.example/v a.example/w +1s a.example/w a.example:failed*100 +60m a.example +60m a.example:failed*100")
	b.tell("b.example:failed*100 c.example:failed*100")
	b.Release("a.example")
	b.Lift(func(d domain.Name) bool { return d == domain.MustParse("b.example") })
	b.Lift(func(d domain.Name) bool { return d == domain.MustParse("b.example") })
	want := []string{
		"entered a.example: too many contacts",
		"entered a.example: most requests fail, too many contacts",
		"entered a.example: most requests fail, too many contacts", // again, after two good periods
		"entered b.example: most requests fail",
		"entered c.example: most requests fail",
		"released a.example: most requests fail, too many contacts",
		"listed b.example: most requests fail",
	}
	if diff := cmp.Diff(want, told); diff != "" {
		t.Errorf("told (-want +got):\n%s", diff)
	}
	for range 100 {
		b.Outcome(limit.Stranger{Domain: domain.MustParse("a.example"), Leaf: leaf}, true)
	}
	w := b.Watched()[0] // before c.example, of the same moment
	if w.Partner != "a.example" || w.Issuer != leaf.Issuer.String() || w.Serial != leaf.SerialNumber.Text(16) {
		t.Errorf("certificate of %+v", w)
	}
}

// TestLift: a partner leaves the list when its own domain is listed, or all that it
// has used.
func TestLift(t *testing.T) {
	many := "x.a.example:failed*100"
	for i := range 20 {
		many += " n" + string(rune('a'+i)) + ".a.example"
	}
	for story, lifted := range map[string]bool{
		"a.example:failed*100":                       true,
		"a.example:failed*100 y.a.example":           true,
		"x.a.example:failed*100":                     true,
		"x.a.example:failed*100 a.example":           true,
		"x.a.example:failed*100 y.a.example":         false,
		strings.ReplaceAll(many, ".a.", ".b."):       false,
		"b.example:failed*100 x.b.example y.b.c.com": false,
	} {
		b := newBudgets(t, roomy())
		b.tell(story)
		listed := domains("a.example", "x.a.example", "x.b.example")
		if strings.HasPrefix(story, "x.a.example:failed*100 y") {
			listed = listed[1:]
		}
		b.Lift(func(d domain.Name) bool {
			return slices.Contains(listed, d)
		})
		if got := len(b.Watched()) == 0; got != lifted {
			t.Errorf("%s: lifted %v", story, got)
		}
	}
}
