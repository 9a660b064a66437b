package sipfed

import (
	"bytes"

	"edged/pkg/domain"
	"edged/pkg/policy"
	"edged/pkg/sipfed/sipmsg"
	"edged/pkg/tlsid"
	"edged/pkg/verdict"
)

// senderDomain reads the domain that a sender claims in From.
func senderDomain(from []byte) (domain.Name, *refusal) {
	uri, err := sipmsg.ParseURI(from)
	if err != nil {
		return domain.Name{}, refuseField(sipmsg.From, "%v", err)
	}
	if hidden(uri) {
		return domain.Name{}, refuse(verdict.SenderAnonymous, "From names nobody who could be proven")
	}
	if uri.Scheme != "sip" && uri.Scheme != "sips" {
		return domain.Name{}, refuse(verdict.IdentityMismatch, "From has the scheme %s", uri.Scheme)
	}
	d, err := domain.ParseWire(string(uri.Host))
	if err != nil {
		return domain.Name{}, refuse(verdict.IdentityMismatch, "From: %v", err)
	}
	return d, nil
}

// hidden reports whether a From URI hides its sender (RFC 3323 §4.1.1.3).
func hidden(uri sipmsg.URI) bool { return bytes.EqualFold(uri.Host, []byte("anonymous.invalid")) }

// inwardSender is the domain that an outsider's request is judged by: that of
// From. A sender who hides there counts as the domain of the dialog, of
// P-Asserted-Identity, or of the entry that the certificate could prove and that
// lets its senders hide; the certificate has to prove it like any other.
func inwardSender(st *State, id *tlsid.Identity, m *sipmsg.Message, adm *admission) (d domain.Name, anonymous bool, refused *refusal) {
	d, refused = senderDomain(m.From().URI)
	if refused == nil || refused.reason != verdict.SenderAnonymous {
		return d, false, refused
	}
	if adm.dialog {
		return adm.token.partner, true, nil
	}
	if d, ok := assertedDomain(m); ok {
		return d, true, nil
	}
	if d, ok := st.Policy.Anonymous(id.Names, id.Anchors); ok {
		return d, true, nil
	}
	return d, true, refused
}

// outwardSender is the user of ours whose access policy counts: the one that
// P-Asserted-Identity names, if the pool sends one of its own domain, else the
// one in From. A user who hides in From has to be asserted, or known from the
// dialog.
func outwardSender(m *sipmsg.Message, adm *admission) (u policy.User, anonymous bool, refused *refusal) {
	ours, refused := senderDomain(m.From().URI)
	if refused == nil {
		u, refused = namedSender(m, ours)
		return u, false, refused
	}
	if refused.reason != verdict.SenderAnonymous {
		return u, false, refused
	}
	if ours, ok := assertedDomain(m); ok {
		if u, ok := assertedUser(m, ours); ok {
			return u, true, nil
		}
	}
	if adm.dialog {
		return adm.token.local, true, nil
	}
	return u, true, refused
}

func namedSender(m *sipmsg.Message, ours domain.Name) (policy.User, *refusal) {
	from, err := sipmsg.ParseURI(m.From().URI)
	if err != nil {
		return policy.User{}, refuseField(sipmsg.From, "%v", err)
	}
	user, err := policy.CanonicalUser(string(from.User), ours)
	if err != nil {
		return policy.User{}, refuse(verdict.UserUnreadable, "%v", err)
	}
	if asserted, ok := assertedUser(m, ours); ok {
		user = asserted
	}
	return user, nil
}

// assertedUser is the first user of a domain that P-Asserted-Identity names
// (RFC 3325 §9.1).
func assertedUser(m *sipmsg.Message, of domain.Name) (policy.User, bool) {
	for v := range m.Each(sipmsg.PAssertedIdentity) {
		uri, d := sipIdentity(v.Text)
		if d != of || d.IsZero() {
			continue
		}
		if user, err := policy.CanonicalUser(string(uri.User), of); err == nil {
			return user, true
		}
	}
	return policy.User{}, false
}

// assertedDomain is the domain of the first SIP identity that is asserted.
func assertedDomain(m *sipmsg.Message) (domain.Name, bool) {
	for v := range m.Each(sipmsg.PAssertedIdentity) {
		if _, d := sipIdentity(v.Text); !d.IsZero() {
			return d, true
		}
	}
	return domain.Name{}, false
}

// sipIdentity reads an asserted SIP URI and its domain, which is zero where
// there is none: of a telephone number, or of what cannot be read.
func sipIdentity(value []byte) (sipmsg.URI, domain.Name) {
	addr, err := sipmsg.ParseAddress(value)
	if err != nil {
		return sipmsg.URI{}, domain.Name{}
	}
	uri, err := sipmsg.ParseURI(addr.URI)
	if err != nil || (uri.Scheme != "sip" && uri.Scheme != "sips") {
		return sipmsg.URI{}, domain.Name{}
	}
	d, err := domain.ParseWire(string(uri.Host))
	if err != nil {
		return sipmsg.URI{}, domain.Name{}
	}
	return uri, d
}

// privacy is what a sender asks for (RFC 3323 §4.2, RFC 3325 §9.3).
type privacy struct {
	id, none, critical bool
	beyond             []byte // the first service that is asked for and that no proxy can give
}

func privacyOf(m *sipmsg.Message) (p privacy) {
	if m.Count(sipmsg.Privacy) == 0 {
		return p
	}
	for v := range m.Each(sipmsg.Privacy) {
		for token := range bytes.FieldsFuncSeq(v.Text, betweenTokens) {
			p.add(token)
		}
	}
	return p
}

// betweenTokens also takes commas, which some write.
func betweenTokens(r rune) bool { return r == ';' || r == ',' || r <= ' ' }

func (p *privacy) add(token []byte) {
	switch {
	case bytes.EqualFold(token, []byte("id")):
		p.id = true
	case bytes.EqualFold(token, []byte("none")):
		p.none = true
	case bytes.EqualFold(token, []byte("critical")):
		p.critical = true
	case p.beyond == nil: // header, session, user: a proxy rewrites neither Contact nor SDP
		p.beyond = token
	}
}

// checkPrivacy refuses a request whose sender insists on more privacy than a
// proxy can give (RFC 3323 §5), naming it. In a dialog whoever hangs up may.
func checkPrivacy(m *sipmsg.Message) *refusal {
	p := privacyOf(m)
	if !p.critical || p.beyond == nil || m.Method == "BYE" || m.Method == "ACK" {
		return nil
	}
	name := verdict.Quotable(string(p.beyond))
	return &refusal{reason: verdict.PrivacyUnsupported, detail: name, phrase: "Privacy Not Supported: " + name}
}
