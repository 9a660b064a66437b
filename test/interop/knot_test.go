package interop

import (
	"testing"

	"github.com/miekg/dns"
)

// startDNS runs knot with the zone of the whole world.
func (w *world) startDNS(t *testing.T) {
	t.Helper()
	w.serveZone(t, "world.zone", nil)
}

// serveZone runs knot with that template of a zone, which fits data.
func (w *world) serveZone(t *testing.T, zone string, data any) {
	t.Helper()
	bin := findBinary(t, "knotd")
	w.render(t, zone, "world.zone", data)
	conf := w.render(t, "knot.conf", "knot.conf", w.port53)
	p := w.start(t, "knot", bin, "-c", conf)

	question := new(dns.Msg)
	question.SetQuestion("ns.test.", dns.TypeA)
	await(t, "knot to answer", func() bool {
		if p.ended() {
			t.Fatalf("knot ended: %v", p.err)
		}
		answer, err := dns.Exchange(question, w.place("ns.test").String())
		return err == nil && len(answer.Answer) == 1
	})
}
