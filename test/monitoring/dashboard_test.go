package monitoring

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"edged/internal/lab"
)

// patience bounds every wait.
const patience = 20 * time.Second

// TestDashboard scrapes the lab under traffic, and asks every query of the dashboard
// and of the rules.
func TestDashboard(t *testing.T) {
	if testing.Short() {
		t.Skip("runs Prometheus for some seconds")
	}
	need(t, "prometheus")
	w, err := lab.Start(t.Context(), lab.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
	p := startPrometheus(t, w.Addr("metrics").String())
	p.eventually(t, "the lab is scraped", "up == 1")
	if err := w.Play(t.Context(), io.Discard); err != nil {
		t.Fatal(err)
	}
	p.eventually(t, "the traffic is seen", `edged_xmpp_stanzas_total{reason="allowed"} > 0 and edged_xmpp_stanzas_total == edged_xmpp_stanzas_total offset 2s`)
	queries := dashboardQueries(t)
	if len(queries) < 50 {
		t.Errorf("only %d queries", len(queries))
	}
	for _, q := range queries {
		p.hasData(t, q)
		// What both protocols have part in shows SIP's also where XMPP is not spoken.
		if alone := absent.ReplaceAllString(q, "edged_absent"); alone != q && (strings.Contains(alone, "sip_") || strings.Contains(alone, "edged_pool") || strings.Contains(alone, "watch")) {
			p.hasData(t, alone)
		}
	}
	p.rulesWork(t)
}

// prometheus is one that runs.
type prometheus struct{ url string }

// startPrometheus runs Prometheus on the rules of configs, with scrapes of the target
// that are so frequent that it sees counters grow: of what it sees for the first time it
// knows no rate.
func startPrometheus(t *testing.T, target string) *prometheus {
	t.Helper()
	dir := t.TempDir()
	rules, err := filepath.Abs(filepath.Join(configs, "prometheus"))
	if err != nil {
		t.Fatal(err)
	}
	config := fmt.Sprintf("global: {scrape_interval: 50ms, scrape_timeout: 50ms, evaluation_interval: 1s}\n"+
		"rule_files: [%[1]s/edged.rules.yml, %[1]s/edged.alerts.yml]\n"+
		"scrape_configs: [{job_name: edged, static_configs: [{targets: [%[2]q]}]}]\n", rules, target)
	if err := os.WriteFile(filepath.Join(dir, "prometheus.yml"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	addr := freeAddr(t)
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("prometheus", "--config.file="+filepath.Join(dir, "prometheus.yml"), "--storage.tsdb.path="+filepath.Join(dir, "data"),
		"--web.listen-address="+addr)
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
		if raw, err := os.ReadFile(log.Name()); t.Failed() && err == nil {
			t.Log(string(raw))
		}
	})
	return &prometheus{url: "http://" + addr}
}

func freeAddr(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// get asks the API and returns what it answers as data.
func (p *prometheus) get(path string, into any) error {
	client := http.Client{Timeout: patience}
	answer, err := client.Get(p.url + path)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	var body struct {
		Status, Error string
		Data          json.RawMessage
	}
	if err := json.NewDecoder(answer.Body).Decode(&body); err != nil {
		return err
	}
	if body.Status != "success" {
		return errors.New(body.Error)
	}
	return json.Unmarshal(body.Data, into)
}

// query returns how many series answer, and how many of them with a number.
func (p *prometheus) query(expr string) (series, numbers int, err error) {
	var data struct {
		Result []struct{ Value [2]any }
	}
	if err := p.get("/api/v1/query?"+url.Values{"query": {expr}}.Encode(), &data); err != nil {
		return 0, 0, err
	}
	for _, r := range data.Result {
		if text, ok := r.Value[1].(string); ok && text != "NaN" && !strings.Contains(text, "Inf") {
			numbers++
		}
	}
	return len(data.Result), numbers, nil
}

// hasData waits for an answer with at least one number in it.
func (p *prometheus) hasData(t *testing.T, expr string) {
	t.Helper()
	if err := p.await(expr, func(_, numbers int) bool { return numbers > 0 }); err != nil {
		t.Errorf("no data: %v: %s", err, expr)
	}
}

// eventually waits until a query has an answer.
func (p *prometheus) eventually(t *testing.T, what, expr string) {
	t.Helper()
	if err := p.await(expr, func(series, _ int) bool { return series > 0 }); err != nil {
		t.Fatalf("given up: %s: %v", what, err)
	}
}

// await asks until the answer will do.
func (p *prometheus) await(expr string, enough func(series, numbers int) bool) error {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	late := time.After(patience)
	for {
		series, numbers, err := p.query(expr)
		if err == nil && enough(series, numbers) {
			return nil
		}
		select {
		case <-tick.C:
		case <-late:
			return fmt.Errorf("%d series, %d numbers, %w", series, numbers, cmp.Or(err, errors.New("no error")))
		}
	}
}

// rulesWork: every rule has been evaluated without an error, and everything that is
// recorded has data.
func (p *prometheus) rulesWork(t *testing.T) {
	t.Helper()
	var data struct {
		Groups []struct {
			Rules []struct{ Name, Type, Health, LastError, Query string }
		}
	}
	if err := p.get("/api/v1/rules", &data); err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, g := range data.Groups {
		for _, r := range g.Rules {
			n++
			if r.Health != "ok" {
				t.Errorf("%s: %s, %s", r.Name, r.Health, r.LastError)
			}
			if r.Type == "recording" {
				p.eventually(t, r.Name+" is recorded", r.Name)
				continue
			}
			// An alert is silent where all is well. What it is about has to be there.
			for metric := range metricsIn(r.Query) {
				p.hasData(t, metric)
			}
		}
	}
	if n < 20 {
		t.Errorf("only %d rules", n)
	}
}

// absent are the metrics of an edge that does not speak XMPP.
var absent = regexp.MustCompile(`edged_(xmpp|consent)_[a-z_]+`)

var metric = regexp.MustCompile(`\bedged[_:][a-z0-9_:]+`)

func metricsIn(expr string) map[string]bool {
	all := make(map[string]bool)
	for _, name := range metric.FindAllString(expr, -1) {
		all[name] = true
	}
	return all
}

// dashboardQueries are all queries of the dashboard, with what Grafana fills in.
func dashboardQueries(t *testing.T) []string {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(configs, "grafana", "edged.json"))
	if err != nil {
		t.Fatal(err)
	}
	var tree any
	if err := json.Unmarshal(raw, &tree); err != nil {
		t.Fatal(err)
	}
	all := make(map[string]bool)
	collect(tree, all)
	filled := strings.NewReplacer("$__rate_interval", "1m", "$instance", ".*", "$job", ".*")
	var queries []string
	for expr := range all {
		expr = filled.Replace(expr)
		if strings.Contains(expr, "$") {
			t.Errorf("what is filled in there? %s", expr)
		}
		queries = append(queries, expr)
	}
	slices.Sort(queries)
	return queries
}

// collect finds every "expr" in a JSON tree.
func collect(tree any, into map[string]bool) {
	switch tree := tree.(type) {
	case map[string]any:
		if expr, ok := tree["expr"].(string); ok {
			into[expr] = true
		}
		for v := range maps.Values(tree) {
			collect(v, into)
		}
	case []any:
		for _, v := range tree {
			collect(v, into)
		}
	}
}
