package discovery

import (
	"encoding/binary"
	"fmt"
	"net/netip"
)

// block is one range of addresses that is not the public Internet.
type block struct {
	prefix netip.Prefix
	what   string
}

// blocks returns the ranges of the IANA special-purpose registries that lead
// into this host or this site, or to nobody in particular.
func blocks() []block {
	b := func(prefix, what string) block { return block{netip.MustParsePrefix(prefix), what} }
	return []block{
		b("0.0.0.0/8", "unspecified (RFC 1122)"),
		b("10.0.0.0/8", "private (RFC 1918)"),
		b("100.64.0.0/10", "carrier-grade NAT (RFC 6598)"),
		b("127.0.0.0/8", "loopback"),
		b("169.254.0.0/16", "link-local (RFC 3927)"),
		b("172.16.0.0/12", "private (RFC 1918)"),
		b("192.0.0.0/24", "reserved for protocols (RFC 6890)"),
		b("192.168.0.0/16", "private (RFC 1918)"),
		b("224.0.0.0/4", "multicast"),
		b("240.0.0.0/4", "reserved (RFC 1112)"),
		b("::/128", "unspecified"),
		b("::1/128", "loopback"),
		b("64:ff9b:1::/48", "local NAT64 (RFC 8215)"),
		b("fc00::/7", "unique local (RFC 4193)"),
		b("fe80::/10", "link-local"),
		b("fec0::/10", "site-local (RFC 3879)"),
		b("ff00::/8", "multicast"),
	}
}

// CheckAddr returns a *Error of kind Private if the address must not be dialled
// on the word of foreign DNS: loopback, private, link-local, carrier-grade NAT,
// unique local, unspecified, multicast and reserved ones, in IPv6 also the forms
// that carry such an IPv4 address (v4-mapped, v4-compatible, NAT64, 6to4, Teredo),
// unless a prefix of AllowPrivate holds it. A v4-mapped address counts as the IPv4
// address; the other forms must be allowed as they are, because they lead to
// another network than the IPv4 address they carry.
func (r *Resolver) CheckAddr(a netip.Addr) error {
	if !a.IsValid() {
		return &Error{Kind: Private, Name: "(no address)"}
	}
	plain := a.Unmap().WithZone("")
	for _, p := range r.allow {
		if p.Contains(plain) {
			return nil
		}
	}
	if what := r.special(plain); what != "" {
		return &Error{Kind: Private, Name: a.String(), Err: fmt.Errorf("%s; if it is meant, add it to dns.allow_private", what)}
	}
	carried, form := carriedIPv4(plain)
	if what := r.special(carried); what != "" {
		return &Error{Kind: Private, Name: a.String(), Err: fmt.Errorf("%s form of %s, %s; if it is meant, add it to dns.allow_private", form, carried, what)}
	}
	return nil
}

// special says what the address is if it is not a public one, else "".
func (r *Resolver) special(a netip.Addr) string {
	for _, b := range r.blocks {
		if b.prefix.Contains(a) {
			return b.what
		}
	}
	return ""
}

// carriedIPv4 takes the IPv4 address out of an IPv6 address that leads to it
// through a translator or a tunnel. The result is invalid if there is none.
func carriedIPv4(a netip.Addr) (v4 netip.Addr, form string) {
	if !a.Is6() {
		return netip.Addr{}, ""
	}
	b := a.As16()
	at := func(i int) netip.Addr { return netip.AddrFrom4([4]byte(b[i : i+4])) }
	switch {
	case binary.BigEndian.Uint64(b[:]) == 0x0064ff9b<<32 && binary.BigEndian.Uint32(b[8:]) == 0: // RFC 6052 §2.1
		return at(12), "NAT64"
	case binary.BigEndian.Uint64(b[:]) == 0 && binary.BigEndian.Uint32(b[8:]) == 0: // RFC 4291 §2.5.5.1
		return at(12), "v4-compatible"
	case b[0] == 0x20 && b[1] == 0x02: // RFC 3056 §2
		return at(2), "6to4"
	case binary.BigEndian.Uint32(b[:]) == 0x2001_0000: // RFC 4380 §4: the client's address, inverted
		return netip.AddrFrom4([4]byte{^b[12], ^b[13], ^b[14], ^b[15]}), "Teredo"
	}
	return netip.Addr{}, ""
}
