package policy_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"edged/pkg/domain"
	"edged/pkg/policy"
	"edged/pkg/verdict"
)

// tables are the truth tables; the other files of testdata have their own tests.
func tables(t testing.TB) []string {
	t.Helper()
	files, err := filepath.Glob("testdata/decide-*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no truth tables: %v", err)
	}
	for i, f := range files {
		files[i] = filepath.Base(f)
	}
	return files
}

func TestTruth(t *testing.T) {
	rows := 0
	for _, file := range tables(t) {
		for _, w := range readWorlds(t, file) {
			set := w.compile(t)
			for _, r := range w.rows {
				rows++
				if got := answer(set.Decide(question(t, r)).Verdict); got != r.want {
					t.Errorf("%s:%d: %s\n got %s", file, r.line, r.text, got)
				}
			}
		}
	}
	t.Logf("%d rows", rows)
}

// TestExplainAgrees also holds Explain to its form: one step per check, and the
// step of the refusal naming the same rule.
func TestExplainAgrees(t *testing.T) {
	for _, file := range tables(t) {
		for _, w := range readWorlds(t, file) {
			set := w.compile(t)
			for _, r := range w.rows {
				q := question(t, r)
				d := set.Decide(q)
				explained, steps := set.Explain(q)
				if explained != d {
					t.Errorf("%s:%d: explained as %s", file, r.line, answer(explained.Verdict))
				}
				checkSteps(t, d, steps)
			}
		}
	}
}

func checkSteps(t *testing.T, d policy.Decision, steps []policy.Step) {
	t.Helper()
	if len(steps) != 8 {
		t.Fatalf("%d steps", len(steps))
	}
	ended := false
	for _, s := range steps {
		if s.Check == "" || s.Text == "" || strings.ContainsAny(s.Text, "{}") {
			t.Errorf("step %+v is worded badly", s)
		}
		if ended != (s.Outcome == policy.Skipped) {
			t.Errorf("step %q is %s", s.Check, s.Outcome)
		}
		if s.Outcome == policy.Failed {
			ended = true
			if s.Rule != d.Rule {
				t.Errorf("step %q names rule %q, the decision %q", s.Check, s.Rule, d.Rule)
			}
		}
	}
	if ended == d.Allow() {
		t.Errorf("%s, but the steps say otherwise", d.Reason)
	}
}

// TestDecideDomain: without the user's own checks, and otherwise the same.
func TestDecideDomain(t *testing.T) {
	userReasons := map[verdict.Reason]bool{
		verdict.UserNotFederated: true, verdict.UserNotXMPP: true, verdict.UserNotPublic: true,
		verdict.UserNotPublicAV: true, verdict.NoConsent: true,
	}
	for _, file := range tables(t) {
		for _, w := range readWorlds(t, file) {
			set := w.compile(t)
			for _, r := range w.rows {
				q := question(t, r)
				whole, d := set.Decide(q), set.DecideDomain(q)
				switch {
				case userReasons[whole.Reason] && !d.Allow() && d.Reason != verdict.BudgetExhausted:
					t.Errorf("%s:%d: the domain alone gives %s", file, r.line, answer(d.Verdict))
				case !userReasons[whole.Reason] && d != whole:
					t.Errorf("%s:%d: the domain alone gives %s", file, r.line, answer(d.Verdict))
				}
			}
		}
	}
}

// TestCoversAgrees: wherever a message came in, its peer is covered, so that an
// answer may go back over the same connection, and could have been foreseen.
func TestCoversAgrees(t *testing.T) {
	for _, file := range tables(t) {
		for _, w := range readWorlds(t, file) {
			set := w.compile(t)
			for _, r := range w.rows {
				q := question(t, r)
				d := set.Decide(q)
				if !d.Allow() || q.Direction != policy.Inward {
					continue
				}
				if !set.Covers(d.Partner, q.Remote, q.Facts) {
					t.Errorf("%s:%d: %s is allowed, but not covered", file, r.line, d.Partner.Name)
				}
				if q.Protocol == policy.SIP && !set.CouldProve(q.Facts.Names, q.Facts.Anchors) {
					t.Errorf("%s:%d: allowed, but CouldProve says no", file, r.line)
				}
			}
		}
	}
}

// TestDecideAllocates goes through every row, because every path has its texts.
func TestDecideAllocates(t *testing.T) {
	for _, file := range tables(t) {
		for _, w := range readWorlds(t, file) {
			set := w.compile(t)
			for _, r := range w.rows {
				q := question(t, r)
				if n := testing.AllocsPerRun(10, func() { set.Decide(q) }); n != 0 {
					t.Errorf("%s:%d: %v allocations", file, r.line, n)
				}
			}
		}
	}
}

// TestProblems: a world of problems.txt has exactly the problems that its rows
// name, path => text.
func TestProblems(t *testing.T) {
	for _, w := range readWorlds(t, "problems.txt") {
		t.Run(w.name, func(t *testing.T) {
			set, problems := policy.Compile(w.src, w.local)
			if (set == nil) != (len(problems) > 0) {
				t.Errorf("set %v with %d problems", set, len(problems))
			}
			compareProblems(t, w.rows, problems)
		})
	}
}

// TestWarnings is the same for what works, but hardly as meant.
func TestWarnings(t *testing.T) {
	for _, w := range readWorlds(t, "warnings.txt") {
		t.Run(w.name, func(t *testing.T) {
			compareProblems(t, w.rows, w.compile(t).Warnings())
		})
	}
}

func compareProblems(t *testing.T, rows []row, problems []policy.Problem) {
	t.Helper()
	var got, want []string
	for _, p := range problems {
		got = append(got, p.Path+" => "+p.Text)
	}
	for _, r := range rows {
		want = append(want, r.left+" => "+r.want)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("problems (-want +got):\n%s", diff)
	}
}

// TestMatrix is every row of an XMPP partner's settings: tls sasl dialback =>
// result | ways.
func TestMatrix(t *testing.T) {
	worlds := readWorlds(t, "xmpp-matrix.txt")
	if len(worlds) != 1 || len(worlds[0].rows) != 18 {
		t.Fatal("the matrix has 18 rows in one world")
	}
	w := worlds[0]
	for _, r := range w.rows {
		f := strings.Fields(r.left)
		var x policy.XMPPPartner
		line := &fields{words: []string{"tls=" + f[0], "sasl=" + f[1], "dialback=" + f[2]}}
		x.Domain, x.XMPPSettings = domain.MustParse("jabber.example"), line.settings()
		src := w.src
		src.XMPPPartners = []policy.XMPPPartner{x}
		set, problems := policy.Compile(src, w.local)
		got := "ok"
		switch {
		case len(problems) > 0:
			got = "invalid"
		case len(set.Warnings()) > 0:
			got = "warn | " + ways(set.Partners()[0].XMPP.Ways())
		default:
			got += " | " + ways(set.Partners()[0].XMPP.Ways())
		}
		if got != r.want || line.err != nil {
			t.Errorf("line %d: %s: got %s, %v", r.line, r.text, got, line.err)
		}
	}
}

// ways writes what a partner may prove itself by as the matrix does.
func ways(w policy.Ways) string {
	var all []string
	for _, way := range []struct {
		open bool
		name string
	}{{w.Certificate, "sasl/tls"}, {w.TLSDialback, "tls dialback"}, {w.TCPDialback, "tcp dialback"}} {
		if way.open {
			all = append(all, way.name)
		}
	}
	return strings.Join(all, ", ")
}
