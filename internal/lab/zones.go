package lab

import (
	"fmt"
	"net/netip"

	"edged/internal/lab/zone"
)

func (w *World) startZone() error {
	z := zone.Zone{TTL: 60, NegativeTTL: 60, SRV: map[string][]zone.SRV{}, A: map[string][]netip.Addr{}}
	for _, p := range cast() {
		if addr, err := netip.ParseAddrPort(w.peers[p.name].Addr()); err == nil {
			z.A[p.host] = []netip.Addr{addr.Addr()}
		}
	}
	for _, s := range services() {
		peer := w.peers[s.player]
		target := s.target
		if target == "" {
			target = peer.Host()
		}
		record := srvName(s.domain)
		if s.name != "" {
			record = s.name + "." + s.domain
		}
		z.SRV[record] = []zone.SRV{{Port: peer.Port(), Target: target}}
	}
	w.addChats(&z)
	addTrouble(&z)
	server, err := zone.Serve(z)
	if err != nil {
		return fmt.Errorf("lab: %w", err)
	}
	w.Zone = server
	w.undo = append(w.undo, func() { _ = server.Close() })
	return nil
}

// addTrouble adds the domains whose DNS is not as it should be.
// no-record.example has none at all.
func addTrouble(z *zone.Zone) {
	loopback := netip.MustParseAddr("127.0.0.1")
	z.Failing = map[string]bool{srvName("failing.example"): true, zone.XMPP("failing.example"): true, zone.XMPPS("failing.example"): true}
	z.SRV[srvName("no-address.example")] = []zone.SRV{{Port: 5061, Target: "sip.no-address.example"}}
	z.SRV[srvName("refused.example")] = []zone.SRV{{Port: closedPort, Target: "sip.refused.example"}}
	z.A["sip.refused.example"] = []netip.Addr{loopback}
	z.SRV[srvName("private.example")] = []zone.SRV{{Port: 5061, Target: "sip.private.example"}}
	z.A["sip.private.example"] = []netip.Addr{netip.MustParseAddr("10.0.0.9")}
	z.A["fe1.kr.contoso.com"] = []netip.Addr{loopback}
	z.SRV[zone.XMPP("private.example")] = []zone.SRV{{Port: 5269, Target: "sip.private.example"}}
	z.SRV[zone.XMPP("refused.example")] = []zone.SRV{{Port: closedPort, Target: "sip.refused.example"}}
}

func srvName(domain string) string { return "_sipfederationtls._tcp." + domain }
