package sipfed

import (
	"bytes"

	"edged/pkg/domain"
	"edged/pkg/sipfed/sipmsg"
)

// crossing is one message on its way to a side: it takes off what may not cross
// by the rules listed in headers.go.
type crossing struct {
	st     *State
	adm    *admission
	to     Side
	m      *sipmsg.Message
	method string // of the request
	inside bool   // m answers credentials for our own servers
	splice *sipmsg.Splice

	asserted, warned bool // all rows of P-Asserted-Identity, of Warning, have been seen to
}

// screen does so, and adds what the edge itself has to say.
func (x *crossing) screen() {
	if x.to == Internal {
		for _, f := range x.m.Fields() {
			x.inward(f)
		}
		x.trust()
		if x.adm.colleagues() {
			x.splice.AppendHeader(splitDomain)
		}
		return
	}
	for _, f := range x.m.Fields() {
		x.outward(f)
	}
	x.tell()
}

// inward takes off what only the inside may say of itself, or of others.
func (x *crossing) inward(f sipmsg.Field) {
	switch f.Header {
	case sipmsg.PPreferredIdentity, sipmsg.RemotePartyID, sipmsg.MSEdgeTrust,
		sipmsg.MSAssertedVerification, sipmsg.MSSplitDomain, sipmsg.MSDiagnostics:
		x.splice.DropRow(f)
	case sipmsg.PAssertedIdentity:
		if x.adm.decision.Partner.TrustAsserted {
			x.keepAsserted(x.adm.remote())
		} else {
			x.splice.DropRow(f)
		}
	default:
	}
}

// outward takes off what is for the inside only.
func (x *crossing) outward(f sipmsg.Field) {
	switch f.Header {
	case sipmsg.PPreferredIdentity, sipmsg.RemotePartyID, sipmsg.MSEdgeTrust,
		sipmsg.MSAssertedVerification, sipmsg.MSDiagnostics:
		x.splice.DropRow(f)
	case sipmsg.MSSplitDomain:
		if !x.adm.hosted || x.adm.colleagues() { // what is said of others is for the provider
			x.splice.DropRow(f)
		}
	case sipmsg.PAssertedIdentity:
		x.tellAsserted(f)
	case sipmsg.Authorization, sipmsg.ProxyAuthorization, sipmsg.AuthenticationInfo, sipmsg.ProxyAuthenticationInfo:
		if x.provesInside(f) {
			x.splice.DropRow(f)
		}
	case sipmsg.Server, sipmsg.UserAgent:
		if x.st.Hygiene {
			x.splice.DropRow(f)
		}
	case sipmsg.Warning:
		if x.st.Hygiene {
			x.signWarnings()
		}
	default:
	}
}

// tellAsserted keeps of P-Asserted-Identity what a partner may learn (RFC 3325
// §5): nothing where Privacy says id, everything where it says none, and else
// the SIP identities of the sender's own domain.
func (x *crossing) tellAsserted(f sipmsg.Field) {
	switch p := privacyOf(x.m); {
	case p.id:
		x.splice.DropRow(f)
	case !p.none:
		x.keepAsserted(x.adm.local().Domain)
	}
}

// keepAsserted keeps the SIP identities of one domain.
func (x *crossing) keepAsserted(of domain.Name) {
	if x.asserted {
		return
	}
	x.asserted = true
	for v := range x.m.Each(sipmsg.PAssertedIdentity) {
		if _, d := sipIdentity(v.Text); d != of {
			x.splice.DropValue(v)
		}
	}
}

// provesInside reports whether a row proves somebody to our own servers, which no
// partner may see: it names one of our realms, or none at all (RFC 3261 §22.3).
// What a server answers to credentials need not name the realm they were for.
func (x *crossing) provesInside(f sipmsg.Field) bool {
	inside, named := x.st.realmsOf(x.m.Value(f))
	if named || f.Header == sipmsg.Authorization || f.Header == sipmsg.ProxyAuthorization {
		return inside || !named
	}
	return x.inside
}

// carriesCredentials reports whether a request proves somebody to our own servers.
func (st *State) carriesCredentials(m *sipmsg.Message) bool {
	if m.Count(sipmsg.Authorization)+m.Count(sipmsg.ProxyAuthorization) == 0 {
		return false
	}
	for _, f := range m.Fields() {
		if f.Header == sipmsg.Authorization || f.Header == sipmsg.ProxyAuthorization {
			if inside, _ := st.realmsOf(m.Value(f)); inside {
				return true
			}
		}
	}
	return false
}

// realmsOf reports whether a value names any realm, and one of the inside: a
// domain of ours, one below it, or a configured one.
func (st *State) realmsOf(value []byte) (inside, named bool) {
	for realm := range sipmsg.Realms(value) {
		named = named || len(realm) > 0
		inside = inside || st.insideRealm(realm)
	}
	return inside, named
}

func (st *State) insideRealm(realm []byte) bool {
	for _, r := range st.Realms {
		if bytes.EqualFold(realm, []byte(r)) {
			return true
		}
	}
	d, err := domain.ParseWire(string(realm))
	for ok := err == nil; ok; d, ok = d.Parent() {
		if st.pools[d] != nil {
			return true
		}
	}
	return false
}

// signWarnings puts the edge in place of the servers inside that warn
// (RFC 3261 §20.43: warn-code, warn-agent, warn-text).
func (x *crossing) signWarnings() {
	if x.warned {
		return
	}
	x.warned = true
	for v := range x.m.Each(sipmsg.Warning) {
		from := bytes.IndexByte(v.Text, ' ') + 1
		to := bytes.IndexByte(v.Text[from:], ' ')
		if from > 0 && to > 0 {
			x.splice.Replace(v.Start+from, v.Start+from+to, x.st.Faces[External].Host.String())
		}
	}
}
