package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Problem is one mistake, as an operator has to find it.
type Problem struct {
	// File is the path of the file as Load was given it, or as the file that names
	// it resolves to.
	File string
	// Line and Column count from 1. Column is 0 where a line is all there is to say
	// (CSV), both are 0 for a file that cannot be read at all.
	Line, Column int
	// Path leads to the value, `sip.pools[0].members`; empty if the mistake is
	// about the file.
	Path string
	// Text says what is wrong and what would be right.
	Text string
}

// String is one line: "edged.yaml:12:7: sip.pools[0].members: what is wrong".
func (p Problem) String() string {
	var b strings.Builder
	b.WriteString(p.File)
	if p.Line > 0 {
		fmt.Fprintf(&b, ":%d", p.Line)
	}
	if p.Column > 0 {
		fmt.Fprintf(&b, ":%d", p.Column)
	}
	b.WriteString(": ")
	if p.Path != "" {
		b.WriteString(p.Path + ": ")
	}
	b.WriteString(p.Text)
	return b.String()
}

// Errors is why a configuration was refused: everything that is wrong with it.
type Errors struct {
	// Problems are sorted: edged.yaml, policy.yaml, the files they name; within a
	// file by line and column. There are at most 100 of a file and one more that
	// counts the rest.
	Problems []Problem
}

// Error prints all problems, one a line.
func (e *Errors) Error() string {
	lines := make([]string, len(e.Problems))
	for i, p := range e.Problems {
		lines[i] = p.String()
	}
	return strings.Join(lines, "\n")
}

// maxProblems bounds what is reported of one file: whoever has more than these
// has one mistake that repeats itself.
const maxProblems = 100

// report collects problems, in the order of the files they were first found in.
type report struct {
	order []string              // files, in the order in which they are read
	found map[string]*fileFacts // by file
}

// fileFacts is what is wrong with one file.
type fileFacts struct {
	problems []Problem
	omitted  int // problems beyond maxProblems
}

// begin says that file is read now; problems are printed in this order.
func (r *report) begin(file string) *fileFacts {
	if f := r.found[file]; f != nil {
		return f
	}
	if r.found == nil {
		r.found = make(map[string]*fileFacts)
	}
	r.order = append(r.order, file)
	r.found[file] = new(fileFacts)
	return r.found[file]
}

// add keeps p. Beyond the bound problems are only counted.
func (r *report) add(p Problem) {
	f := r.begin(p.File)
	if len(f.problems) < maxProblems {
		f.problems = append(f.problems, p)
		return
	}
	f.omitted++
}

// empty tells that nothing is wrong so far.
func (r *report) empty() bool {
	for _, f := range r.found {
		if len(f.problems) > 0 {
			return false
		}
	}
	return true
}

// hit tells whether a problem of file is known at path, above it or below it:
// further ones there would only be its consequences.
func (r *report) hit(file, path string) bool {
	f := r.found[file]
	return f != nil && slices.ContainsFunc(f.problems, func(p Problem) bool {
		return encloses(p.Path, path) || encloses(path, p.Path)
	})
}

// encloses tells whether inner is outer or a value within it.
func encloses(outer, inner string) bool {
	rest, ok := strings.CutPrefix(inner, outer)
	return ok && (rest == "" || outer == "" || rest[0] == '.' || rest[0] == '[')
}

// sorted returns everything found, as Errors.Problems has it.
func (r *report) sorted() []Problem {
	var all []Problem
	for _, file := range r.order {
		f := r.found[file]
		slices.SortStableFunc(f.problems, func(a, b Problem) int {
			return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
		})
		all = append(all, f.problems...)
		if f.omitted > 0 {
			last := f.problems[len(f.problems)-1]
			all = append(all, Problem{
				File: file, Line: last.Line, Column: last.Column,
				Text: fmt.Sprintf("... and %d more problems in this file", f.omitted),
			})
		}
	}
	return all
}

// err returns the problems as an error, nil if there are none.
func (r *report) err() error {
	if r.empty() {
		return nil
	}
	return &Errors{Problems: r.sorted()}
}
