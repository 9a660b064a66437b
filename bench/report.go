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

// The table stands between these lines of the page.
const (
	tableBegin = "<!-- make bench writes from here -->\n"
	tableEnd   = "<!-- to here -->\n"
)

// column is a quantity as it stands in a table.
type column struct {
	title, format string
	what          kind
}

// table is what one part found.
type table struct {
	title, part string
	columns     []column
	rows        []struct{ who, title string }
}

// report prints the tables, and replaces those of the page if there is one.
func (s *suite) report(page string) error {
	text := s.markdown()
	fmt.Fprint(s.out, text)
	if page == "" {
		return nil
	}
	old, err := os.ReadFile(page)
	if err != nil {
		return err
	}
	replaced, err := between(string(old), text)
	if err != nil {
		return fmt.Errorf("%s: %w", page, err)
	}
	return os.WriteFile(page, []byte(replaced), 0o644) //nolint:gosec // a page that everybody may read
}

// between replaces what stands between the marks of a page.
func between(page, text string) (string, error) {
	head, rest, ok := strings.Cut(page, tableBegin)
	_, tail, also := strings.Cut(rest, tableEnd)
	if !ok || !also {
		return "", fmt.Errorf("no lines %q and %q", tableBegin, tableEnd)
	}
	return head + tableBegin + "\n" + text + "\n" + tableEnd + tail, nil
}

func (s *suite) markdown() string {
	var b bytes.Buffer
	fmt.Fprintf(&b, "Medians of %d interleaved rounds, taken on %s. Meanwhile others used %.0f %% of the machine.\n\n",
		s.rounds, time.Now().Format(time.DateOnly), 100*stage.Look().Others(s.began))
	b.WriteString(row("target", "wanted", "measured", "") + row("---", "---", "---", "---"))
	for _, t := range targets() {
		b.WriteString(t.verdict(s.figures))
	}
	for _, t := range tables() {
		if s.does(t.part) {
			b.WriteString("\n" + t.markdown(s.figures))
		}
	}
	if len(s.figures.missing) > 0 {
		b.WriteString("\nNot measured, in one round or in all:\n\n")
	}
	for _, at := range slices.Sorted(maps.Keys(s.figures.missing)) {
		fmt.Fprintf(&b, "- %s: %.300s\n", strings.TrimPrefix(at, "/"), s.figures.missing[at])
	}
	b.WriteString("\n")
	for _, v := range append(stage.Machine(), stage.Versions(s.edged)...) {
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
		{"one stream, 390 bytes a stanza", "streams", []column{
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
		{"Prosody to ejabberd, component to component", "servers", []column{
			{"messages/s", "%.0f", rate},
			{"edged's CPU s per 10,000", "%.4f", cpu},
			{"round trip p50 ms at 50/s", "%.2f", p50},
			{"p99 ms", "%.2f", p99},
		}, []subject{{direct, "direct"}, {edged, "through edged"}}},
		{"500 idle connections", "idle", []column{
			{"KiB for each", "%.1f", perConn},
			{"CPU ms per set-up", "%.2f", setup},
		}, []subject{{edged, "edged: XMPP streams, TLS and EXTERNAL"}, {dropper, "bare sink: mutual TLS, then a read of 4 KiB"}}},
		{"500 messages/s beside 1,000 hostile connections", "hostile", []column{
			{"p50 ms", "%.2f", p50},
			{"p99 ms", "%.2f", p99},
			{"MiB before", "%.0f", before},
			{"highest", "%.0f", during},
			{"after", "%.0f", after},
		}, []subject{{edged, "through edged"}, {copier, "TLS to TLS byte copy, beside a sink of bytes"}}},
	}
}
