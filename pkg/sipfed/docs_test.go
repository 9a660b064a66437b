package sipfed

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"edged/internal/doctest"
	"edged/pkg/policy"
	"edged/pkg/verdict"
)

const troubleshooting = "../../docs/troubleshooting.md"

// TestTroubleshootingAnswers: the page says of every reason what SIP answers inside.
func TestTroubleshootingAnswers(t *testing.T) {
	want, got := make(map[string]string), make(map[string]string)
	for _, r := range verdict.Reasons() {
		switch a := answers[r]; {
		case a.status == 0:
			want[r.String()] = "–"
		case a.id == 0:
			want[r.String()] = fmt.Sprint(a.status)
		default:
			want[r.String()] = fmt.Sprintf("%d, %d", a.status, a.id)
		}
	}
	for _, row := range doctest.Rows(t, troubleshooting, "## All reasons") {
		got[row[0]] = row[1]
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s, All reasons, SIP (-want +got):\n%s", troubleshooting, diff)
	}
}

// TestTroubleshootingDiagnostics: the page has every number that the inside is told,
// with its text and the reasons behind it.
func TestTroubleshootingDiagnostics(t *testing.T) {
	want := make(map[string][]string)
	note := func(r verdict.Reason, a answer) {
		if id := fmt.Sprint(a.id); a.id > 0 && want[id] == nil {
			want[id] = []string{a.text, r.String()}
		} else if a.id > 0 {
			want[id][1] += ", " + r.String()
		}
	}
	for _, r := range verdict.Reasons() {
		note(r, answers[r])
	}
	note(verdict.PeerRefused, silentPeer(&admission{decision: policy.Decision{Partner: &policy.Partner{Kind: policy.PublicProvider}}}))
	note(verdict.PeerRefused, silentPeer(&admission{hosted: true}))
	got := make(map[string][]string)
	for _, row := range doctest.Rows(t, troubleshooting, "## What the inside is told") {
		got[strings.TrimSpace(row[0])] = row[1:]
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s, What the inside is told (-want +got):\n%s", troubleshooting, diff)
	}
}
