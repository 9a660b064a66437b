package config

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"edged/pkg/domain"
)

// Protocol names a protocol in `protocols:`.
type Protocol string

// The protocols of Domain.Protocols.
const (
	SIPProtocol  Protocol = "sip"
	XMPPProtocol Protocol = "xmpp"
)

// UnmarshalText accepts the listed words and nothing else.
func (p *Protocol) UnmarshalText(b []byte) error { return oneOf(p, b, SIPProtocol, XMPPProtocol) }

// CRLMode says what follows from a stale or missing CRL.
type CRLMode string

// The CRL modes.
const (
	// CRLOptional reports it and lets peers in.
	CRLOptional CRLMode = "optional"
	// CRLRequired refuses the peers it would have covered.
	CRLRequired CRLMode = "required"
)

// UnmarshalText accepts the listed words and nothing else.
func (m *CRLMode) UnmarshalText(b []byte) error { return oneOf(m, b, CRLOptional, CRLRequired) }

// AuthorityMode is how the edge proves partner domains to an XMPP pool.
type AuthorityMode string

// The modes of an authority.
const (
	// Mint issues certificates from a private CA that only the pool trusts.
	Mint AuthorityMode = "mint"
	// Dialback answers for the partners by XEP-0220.
	Dialback AuthorityMode = "dialback"
)

// UnmarshalText accepts the listed words and nothing else.
func (m *AuthorityMode) UnmarshalText(b []byte) error { return oneOf(m, b, Mint, Dialback) }

// AuditUsers is how users are shown in the audit stream.
type AuditUsers string

// The ways to show users.
const (
	HashUsers AuditUsers = "hash"
	CutUsers  AuditUsers = "cut"
	ShowUsers AuditUsers = "show"
)

// UnmarshalText accepts the listed words and nothing else.
func (u *AuditUsers) UnmarshalText(b []byte) error {
	return oneOf(u, b, HashUsers, CutUsers, ShowUsers)
}

// oneOf sets *v to the one of words that b is.
func oneOf[T ~string](v *T, b []byte, words ...T) error {
	for _, w := range words {
		if string(b) == string(w) {
			*v = w
			return nil
		}
	}
	return fmt.Errorf("%q is unknown; write %s", b, alternatives(words))
}

// alternatives joins words for a sentence: "a, b or c".
func alternatives[T ~string](words []T) string {
	var s strings.Builder
	for i, w := range words {
		switch {
		case i > 0 && i == len(words)-1:
			s.WriteString(" or ")
		case i > 0:
			s.WriteString(", ")
		}
		s.WriteString(string(w))
	}
	return s.String()
}

// UnmarshalText reads the plain form of a domain: its name.
func (d *Domain) UnmarshalText(b []byte) error { return d.Name.UnmarshalText(b) }

// Network is an IP network written as address/bits.
type Network struct{ netip.Prefix }

// UnmarshalText refuses bits set after the prefix: 10.0.0.5/24 is either a
// network or a host, and nobody can tell which.
func (n *Network) UnmarshalText(b []byte) error {
	p, err := netip.ParsePrefix(string(b))
	if err != nil {
		return fmt.Errorf("%q is no network; write one such as 10.0.0.0/24 or fd00::/8", b)
	}
	if p != p.Masked() {
		return fmt.Errorf("%s has bits set beyond its /%d; write %s", p, p.Bits(), p.Masked())
	}
	n.Prefix = p
	return nil
}

// Prefixes returns networks in the form that other packages take.
func Prefixes(networks []Network) []netip.Prefix {
	all := make([]netip.Prefix, len(networks))
	for i, n := range networks {
		all[i] = n.Prefix
	}
	return all
}

// Address is where to listen: an IP address with a port, or a socket that the
// service manager hands over. The zero Address means nowhere.
type Address struct {
	// FD is the name of handed-over sockets: `fd:NAME`.
	FD string
	// FDPort picks those of that name at one port: `fd:NAME:PORT`. 0: all of them.
	FDPort uint16
	// Addr is valid if FD is empty. A port without address is the wildcard of both
	// families.
	Addr netip.AddrPort
}

// UnmarshalText reads `address:port`, `:port`, `fd:NAME` or `fd:NAME:PORT`. Port 0,
// any free port, is accepted on loopback only: elsewhere nobody could find it.
func (a *Address) UnmarshalText(b []byte) error {
	s := string(b)
	if socket, ok := strings.CutPrefix(s, "fd:"); ok {
		return a.unmarshalFD(socket)
	}
	if strings.HasPrefix(s, ":") {
		s = "[::]" + s
	}
	addr, err := parseAddrPort(s, 5061)
	if err != nil {
		return err
	}
	if addr.Port() == 0 && !addr.Addr().IsLoopback() {
		return fmt.Errorf("%q has port 0, which is for loopback only; write the port", b)
	}
	*a = Address{Addr: addr}
	return nil
}

// unmarshalFD reads what follows `fd:`.
func (a *Address) unmarshalFD(socket string) error {
	name, digits, picks := strings.Cut(socket, ":")
	if name == "" || strings.ContainsAny(name, " \t/") {
		return fmt.Errorf("%q names no socket; write fd:NAME with the FileDescriptorName of the socket unit", "fd:"+socket)
	}
	port, err := strconv.ParseUint(digits, 10, 16)
	if picks && (err != nil || port == 0) {
		return fmt.Errorf("%q has no valid port; write fd:%s:PORT, or fd:%s for all sockets of that name", "fd:"+socket, name, name)
	}
	*a = Address{FD: name, FDPort: uint16(port)}
	return nil
}

// parseAddrPort is netip.ParseAddrPort with errors for people, whose examples
// have the given port.
func parseAddrPort(s string, port uint16) (netip.AddrPort, error) {
	addr, err := netip.ParseAddrPort(s)
	if err == nil {
		return addr, nil
	}
	if ip, bare := netip.ParseAddr(s); bare == nil {
		return addr, fmt.Errorf("%q has no port; write one, such as %s", s, netip.AddrPortFrom(ip, port))
	}
	return addr, fmt.Errorf("%q is no IP address with a port; write one such as 192.0.2.1:%d or [2001:db8::1]:%d", s, port, port)
}

// MarshalText writes what UnmarshalText reads.
func (a Address) MarshalText() ([]byte, error) { return []byte(a.String()), nil }

// String is "fd:NAME", "fd:NAME:PORT", "address:port", or "" if there is none.
func (a Address) String() string {
	switch {
	case a.FDPort != 0:
		return fmt.Sprintf("fd:%s:%d", a.FD, a.FDPort)
	case a.FD != "":
		return "fd:" + a.FD
	case a.Addr.IsValid():
		return a.Addr.String()
	}
	return ""
}

// IsZero tells that there is nowhere to listen.
func (a Address) IsZero() bool { return a == Address{} }

// overlaps tells whether both cannot be listened on at the same time: the same
// socket, or the same port with one address covering the other. A port that is
// still to be chosen overlaps nothing.
func (a Address) overlaps(b Address) bool {
	if a.FD != "" || b.FD != "" {
		return a.FD == b.FD && (a.FDPort == b.FDPort || a.FDPort == 0 || b.FDPort == 0)
	}
	if a.Addr.Port() != b.Addr.Port() || a.Addr.Port() == 0 {
		return false
	}
	x, y := a.Addr.Addr().Unmap(), b.Addr.Addr().Unmap()
	return x == y || covers(x, y) || covers(y, x)
}

// covers tells whether listening on the wildcard address w also takes what is
// sent to x. The IPv6 wildcard takes IPv4 too.
func covers(w, x netip.Addr) bool {
	return w.IsUnspecified() && (w.Is6() || x.Is4())
}

// Listen is a listener: where, or a mapping that adds to it.
type Listen struct {
	// Address is where. Required.
	Address Address `yaml:"listen"`
	// ProxyProtocol are the networks of load balancers. A connection from there has
	// to begin with a PROXY header, of version 1 or 2, and counts and is logged as one
	// from the address that it announces. Nobody else is believed. Default: none.
	ProxyProtocol []Network `yaml:"proxy_protocol"`
}

// UnmarshalText reads the plain form.
func (l *Listen) UnmarshalText(b []byte) error { return l.Address.UnmarshalText(b) }

// errMember says what a pool member looks like.
var errMember = errors.New("write host:port, such as fe1.corp.contoso.com:5061")

// parseMember splits a pool member into its host, which is a name or an IP
// address, and its port.
func parseMember(s string) (host domain.Name, addr netip.Addr, err error) {
	i := strings.LastIndexByte(s, ':')
	if ap, bad := netip.ParseAddrPort(s); bad == nil && ap.Port() != 0 {
		return domain.Name{}, ap.Addr(), nil
	}
	if _, bare := netip.ParseAddr(s); bare == nil || i < 0 {
		return domain.Name{}, netip.Addr{}, fmt.Errorf("%q has no port; %w", s, errMember)
	}
	if port, bad := strconv.ParseUint(s[i+1:], 10, 16); bad != nil || port == 0 {
		return domain.Name{}, netip.Addr{}, fmt.Errorf("%q has no valid port; %w", s, errMember)
	}
	if host, err = domain.Parse(s[:i]); err != nil {
		return domain.Name{}, netip.Addr{}, fmt.Errorf("the host of %q: %w", s, err)
	}
	return host, netip.Addr{}, nil
}
