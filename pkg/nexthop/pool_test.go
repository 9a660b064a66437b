package nexthop_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"edged/pkg/nexthop"
)

// clock is a hand that tests move.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock {
	return &clock{now: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

func newPool(c *clock, members ...string) *nexthop.Pool {
	return nexthop.New(members, nexthop.Config{DownFor: time.Second, MaxDown: 30 * time.Second, Now: c.Now})
}

func names(n int) []string {
	all := make([]string, n)
	for i := range all {
		all[i] = fmt.Sprintf("fe%d.corp.contoso.com:5061", i+1)
	}
	return all
}

// TestOrderAfterReports tells each story as a list of words: "fail:a", "ok:a",
// "drain:a", "undrain:a", "wait:2s", "members:a,b".
func TestOrderAfterReports(t *testing.T) {
	key := keyFor(t, "b c a")
	tests := []struct {
		name  string
		story string
		want  string
	}{
		{"nothing happened", "", "b c a"},
		{"a failed member goes last", "fail:b", "c a b"},
		{"two failed members keep their own order", "fail:c fail:b", "a b c"},
		{"all failed: still the same order", "fail:a fail:b fail:c", "b c a"},
		{"success brings it back", "fail:b ok:b", "b c a"},
		{"the back-off ends by itself", "fail:b wait:1s", "b c a"},
		{"just before the end it still rests", "fail:b wait:999ms", "c a b"},
		{"many failures at once are one outage", "fail:b fail:b fail:b fail:b wait:1s", "b c a"},
		{"the second failure doubles the back-off", "fail:b wait:1s fail:b wait:1s", "c a b"},
		{"and it ends too", "fail:b wait:1s fail:b wait:2s", "b c a"},
		{"success resets the back-off", "fail:b wait:1s fail:b ok:b fail:b wait:1s", "b c a"},
		{"a drained member is missing", "drain:b", "c a"},
		{"a drained member stays drained when it works", "drain:b ok:b", "c a"},
		{"undrained", "drain:b undrain:b", "b c a"},
		{"all drained", "drain:a drain:b drain:c", ""},
		{"a stranger changes nothing", "fail:x ok:x drain:x undrain:x", "b c a"},
		{"removed", "members:a,c", "c a"},
		{"health survives new members", "fail:b members:b,c,a", "c a b"},
		{"drained survives new members", "drain:b members:b,c,a", "c a"},
		{"whoever comes back starts afresh", "fail:b drain:b members:a members:a,b,c", "b c a"},
		{"a name given twice counts once", "members:a,b,a,c,b", "b c a"},
		{"no members", "members:", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := newClock()
			p := newPool(c, "a", "b", "c")
			for word := range strings.FieldsSeq(tt.story) {
				tell(t, c, p, word)
			}
			if got := strings.Join(p.Order(key), " "); got != tt.want {
				t.Errorf("order %q, want %q", got, tt.want)
			}
		})
	}
}

// keyFor finds a key that orders healthy members so.
func keyFor(t *testing.T, order string) uint64 {
	t.Helper()
	p := newPool(newClock(), "a", "b", "c")
	for key := range uint64(1000) {
		if strings.Join(p.Order(key), " ") == order {
			return key
		}
	}
	t.Fatalf("no key orders the members as %q", order)
	return 0
}

func tell(t *testing.T, c *clock, p *nexthop.Pool, word string) {
	t.Helper()
	verb, object, _ := strings.Cut(word, ":")
	switch verb {
	case "fail":
		p.Report(object, false)
	case "ok":
		p.Report(object, true)
	case "drain":
		p.Drain(object)
	case "undrain":
		p.Undrain(object)
	case "members":
		p.SetMembers(strings.FieldsFunc(object, func(r rune) bool { return r == ',' }))
	case "wait":
		d, err := time.ParseDuration(object)
		if err != nil {
			t.Fatal(err)
		}
		c.advance(d)
	default:
		t.Fatalf("unknown word %q", word)
	}
}

func TestBackOffGrowsToItsBound(t *testing.T) {
	c := newClock()
	p := newPool(c, "a", "b")
	for _, seconds := range []int{1, 2, 4, 8, 16, 30, 30, 30} {
		want := time.Duration(seconds) * time.Second
		p.Report("a", false)
		c.advance(want - 1)
		if last := p.Order(0)[1]; last != "a" {
			t.Fatalf("a came back before %v", want)
		}
		c.advance(1)
		if !slices.Contains(firsts(p), "a") {
			t.Fatalf("a did not come back after %v", want)
		}
	}
}

// firsts returns which members come first for some key.
func firsts(p *nexthop.Pool) []string {
	var all []string
	for key := range uint64(64) {
		all = append(all, p.Order(key)[0])
	}
	return all
}

func TestOrderIsEvenAndMovesLittle(t *testing.T) {
	const keys = 10000
	members := names(5)
	p := newPool(newClock(), members...)
	before := make([]string, keys)
	count := map[string]int{}
	for key := range before {
		before[key] = p.Order(uint64(key))[0]
		count[before[key]]++
	}
	for _, m := range members {
		if n := count[m]; n < keys/5*8/10 || n > keys/5*12/10 {
			t.Errorf("%s is first for %d of %d keys", m, n, keys)
		}
	}

	p.SetMembers(members[:4])
	for key, was := range before {
		if now := p.Order(uint64(key))[0]; now != was && was != members[4] {
			t.Fatalf("key %d moved from %s to %s though only %s left", key, was, now, members[4])
		}
	}
}

func TestOrderDoesNotDependOnTheFile(t *testing.T) {
	members := names(20)
	p := newPool(newClock(), members...)
	slices.Reverse(members)
	q := newPool(newClock(), members...)
	for key := range uint64(100) {
		if diff := cmp.Diff(p.Order(key), q.Order(key)); diff != "" {
			t.Fatal(diff)
		}
	}
}

func TestStatus(t *testing.T) {
	c := newClock()
	start := c.Now()
	p := newPool(c, "a", "b", "c")
	c.advance(time.Minute)
	p.Report("b", false)
	c.advance(time.Minute)
	p.Report("b", false)
	p.Report("a", true)
	p.Drain("c")
	want := []nexthop.Status{
		{Member: "a", Up: true, Since: start},
		{Member: "b", Since: start.Add(time.Minute), Failures: 2},
		{Member: "c", Up: true, Since: start, Drained: true},
	}
	if diff := cmp.Diff(want, p.Status()); diff != "" {
		t.Error(diff)
	}
	p.Report("b", true)
	if b := p.Status()[1]; !b.Up || !b.Since.Equal(c.Now()) {
		t.Errorf("after success: %+v", b)
	}
	if !p.Has("c") || p.Has("d") {
		t.Error("Has must know members, drained ones too, and nobody else")
	}
}

func TestEverythingAtOnce(t *testing.T) {
	c := newClock()
	members := names(4)
	p := newPool(c, members...)
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			for n := range 200 {
				m := members[(i+n)%len(members)]
				p.Report(m, n%3 == 0)
				if got := p.Order(uint64(n)); len(got) < 2 {
					t.Errorf("order %v", got)
				}
				p.SetMembers(members[:2+n%3])
				c.advance(time.Millisecond)
				p.Status()
			}
		})
	}
	all.Wait()
}

func TestOrderAllocatesItsResultOnly(t *testing.T) {
	p := newPool(newClock(), names(16)...)
	if n := testing.AllocsPerRun(100, func() { p.Order(7) }); n != 1 {
		t.Errorf("%v allocations, want 1", n)
	}
}

func BenchmarkOrder(b *testing.B) {
	for _, n := range []int{2, 8, 16} {
		b.Run(fmt.Sprintf("members=%d", n), func(b *testing.B) {
			p := newPool(newClock(), names(n)...)
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for key := uint64(0); pb.Next(); key++ {
					p.Order(key)
				}
			})
		})
	}
}

func BenchmarkReportSuccess(b *testing.B) {
	members := names(8)
	p := newPool(newClock(), members...)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			p.Report(members[3], true)
		}
	})
}
