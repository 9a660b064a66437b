package records

import (
	"fmt"
	"net/netip"
	"slices"

	"edged/internal/config"
	"edged/pkg/discovery"
	"edged/pkg/domain"
)

// ttl is what records are printed with, in seconds: short enough to move a service
// within the hour.
const ttl = 3600

// Plan is what a configuration wants published.
type Plan struct {
	Services []Service // SRV records, domain by domain
	Hosts    []Host    // address records of the hosts that they lead to, outside
	Inside   []Host    // address records for our own servers, in the DNS inside
	Outside  []Proof   // the names that tls.certificates have to cover
	Within   []Proof   // and sip.internal.certificate
	Notes    []Note    // what is doubtful in the configuration itself
}

// Service is one SRV record.
type Service struct {
	Service  string // such as discovery.SIPFederation
	Domain   domain.Name
	Target   domain.Name
	Port     uint16
	Protocol config.Protocol
	Direct   bool // TLS from the first byte; false is STARTTLS, in XMPP
}

// Owner is the record's own name.
func (s *Service) Owner() string { return s.Service + "." + s.Domain.String() }

// Host is a name with the addresses that it should have.
type Host struct {
	Name      domain.Name
	Addresses []netip.Addr
	For       string
}

// Proof is a name that a certificate has to cover.
type Proof struct {
	Name domain.Name `json:"name"`
	For  string      `json:"for"`
}

// Note is a doubt, with what would be right.
type Note struct {
	Text string `json:"text"`
	Cure string `json:"cure"`
}

// New derives the plan of a configuration.
func New(c *config.Config) *Plan {
	p := &Plan{}
	for i := range c.Domains {
		p.sip(c, i)
		p.xmpp(c, i)
	}
	if c.SIP.Serves() {
		p.prove(c.FQDN, "this edge's own name, by which direct partners know it")
	}
	p.host(c, c.FQDN, "this edge's own name, in Via and Record-Route")
	p.inside(c)
	if len(publicAddresses(c)) == 0 {
		p.Notes = append(p.Notes, Note{
			"public_addresses is not set, and this edge listens on no public address",
			"write in public_addresses what partners are to connect to",
		})
	}
	return p
}

// sip adds what the i-th domain wants for SIP.
func (p *Plan) sip(c *config.Config, i int) {
	d := &c.Domains[i]
	if !c.SIP.Serves() || !d.Speaks(config.SIPProtocol) {
		return
	}
	p.Services = append(p.Services, Service{
		Service: discovery.SIPFederation, Domain: d.Name, Target: d.SIP,
		Port: port(c.SIP.External.Listen, 5061), Protocol: config.SIPProtocol, Direct: true,
	})
	p.host(c, d.SIP, "where the SIP record leads")
	p.prove(d.SIP, "SIP of "+d.Name.String())
	if d.SIP != d.Name && !d.SIP.DirectlyUnder(d.Name) {
		p.Notes = append(p.Notes, Note{
			fmt.Sprintf("domains[%d].sip: %s does not lie directly in %s, so that partners which find it by SRV refuse it", i, d.SIP, d.Name),
			fmt.Sprintf("write a host such as sip.%s", d.Name),
		})
	}
}

// xmpp does so for XMPP.
func (p *Plan) xmpp(c *config.Config, i int) {
	d, x := &c.Domains[i], &c.XMPP.External
	if !c.XMPP.Serves() || !d.Speaks(config.XMPPProtocol) {
		return
	}
	s := Service{Domain: d.Name, Target: d.XMPP, Protocol: config.XMPPProtocol}
	if len(x.Listen) > 0 {
		s.Service, s.Port = discovery.XMPPServer, port(x.Listen, 5269)
		p.Services = append(p.Services, s)
	}
	if len(x.DirectTLS) > 0 {
		s.Service, s.Port, s.Direct = discovery.XMPPSServer, port(x.DirectTLS, 5270), true
		p.Services = append(p.Services, s)
	}
	p.host(c, d.XMPP, "where the XMPP records lead")
	p.prove(d.Name, "XMPP of "+d.Name.String())
}

// host adds a host with our addresses, once.
func (p *Plan) host(c *config.Config, name domain.Name, why string) {
	if !slices.ContainsFunc(p.Hosts, func(h Host) bool { return h.Name == name }) {
		p.Hosts = append(p.Hosts, Host{name, publicAddresses(c), why})
	}
}

// prove adds a name that our certificates have to cover, once.
func (p *Plan) prove(name domain.Name, why string) {
	for i := range p.Outside {
		if p.Outside[i].Name == name {
			p.Outside[i].For += ", " + why
			return
		}
	}
	p.Outside = append(p.Outside, Proof{name, why})
}

// inside adds what our own servers have to find.
func (p *Plan) inside(c *config.Config) {
	s := &c.SIP.Internal
	if !c.SIP.Serves() {
		return
	}
	p.Within = []Proof{{s.FQDN, "the SIP pools"}}
	p.Inside = []Host{{s.FQDN, listenAddresses(s.Listen), "the way out for the SIP pools"}}
}

// publicAddresses are those that partners connect to: as configured, or else the
// public ones that are listened on.
func publicAddresses(c *config.Config) []netip.Addr {
	if len(c.PublicAddresses) > 0 {
		return c.PublicAddresses
	}
	all := listenAddresses(slices.Concat(c.SIP.External.Listen, c.XMPP.External.Listen, c.XMPP.External.DirectTLS))
	return slices.DeleteFunc(all, func(a netip.Addr) bool { return a.IsPrivate() || a.IsLoopback() })
}

// listenAddresses are those of the listeners, apart from wildcards, each once.
func listenAddresses(listen []config.Listen) []netip.Addr {
	var all []netip.Addr
	for i := range listen {
		a := listen[i].Address.Addr.Addr().Unmap()
		if a.IsValid() && !a.IsUnspecified() && !slices.Contains(all, a) {
			all = append(all, a)
		}
	}
	return all
}

// port is where the first of the listeners is, or the usual one where only the
// service manager knows.
func port(listen []config.Listen, usual uint16) uint16 {
	for i := range listen {
		a := listen[i].Address
		if a.FDPort != 0 {
			return a.FDPort
		}
		if p := a.Addr.Port(); p != 0 {
			return p
		}
	}
	return usual
}
