package interop

import (
	"fmt"
	"strings"
	"testing"
)

// play is one SIPp scenario between a caller and a callee.
type play struct {
	scenario string // testdata/SCENARIO-caller.xml and -callee.xml
	method   string // for scenarios that leave it open
}

// plays are all scenarios; each runs in both directions.
func plays() []play {
	return []play{
		{"request", "MESSAGE"},
		{"request", "OPTIONS"},
		{"request", "PUBLISH"},
		{"request", "FOOBAR"},
		{"call", "INVITE"},
		{"cancel", "INVITE"},
		{"subscribe", "SUBSCRIBE"},
	}
}

func (p play) name() string {
	if p.scenario == "request" {
		return p.method
	}
	return p.scenario
}

// run plays the scenario once, from a user of one server to a user of another,
// and fails the test unless both sides saw all they expect.
func (p play) run(t *testing.T, w *world, from, to *server) {
	t.Helper()
	id := fmt.Sprintf("%s-%s-to-%s", p.name(), from.domain, to.domain)
	// The servers need no location service: the request says, in a header
	// that everybody has to leave alone, where the callee is.
	callee := w.place("callee." + id)
	caller := w.place("caller." + id)
	values := map[string]string{
		"Method": p.method, "From": from.user, "To": to.user,
		"Deliver": fmt.Sprintf("sip:%v;transport=tcp", callee),
	}
	uas := w.startSIPp(t, id+"-callee", p.scenario+"-callee.xml", "callee."+id, values)
	uas.awaitListening(t, callee)
	uac := w.startSIPp(t, id+"-caller", p.scenario+"-caller.xml", "caller."+id, values, w.place(from.users).String())
	for _, side := range []*process{uac, uas} {
		if err := side.wait(); err != nil {
			t.Errorf("%s at %v: %v", side.name, caller, err)
		}
	}
}

// startSIPp runs one side of a scenario for one call.
func (w *world) startSIPp(t *testing.T, name, scenario, place string, values map[string]string, remote ...string) *process {
	t.Helper()
	bin := findBinary(t, "sipp")
	file := w.render(t, scenario, strings.ReplaceAll(name, "/", "-")+".xml", values)
	at := w.place(place)
	addr := at.Addr().String()
	args := []string{
		"-sf", file, "-m", "1", "-nostdin", "-t", "t1",
		"-i", addr, "-p", fmt.Sprint(at.Port()), "-ci", addr, "-mi", addr,
		"-recv_timeout", "8000", "-timeout", "12s", "-timeout_error",
		"-trace_err", "-error_file", w.logFile(t, name+".err"),
		"-trace_msg", "-message_file", w.logFile(t, name+".msg"),
	}
	return w.start(t, name, bin, append(args, remote...)...)
}
