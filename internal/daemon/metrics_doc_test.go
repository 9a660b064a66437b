package daemon

import (
	"flag"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"edged/pkg/limit"
	"edged/pkg/sipfed"
	"edged/pkg/xmpp"
)

var update = flag.Bool("update", false, "write docs/reference/metrics.md anew")

// registered is the registry of a daemon that does everything.
func registered() *prometheus.Registry {
	m := newMetrics("test")
	sipfed.NewMetrics(m.registry)
	xmpp.NewMetrics(m.registry)
	none := func() float64 { return 0 }
	m.watchConsent(nil)
	m.watchCRLs(func() int { return 0 })
	m.watchState(func() bool { return true })
	m.watchList("sip", func() limit.WatchStats { return limit.WatchStats{} })
	m.watchQueues("sip", none, none)
	return m.registry
}

var described = regexp.MustCompile(`fqName: "(edged_[a-z_]+)", help: "((?:[^"\\]|\\.)*)", unit: "[^"]*", constLabels: \{(.*?)\}, variableLabels: \{(.*?)\}`)

// metricsPage describes every metric of edged's own.
func metricsPage(r *prometheus.Registry) string {
	told := make(chan *prometheus.Desc)
	go func() {
		defer close(told)
		r.Describe(told)
	}()
	var rows []string
	for d := range told {
		m := described.FindStringSubmatch(d.String())
		if m == nil {
			continue // of the Go runtime or the process
		}
		var labels []string
		for l := range strings.SplitSeq(m[3]+","+m[4], ",") {
			if name, _, _ := strings.Cut(l, "="); name != "" {
				labels = append(labels, "`"+name+"`")
			}
		}
		row := fmt.Sprintf("| `%s` | %s | %s |", m[1], strings.Join(labels, " "), strings.ReplaceAll(m[2], `\"`, `"`))
		if !slices.Contains(rows, row) {
			rows = append(rows, row)
		}
	}
	slices.Sort(rows)
	return "<!-- Made by `make reference`, from the metrics in the source. -->\n\n# Metrics\n\n" +
		"What `metrics.listen` serves, beside those of the Go runtime and of the process. Names that end in `_total` count up; those in\n" +
		"`_timestamp_seconds` are Unix times, others in `_seconds` histograms, the rest gauges. [Watching edged](../monitoring.md) says what the labels mean.\n\n" +
		"| metric | labels | meaning |\n|---|---|---|\n" + strings.Join(rows, "\n") + "\n"
}

// TestMetricsPage: docs/reference/metrics.md has what is served.
func TestMetricsPage(t *testing.T) {
	const path = "../../docs/reference/metrics.md"
	want := metricsPage(registered())
	if *update {
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(want, "\n| `edged_"); n < 40 {
		t.Errorf("found %d metrics", n)
	}
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Errorf("%s is not current; run make reference (-want +got):\n%s", path, diff)
	}
}

var bySide = regexp.MustCompile("\n\\| `(edged_[a-z_]+_total)` \\| `side` \\|")

// TestCountersBegin: what is counted for each side is there before it is first counted,
// as 0. An increase from nothing is one that no alert and no dashboard sees.
func TestCountersBegin(t *testing.T) {
	r := registered()
	gathered, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	series := make(map[string]int)
	for _, f := range gathered {
		series[f.GetName()] = len(f.GetMetric())
	}
	found := bySide.FindAllStringSubmatch(metricsPage(r), -1)
	for _, m := range found {
		if series[m[1]] != 2 {
			t.Errorf("%s has %d series", m[1], series[m[1]])
		}
	}
	if len(found) < 9 {
		t.Errorf("found %d counters of sides", len(found))
	}
}
