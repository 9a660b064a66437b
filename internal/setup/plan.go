package setup

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"slices"
	"strconv"

	"edged/pkg/domain"
)

// SystemDir is where packages put the configuration. Only one that lives there uses
// the system's other places, /var/lib/edged and /run/edged; any other folder holds
// everything itself.
const SystemDir = "/etc/edged"

// Options are what the operator says. Only Domains are required.
type Options struct {
	// Dir is where the files go; "" is SystemDir.
	Dir string
	// Domains are ours, the main one first.
	Domains []domain.Name
	// FQDN is the edge's own name outside: sip.<first domain> if zero, or
	// xmpp.<first domain> without SIP.
	FQDN domain.Name
	// InternalFQDN is its name inside: the machine's name if zero.
	InternalFQDN domain.Name
	// SIP and XMPP are what is federated: both if neither is set.
	SIP, XMPP bool
	// External and Internal are the addresses of the two sides, out of the machine's
	// if invalid.
	External, Internal netip.Addr
	// SIPPool and XMPPPool are our own servers, host names with or without a port.
	SIPPool, XMPPPool []string
	// Partners are listed in policy.yaml.
	Partners []domain.Name
	// Authority asks for the private authority that proves partners to XMPP pools.
	Authority bool
}

func (o *Options) speaksSIP() bool  { return o.SIP || !o.XMPP }
func (o *Options) speaksXMPP() bool { return o.XMPP || !o.SIP }

// The ports of the two protocols, and those that stand in for them inside where
// both sides have to share one address.
const (
	sipPort        = 5061
	sipSharedPort  = 5062
	xmppPort       = 5269
	xmppSharedPort = 5271
)

// values are what the templates are filled in with.
type values struct {
	FQDN, InternalFQDN domain.Name
	Domains            []domain.Name
	SIP, XMPP          bool
	Partners           []domain.Name

	External          []netip.Addr // one, or one of each family
	Public            []netip.Addr // External, if the Internet can reach it
	Internal          netip.Addr
	Shared            bool         // both sides have one address, or one of them has all
	Sources           netip.Prefix // the network that pools connect from
	Resolvers         []netip.AddrPort
	SIPPool, XMPPPool []string // host:port

	System           bool // the files are in SystemDir
	StateDir, Socket string

	// Guesses say, by the name of a value in the templates, why it is only a guess.
	Guesses map[string]string
}

// plan decides every value. Its errors say which flag to change.
func plan(o *Options, h *Host) (*values, error) {
	if len(o.Domains) == 0 {
		return nil, errors.New("which domain is this edge to speak for? Write --domain contoso.com")
	}
	v := &values{
		FQDN: o.FQDN, InternalFQDN: o.InternalFQDN, Domains: o.Domains, Partners: o.Partners,
		SIP: o.speaksSIP(), XMPP: o.speaksXMPP(), Resolvers: h.Resolvers, Guesses: make(map[string]string),
	}
	if err := v.distinct(); err != nil {
		return nil, err
	}
	v.places(o.Dir)
	v.sides(o, h)
	return v, errors.Join(v.names(h), v.pools(o, h))
}

// distinct refuses names that cannot stand together.
func (v *values) distinct() error {
	seen := make(map[domain.Name]bool)
	for _, d := range v.Domains {
		if seen[d] {
			return fmt.Errorf("--domain %s is written twice", d)
		}
		if _, below := d.Parent(); !below {
			return fmt.Errorf("--domain %s has no dot; write the whole name, such as %s.com", d, d)
		}
		seen[d] = true
	}
	for _, p := range v.Partners {
		if seen[p] {
			return fmt.Errorf("--partner %s: it is one of our own domains, or written twice", p)
		}
		seen[p] = true
	}
	return nil
}

// places are the folders that are not the configuration's.
func (v *values) places(dir string) {
	v.StateDir, v.Socket = "state", "admin.sock"
	if dir == "" || filepath.Clean(dir) == SystemDir {
		v.System, v.StateDir, v.Socket = true, "/var/lib/edged", "/run/edged/admin.sock"
	}
}

// names are the edge's own.
func (v *values) names(h *Host) error {
	label := "sip"
	if !v.SIP {
		label = "xmpp"
	}
	var errs [2]error
	if v.FQDN.IsZero() {
		v.FQDN, errs[0] = domain.Parse(label + "." + v.Domains[0].String())
	}
	if v.InternalFQDN.IsZero() {
		v.InternalFQDN = h.Name
	}
	if v.SIP && v.InternalFQDN.IsZero() {
		v.Guesses["internal_fqdn"] = "this host has no full name; write the one that pools know it by"
		v.InternalFQDN, errs[1] = domain.Parse("edge." + v.Domains[0].String())
	}
	return errors.Join(errs[:]...)
}

// sides choose the addresses that are listened on. Outside is where the Internet
// is: public addresses, or else those that the default route leaves from.
func (v *values) sides(o *Options, h *Host) {
	v.External = onePerFamily(h.Addresses, public)
	if v.Public = v.External; len(v.External) == 0 {
		v.External = h.Route
	}
	if o.External.IsValid() {
		v.External, v.Public = []netip.Addr{o.External}, nil
		if public(o.External) {
			v.Public = v.External
		}
	}
	if len(v.External) == 0 {
		v.External = []netip.Addr{netip.AddrFrom4([4]byte{127, 0, 0, 1})}
		v.Guesses["external"] = "this host has no address that others reach; write the one that partners connect to"
	}
	v.inside(o, h)
}

// inside is a private address that is not taken outside, or the very same one.
func (v *values) inside(o *Options, h *Host) {
	free := func(a netip.Addr) bool { return !public(a) && !slices.Contains(v.External, a) }
	if v.Internal = o.Internal; !v.Internal.IsValid() {
		if found := onePerFamily(h.Addresses, free); len(found) > 0 {
			v.Internal = found[0]
		} else {
			v.Internal = v.External[0]
			v.Guesses["internal"] = "this host has one address, so that pools use other ports of it; write an address inside if there is one"
		}
	}
	v.Shared = slices.Contains(v.External, v.Internal) || v.External[0].IsUnspecified() || v.Internal.IsUnspecified()
	v.Sources = netip.PrefixFrom(v.Internal, v.Internal.BitLen())
	for _, p := range h.Addresses {
		if p.Addr() == v.Internal {
			v.Sources = p.Masked()
		}
	}
	if v.Internal.IsLoopback() && v.Internal.Is4() {
		v.Sources = netip.PrefixFrom(netip.AddrFrom4([4]byte{127}), 8)
	}
	if v.Sources.IsSingleIP() {
		v.Guesses["sources"] = "the network of the pools is not known; write it"
	}
}

// onePerFamily returns the first IPv4 and the first IPv6 address that will do, in
// this order.
func onePerFamily(all []netip.Prefix, will func(netip.Addr) bool) []netip.Addr {
	var found []netip.Addr
	for _, v4 := range []bool{true, false} {
		i := slices.IndexFunc(all, func(p netip.Prefix) bool { return p.Addr().Is4() == v4 && will(p.Addr()) })
		if i >= 0 {
			found = append(found, all[i].Addr())
		}
	}
	return found
}

// public tells whether others on the Internet may reach the address: as far as the
// address says, since a firewall may stand before it.
func public(a netip.Addr) bool {
	shared := netip.PrefixFrom(netip.AddrFrom4([4]byte{100, 64}), 10) // RFC 6598
	return a.IsGlobalUnicast() && !a.IsPrivate() && !shared.Contains(a)
}

// pools are our own servers.
func (v *values) pools(o *Options, h *Host) error {
	var errs [2]error
	v.SIPPool, errs[0] = members("--sip-pool", o.SIPPool, sipPort)
	v.XMPPPool, errs[1] = members("--xmpp-pool", o.XMPPPool, xmppPort)
	if len(v.SIPPool) == 0 {
		v.SIPPool = h.Pool
	}
	if v.SIP && len(v.SIPPool) == 0 {
		v.Guesses["sip_pool"] = "nothing names our SIP servers; write them"
		v.SIPPool = []string{fmt.Sprintf("pool.%s:%d", v.Domains[0], sipPort)}
	}
	if v.XMPP && len(v.XMPPPool) == 0 {
		v.Guesses["xmpp_pool"] = "nothing names our XMPP servers; write them"
		v.XMPPPool = []string{fmt.Sprintf("xmpp1.%s:%d", v.Domains[0], xmppPort)}
	}
	return errors.Join(errs[:]...)
}

// members adds the port where it is missing.
func members(flag string, written []string, port uint16) ([]string, error) {
	var all []string
	for _, m := range written {
		host, text, err := net.SplitHostPort(m)
		if err != nil {
			host, text = m, fmt.Sprint(port)
		}
		// An address would not do: the server's certificate has to cover its name.
		if _, err := domain.Parse(host); err != nil {
			return nil, fmt.Errorf("%s %s: %w", flag, m, err)
		}
		if n, err := strconv.ParseUint(text, 10, 16); err != nil || n == 0 {
			return nil, fmt.Errorf("%s %s: %q is no port; write a number from 1 to 65535, or the host alone", flag, m, text)
		}
		all = append(all, net.JoinHostPort(host, text))
	}
	return all, nil
}
