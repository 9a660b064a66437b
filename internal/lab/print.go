package lab

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"
	"unicode/utf8"
)

// printer writes the lab's lines, aligned, in colour on a terminal.
type printer struct {
	out    io.Writer
	colour bool
	widths widths
	count  int
}

// widths are those of the columns, in runes.
type widths struct{ from, to, method, kind, why, wire int }

func newPrinter(out io.Writer, acts []act) *printer {
	p := &printer{out: out, colour: isTerminal(out)}
	for _, a := range acts {
		for _, t := range a.turns {
			p.widths.fit(t.expected())
		}
	}
	return p
}

func (w *widths) fit(r result) {
	grow := func(n *int, s string) { *n = max(*n, utf8.RuneCountInString(s)) }
	grow(&w.from, r.From)
	grow(&w.to, r.To)
	grow(&w.method, r.Method)
	grow(&w.kind, r.Kind)
	grow(&w.why, why(r))
	grow(&w.wire, r.Wire)
}

// isTerminal tells whether colour is of use: a terminal whose owner has not
// asked for plain text (https://no-color.org).
func isTerminal(out io.Writer) bool {
	f, ok := out.(*os.File)
	if !ok || os.Getenv("NO_COLOR") != "" {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// The colours, as SGR parameters.
const (
	bold   = "1"
	faint  = "2"
	red    = "31"
	green  = "32"
	yellow = "33"
)

func (p *printer) paint(sgr, text string) string {
	if !p.colour {
		return text
	}
	return "\x1b[" + sgr + "m" + text + "\x1b[0m"
}

func (p *printer) say(format string, args ...any) {
	fmt.Fprintf(p.out, format+"\n", args...)
}

// columns prints what stands in the columns.
func (p *printer) columns() {
	w := p.widths
	p.say("\n%s", p.paint(faint, fmt.Sprintf("%3s  %-*s → %-*s  %-*s  %-*s  %s  %-*s  %-*s  %9s  %s", "", w.from, "who", w.to, "whom",
		w.method, "method", w.kind, "partner or case", "policy", w.why, "rule or reason", w.wire, "answer", "time", "rule")))
}

func (p *printer) title(text string) { p.say("\n%s", p.paint(bold, text)) }

// line prints one result, and below it what the lab expected if that differs.
func (p *printer) line(r result) {
	p.count++
	w := p.widths
	verdict := p.paint(yellow, "refuse")
	if r.Allowed {
		verdict = p.paint(green, "allow ")
	}
	text := fmt.Sprintf("%3d  %-*s → %-*s  %-*s  %-*s  %s  %-*s  %-*s  %s", p.count, w.from, r.From, w.to, r.To,
		w.method, r.Method, w.kind, r.Kind, verdict, w.why, why(r), w.wire, r.Wire, took(r.Took))
	if !r.Allowed && r.Rule != "" {
		text += "  " + p.paint(faint, r.Rule)
	}
	p.say("%s", text)
	for _, wrong := range r.Wrong {
		p.say("     %s", p.paint(red, wrong))
	}
}

// why is the rule of what was allowed, and the reason of what was not. The rule
// of a refusal, if there is one, ends the line.
func why(r result) string {
	if r.Allowed {
		return r.Rule
	}
	return r.Reason
}

func took(d time.Duration) string {
	return fmt.Sprintf("%6.1f ms", float64(d)/float64(time.Millisecond))
}

// total prints how the play went.
func (p *printer) total(wrong int, d time.Duration) {
	text := p.paint(green, "all as expected")
	if wrong > 0 {
		text = p.paint(red, fmt.Sprintf("%d not as expected", wrong))
	}
	p.say("\n%d verdicts in %s, %s.", p.count, strings.TrimSpace(fmt.Sprintf("%.1f s", d.Seconds())), text)
}
