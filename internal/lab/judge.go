package lab

import (
	"fmt"
	"strconv"
	"strings"

	"edged/internal/lab/sippeer"
)

// judge compares what happened with what the lab expects, and with what must
// hold for every message whatever the verdict.
func (s *stage) judge(r result) []string {
	wrong := s.faults
	differ := func(what, want, got string) {
		if want != got {
			wrong = append(wrong, fmt.Sprintf("%s: expected %q, got %q", what, want, got))
		}
	}
	differ("reason", s.want.reasonText(), r.Reason)
	differ("rule", s.want.rule, r.Rule)
	differ("answer", wantedWire(s.want), r.Wire)
	differ("arrived at", s.wantedDesks(), strings.Join(s.reached(), ", "))
	wrong = append(wrong, s.changes()...)
	return append(wrong, s.leaks()...)
}

// wantedWire is what the sender should see, in the form that wire has.
func wantedWire(w want) string {
	switch {
	case w.conn != "":
		return w.conn
	case w.status == 0:
		return noAnswer
	case w.inside != 0:
		return fmt.Sprintf("%d (inside %d)", w.status, w.inside)
	}
	return strconv.Itoa(w.status)
}

func (s *stage) wantedDesks() string {
	if s.want.arrives() {
		return s.desk()
	}
	return ""
}

// leaks returns what crossed the edge and must not: headers that speak about the
// inside, seen outside, and requests that do not say where they come from, seen
// inside.
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
				found = append(found, marked(m)...)
			} else {
				found = append(found, private(m, "request outside")...)
			}
		}
	}
	return found
}

// private finds headers that never leave the house.
func private(m *sippeer.Message, where string) []string {
	var found []string
	for _, name := range []string{"ms-diagnostics", "ms-edge-proxy-message-trust"} {
		if m.Has(name) {
			found = append(found, where+": carries "+name)
		}
	}
	return found
}

// marked checks that a request from outside says so to the inside, once and in
// the edge's words. CANCEL, and the ACK of a refused INVITE, are the edge's own.
func marked(m *sippeer.Message) []string {
	marks := m.All("ms-edge-proxy-message-trust")
	if m.Method() == "CANCEL" || m.Method() == "ACK" || len(marks) == 1 && strings.Contains(marks[0], "ms-ep-fqdn="+insideName) {
		return nil
	}
	return []string{fmt.Sprintf("%s inside: ms-edge-proxy-message-trust is %q", m.Method(), marks)}
}

// changes compares the request as it arrived with the request as it was sent: a
// relay keeps bytes. What a proxy writes itself is left out.
func (s *stage) changes() []string {
	d := s.w.desks[s.desk()]
	if s.sent == nil || d == nil || !s.want.arrives() {
		return nil
	}
	for _, got := range d.Arrived(s.id) {
		if got.Method() == s.method && got.Get("CSeq") == s.sent.Get("CSeq") {
			return s.compare(got)
		}
	}
	return nil // that it did not arrive is said elsewhere
}

func (s *stage) compare(got *sippeer.Message) []string {
	var found []string
	if a, b := core(s.sent), core(got); a != b {
		found = append(found, fmt.Sprintf("request arrived changed: sent %q, got %q", a, b))
	}
	if a, b := hops(s.sent), hops(got); a != b+1 {
		found = append(found, fmt.Sprintf("Max-Forwards: sent %d, got %d", a, b))
	}
	if s.check == nil {
		return found
	}
	if text := s.check(s.sent, got); text != "" {
		found = append(found, text)
	}
	return found
}

// hops is Max-Forwards, or -1.
func hops(m *sippeer.Message) int {
	n, err := strconv.Atoi(m.Get("Max-Forwards"))
	if err != nil {
		return -1
	}
	return n
}

// core is what of a request no proxy may change (RFC 3261 §16.6), without the
// headers that scenarios check on their own.
func core(m *sippeer.Message) string {
	var b strings.Builder
	b.WriteString(m.Start)
	for _, f := range m.Fields {
		switch f.Name {
		case "Via", "Max-Forwards", "Max-Breadth", "Record-Route", "Route", "Content-Length",
			"P-Asserted-Identity", "Authorization", "ms-edge-proxy-message-trust", verification, splitDomain, "X-Archiving-Notice", "User-Agent", "Warning":
		default:
			b.WriteString("\n" + f.Name + ": " + f.Value)
		}
	}
	return b.String() + "\n\n" + m.Body
}
