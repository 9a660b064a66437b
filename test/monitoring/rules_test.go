// Package monitoring tests what configs/ has for Prometheus and Grafana.
package monitoring

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"go.yaml.in/yaml/v4"
)

const configs = "../../configs"

// need looks for a program of Debian's package prometheus.
func need(t *testing.T, name string) {
	t.Helper()
	if _, err := exec.LookPath(name); err == nil {
		return
	}
	if os.Getenv("CI") == "true" {
		t.Fatal(name + " is not installed")
	}
	t.Skip(name + " is not installed")
}

// TestRules lets Prometheus' own tool judge.
func TestRules(t *testing.T) {
	need(t, "promtool")
	for _, args := range [][]string{
		{"check", "config", "prometheus.yml"},
		{"check", "rules", "edged.rules.yml", "edged.alerts.yml"},
		{"test", "rules", "edged.test.yml"},
	} {
		cmd := exec.CommandContext(t.Context(), "promtool", args...)
		cmd.Dir = filepath.Join(configs, "prometheus")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("promtool %v: %v\n%s", args, err, out)
		}
	}
}

// rules is the part of a rule file that is looked at here.
type rules struct {
	Groups []struct {
		Rules []struct{ Record, Alert, Expr string }
	}
}

func load(t *testing.T, name string, into any) {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(configs, name))
	if err == nil {
		err = yaml.Unmarshal(raw, into)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// TestEveryAlertIsTested: each has a moment when it must fire, and one when it must
// not.
func TestEveryAlertIsTested(t *testing.T) {
	var alerts rules
	load(t, "prometheus/edged.alerts.yml", &alerts)
	var file struct {
		Tests []struct {
			AlertRuleTest []struct {
				Alertname string
				ExpAlerts []any `yaml:"exp_alerts"`
			} `yaml:"alert_rule_test"`
			PromqlExprTest []struct{ Expr string } `yaml:"promql_expr_test"`
		}
	}
	load(t, "prometheus/edged.test.yml", &file)
	fires, silent := make(map[string]bool), make(map[string]bool)
	for _, test := range file.Tests {
		for _, c := range test.AlertRuleTest {
			if len(c.ExpAlerts) > 0 {
				fires[c.Alertname] = true
			} else {
				silent[c.Alertname] = true
			}
		}
	}
	fires["EdgedLimitNearBound"] = true // of which five fire at once, in an expression
	for _, g := range alerts.Groups {
		for _, r := range g.Rules {
			if !fires[r.Alert] || !silent[r.Alert] {
				t.Errorf("%s: fires %t, stays silent %t in edged.test.yml", r.Alert, fires[r.Alert], silent[r.Alert])
			}
		}
	}
}
