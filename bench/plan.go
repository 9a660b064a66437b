package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"edged/bench/stage"
)

// plan is what one run does.
type plan struct {
	edged   string        // binary
	page    string        // whose tables are replaced; none if empty
	only    []string      // parts, or halves; all if empty
	rounds  int           // of everything
	length  time.Duration // of one measurement at full speed
	keep    bool          // the directory
	profile string        // directory for profiles of edged, which then runs in this program; none if empty
}

// A part is measured once in each round, or in the first ones only.
type part struct {
	name    string
	measure func(*suite, context.Context)
	rounds  int // at most; 0 for all
}

// parts are in the order of a round. Their names begin with the half that they
// belong to.
func parts() []part {
	return []part{
		{"sip-message", (*suite).sipMessages, 0},
		{"sip-call", (*suite).sipCalls, 0},
		{"sip-calm", (*suite).sipCalm, 0},
		{"sip-handshake", (*suite).sipHandshakes, 0},
		{"sip-burst", (*suite).sipBurst, 0},
		{"sip-idle", (*suite).sipIdle, 2},
		{"sip-scale", (*suite).sipScale, 2},
		{"sip-hostile", (*suite).sipHostile, 0},
		{"xmpp-streams", (*suite).streams, 0},
		{"xmpp-servers", (*suite).servers, 0},
		{"xmpp-idle", (*suite).idle, 0},
		{"xmpp-hostile", (*suite).hostile, 0},
	}
}

// does says whether a part was asked for, or the half that it belongs to.
func (p plan) does(name string) bool {
	return len(p.only) == 0 || slices.ContainsFunc(p.only, func(asked string) bool {
		return name == asked || strings.HasPrefix(name, asked+"-")
	})
}

// names are what can be asked for.
func names() []string {
	all := []string{"sip", "xmpp"}
	for _, p := range parts() {
		all = append(all, p.name)
	}
	return all
}

func (p plan) run(ctx context.Context, out io.Writer) (err error) {
	for _, name := range p.only {
		if !slices.Contains(names(), name) {
			return fmt.Errorf("there is no part %q: %v", name, names())
		}
	}
	// The programs run in a directory of their own.
	if p.edged, err = filepath.Abs(p.edged); err != nil {
		return err
	}
	if _, err := os.Stat(p.edged); err != nil {
		return errors.New("the binary is not there: make build")
	}
	if p.profile != "" {
		if p.profile, err = filepath.Abs(p.profile); err != nil {
			return err
		}
		if err := os.MkdirAll(p.profile, 0o755); err != nil { //nolint:gosec // for whoever reads profiles
			return err
		}
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
			if !s.does(part.name) || part.rounds > 0 && s.round >= part.rounds {
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
