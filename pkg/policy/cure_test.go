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
			changes, left := policy.Cure(w.src, w.local, question(t, r))
			var texts []string
			for _, c := range changes {
				texts = append(texts, c.Path+": "+c.Text)
			}
			got := strings.TrimSpace(strings.Join(texts, "; ") + " | " + left.Reason.String())
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
				changes, left := policy.Cure(w.src, w.local, q)
				if set.Decide(q).Allow() && len(changes) > 0 {
					t.Errorf("%s:%d: allowed, and yet %v", file, r.line, changes)
				}
				identity := q.Protocol == policy.SIP && set.Decide(q).Reason == verdict.IdentityMismatch
				if identity && (left.Allow() || len(changes) > 0) {
					t.Errorf("%s:%d: %v lets an impostor in", file, r.line, changes)
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
