package sipmsg

import (
	"bytes"
	"net/netip"
	"strings"
)

// URI is a SIP or SIPS URI in its parts, as written: nothing is unescaped, case
// is kept (RFC 3261 §19.1).
type URI struct {
	// Scheme is "sip", "sips" or another scheme in lower case.
	Scheme string
	// Opaque is everything after the colon for schemes other than sip and sips;
	// the fields below are empty then.
	Opaque []byte
	// User is the user part, still escaped, without the password; parameters
	// inside it (sip:alice;x@host) included.
	User []byte
	// Password is what follows the first colon of the userinfo.
	Password []byte
	// Host is a name, an IPv4 address, or an IPv6 address without its brackets.
	Host []byte
	// Port is 0 if the URI has none.
	Port uint16
	// Params are the URI parameters with their leading semicolon.
	Params []byte
	// Headers is what follows the question mark; not nil if there is one.
	Headers []byte

	ipv6 bool
}

// ParseURI reads a URI without angle brackets. Of schemes other than sip and sips
// only the scheme is told apart. A host in brackets must be an IPv6 address; the
// triple colon that a mistake in the RFC's grammar allows is tolerated (RFC 5118
// §4.10).
func ParseURI(b []byte) (URI, error) {
	var u URI
	if err := u.parse(b); err != nil {
		return URI{}, err
	}
	return u, nil
}

func (u *URI) parse(b []byte) error {
	colon := bytes.IndexByte(b, ':')
	if colon < 1 || !is(b[0], classAlpha) || !all(b[:colon], classScheme) {
		return grammarError("a URI starts with a scheme and a colon")
	}
	u.Scheme = scheme(b[:colon])
	rest := b[colon+1:]
	if u.Scheme != "sip" && u.Scheme != "sips" {
		if !all(rest, classURI) {
			return grammarError("a URI holds visible ASCII only")
		}
		u.Opaque = rest
		return nil
	}
	rest, err := u.cutUserinfo(rest)
	if err != nil {
		return err
	}
	if rest, err = u.cutHost(rest); err != nil {
		return err
	}
	return u.cutTail(rest)
}

func scheme(b []byte) string {
	switch {
	case equalFold(b, "sip"):
		return "sip"
	case equalFold(b, "sips"):
		return "sips"
	case equalFold(b, "tel"):
		return "tel"
	}
	return strings.ToLower(string(b))
}

// cutUserinfo reads up to the at sign, if there is one. A second one is refused:
// readers would disagree on the host.
func (u *URI) cutUserinfo(b []byte) ([]byte, error) {
	at := bytes.IndexByte(b, '@')
	if at < 0 {
		return b, nil
	}
	if bytes.IndexByte(b[at+1:], '@') >= 0 {
		return nil, grammarError("a SIP URI holds one @ at most, others are written %40")
	}
	user := run(b, 0, classUser)
	if user == 0 || b[user] != ':' && user != at {
		return nil, grammarError("the user part is empty or holds characters that must be escaped")
	}
	u.User = b[:user:user]
	if user < at {
		if end := user + 1 + run(b[user+1:at], 0, classUser); end != at {
			return nil, grammarError("the password holds characters that must be escaped")
		}
		u.Password = b[user+1 : at : at]
	}
	if !escapesValid(b[:at]) {
		return nil, grammarError("a percent sign must be followed by two hexadecimal digits")
	}
	return b[at+1:], nil
}

func escapesValid(b []byte) bool {
	for {
		i := bytes.IndexByte(b, '%')
		if i < 0 {
			return true
		}
		if i+2 >= len(b) || !isHex(b[i+1]) || !isHex(b[i+2]) {
			return false
		}
		b = b[i+3:]
	}
}

func isHex(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F'
}

// cutHost reads host and port.
func (u *URI) cutHost(b []byte) ([]byte, error) {
	host, ipv6, end, err := cutHost(b)
	if err != nil {
		return nil, err
	}
	u.Host, u.ipv6 = host, ipv6
	if end == len(b) || b[end] != ':' {
		return b[end:], nil
	}
	digits := run(b, end+1, classDigit)
	if u.Port, err = port(b[end+1 : digits]); err != nil {
		return nil, err
	}
	return b[digits:], nil
}

// cutHost reads a host name, an IPv4 address or a bracketed IPv6 address at the
// start of b; end is the offset after it.
func cutHost(b []byte) (host []byte, ipv6 bool, end int, err error) {
	if len(b) == 0 || b[0] != '[' {
		if end = run(b, 0, classHost); end == 0 {
			return nil, false, 0, grammarError("the host is missing")
		}
		return b[:end:end], false, end, nil
	}
	end = bytes.IndexByte(b, ']')
	if end < 0 {
		return nil, true, 0, grammarError("an IPv6 address must end with a bracket")
	}
	host = b[1:end:end]
	if _, ok := parseIPv6(host); !ok {
		return nil, true, 0, grammarError("the brackets hold no IPv6 address")
	}
	return host, true, end + 1, nil
}

func parseIPv6(b []byte) (netip.Addr, bool) {
	s := strings.Replace(string(b), ":::", "::", 1)
	ip, err := netip.ParseAddr(s)
	return ip, err == nil && ip.Is6() && ip.Zone() == ""
}

func port(b []byte) (uint16, error) {
	n, ok := number(b, 65535)
	if !ok || n == 0 {
		return 0, grammarError("a port is a number from 1 to 65535")
	}
	return uint16(n), nil //nolint:gosec // bounded above
}

// cutTail reads parameters and headers.
func (u *URI) cutTail(b []byte) error {
	if len(b) == 0 {
		return nil
	}
	if !all(b, classURI) {
		return grammarError("a URI holds visible ASCII only")
	}
	if q := bytes.IndexByte(b, '?'); q >= 0 {
		u.Headers = b[q+1 : len(b) : len(b)]
		b = b[:q:q]
	}
	if len(b) > 0 && b[0] != ';' {
		return grammarError("after host and port only parameters or headers may follow")
	}
	u.Params = b
	return nil
}

// Param returns the value of a URI parameter; name is in lower case. The value is
// nil without an equals sign. Escaped names are not recognised.
func (u URI) Param(name string) (value []byte, ok bool) {
	for rest := u.Params; len(rest) > 0; {
		rest = rest[1:]
		p := rest
		if i := bytes.IndexByte(rest, ';'); i >= 0 {
			p, rest = rest[:i], rest[i:]
		} else {
			rest = nil
		}
		key, value, found := bytes.Cut(p, []byte{'='})
		if !equalFold(key, name) {
			continue
		}
		if !found {
			return nil, true
		}
		return value, true
	}
	return nil, false
}

// HostIP returns the host as an address if it is one.
func (u URI) HostIP() (netip.Addr, bool) { return hostIP(u.Host, u.ipv6) }

func hostIP(host []byte, ipv6 bool) (netip.Addr, bool) {
	if ipv6 {
		return parseIPv6(host)
	}
	if len(host) == 0 || !is(host[len(host)-1], classDigit) || len(host) > len("255.255.255.255") {
		return netip.Addr{}, false
	}
	ip, err := netip.ParseAddr(string(host))
	return ip, err == nil && ip.Is4()
}
