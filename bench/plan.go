package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"

	"edged/bench/stage"
)

// plan is what one run does.
type plan struct {
	edged  string        // binary
	page   string        // whose table is replaced; none if empty
	only   []string      // parts; all if empty
	rounds int           // of everything
	length time.Duration // of one measurement at full speed
	keep   bool          // the directory
}

// A part is measured once in each round.
type part struct {
	name    string
	measure func(*suite, context.Context)
}

// parts are in the order of a round.
func parts() []part {
	return []part{
		{"streams", (*suite).streams},
		{"servers", (*suite).servers},
		{"idle", (*suite).idle},
		{"hostile", (*suite).hostile},
	}
}

// does says whether a part was asked for.
func (p plan) does(name string) bool { return len(p.only) == 0 || slices.Contains(p.only, name) }

func partNames() []string {
	var names []string
	for _, p := range parts() {
		names = append(names, p.name)
	}
	return names
}

func (p plan) run(ctx context.Context, out io.Writer) (err error) {
	for _, name := range p.only {
		if !slices.Contains(partNames(), name) {
			return fmt.Errorf("there is no part %q: %v", name, partNames())
		}
	}
	// The programs run in a directory of their own.
	if p.edged, err = filepath.Abs(p.edged); err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "edged-bench-")
	if err != nil {
		return err
	}
	if p.keep {
		fmt.Fprintln(out, "directory:", dir)
	} else {
		defer os.RemoveAll(dir)
	}
	w, err := stage.New(dir)
	if err != nil {
		return err
	}
	defer w.Close()
	s := newSuite(w, p, out)
	if err := s.listen(ctx); err != nil {
		return err
	}
	err = s.measure(ctx)
	s.stop() // their CPU time counts as ours from now on
	if err != nil {
		return err
	}
	return s.report(p.page)
}

// measure does all rounds. Programs start when they are first needed.
func (s *suite) measure(ctx context.Context) error {
	for s.round = range s.rounds {
		for _, part := range parts() {
			if !s.does(part.name) {
				continue
			}
			s.say("round %d of %d: %s", s.round+1, s.rounds, part.name)
			part.measure(s, ctx)
			if ctx.Err() != nil {
				return errors.New("interrupted")
			}
		}
	}
	return nil
}
