package lab

import (
	"slices"

	"edged/internal/lab/xmpppeer"
)

// chat is one XMPP server of the cast.
type chat struct {
	name     string // how exchanges call it: mostly its domain
	domains  []string
	signer   authority // of its certificate
	shows    []string  // the names in its certificate; nil = its domains
	state    certState
	dialback bool // proves itself, and believes others, by dialback alone
	direct   bool // TLS from the first byte, both ways
	mute     bool // only dials
	offers   xmpppeer.ExternalOffer
	refuses  bool // says no to every EXTERNAL
	most     int  // bytes of a stanza that it takes (XEP-0478); 0: it does not say
}

// smallStanza is less than the edge takes.
const smallStanza = 12_000

// chats returns every XMPP server, our pool first.
func chats() []chat {
	return []chat{
		{name: "contoso.com", domains: []string{"contoso.com"}, signer: inside},

		{name: "woodgrove.example", domains: []string{"woodgrove.example"}, signer: public, most: smallStanza},
		{name: "adatum.example", domains: []string{"adatum.example"}, signer: public, direct: true},
		{name: "proseware.example", domains: []string{"proseware.example"}, signer: rogue, dialback: true},
		{name: "jabber.example", domains: []string{"jabber.example", "conference.jabber.example"}, signer: public},
		{name: "margie.example", domains: []string{"margie.example"}, signer: public},
		{name: "spam.example", domains: []string{"spam.example"}, signer: public},
		{name: "wrong-name.example", domains: []string{"wrong-name.example"}, signer: public, shows: []string{"elsewhere.example"}},

		{name: "no-external.example", domains: []string{"no-external.example"}, signer: public, offers: xmpppeer.ExternalNever},
		{name: "refusing.example", domains: []string{"refusing.example"}, signer: public, refuses: true},

		// Who claims to be woodgrove.example, with a certificate that does not do.
		{name: "forger", domains: []string{"woodgrove.example"}, signer: rogue, mute: true},
		{name: "latecomer", domains: []string{"woodgrove.example"}, signer: public, state: expired, mute: true},
	}
}

// chatPool is the server of our own users.
func chatPool() chat { return chats()[0] }

// host is the server's own name, found in the zone at 127.0.0.1.
func (c chat) host() string {
	if c.name == chatPool().name {
		return "xmpp1.corp.contoso.com"
	}
	return "xmpp." + c.name
}

// chatOf is the server of a domain.
func chatOf(domain string) string {
	for _, c := range chats() {
		if slices.Contains(c.domains, domain) {
			return c.name
		}
	}
	return domain
}
