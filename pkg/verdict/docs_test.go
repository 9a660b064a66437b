package verdict

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"edged/internal/doctest"
)

// TestTroubleshooting: the page has a row for every reason, in order, with its help.
// What the protocols answer is compared in their packages.
func TestTroubleshooting(t *testing.T) {
	var want, got [][]string
	for _, r := range Reasons() {
		want = append(want, []string{r.String(), r.Help()})
	}
	for _, row := range doctest.Rows(t, "../../docs/troubleshooting.md", "## All reasons") {
		got = append(got, []string{row[0], row[len(row)-1]})
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("docs/troubleshooting.md, All reasons (-want +got):\n%s", diff)
	}
}
