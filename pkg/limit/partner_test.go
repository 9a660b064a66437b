package limit_test

import (
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"edged/pkg/domain"
	"edged/pkg/limit"
)

// budgets is a Discovered with a clock of its own.
type budgets struct {
	*limit.Discovered
	t   *testing.T
	now time.Time
}

func newBudgets(t *testing.T, c limit.DiscoveredConfig) *budgets {
	t.Helper()
	b := &budgets{t: t, now: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}
	b.Discovered = limit.NewDiscovered(c, func() time.Time { return b.now })
	return b
}

// tell plays a story and returns one letter for each message: y admitted, r over
// rate, c over contacts, t over total. Its words:
//
//	+2s              time passes
//	a.example        a message to nobody in particular
//	a.example/alice  a message to alice; *3 behind it: three of them
//	a.example:ok     a request succeeded; :failed, :late after it had counted as good; *3 as above
func (b *budgets) tell(story string) string {
	b.t.Helper()
	var letters strings.Builder
	for word := range strings.FieldsSeq(story) {
		if d, err := time.ParseDuration(word); err == nil {
			b.now = b.now.Add(d)
			continue
		}
		what, times, _ := strings.Cut(word, "*")
		n, err := strconv.Atoi(times)
		if err != nil {
			n = 1
		}
		for range n {
			letters.WriteString(b.one(what))
		}
	}
	return letters.String()
}

func (b *budgets) one(what string) string {
	if name, outcome, ok := strings.Cut(what, ":"); ok {
		if outcome == "late" {
			b.Failed(stranger(name))
		} else {
			b.Outcome(stranger(name), outcome == "failed")
		}
		return ""
	}
	name, contact, _ := strings.Cut(what, "/")
	switch a := b.Admit(stranger(name), contact); a {
	case limit.Admitted:
		return "y"
	case limit.OverRate:
		return "r"
	case limit.OverContacts:
		return "c"
	case limit.OverTotal:
		return "t"
	default:
		return a.String()
	}
}

func stranger(name string) limit.Stranger { return limit.Stranger{Domain: domain.MustParse(name)} }

func roomy() limit.DiscoveredConfig {
	return limit.DiscoveredConfig{Rate: 3, SuspiciousRate: 1, Contacts: 2, ReportPeriod: time.Hour, Total: 1000, Partners: 9}
}

func TestDiscovered(t *testing.T) {
	tests := []struct {
		name  string
		edit  func(*limit.DiscoveredConfig)
		story string
		want  string
	}{
		{"a second's worth, then the rate", nil, "a.example*4 +1s a.example*4", "yyyryyyr"},
		{"below one a second", func(c *limit.DiscoveredConfig) { c.Rate = 0.5 }, "a.example*2 +1s a.example +1s a.example", "yrry"},
		{"each partner for itself", nil, "a.example*4 b.example", "yyyry"},
		{"a registered domain is one partner", nil, "a.example x.a.example y.x.a.example z.a.example", "yyyr"},
		{"but not a public suffix", nil, "a.co.uk*3 b.co.uk x.b.co.uk a.co.uk", "yyyyyr"},
		{"a public suffix itself", nil, "co.uk*4 a.co.uk", "yyyry"},

		{"new contacts are refused, known ones not", nil, "a.example/u a.example/v a.example/w +1s a.example/u a.example/v a.example/w", "yycyyc"},
		{"contacts through other names of the partner", nil, "a.example/u x.a.example/v y.a.example/w", "yyc"},
		{"each partner has its own contacts", nil, "a.example/u a.example/v b.example/w", "yyy"},
		{"a message to a domain is no contact", nil, "a.example/u a.example/v a.example", "yyy"},
		{"contacts of the next period", nil, "a.example/u a.example/v +60m a.example/w a.example/v +1s a.example/u", "yyyyc"},
		{"who tried more stays with those of before", nil, "a.example/u a.example/v a.example/w +60m a.example/w a.example/v +300m a.example/u a.example/w", "yyccyyc"},
		{"any number of contacts", func(c *limit.DiscoveredConfig) { c.Contacts = 0 }, "a.example/u a.example/v a.example/w", "yyy"},
		{"a refused message makes no contact", nil, "a.example*3 a.example/u a.example/v +1s a.example/w a.example/x", "yyyrryy"},

		{"in all", func(c *limit.DiscoveredConfig) { c.Total = 4 }, "a.example*3 b.example*3 +1s c.example*3 a.example", "yyyyttyyyy"},
		{"in all without bound", func(c *limit.DiscoveredConfig) { c.Total = 0 }, "a.example*3 b.example*3 c.example*3", "yyyyyyyyy"},
		{"what is over its own rate leaves the total alone", func(c *limit.DiscoveredConfig) { c.Total = 4 }, "a.example*9 b.example", "yyyrrrrrry"},
		{"what is over the total makes no contact", func(c *limit.DiscoveredConfig) { c.Total = 1 }, "b.example a.example/u a.example/v +1s a.example/w +1s a.example/x", "yttyy"},

		{"suspicious", nil, "a.example:failed*100 a.example*2 +1s a.example*2", "yryr"},
		{"failures that show late", nil, "a.example:ok*100 a.example:late*50 +5s a.example*2", "yr"},
		{"half is enough", nil, "a.example:ok*50 a.example:failed*50 +5s a.example*2", "yr"},
		{"less than half is not", nil, "a.example:ok*51 a.example:failed*50 a.example*2", "yy"},
		{"99 say nothing", nil, "a.example:failed*99 a.example*2", "yy"},
		{"failures of another name", nil, "x.a.example:failed*100 +5s y.a.example*2 b.example*2", "yryy"},
		{"failures are counted by period", nil, "a.example:failed*60 +60m a.example:failed*60 a.example*2", "yy"},
		{"suspicious until a period says otherwise", nil, "a.example:failed*100 +60m a.example*2 +60m a.example +1s a.example*3", "yryyyy"},
		{"as long as it goes on", nil, "a.example:failed*100 +60m a.example:failed*100 +60m a.example +1s a.example*2", "yyr"},
		{"an empty period says otherwise", nil, "a.example:failed*100 +120m a.example +1s a.example*3", "yyyy"},
		{"a success afterwards does not", nil, "a.example:failed*100 a.example:ok*1000 +5s a.example*2", "yr"},

		{"the one heard of longest ago goes", func(c *limit.DiscoveredConfig) { c.Partners = 2 }, "a.example*3 b.example*3 c.example a.example", "yyyyyyyy"},
		{"the one heard of last stays", func(c *limit.DiscoveredConfig) { c.Partners = 2 }, "a.example*3 b.example a.example c.example a.example", "yyyyryr"},
		{"a watched one stays", func(c *limit.DiscoveredConfig) { c.Partners = 2 }, "a.example:failed*100 a.example b.example c.example d.example a.example", "yyyyr"},
		{"all places are watched: the others share one", func(c *limit.DiscoveredConfig) { c.Partners = 1 }, "a.example:failed*100 b.example*2 c.example*2 d.example +1s d.example*2 a.example", "yyyrryyy"},
		{"a table of none holds one", func(c *limit.DiscoveredConfig) { c.Partners = 0 }, "a.example*4 b.example*4", "yyyryyyr"},
		{"a period of nothing is a minute", func(c *limit.DiscoveredConfig) { c.ReportPeriod = 0 }, "a.example/u a.example/v +60s a.example/w a.example/x +59s a.example/y", "yyyyc"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := roomy()
			if tt.edit != nil {
				tt.edit(&c)
			}
			if got := newBudgets(t, c).tell(tt.story); got != tt.want {
				t.Errorf("answers %s, want %s", got, tt.want)
			}
		})
	}
}

func TestWatchList(t *testing.T) {
	b := newBudgets(t, roomy())
	begin := b.now
	b.tell("quiet.example/u loud.example/u loud.example/v +1s loud.example/w loud.example/x +1s mail.example:failed*100 loud.example:failed*100")
	want := []limit.Watch{
		{
			Partner: "loud.example", Why: limit.ManyContacts | limit.MostFail, Since: begin.Add(time.Second), Suspicious: true,
			Domains: names("loud.example"), Requests: 100, Failed: 100, Contacts: 2, Refused: 2,
		},
		{
			Partner: "mail.example", Why: limit.MostFail, Since: begin.Add(2 * time.Second), Suspicious: true,
			Domains: names("mail.example"), Requests: 100, Failed: 100,
		},
	}
	if diff := cmp.Diff(want, b.Watched()); diff != "" {
		t.Errorf("watch list (-want +got):\n%s", diff)
	}
	if got := want[0].Why.String(); got != "most requests fail, too many contacts" {
		t.Errorf("why: %s", got)
	}
}

// TestWatchedStay: better behaviour lifts the throttle, not the entry.
func TestWatchedStay(t *testing.T) {
	b := newBudgets(t, roomy())
	since := b.now
	b.tell("a.example:failed*100 +300m")
	want := []limit.Watch{{Partner: "a.example", Why: limit.MostFail, Since: since, Domains: names("a.example")}}
	if diff := cmp.Diff(want, b.Watched()); diff != "" {
		t.Errorf("after quiet periods (-want +got):\n%s", diff)
	}
	for i := range 100 {
		b.Admit(stranger(fmt.Sprintf("p%d.example", i)), "")
	}
	if diff := cmp.Diff(want, b.Watched()); diff != "" {
		t.Errorf("after others came (-want +got):\n%s", diff)
	}
}

func TestRelease(t *testing.T) {
	b := newBudgets(t, roomy())
	b.tell("a.example:failed*100 b.example")
	for name, want := range map[string]bool{"b.example": false, "unknown.example": false, "x.a.example": false} {
		if got := b.Release(name); got != want {
			t.Errorf("Release(%q) = %v", name, got)
		}
	}
	if !b.Release("a.example") || b.Release("a.example") || len(b.Watched()) != 0 {
		t.Errorf("a.example is still watched: %v", b.Watched())
	}
	if got := b.tell("a.example*3"); got != "yyy" {
		t.Errorf("after the release: %s", got)
	}
}

func TestReleaseOthers(t *testing.T) {
	c := roomy()
	c.Partners = 1
	b := newBudgets(t, c)
	b.tell("a.example:failed*100 b.example:failed*50 c.example:failed*50")
	if all := b.Watched(); len(all) != 2 || all[0].Partner != limit.Others {
		t.Fatalf("watch list %v", all)
	}
	if !b.Release(limit.Others) || len(b.Watched()) != 1 {
		t.Errorf("watch list after the release: %v", b.Watched())
	}
}

func TestDiscoveredSetConfig(t *testing.T) {
	tests := []struct {
		name          string
		before, after string
		edit          func(*limit.DiscoveredConfig)
		want          string // before | after
	}{
		{"nothing", "a.example*4", "a.example", func(*limit.DiscoveredConfig) {}, "yyyr|r"},
		{"a lower rate", "a.example", "a.example*2 +1s a.example*2", func(c *limit.DiscoveredConfig) { c.Rate = 1 }, "y|yryr"},
		{"a higher rate", "a.example*4", "+1s a.example*7", func(c *limit.DiscoveredConfig) { c.Rate = 5 }, "yyyr|yyyyyrr"},
		{"a suspicious partner", "a.example:failed*100 a.example", "+1s a.example*3", func(c *limit.DiscoveredConfig) { c.SuspiciousRate = 2 }, "y|yyr"},
		{"fewer contacts", "a.example/u a.example/v", "+1s a.example/u a.example/v a.example/w", func(c *limit.DiscoveredConfig) { c.Contacts = 1 }, "yy|yyc"},
		{"a shorter period", "a.example/u a.example/v +2m", "a.example/w", func(c *limit.DiscoveredConfig) { c.ReportPeriod = time.Minute }, "yy|y"},
		{"a total", "a.example*3", "+1s a.example*2", func(c *limit.DiscoveredConfig) { c.Total = 1 }, "yyy|yt"},
		{"a smaller table", "a.example*3 b.example*3", "b.example a.example", func(c *limit.DiscoveredConfig) { c.Partners = 1 }, "yyyyyy|ry"},
		{"a smaller table keeps watched ones", "a.example:failed*100 a.example b.example:failed*100", "b.example*2 a.example", func(c *limit.DiscoveredConfig) { c.Partners = 1 }, "y|yrr"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := roomy()
			b := newBudgets(t, c)
			got := b.tell(tt.before)
			tt.edit(&c)
			b.SetConfig(c)
			if got += "|" + b.tell(tt.after); got != tt.want {
				t.Errorf("answers %s, want %s", got, tt.want)
			}
		})
	}
}

// TestDiscoveredTotalComesAndGoes: a bound that is taken away and given back holds
// again.
func TestDiscoveredTotalComesAndGoes(t *testing.T) {
	c := roomy()
	c.Total = 2
	b := newBudgets(t, c)
	got := b.tell("a.example*3")
	c.Total = 0
	b.SetConfig(c)
	got += b.tell("b.example*3")
	c.Total = 2
	b.SetConfig(c)
	if got += b.tell("c.example*3"); got != "yytyyyyyt" {
		t.Errorf("answers %s", got)
	}
}

func TestDiscoveredAtOnce(t *testing.T) {
	d := limit.NewDiscovered(limit.DiscoveredConfig{Rate: 100, Contacts: 10, Partners: 3, ReportPeriod: time.Hour}, time.Now)
	var all sync.WaitGroup
	for i := range 8 {
		from := stranger(fmt.Sprintf("p%d.example", i%5))
		all.Go(func() {
			for k := range 200 {
				d.Outcome(from, d.Admit(from, strconv.Itoa(k)) != limit.Admitted)
				d.Watched()
				d.Release(from.Domain.String())
			}
		})
	}
	all.Go(func() { d.SetConfig(limit.DiscoveredConfig{Rate: 1, Partners: 1}) })
	all.Wait()
	d.SetConfig(limit.DiscoveredConfig{Rate: 1, Partners: 1})
	if fresh := stranger("fresh.example"); d.Admit(fresh, "") != limit.Admitted || d.Admit(fresh, "") != limit.OverRate {
		t.Error("a partner that nobody knew does not have the budget of the last reload")
	}
}

func BenchmarkDiscoveredAdmit(b *testing.B) {
	for _, format := range []string{"partner%d.example", "xmpp.partner%d.example"} {
		b.Run(format, func(b *testing.B) {
			partners := make([]limit.Stranger, 1024)
			contacts := make([]string, 500)
			for i := range partners {
				partners[i] = stranger(fmt.Sprintf(format, i))
			}
			for i := range contacts {
				contacts[i] = fmt.Sprintf("user%d@contoso.com", i)
			}
			d := limit.NewDiscovered(limit.DiscoveredConfig{
				Rate: 1e9, Contacts: 1000, ReportPeriod: time.Hour, Total: 1e9, Partners: 4096,
			}, time.Now)
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				d.Admit(partners[i%len(partners)], contacts[i%len(contacts)])
			}
		})
	}
}
