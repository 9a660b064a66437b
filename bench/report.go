package main

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"edged/bench/stage"
)

// half of edged, with a section of the page to itself.
type half struct {
	name     string // "sip" or "xmpp": what the names of its parts begin with
	targets  []target
	tables   []table
	packages []string // Debian's, that it is measured against
}

func halves() []half {
	return []half{
		{"sip", sipTargets(), sipTables(), []string{"kamailio", "kamailio-tls-modules"}},
		{"xmpp", targets(), tables(), []string{"prosody", "lua-sec", "ejabberd", "erlang-base"}},
	}
}

// marks are the lines of the page between which the section stands.
func (h half) marks() (begin, end string) {
	return "<!-- make bench writes " + h.name + " from here -->\n", "<!-- " + h.name + " to here -->\n"
}

// column is a quantity as it stands in a table.
type column struct {
	title, format string
	what          kind
}

// table is what one part found.
type table struct {
	title   string
	part    string // that it belongs to: the first word
	columns []column
	rows    []struct{ who, title string }
}

// report prints the tables, and replaces those of the page if there is one.
func (s *suite) report(page string) error {
	for _, h := range halves() {
		if !slices.ContainsFunc(parts(), func(p part) bool { return h.has(p.name) && s.does(p.name) }) {
			continue
		}
		text := s.markdown(h)
		fmt.Fprint(s.out, text)
		if page == "" {
			continue
		}
		old, err := os.ReadFile(page)
		if err != nil {
			return err
		}
		replaced, err := h.replace(string(old), text)
		if err != nil {
			return fmt.Errorf("%s: %w", page, err)
		}
		if err := os.WriteFile(page, []byte(replaced), 0o644); err != nil { //nolint:gosec // a page that everybody may read
			return err
		}
	}
	return nil
}

// has says whether a part belongs to this half.
func (h half) has(part string) bool { return strings.HasPrefix(part, h.name+"-") }

// replace puts the text between the marks of a page.
func (h half) replace(page, text string) (string, error) {
	begin, end := h.marks()
	head, rest, ok := strings.Cut(page, begin)
	_, tail, also := strings.Cut(rest, end)
	if !ok || !also {
		return "", fmt.Errorf("no lines %q and %q", begin, end)
	}
	return head + begin + "\n" + text + "\n" + end + tail, nil
}

func (s *suite) markdown(h half) string {
	var b bytes.Buffer
	fmt.Fprintf(&b, "Medians of %d interleaved rounds, taken on %s. Meanwhile others used %.0f %% of the machine.\n\n",
		s.rounds, time.Now().Format(time.DateOnly), 100*stage.Look().Others(s.began))
	b.WriteString(row("target", "wanted", "measured", "") + row("---", "---", "---", "---"))
	for _, t := range h.targets {
		if _, ok := t.measure(s.figures); ok || len(s.only) == 0 {
			b.WriteString(t.verdict(s.figures))
		}
	}
	for _, t := range h.tables {
		if part, _, _ := strings.Cut(t.part, " "); s.does(part) {
			b.WriteString("\n" + t.markdown(s.figures))
		}
	}
	title := "\nNot measured, in one round or in all:\n\n"
	for _, at := range slices.Sorted(maps.Keys(s.figures.missing)) {
		if strings.HasPrefix(at, "/") || h.has(at) {
			fmt.Fprintf(&b, "%s- %s: %.300s\n", title, strings.TrimPrefix(at, "/"), s.figures.missing[at])
			title = ""
		}
	}
	title = "\nBegun anew:\n\n"
	for _, at := range slices.Sorted(maps.Keys(s.figures.failed)) {
		if h.has(at) {
			fmt.Fprintf(&b, "%s- %d times %s\n", title, s.figures.failed[at], at)
			title = ""
		}
	}
	b.WriteString("\n")
	for _, v := range append(stage.Machine(), stage.Versions(s.edged, h.packages...)...) {
		fmt.Fprintf(&b, "- %s\n", v)
	}
	return b.String()
}

func (t table) markdown(f *figures) string {
	titles, rules := []string{t.title}, []string{"---"}
	for _, c := range t.columns {
		titles, rules = append(titles, c.title), append(rules, "---:")
	}
	rows := []string{row(titles...), row(rules...)}
	for _, r := range t.rows {
		cells := []string{r.title}
		for _, c := range t.columns {
			cells = append(cells, f.text(c.format, t.part, r.who, c.what))
		}
		rows = append(rows, row(cells...))
	}
	return strings.Join(rows, "")
}

func row(cells ...string) string { return "| " + strings.Join(cells, " | ") + " |\n" }

func tables() []table {
	type subject = struct{ who, title string }
	return []table{
		{"one stream, 390 bytes a stanza", "xmpp-streams", []column{
			{"messages/s", "%.0f", rate},
			{"CPU s per 10,000", "%.4f", cpu},
			{"p50 ms at 2,000/s", "%.2f", p50},
			{"p99 ms", "%.2f", p99},
			{"MiB", "%.0f", rss},
		}, []subject{
			{edged, "through edged"},
			{cutter, "through a relay that only cuts elements"},
			{straight, "through nothing (sender and sink alone)"},
			{prosody, "into Prosody, to a component"},
			{ejabberd, "into ejabberd, to a component"},
		}},
		{"Prosody to ejabberd, component to component", "xmpp-servers", []column{
			{"messages/s", "%.0f", rate},
			{"edged's CPU s per 10,000", "%.4f", cpu},
			{"round trip p50 ms at 50/s", "%.2f", p50},
			{"p99 ms", "%.2f", p99},
		}, []subject{{direct, "direct"}, {edged, "through edged"}}},
		{"500 idle connections", "xmpp-idle", []column{
			{"KiB for each", "%.1f", perConn},
			{"CPU ms per set-up", "%.2f", setup},
		}, []subject{{edged, "edged: XMPP streams, TLS and EXTERNAL"}, {dropper, "bare sink: mutual TLS, then a read of 4 KiB"}}},
		{"500 messages/s beside 1,000 hostile connections", "xmpp-hostile", []column{
			{"p50 ms", "%.2f", p50},
			{"p99 ms", "%.2f", p99},
			{"MiB before", "%.0f", before},
			{"highest", "%.0f", during},
			{"after", "%.0f", after},
		}, []subject{{edged, "through edged"}, {copier, "TLS to TLS byte copy, beside a sink of bytes"}}},
	}
}
