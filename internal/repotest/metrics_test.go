package repotest

import (
	"fmt"
	"path"
	"regexp"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"edged/pkg/sipfed"
)

// metricSets says how each package with a metrics.go registers its metrics. A
// package that is missing here fails the test: add its row.
var metricSets = map[string]func(prometheus.Registerer){
	"pkg/sipfed": func(r prometheus.Registerer) { sipfed.NewMetrics(r) },
}

// recorder keeps what is registered.
type recorder struct{ collectors []prometheus.Collector }

func (r *recorder) Register(c prometheus.Collector) error {
	r.collectors = append(r.collectors, c)
	return nil
}

func (r *recorder) MustRegister(all ...prometheus.Collector) {
	r.collectors = append(r.collectors, all...)
}

func (r *recorder) Unregister(prometheus.Collector) bool { return false }

// badNames returns what promlint finds wrong. A metric with labels has no value
// to scrape before it is first used, so promlint reads a scrape made up from the
// descriptions.
func badNames(t *testing.T, register func(prometheus.Registerer)) []string {
	t.Helper()
	var registered recorder
	register(&registered)
	var scrape strings.Builder
	for _, c := range registered.collectors {
		scrape.WriteString(sample(t, c))
	}
	problems, err := promlint.New(strings.NewReader(scrape.String())).Lint()
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, p := range problems {
		found = append(found, p.Metric+": "+p.Text)
	}
	return found
}

var described = regexp.MustCompile(`^Desc\{fqName: "([^"]*)", help: "((?:[^"\\]|\\.)*)"`)

// sample returns how a scrape would show the collector's metrics.
func sample(t *testing.T, c prometheus.Collector) string {
	t.Helper()
	descriptions := make(chan *prometheus.Desc)
	go func() {
		defer close(descriptions)
		c.Describe(descriptions)
	}()
	var text strings.Builder
	for d := range descriptions {
		m := described.FindStringSubmatch(d.String())
		if m == nil {
			t.Fatalf("cannot read %s", d)
		}
		name, help := m[1], m[2]
		if help != "" {
			fmt.Fprintf(&text, "# HELP %s %s\n", name, help)
		}
		switch c.(type) {
		case *prometheus.CounterVec:
			fmt.Fprintf(&text, "# TYPE %s counter\n%s 1\n", name, name)
		case *prometheus.HistogramVec, prometheus.Histogram:
			fmt.Fprintf(&text, "# TYPE %[1]s histogram\n%[1]s_bucket{le=\"+Inf\"} 1\n%[1]s_sum 1\n%[1]s_count 1\n", name)
		case *prometheus.GaugeVec, prometheus.Gauge: // before Counter, whose methods it has too
			fmt.Fprintf(&text, "# TYPE %s gauge\n%s 1\n", name, name)
		case prometheus.Counter:
			fmt.Fprintf(&text, "# TYPE %s counter\n%s 1\n", name, name)
		default:
			fmt.Fprintf(&text, "%s 1\n", name)
		}
	}
	return text.String()
}

func TestMetricNames(t *testing.T) {
	for _, name := range ending(goFiles(t), "/metrics.go") {
		register, ok := metricSets[path.Dir(name)]
		if !ok {
			t.Errorf("%s: the table above does not know how to register its metrics", name)
			continue
		}
		for _, problem := range badNames(t, register) {
			t.Errorf("%s: %s", name, problem)
		}
	}
}

func TestPlantedMetricNamesAreRefused(t *testing.T) {
	bad := func(r prometheus.Registerer) {
		r.MustRegister(
			prometheus.NewCounterVec(prometheus.CounterOpts{Name: "edged_good_total", Help: "Of \"these\"."}, []string{"side"}),
			prometheus.NewCounterVec(prometheus.CounterOpts{Name: "edged_requests", Help: "No total."}, []string{"side"}),
			prometheus.NewGauge(prometheus.GaugeOpts{Name: "edged_open_total", Help: "A gauge, no counter."}),
			prometheus.NewHistogram(prometheus.HistogramOpts{Name: "edged_wait_milliseconds", Help: "No base unit."}),
			prometheus.NewCounter(prometheus.CounterOpts{Name: "edged_silent_total"}),
		)
	}
	found := strings.Join(badNames(t, bad), "\n")
	for _, name := range []string{"edged_requests:", "edged_open_total:", "edged_wait_milliseconds:", "edged_silent_total:"} {
		if !strings.Contains(found, name) {
			t.Errorf("%s is not among the problems", name)
		}
	}
	if strings.Contains(found, "edged_good_total") {
		t.Errorf("a good name was refused:\n%s", found)
	}
}
