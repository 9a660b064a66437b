package sipfed

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"hash/fnv"
	"strconv"

	"edged/pkg/sipfed/sipmsg"
	"edged/pkg/verdict"
)

// branchMark begins every branch of this edge after the magic cookie of
// RFC 3261 §8.1.1.7; the loop hash and a unique part follow.
const branchMark = "z9hG4bKed-"

// loopHashLen is the length of a loop hash in a branch: 8 bytes in base64.
const loopHashLen = 11

// named reports whether a host in a URI means this edge on this side.
func (f *Face) named(host []byte) bool {
	var room [64]byte
	name := room[:0]
	for _, b := range host {
		name = append(name, lower(b))
	}
	return f.Names[string(name)]
}

// destination is a URI that a request may go to.
type destination struct {
	text []byte
	uri  sipmsg.URI
}

// routeTarget reads the URI of a Route or Record-Route value.
func routeTarget(v sipmsg.Value) (destination, error) {
	addr, err := sipmsg.ParseAddress(v.Text)
	if err != nil {
		return destination{}, err
	}
	uri, err := sipmsg.ParseURI(addr.URI)
	return destination{addr.URI, uri}, err
}

// takeOwnRoutes finds our own values on top of Route (RFC 3261 §16.4, RFC 5658
// §5: two of them where a request crosses), the token in them, and what follows.
//
// A third token is that of another crossing: where users of ours are hosted at a
// provider, what partners write to them crosses twice.
func takeOwnRoutes(st *State, m *sipmsg.Message, adm *admission) *refusal {
	tokens := 0
	if adm.sealed != nil {
		tokens++ // it came as the Request-URI
	}
	for v := range m.Each(sipmsg.Route) {
		if len(adm.own) > 0 && v.Start == adm.own[0].Start {
			return nil // preprocess has made a Request-URI of it
		}
		d, err := routeTarget(v)
		if err != nil {
			return refuseField(sipmsg.Route, "%v", err)
		}
		token, sealed := d.uri.Param(tokenParam)
		if !st.ownRoute(d.uri) || sealed && tokens == 2 {
			adm.next, adm.nextValue = d, v
			return nil
		}
		if sealed {
			tokens++
		}
		if sealed && adm.sealed == nil {
			adm.sealed = token
		}
		adm.own = append(adm.own, v)
	}
	return nil
}

// openDialog opens the route token. A request inside a dialog needs one from
// outside; without it, the dialog is none that this edge has routed.
func openDialog(st *State, c *conn, m *sipmsg.Message, adm *admission) *refusal {
	toTag := m.To().Tag()
	switch {
	case adm.sealed == nil && len(toTag) > 0 && adm.inward:
		return refuse(verdict.RouteInvalid, "a request inside a dialog without our route token")
	case adm.sealed == nil:
		return nil
	case len(toTag) == 0:
		return refuse(verdict.RouteInvalid, "our route token in a request that is in no dialog")
	}
	token, err := st.tokens.open(adm.sealed, c.side, m.CallID(), m.From().Tag(), toTag)
	if err != nil {
		return refuse(verdict.RouteInvalid, "the route token is forged, stolen or older than the previous secret")
	}
	adm.token, adm.dialog = token, true
	return nil
}

// ownRoute reports whether a Route URI is one this edge would put into
// Record-Route, on either side.
func (st *State) ownRoute(uri sipmsg.URI) bool {
	if _, ok := uri.Param("maddr"); ok {
		return false // it leads to the maddr, whatever the host says (RFC 3261 §19.1.1)
	}
	for side := range st.Faces {
		f := &st.Faces[side]
		if f.named(uri.Host) && (uri.Port == f.Port || uri.Port == 0) {
			return true
		}
	}
	return false
}

// loopHash covers what decides where a request goes (RFC 5393 §4.2.1), and not
// the method, so that an ACK and a CANCEL hash like their INVITE. Where a request
// may cross twice, in and out, each way has its own hash.
func loopHash(m *sipmsg.Message, adm *admission) [loopHashLen]byte {
	h := fnv.New64a()
	number, _ := m.CSeq()
	for _, part := range [][]byte{adm.to.text, adm.next.text, m.CallID(), m.From().Tag(), m.To().Tag()} {
		_, _ = h.Write(part)
		_, _ = h.Write([]byte{0})
	}
	for _, header := range []sipmsg.Header{sipmsg.ProxyRequire, sipmsg.ProxyAuthorization} {
		v, _ := m.Get(header)
		_, _ = h.Write(v)
	}
	var sum [12]byte
	if adm.spirals && adm.inward {
		_, _ = h.Write([]byte{1})
	}
	binary.BigEndian.PutUint32(sum[8:], number)
	_, _ = h.Write(sum[8:])
	var text [loopHashLen]byte
	base64.RawURLEncoding.Encode(text[:], h.Sum(sum[:0])[:8])
	return text
}

// looped looks for the request's own hash in every Via of this edge: the same
// request has been here before. Another hash is a spiral, which is legal.
func (st *State) looped(m *sipmsg.Message, adm *admission) bool {
	if !bytes.Contains(m.Raw, []byte(branchMark)) {
		return false
	}
	hash := loopHash(m, adm)
	for v := range m.Each(sipmsg.Via) {
		via, err := sipmsg.ParseVia(v.Text)
		if err != nil || !st.ownVia(via) {
			continue
		}
		rest, ok := bytes.CutPrefix(via.Branch(), []byte(branchMark))
		if ok && len(rest) >= loopHashLen && bytes.Equal(rest[:loopHashLen], hash[:]) {
			return true
		}
	}
	return false
}

// ownVia reports whether a Via names this edge as its sender.
func (st *State) ownVia(via sipmsg.ViaValue) bool {
	host, port := via.SentBy()
	for side := range st.Faces {
		f := &st.Faces[side]
		if orDefault(port) == f.Port && bytes.EqualFold(host, []byte(f.Host.String())) {
			return true
		}
	}
	return false
}

// appendVia puts our Via on top (RFC 3261 §16.6 step 8).
func appendVia(dst []byte, f *Face, branch string) []byte {
	dst = append(dst, "Via: SIP/2.0/TLS "...)
	dst = append(dst, f.Host.String()...)
	dst = append(dst, ':')
	dst = strconv.AppendUint(dst, uint64(f.Port), 10)
	dst = append(dst, ";branch="...)
	dst = append(dst, branch...)
	return append(dst, "\r\n"...)
}

// appendRecordRoute puts one of our two values on top (RFC 3261 §16.6 step 4).
// transport=tls is deprecated by RFC 5658 §6.2, and Microsoft's servers need it.
// Where sips is asked for, the dialog stays with it.
func appendRecordRoute(dst []byte, f *Face, scheme, token string) []byte {
	dst = append(dst, "Record-Route: <"...)
	dst = append(dst, scheme...)
	dst = append(dst, ':')
	dst = append(dst, f.Host.String()...)
	dst = append(dst, ':')
	dst = strconv.AppendUint(dst, uint64(f.Port), 10)
	dst = append(dst, ";transport=tls;lr;"+tokenParam+"="...)
	dst = append(dst, token...)
	return append(dst, ">\r\n"...)
}

// scheme is that of our Record-Route values: sips where the Request-URI or the next
// Route value asks for it (RFC 3261 §16.6 step 4).
func (adm *admission) scheme() string {
	if adm.next.uri.Scheme == "sips" {
		return "sips"
	}
	return adm.to.uri.Scheme
}

// recordRoutes reports whether a request gets our Record-Route: those that
// start or refresh a dialog, and methods nobody knows.
func recordRoutes(method string) bool {
	switch method {
	case "MESSAGE", "OPTIONS", "PUBLISH", "REGISTER", "INFO", "BYE", "ACK", "CANCEL", "PRACK", "BENOTIFY":
		return false
	default:
		return true
	}
}
