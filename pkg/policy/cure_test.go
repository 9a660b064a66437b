package policy_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"edged/pkg/domain"
	"edged/pkg/policy"
	"edged/pkg/verdict"
)

// TestCure asks for the edits of each row: question => edit; edit | reason at the end.
func TestCure(t *testing.T) {
	for _, w := range readWorlds(t, "cure.txt") {
		for _, r := range w.rows {
			cure := policy.Cure(w.src, w.local, question(t, r))
			var texts []string
			for _, c := range cure.Changes {
				texts = append(texts, c.Path+": "+c.Text)
			}
			got := strings.TrimSpace(strings.Join(texts, "; ") + " | " + cure.Decision.Reason.String())
			if got != r.want {
				t.Errorf("line %d: %s\n got %s", r.line, r.text, got)
			}
		}
	}
}

// TestCureOfEveryRefusal holds Cure to what it promises, over every row of the truth
// tables: what is allowed needs nothing, and no edit lets a SIP peer speak for a domain
// that it has not proven.
func TestCureOfEveryRefusal(t *testing.T) {
	for _, file := range tables(t) {
		for _, w := range readWorlds(t, file) {
			set := w.compile(t)
			for _, r := range w.rows {
				q := question(t, r)
				cure := policy.Cure(w.src, w.local, q)
				if set.Decide(q).Allow() && len(cure.Changes) > 0 {
					t.Errorf("%s:%d: allowed, and yet %v", file, r.line, cure.Changes)
				}
				if got := cure.Set.Decide(q); got.Verdict != cure.Decision.Verdict {
					t.Errorf("%s:%d: decided %v, its own policy says %v", file, r.line, cure.Decision.Verdict, got.Verdict)
				}
				identity := q.Protocol == policy.SIP && set.Decide(q).Reason == verdict.IdentityMismatch
				if identity && (cure.Decision.Allow() || len(cure.Changes) > 0) {
					t.Errorf("%s:%d: %v lets an impostor in", file, r.line, cure.Changes)
				}
				domain := policy.CureDomain(w.src, w.local, q)
				for _, c := range domain.Changes {
					if strings.HasPrefix(c.Path, "access_policies") {
						t.Errorf("%s:%d: the domain alone needs %v", file, r.line, c)
					}
				}
			}
		}
	}
}

func TestCureLeavesThePolicyAlone(t *testing.T) {
	names := cmp.Comparer(func(a, b domain.Name) bool { return a == b })
	fresh := readWorlds(t, "cure.txt")
	for i, w := range readWorlds(t, "cure.txt") {
		for _, r := range w.rows {
			policy.Cure(w.src, w.local, question(t, r))
		}
		if diff := cmp.Diff(fresh[i].src, w.src, names); diff != "" {
			t.Errorf("world %s (-before +after):\n%s", w.name, diff)
		}
	}
}
