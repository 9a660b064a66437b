package lab

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"edged/internal/lab/sippeer"
)

// judge compares what happened with what the lab expects, and with what must
// hold for every message whatever the verdict.
func (s *stage) judge(r Result) []string {
	wrong := s.faults
	differ := func(what string, want, got any) {
		if want != got {
			wrong = append(wrong, fmt.Sprintf("%s: expected %v, got %v", what, want, got))
		}
	}
	differ("reason", s.want.reason.String(), r.Reason)
	differ("rule", s.want.rule, r.Rule)
	if s.want.alert != "" {
		if !strings.Contains(r.Wire, s.want.alert) {
			differ("wire", s.want.alert, r.Wire)
		}
		return wrong
	}
	differ("answer", wantedAnswer(s.want), s.answered())
	differ("arrived at", s.wantedDesks(), strings.Join(s.reached(), ", "))
	return append(wrong, s.leaks()...)
}

// wantedAnswer is the answer in the form that answered has.
func wantedAnswer(w want) string {
	if w.status == 0 {
		return "none"
	}
	if w.inside != 0 {
		return fmt.Sprintf("%d (inside %d)", w.status, w.inside)
	}
	return strconv.Itoa(w.status)
}

// answered is the final answer that the sender got.
func (s *stage) answered() string {
	if s.outcome == nil {
		return "nothing sent"
	}
	if m := s.outcome.Final(); m != nil {
		return answerText(m)
	}
	if err := s.outcome.Err; err != nil && !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, context.Canceled) {
		return endText(err)
	}
	return "none"
}

func (s *stage) wantedDesks() string {
	if s.want.arrives() {
		return s.desk()
	}
	return ""
}

// leaks returns what crossed the edge and must not: headers that speak about the
// inside, seen outside, and headers that only the edge may write, seen inside.
func (s *stage) leaks() []string {
	var found []string
	if !s.outward() && s.outcome != nil {
		for _, m := range s.outcome.Responses {
			found = append(found, private(m, "answer outside")...)
		}
	}
	for name, d := range s.w.desks {
		for _, m := range d.Arrived(s.id) {
			if name == "front" {
				found = append(found, trusted(m)...)
			} else {
				found = append(found, private(m, "request outside")...)
			}
		}
	}
	return found
}

// private finds headers that never leave the house (spec-sip §7 I6, §8.7).
func private(m *sippeer.Message, where string) []string {
	var found []string
	for _, name := range []string{"ms-diagnostics", "ms-edge-proxy-message-trust"} {
		if m.Has(name) {
			found = append(found, where+": carries "+name)
		}
	}
	return found
}

// trusted checks that a request from outside is marked once, by the edge.
func trusted(m *sippeer.Message) []string {
	marks := m.All("ms-edge-proxy-message-trust")
	if slices.Contains([]string{"ACK", "CANCEL"}, m.Method()) {
		return nil
	}
	if len(marks) != 1 || !strings.Contains(marks[0], "ms-ep-fqdn=") {
		return []string{fmt.Sprintf("request inside: ms-edge-proxy-message-trust is %q", marks)}
	}
	return nil
}
