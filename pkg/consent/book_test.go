package consent_test

import (
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"edged/pkg/consent"
	"edged/pkg/domain"
	"edged/pkg/policy"
	"edged/pkg/store"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(granterEnv); dir != "" {
		fmt.Fprintln(os.Stdout, grantForEver(dir))
		os.Exit(1)
	}
	goleak.VerifyTestMain(m)
}

var start = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// bed is a Book on a file in dir, with a clock that goes on by a second at every
// look.
type bed struct {
	*consent.Book
	store *store.Store
	log   *strings.Builder
	close func()
}

func open(t *testing.T, dir string, most int) *bed {
	t.Helper()
	s, err := store.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	b := &bed{store: s, log: new(strings.Builder)}
	var mu sync.Mutex
	now := start
	b.Book, err = consent.Open(s, consent.Config{Max: most, Log: slog.New(slog.NewTextHandler(b.log, nil)), Now: func() time.Time {
		mu.Lock()
		defer mu.Unlock()
		now = now.Add(time.Second)
		return now
	}})
	if err != nil {
		t.Fatal(err)
	}
	b.close = sync.OnceFunc(func() {
		if err := b.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
		if err := s.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	t.Cleanup(b.close)
	return b
}

// party reads alice@contoso.com or a domain.
func party(t testing.TB, s string) consent.Party {
	t.Helper()
	at := strings.LastIndexByte(s, '@')
	d, err := domain.Parse(s[at+1:])
	if err != nil {
		t.Fatal(err)
	}
	return consent.Party{Local: s[:max(at, 0)], Domain: d}
}

// pair reads "local remote".
func pair(t testing.TB, s string) (local, remote consent.Party) {
	t.Helper()
	l, r, _ := strings.Cut(s, " ")
	return party(t, l), party(t, r)
}

func (b *bed) grant(t *testing.T, pairs ...string) {
	t.Helper()
	for _, p := range pairs {
		b.Grant(pair(t, p))
	}
}

func (b *bed) list(filter string, limit int) []string {
	var all []string
	for _, e := range b.List(filter, limit) {
		all = append(all, e.Local+" "+e.Remote)
	}
	return all
}

// stored is what the file holds now.
func (b *bed) stored(t *testing.T) int {
	t.Helper()
	n := 0
	if err := b.store.ForEach("consent", func(_, _ []byte) error { n++; return nil }); err != nil {
		t.Fatal(err)
	}
	return n
}

func TestPairsAreExact(t *testing.T) {
	b := open(t, t.TempDir(), 10)
	b.grant(t, "alice@contoso.com bob@jabber.example", "contoso.com jabber.example", "a@contoso.com jabber.example")
	tests := map[string]bool{
		"alice@contoso.com bob@jabber.example":      true,
		"contoso.com jabber.example":                true,
		"a@contoso.com jabber.example":              true,
		"bob@jabber.example alice@contoso.com":      false, // the other way round
		"alice@contoso.com jabber.example":          false,
		"alice@contoso.com bob@conf.jabber.example": false,
		"alice@contoso.co mbob@jabber.example":      false, // the same characters
		"contoso.com a@jabber.example":              false,
		"alicia@contoso.com bob@jabber.example":     false,
	}
	for p, want := range tests {
		if got := b.Has(pair(t, p)); got != want {
			t.Errorf("%s: %v, want %v", p, got, want)
		}
	}
}

func TestPartyIsAPolicyUser(t *testing.T) {
	u, err := policy.ParseUser("alice@contoso.com")
	if err != nil {
		t.Fatal(err)
	}
	b := open(t, t.TempDir(), 10)
	b.Grant(consent.Party(u), consent.Party(u))
	if got, want := b.list("", 1), []string{u.String() + " " + u.String()}; !cmp.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestWhatIsNoAddressIsIgnored(t *testing.T) {
	b := open(t, t.TempDir(), 10)
	alice := party(t, "alice@contoso.com")
	for _, bad := range []consent.Party{{}, {Local: "bob"}, {Local: strings.Repeat("b", 70_000), Domain: alice.Domain}} {
		b.Grant(alice, bad)
		b.Grant(bad, alice)
		if b.Has(alice, bad) || b.Has(bad, alice) || b.Remove(bad, alice) {
			t.Errorf("%.20q was taken", bad.Local)
		}
	}
	if got := b.Stats(); got != (consent.Stats{}) {
		t.Errorf("%+v", got)
	}
}

func TestSurvivesReopening(t *testing.T) {
	dir := t.TempDir()
	long := strings.Repeat("l", 500) + "@contoso.com " + strings.Repeat("r", 500) + "@jabber.example"
	b := open(t, dir, 10)
	b.grant(t, "a@contoso.com b@jabber.example", "c@contoso.com d@jabber.example", long, "contoso.com jabber.example")
	if !b.Remove(pair(t, "c@contoso.com d@jabber.example")) || b.Remove(pair(t, "c@contoso.com d@jabber.example")) {
		t.Error("Remove must be true once")
	}
	before := b.List("", 10)
	b.close()
	b = open(t, dir, 10)
	if diff := cmp.Diff(before, b.List("", 10)); diff != "" || len(before) != 3 {
		t.Errorf("%d pairs; %s", len(before), diff)
	}
	if !b.Has(pair(t, long)) {
		t.Error("the long pair is lost")
	}
}

func TestNilBook(t *testing.T) {
	var b *consent.Book
	alice := party(t, "alice@contoso.com")
	b.Grant(alice, alice)
	b.SetMax(1)
	if b.Has(alice, alice) || b.Remove(alice, alice) || b.List("", 1) != nil || b.Stats() != (consent.Stats{}) || b.Close() != nil {
		t.Error("a nil Book does something")
	}
}

func TestList(t *testing.T) {
	b := open(t, t.TempDir(), 10)
	b.grant(t, "a@contoso.com x@jabber.example", "b@contoso.com y@jabber.example", "c@contoso.com x@other.example", "d@contoso.com z@jabber.example")
	tests := []struct {
		filter string
		limit  int
		want   []string
	}{
		{"", 10, []string{"d@contoso.com z@jabber.example", "c@contoso.com x@other.example", "b@contoso.com y@jabber.example", "a@contoso.com x@jabber.example"}},
		{"", 1, []string{"d@contoso.com z@jabber.example"}},
		{"X@", 10, []string{"c@contoso.com x@other.example", "a@contoso.com x@jabber.example"}},
		{"b@contoso", 10, []string{"b@contoso.com y@jabber.example"}},
		{"comx", 10, nil}, // across the two
		{"\x00", 10, nil},
		{"", 0, nil},
		{"", -1, nil},
	}
	for _, tt := range tests {
		if diff := cmp.Diff(tt.want, b.list(tt.filter, tt.limit)); diff != "" {
			t.Errorf("filter %q, limit %d: %s", tt.filter, tt.limit, diff)
		}
	}
	if got, want := b.List("a@", 1)[0].Since, start.Add(time.Second); !got.Equal(want) {
		t.Errorf("since %v, want %v", got, want)
	}
}

func TestListOfMany(t *testing.T) {
	b := open(t, t.TempDir(), 5000)
	var want []string
	for i := range 5000 {
		b.grant(t, fmt.Sprintf("u%d@contoso.com b@jabber.example", i))
		want = append(want, fmt.Sprintf("u%d@contoso.com b@jabber.example", i))
	}
	slices.Reverse(want)
	if diff := cmp.Diff(want[:100], b.list("", 100)); diff != "" {
		t.Error(diff)
	}
}

func TestLongestAgoMakesRoom(t *testing.T) {
	dir := t.TempDir()
	b := open(t, dir, 3)
	b.grant(t, "a@contoso.com b@x.example", "b@contoso.com b@x.example", "c@contoso.com b@x.example")
	b.Has(pair(t, "a@contoso.com b@x.example")) // used
	b.grant(t, "d@contoso.com b@x.example")     // b goes
	b.grant(t, "c@contoso.com b@x.example")     // granted again
	b.grant(t, "e@contoso.com b@x.example")     // a goes
	want := []string{"e@contoso.com b@x.example", "d@contoso.com b@x.example", "c@contoso.com b@x.example"}
	if diff := cmp.Diff(want, b.list("", 10)); diff != "" {
		t.Error(diff)
	}
	if got := b.Stats(); got.Pairs != 3 || got.Evicted != 2 {
		t.Errorf("%+v", got)
	}
	b.close()

	b = open(t, dir, 2) // the bound was lowered
	if diff := cmp.Diff(want[:2], b.list("", 10)); diff != "" {
		t.Error(diff)
	}
	b.close()
	if b = open(t, dir, 10); b.Stats().Pairs != 2 {
		t.Errorf("%+v after the bound was raised again", b.Stats())
	}
}

func TestSetMax(t *testing.T) {
	b := open(t, t.TempDir(), 5000)
	for n := range 5000 {
		b.Grant(numbered(n))
	}
	b.SetMax(3)
	if got := b.Stats(); got.Pairs != 3 || got.Evicted != 4997 || !b.Has(numbered(4997)) {
		t.Errorf("lowered: %+v", got)
	}
	b.SetMax(4)
	b.Grant(numbered(0))
	b.Grant(numbered(1))
	if got := b.Stats(); got.Pairs != 4 || got.Evicted != 4998 {
		t.Errorf("raised: %+v", got)
	}
	b.Remove(numbered(1))
	if got := b.stored(t); got != 3 {
		t.Errorf("%d in the file", got)
	}
}

func TestOnDiskWithin100ms(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		b := open(t, dir, 1000)
		for i := range 500 {
			b.grant(t, fmt.Sprintf("u%d@contoso.com b@jabber.example", i))
		}
		if got := b.Stats(); got.Pairs != 500 || got.Unwritten != 500 {
			t.Errorf("at once: %+v", got)
		}
		<-time.After(100 * time.Millisecond)
		synctest.Wait()
		if got := b.stored(t); got != 500 {
			t.Errorf("%d in the file", got)
		}
		if got := b.Stats(); got.Unwritten != 0 {
			t.Errorf("then: %+v", got)
		}
		b.Remove(pair(t, "u7@contoso.com b@jabber.example"))
		if got := b.stored(t); got != 499 {
			t.Errorf("%d in the file after Remove", got)
		}
		b.close()
	})
}

func TestManyAtOnce(t *testing.T) {
	b := open(t, t.TempDir(), 50)
	var work sync.WaitGroup
	for g := range 8 {
		work.Go(func() {
			for i := range 200 {
				p := fmt.Sprintf("u%d@contoso.com b%d@jabber.example", i%70, g%2)
				b.Grant(pair(t, p))
				b.Has(pair(t, p))
				if i%20 == 0 {
					b.Remove(pair(t, p))
					b.List("u1", 5)
					b.Stats()
				}
			}
		})
	}
	work.Wait()
	pairs := b.Stats().Pairs
	if pairs > 50 || len(b.List("", 100)) != pairs {
		t.Errorf("%d pairs, %d listed", pairs, len(b.List("", 100)))
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	if got := b.stored(t); got != pairs {
		t.Errorf("%d in the file, %d in memory", got, pairs)
	}
	b.grant(t, "late@contoso.com b@jabber.example")
	if !b.Has(pair(t, "late@contoso.com b@jabber.example")) || !b.Remove(pair(t, "late@contoso.com b@jabber.example")) {
		t.Error("after Close it must work in memory")
	}
}

func TestOddContentIsLeftAlone(t *testing.T) {
	dir := t.TempDir()
	s, err := store.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"x", "\x00\x09short", "\x00\x00remote", "\x00\x01ab"} {
		if err := s.Put("consent", []byte(key), []byte("no time")); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	b := open(t, dir, 10)
	if b.Stats().Pairs != 0 || b.stored(t) != 4 || !strings.Contains(b.log.String(), "count=4") {
		t.Errorf("%+v, log %q", b.Stats(), b.log)
	}
}

func TestUnreadableFile(t *testing.T) {
	s, err := store.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := consent.Open(s, consent.Config{Max: 1, Log: slog.New(slog.DiscardHandler), Now: time.Now}); err == nil {
		t.Error("a closed store was read")
	}
}
