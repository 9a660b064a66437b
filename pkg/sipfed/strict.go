package sipfed

import (
	"bytes"

	"edged/pkg/sipfed/sipmsg"
	"edged/pkg/verdict"
)

// preprocess reads the Request-URI, and undoes what a strict router (RFC 2543) has
// done to the route before us, or an address of ours in maddr (RFC 3261 §16.4).
// What follows is about the request as it would have been without.
func (st *State) preprocess(c *conn, m *sipmsg.Message, adm *admission) *refusal {
	adm.to = destination{m.RequestURI(), m.URI()}
	if len(adm.to.uri.Params) == 0 {
		return nil
	}
	if token, ok := adm.to.uri.Param(tokenParam); ok && st.ownRoute(adm.to.uri) {
		return adm.unstrict(m, token)
	}
	if maddr, ok := adm.to.uri.Param("maddr"); ok && st.Faces[c.side].isMaddr(adm.to.uri, maddr) {
		adm.to = adm.to.withoutMaddr()
	}
	return nil
}

// unstrict takes a request whose Request-URI is one of our Record-Route values: its
// target is the last Route value. The token counts as if it had come in Route.
func (adm *admission) unstrict(m *sipmsg.Message, token []byte) *refusal {
	var last sipmsg.Value
	for v := range m.Each(sipmsg.Route) {
		last = v
	}
	if last.Text == nil {
		return refuse(verdict.RouteInvalid, "the Request-URI is our Record-Route, and no Route says where to go")
	}
	to, err := routeTarget(last)
	if err != nil || to.uri.Headers != nil {
		return refuseField(sipmsg.Route, "the last value is no Request-URI")
	}
	adm.to, adm.sealed = to, token
	adm.own = append(adm.own, last)
	return nil
}

// isMaddr reports whether maddr, port and transport of a URI are those that the
// request came to.
func (f *Face) isMaddr(uri sipmsg.URI, maddr []byte) bool {
	transport, ok := uri.Param("transport")
	return f.named(bytes.Trim(maddr, "[]")) && orDefault(uri.Port) == f.Port && (!ok || bytes.EqualFold(transport, []byte("tls")))
}

// withoutMaddr strips maddr, and with it port and transport, which belonged to it.
func (d destination) withoutMaddr() destination {
	bare := d.text[:len(d.text)-len(d.uri.Params)]
	if d.uri.Port != 0 {
		bare = bare[:bytes.LastIndexByte(bare, ':')]
	}
	text := bytes.Clone(bare)
	for param := range bytes.SplitSeq(d.uri.Params[1:], []byte(";")) {
		name, _, _ := bytes.Cut(param, []byte("="))
		if !bytes.EqualFold(name, []byte("maddr")) && !bytes.EqualFold(name, []byte("transport")) {
			text = append(append(text, ';'), param...)
		}
	}
	uri, err := sipmsg.ParseURI(text)
	if err != nil {
		return d // cannot happen: a part of a URI that parsed
	}
	return destination{text, uri}
}

// isStrict reports whether a Route value is that of a strict router, which wants to
// be the Request-URI.
func (d destination) isStrict() bool {
	_, loose := d.uri.Param("lr")
	return d.text != nil && !loose && d.uri.Headers == nil
}

// noteTarget puts the Request-URI and the rest of Route into their places. Where
// the next hop that the inside names is a strict router, the two change places
// (§16.6 step 6). Nobody outside may have that: it would put a Request-URI there
// that policy has not seen.
func noteTarget(splice *sipmsg.Splice, m *sipmsg.Message, adm *admission) {
	for _, v := range adm.own {
		splice.DropValue(v)
	}
	to := adm.to.text
	if !adm.inward && adm.next.isStrict() {
		splice.AppendHeader("Route: <", string(to), ">\r\n")
		splice.DropValue(adm.nextValue)
		to = adm.next.text
	}
	if start, end := m.RequestURISpan(); !bytes.Equal(m.RequestURI(), to) {
		splice.ReplaceBytes(start, end, to)
	}
}
