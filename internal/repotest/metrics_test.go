package repotest

import (
	"fmt"
	"go/ast"
	"path"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"edged/pkg/sipfed"
	"edged/pkg/xmpp"
)

// metricSets says how a package with a metrics.go registers its metrics: one row
// for each in pkg. Of packages that are missing here, such as programs' own, the
// names are read from the source, which must then hold them as literals.
var metricSets = map[string]func(prometheus.Registerer){
	"pkg/sipfed": func(r prometheus.Registerer) { sipfed.NewMetrics(r) },
	"pkg/xmpp":   func(r prometheus.Registerer) { xmpp.NewMetrics(r) },
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

// registeredSamples returns a made-up scrape of what is registered. A metric with
// labels has no value to scrape before it is first used, so a real scrape would
// not show it.
func registeredSamples(t *testing.T, register func(prometheus.Registerer)) string {
	t.Helper()
	var registered recorder
	register(&registered)
	var scrape strings.Builder
	for _, c := range registered.collectors {
		for _, d := range descriptions(t, c) {
			scrape.WriteString(sample(kind(c), d.name, d.help))
		}
	}
	return scrape.String()
}

// kind returns the type of a collector's metrics as a scrape names it.
func kind(c prometheus.Collector) string {
	switch c.(type) {
	case *prometheus.CounterVec:
		return "counter"
	case *prometheus.HistogramVec, prometheus.Histogram:
		return "histogram"
	case *prometheus.GaugeVec, prometheus.Gauge: // before Counter, whose methods it has too
		return "gauge"
	case prometheus.Counter:
		return "counter"
	}
	return "untyped"
}

// sample returns how a scrape shows a metric.
func sample(kind, name, help string) string {
	text := fmt.Sprintf("# TYPE %s %s\n", name, kind)
	if help != "" {
		text += fmt.Sprintf("# HELP %s %s\n", name, help)
	}
	if kind == "histogram" {
		return text + fmt.Sprintf("%[1]s_bucket{le=\"+Inf\"} 1\n%[1]s_sum 1\n%[1]s_count 1\n", name)
	}
	return text + name + " 1\n"
}

// description is what a metric is called and what it means.
type description struct{ name, help string }

var described = regexp.MustCompile(`^Desc\{fqName: "([^"]*)", help: "((?:[^"\\]|\\.)*)"`)

func descriptions(t *testing.T, c prometheus.Collector) []description {
	t.Helper()
	told := make(chan *prometheus.Desc)
	go func() {
		defer close(told)
		c.Describe(told)
	}()
	var all []description
	for d := range told {
		m := described.FindStringSubmatch(d.String())
		if m == nil {
			t.Errorf("cannot read %s", d)
			continue
		}
		all = append(all, description{m[1], m[2]})
	}
	return all
}

// literalSamples returns a made-up scrape of the metrics whose options the source
// spells out, as in prometheus.CounterOpts{Name: "...", Help: "..."}.
func literalSamples(s source) string {
	var scrape strings.Builder
	ast.Inspect(s.file, func(n ast.Node) bool {
		options, ok := n.(*ast.CompositeLit)
		if !ok {
			return true
		}
		if of, ok := options.Type.(*ast.SelectorExpr); ok && strings.HasSuffix(of.Sel.Name, "Opts") {
			if name := literal(options, "Name"); name != "" {
				kind := strings.ToLower(strings.TrimSuffix(of.Sel.Name, "Opts"))
				scrape.WriteString(sample(kind, name, literal(options, "Help")))
			}
		}
		return true
	})
	return scrape.String()
}

// literal returns the string that a composite literal gives the field.
func literal(options *ast.CompositeLit, field string) string {
	for _, e := range options.Elts {
		pair, ok := e.(*ast.KeyValueExpr)
		if !ok {
			continue
		}
		key, isName := pair.Key.(*ast.Ident)
		value, isText := pair.Value.(*ast.BasicLit)
		if isName && isText && key.Name == field {
			text, _ := strconv.Unquote(value.Value)
			return text
		}
	}
	return ""
}

// badNames returns what promlint finds wrong with a scrape.
func badNames(t *testing.T, scrape string) []string {
	t.Helper()
	problems, err := promlint.New(strings.NewReader(scrape)).Lint()
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, p := range problems {
		found = append(found, p.Metric+": "+p.Text)
	}
	return found
}

func TestMetricNames(t *testing.T) {
	for _, name := range ending(goFiles(t), "/metrics.go") {
		scrape := literalSamples(parse(t, top, name))
		if register, ok := metricSets[path.Dir(name)]; ok {
			scrape = registeredSamples(t, register)
		}
		if scrape == "" {
			t.Errorf("%s: found no metrics; add a row to the table above", name)
		}
		for _, problem := range badNames(t, scrape) {
			t.Errorf("%s: %s", name, problem)
		}
	}
}

func TestPlantedMetricNamesAreRefused(t *testing.T) {
	registered := registeredSamples(t, func(r prometheus.Registerer) {
		r.MustRegister(
			prometheus.NewCounterVec(prometheus.CounterOpts{Name: "edged_good_total", Help: "Of \"these\"."}, []string{"side"}),
			prometheus.NewCounterVec(prometheus.CounterOpts{Name: "edged_requests", Help: "No total."}, []string{"side"}),
			prometheus.NewGauge(prometheus.GaugeOpts{Name: "edged_open_total", Help: "A gauge, no counter."}),
			prometheus.NewHistogram(prometheus.HistogramOpts{Name: "edged_wait_milliseconds", Help: "No base unit."}),
			prometheus.NewCounter(prometheus.CounterOpts{Name: "edged_silent_total"}),
		)
	})
	written := literalSamples(parseText(t, "planted.go", `package planted
var all = []any{
	prometheus.CounterOpts{Name: "edged_good_total", Help: "Of \"these\"."},
	prometheus.CounterOpts{Name: "edged_requests", Help: "No total."},
	prometheus.GaugeOpts{Name: "edged_open_total", Help: "A gauge, no counter."},
	prometheus.HistogramOpts{Help: "No base unit.", Name: "edged_wait_milliseconds"},
	prometheus.CounterOpts{Name: "edged_silent_total"},
}
`))
	for way, scrape := range map[string]string{"registered": registered, "written": written} {
		found := strings.Join(badNames(t, scrape), "\n")
		for _, name := range []string{"edged_requests:", "edged_open_total:", "edged_wait_milliseconds:", "edged_silent_total:"} {
			if !strings.Contains(found, name) {
				t.Errorf("%s: %s is not among the problems", way, name)
			}
		}
		if strings.Contains(found, "edged_good_total") {
			t.Errorf("%s: a good name was refused:\n%s", way, found)
		}
	}
}
