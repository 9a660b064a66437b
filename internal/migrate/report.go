package migrate

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"

	"edged/pkg/verdict"
)

// Report is what became of the files.
type Report struct {
	Read    []File   `json:"read"`
	Written []string `json:"written"`     // paths
	Carried []Count  `json:"carried"`     // into policy.yaml
	Left    []Left   `json:"not_carried"` // each setting once
	Notes   []string `json:"notes"`       // what has to be known, or done
}

// File is one that was read.
type File struct {
	Path    string   `json:"file"`
	Holds   []string `json:"holds"`   // the commands that what is in it comes from
	Objects int      `json:"objects"` // how much is in it
}

// Count is how many objects of a command were carried.
type Count struct {
	Command string `json:"command"`
	Objects int    `json:"objects"`
}

// Left is a setting that was not carried.
type Left struct {
	Command string   `json:"command"`
	Setting string   `json:"setting,omitempty"` // empty: the whole object
	Value   string   `json:"value,omitempty"`
	Why     string   `json:"why"`
	Objects []string `json:"objects"` // those that have it
	// AllowsMore says that without the setting something is allowed that was not.
	AllowsMore bool `json:"allows_more"`
}

// leave notes a setting that was not carried; the same one of several objects makes
// one entry.
func (im *importer) leave(t *thing, setting string, v value, why string) *Left {
	one := Left{Command: t.kind.command, Setting: setting, Value: v.String(), Why: why}
	key := leftKey{one.Command, one.Setting, one.Value, one.Why}
	i, known := im.left[key]
	if !known {
		i = len(im.report.Left)
		im.left[key] = i
		im.report.Left = append(im.report.Left, one)
	}
	l := &im.report.Left[i]
	l.Objects = append(l.Objects, t.name)
	return l
}

// widen notes a setting without which more is allowed than before.
func (im *importer) widen(t *thing, setting string, v value, why string) {
	im.leave(t, setting, v, why).AllowsMore = true
}

// leftKey is a Left without its objects.
type leftKey struct{ command, setting, value, why string }

// drop notes an object that was not carried at all.
func (im *importer) drop(t *thing, format string, args ...any) {
	im.leave(t, "", value{}, fmt.Sprintf(format, args...))
}

// carried counts an object that was.
func (im *importer) carried(t *thing) {
	i := slices.IndexFunc(im.report.Carried, func(c Count) bool { return c.Command == t.kind.command })
	if i < 0 {
		i = len(im.report.Carried)
		im.report.Carried = append(im.report.Carried, Count{Command: t.kind.command})
	}
	im.report.Carried[i].Objects++
}

func (im *importer) note(format string, args ...any) {
	im.report.Notes = append(im.report.Notes, fmt.Sprintf(format, args...))
}

// Print prints the report for people.
func (r *Report) Print(w io.Writer) error {
	var b strings.Builder
	for _, f := range r.Read {
		if len(f.Holds) == 0 {
			fmt.Fprintf(&b, "read     %s: empty\n", verdict.Printable(f.Path))
			continue
		}
		fmt.Fprintf(&b, "read     %s: %d of %s\n", verdict.Printable(f.Path), f.Objects, strings.Join(f.Holds, ", "))
	}
	for _, c := range r.Carried {
		fmt.Fprintf(&b, "carried  %d of %s\n", c.Objects, c.Command)
	}
	for _, path := range r.Written {
		fmt.Fprintf(&b, "written  %s\n", path)
	}
	for _, part := range r.parts() {
		fmt.Fprintf(&b, "\n%s:\n  %s\n", part.title, strings.Join(part.lines, "\n  "))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// part is a heading of the report with what stands below it.
type part struct {
	title string
	lines []string
}

// parts are what people have to read, the most important first; those without lines
// are left out.
func (r *Report) parts() []part {
	more, left := part{title: "Not carried, so that more is allowed than before"}, part{title: "Not carried"}
	for i := range r.Left {
		to := &left
		if r.Left[i].AllowsMore {
			to = &more
		}
		to.lines = append(to.lines, r.Left[i].String())
	}
	all := []part{more, left, {"To know", r.Notes}}
	return slices.DeleteFunc(all, func(p part) bool { return len(p.lines) == 0 })
}

// String is one line.
func (l *Left) String() string {
	const most = 3
	var names []string
	for _, o := range l.Objects[:min(most, len(l.Objects))] {
		names = append(names, oneLine(o))
	}
	of := strings.Join(names, ", ")
	if more := len(l.Objects) - most; more > 0 {
		of += fmt.Sprintf(" and %d more", more)
	}
	text := strings.TrimPrefix(l.Command, "Get-Cs") + " " + of + ": "
	if l.Setting != "" {
		text += fmt.Sprintf("%s = %s: ", l.Setting, oneLine(l.Value))
	}
	return verdict.Printable(text + l.Why)
}

// oneLine keeps what somebody once typed from breaking lines, and short.
func oneLine(s string) string {
	const most = 80
	s = strings.Join(strings.FieldsFunc(s, verdict.Steers), " ")
	if runes := []rune(s); len(runes) > most {
		return string(runes[:most]) + "..."
	}
	return s
}

// JSON prints the report for programs.
func (r *Report) JSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(r)
}
