package sipmsg

import "net/netip"

// ViaValue is one value of a Via field, normally the topmost (RFC 3261 §20.42).
type ViaValue struct {
	// Transport as written, such as TLS.
	Transport []byte
	// Host of sent-by; an IPv6 address without its brackets.
	Host []byte
	// Port of sent-by, 0 if it has none.
	Port uint16
	// Params are the parameters with their leading semicolon.
	Params []byte

	ipv6 bool
}

// magicCookie starts every branch made by RFC 3261 (§8.1.1.7).
const magicCookie = "z9hG4bK"

// ParseVia reads one Via value. The protocol must be SIP/2.0; white space and
// folds may stand wherever the grammar has them. A branch that is nothing but the
// magic cookie is refused: it identifies no transaction.
func ParseVia(v []byte) (ViaValue, error) {
	start, end := trim(v, 0, len(v))
	var via ViaValue
	n, err := via.parse(v[start:end])
	if err == nil && start+n < end {
		err = grammarError("after sent-by only parameters may follow")
	}
	if err != nil {
		return ViaValue{}, err
	}
	return via, nil
}

// parse reads the first value of v, which starts with it, up to the end or a
// comma, and returns where that is.
func (via *ViaValue) parse(v []byte) (int, error) {
	i, err := via.cutProtocol(v)
	if err != nil {
		return 0, err
	}
	if i, err = via.cutSentBy(v, i); err != nil {
		return 0, err
	}
	branch, end, err := readParams(v, i, "branch")
	if err != nil {
		return 0, err
	}
	if string(branch) == magicCookie {
		return 0, grammarError("a branch needs more than the magic cookie")
	}
	_, last := trim(v, i, end)
	via.Params = v[i:last:last]
	return end, nil
}

// cutProtocol reads SIP/2.0/TRANSPORT and the white space after it.
func (via *ViaValue) cutProtocol(v []byte) (int, error) {
	name, i := cutToken(v, 0)
	version, i := cutToken(v, skipSlash(v, i))
	if !equalFold(name, "sip") || string(version) != "2.0" {
		return 0, grammarError("the protocol must be SIP/2.0")
	}
	transport, i := cutToken(v, skipSlash(v, i))
	next := skipLWS(v, i)
	if len(transport) == 0 || next == i {
		return 0, grammarError("the transport and white space are missing")
	}
	via.Transport = transport
	return next, nil
}

func cutToken(b []byte, i int) ([]byte, int) {
	end := run(b, i, classToken)
	return b[i:end:end], end
}

// skipSlash returns the offset after a slash and the white space around it, or
// the end of b, where no token follows.
func skipSlash(b []byte, i int) int {
	i = skipLWS(b, i)
	if i >= len(b) || b[i] != '/' {
		return len(b)
	}
	return skipLWS(b, i+1)
}

// cutSentBy reads host and port.
func (via *ViaValue) cutSentBy(v []byte, i int) (int, error) {
	host, ipv6, n, err := cutHost(v[i:])
	if err != nil {
		return 0, err
	}
	via.Host, via.ipv6 = host, ipv6
	i = skipLWS(v, i+n)
	if i >= len(v) || v[i] != ':' {
		return i, nil
	}
	i = skipLWS(v, i+1)
	digits := run(v, i, classDigit)
	if via.Port, err = port(v[i:digits]); err != nil {
		return 0, err
	}
	return skipLWS(v, digits), nil
}

// SentBy returns host and port; the port is 0 if none is written.
func (via ViaValue) SentBy() (host []byte, port uint16) { return via.Host, via.Port }

// HostIP returns the host of sent-by as an address if it is one.
func (via ViaValue) HostIP() (netip.Addr, bool) { return hostIP(via.Host, via.ipv6) }

// Branch returns the branch parameter; nil if there is none (RFC 2543).
func (via ViaValue) Branch() []byte {
	branch, _ := via.Param("branch")
	return branch
}

// Param returns the value of a parameter; name is in lower case. The value is nil
// without an equals sign, a quoted one keeps its quotes.
func (via ViaValue) Param(name string) (value []byte, ok bool) { return findParam(via.Params, name) }
