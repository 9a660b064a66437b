package xmpp

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"edged/internal/doctest"
	"edged/pkg/verdict"
)

// TestTroubleshootingAnswers: the page says of every reason what XMPP answers inside.
func TestTroubleshootingAnswers(t *testing.T) {
	const page = "../../docs/troubleshooting.md"
	want, got := make(map[string]string), make(map[string]string)
	for _, r := range verdict.Reasons() {
		if want[r.String()] = answers[r].condition; answers[r].condition == "" {
			want[r.String()] = "–"
		}
	}
	for _, row := range doctest.Rows(t, page, "## All reasons") {
		got[row[0]] = row[2]
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s, All reasons, XMPP (-want +got):\n%s", page, diff)
	}
}
