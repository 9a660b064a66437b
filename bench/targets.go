package main

import "fmt"

// target is something that edged has promised.
type target struct {
	what    string
	format  string // of the limit and of what was measured
	limit   float64
	least   bool // the limit is a floor, not a ceiling
	measure func(*figures) (float64, bool)
}

// targets are the budgets of edged's XMPP half.
func targets() []target {
	return []target{
		{"CPU per stanza against Prosody's for receiving", "%.3f", 1.0 / 8, false, ratio("xmpp-streams", cpu, prosody)},
		{"CPU per stanza against ejabberd's for receiving", "%.3f", 1.0 / 5, false, ratio("xmpp-streams", cpu, ejabberd)},
		{"CPU per stanza against the element-cutting relay's", "%.2f", 2.5, false, ratio("xmpp-streams", cpu, cutter)},
		{"Prosody to ejabberd through edged: messages per second against the direct way", "%.2f", 0.9, true, ratio("xmpp-servers", rate, direct)},
		{"there: CPU seconds of edged per 10,000", "%.3f", 0.06, false, single("xmpp-servers", cpu)},
		{"there: p50 of a round trip added by edged, ms", "%.2f", 0.3, false, added("xmpp-servers", p50, direct)},
		{"memory per idle stream against the bare TLS sink's", "%.2f", 1.1, false, ratio("xmpp-idle", perConn, dropper)},
	}
}

// verdict is a row of the table of targets.
func (t target) verdict(f *figures) string {
	bound := "at most "
	if t.least {
		bound = "at least "
	}
	v, ok := t.measure(f)
	got, result := fmt.Sprintf(t.format, v), "miss"
	switch {
	case !ok:
		got, result = "–", "not measured"
	case t.least == (v >= t.limit) || v == t.limit:
		result = "pass"
	}
	return row(t.what, bound+fmt.Sprintf(t.format, t.limit), got, result)
}

// single is the quantity of edged itself.
func single(part string, what kind) func(*figures) (float64, bool) {
	return func(f *figures) (float64, bool) { return f.median(part, edged, what) }
}

// ratio is that of the medians.
func ratio(part string, what kind, to string) func(*figures) (float64, bool) {
	return both(part, what, edged, to, func(a, b float64) float64 { return a / b })
}

func added(part string, what kind, to string) func(*figures) (float64, bool) {
	return both(part, what, edged, to, func(a, b float64) float64 { return a - b })
}

func both(part string, what kind, who, to string, of func(a, b float64) float64) func(*figures) (float64, bool) {
	return func(f *figures) (float64, bool) {
		a, ok := f.median(part, who, what)
		b, also := f.median(part, to, what)
		return of(a, b), ok && also && b > 0
	}
}
