package lab

import (
	"strings"

	"edged/internal/lab/xmpppeer"
	"edged/pkg/verdict"
)

// Who writes to whom by XMPP, in the usual case. alice may, bob and carol may not.
const (
	wendy = "wendy@woodgrove.example"         // federated, proven by certificate
	adam  = "adam@adatum.example"             // federated, reached by direct TLS
	paula = "paula@proseware.example"         // federated, proven by dialback
	jane  = "jane@jabber.example"             // of a public service: heard by whom has written to her
	jim   = "jim@jabber.example"              // the same
	lobby = "lobby@conference.jabber.example" // a room there
	anna  = "anna@contoso.com"                // may as well
	kim   = "kim@kr.contoso.com"              // may, but her pool is down
	margo = "margo@margie.example"            // unlisted
)

func talks() []exchange {
	return []exchange{
		chatting(wendy, alice, "federated").passes(ruleWoodgrove),
		chatting(alice, wendy, "federated").passes(ruleWoodgrove),
		stanza("presence", "subscribe", wendy, alice, "subscription").passes(ruleWoodgrove),
		stanza("presence", "subscribed", alice, wendy, "subscription").passes(ruleWoodgrove),
		stanza("presence", "", alice, wendy, "available").passes(ruleWoodgrove),
		asking(wendy, alice, "question").passes(ruleWoodgrove),
		asking(alice, wendy, "question").passes(ruleWoodgrove),
		chatting(adam, alice, "direct TLS").passes(ruleAdatum),
		chatting(alice, adam, "direct TLS").passes(ruleAdatum),
		chatting(paula, alice, "dialback").passes(ruleProseware),
		chatting(alice, paula, "dialback").passes(ruleProseware),
		asking(alice, paula, "dialback").passes(ruleProseware),
	}
}

func consents() []exchange {
	return []exchange{
		chatting(jane, alice, "no consent").refused("service-unavailable", verdict.NoConsent, ruleJabber),
		stanza("presence", "subscribe", jane, alice, "no consent").by(unheard).refused(noAnswer, verdict.NoConsent, ruleJabber),
		asking(jane, alice, "no consent").refused("service-unavailable", verdict.NoConsent, ruleJabber),
		chatting(alice, jane, "our user writes").passes(ruleJabber),
		chatting(jane, alice, "consent").passes(ruleJabber),
		stanza("presence", "subscribe", jane, alice, "consent").passes(ruleJabber),
		asking(jane, alice, "consent").passes(ruleJabber),
		chatting(jim, alice, "somebody else").refused("service-unavailable", verdict.NoConsent, ruleJabber),
		chatting(lobby, alice, "no consent").refused("service-unavailable", verdict.NoConsent, ruleJabber),
		stanza("presence", "", alice, lobby, "our user joins").passes(ruleJabber),
		chatting(lobby, alice, "additional domain").passes(ruleJabber),
		chatting(lobby, alice, "on one stream").by(piggybacks(jane)).passes(ruleJabber),
	}
}

func stanzaRefusals() []exchange {
	const sam = "sam@spam.example"
	return []exchange{
		chatting(wendy, ghost, "unknown user").relayed("service-unavailable", ruleWoodgrove),
		chatting(wendy, bob, "without XMPP").by(hiddenAlike).refused("service-unavailable", verdict.UserNotXMPP, ruleWithoutXMPP),
		chatting(wendy, carol, "not federated").by(hiddenAlike).refused("service-unavailable", verdict.UserNotFederated, ruleInsideOnly),
		stanza("presence", "subscribe", wendy, bob, "without XMPP").by(unheard).refused(noAnswer, verdict.UserNotXMPP, ruleWithoutXMPP),
		chatting(bob, wendy, "without XMPP").refused("forbidden", verdict.UserNotXMPP, ruleWithoutXMPP),
		asking(bob, wendy, "without XMPP").refused("forbidden", verdict.UserNotXMPP, ruleWithoutXMPP),
		chatting(carol, wendy, "not federated").refused("forbidden", verdict.UserNotFederated, ruleInsideOnly),
		chatting(alice, sam, "blocked").refused("not-allowed", verdict.DomainBlocked, ruleSpam),
		chatting(alice, "sam@shop.spam.example", "blocked").refused("not-allowed", verdict.DomainBlocked, ruleSpam),
		chatting(alice, margo, "unlisted").refused("not-allowed", verdict.DomainUnlisted, ruleClosedXMPP),
		stanza("presence", "subscribe", alice, margo, "unlisted").refused("not-allowed", verdict.DomainUnlisted, ruleClosedXMPP),
		chatting(alice, robin, "SIP partner").refused("not-allowed", verdict.DomainUnlisted, ruleClosedXMPP),
	}
}

func strangers() []exchange {
	const ours, woodgrove = "contoso.com", "woodgrove.example"
	return []exchange{
		stream("spam.example", ours, "blocked", keptOut).refused("dialback: error forbidden", verdict.DomainBlocked, ruleSpam),
		stream("margie.example", ours, "unlisted", keptOut).refused("dialback: error forbidden", verdict.DomainUnlisted, ruleClosedXMPP),
		stream(woodgrove, ours, "impostor", keptOut).as("margie.example").refused("dialback: error not-authorized", verdict.IdentityMismatch, ""),
		stream(woodgrove, ours, "unknown authority", keptOut).as("forger").refused("dialback: error not-authorized", verdict.IdentityMismatch, ""),
		stream(woodgrove, ours, "expired", keptOut).as("latecomer").refused("dialback: error not-authorized", verdict.IdentityMismatch, ""),
		stream("proseware.example", ours, "wrong key", badKey).refused("dialback: invalid", verdict.DialbackInvalid, ""),
		stream(woodgrove, "fabrikam.com", "not ours", ends(xmpppeer.Ready, "")).refused("stream error host-unknown", verdict.NotOurs, ""),
	}
}

func unreachableChats() []exchange {
	large := chatting(alice, wendy, "large for partner")
	large.payload = xmpppeer.Body(strings.Repeat("x", smallStanza))
	return []exchange{
		chatting(alice, "x@no-record.example", "no SRV, no address").undelivered("remote-server-not-found", verdict.DNSNoRecord),
		chatting(alice, "x@refused.example", "nobody listens").undelivered("remote-server-timeout", verdict.ConnectFailed),
		asking(alice, "x@refused.example", "left alone").undelivered("remote-server-timeout", verdict.ConnectFailed),
		chatting(alice, "x@wrong-name.example", "wrong name").undelivered("remote-server-timeout", verdict.CertificateRefused),
		chatting(alice, "x@failing.example", "DNS fails").undelivered("remote-server-timeout", verdict.DNSFailed),
		chatting(alice, "x@private.example", "private address").undelivered("remote-server-timeout", verdict.TargetPrivate),
		chatting(alice, "x@no-external.example", "no EXTERNAL").undelivered("remote-server-timeout", verdict.NegotiationFailed),
		chatting(alice, "x@refusing.example", "does not want us").undelivered("remote-server-timeout", verdict.PeerRefused),
		large.undelivered("policy-violation", verdict.BodyTooLarge),
		chatting(wendy, kim, "pool is down").undelivered("internal-server-error", verdict.PoolDown),
	}
}

func brokenStreams() []exchange {
	from := func(address string) string {
		return "<message from='" + address + "' to='" + alice + "'><body>hello</body></message>"
	}
	bad := func(label, condition string, reason verdict.Reason, text string) exchange {
		return stream("woodgrove.example", "contoso.com", label, ends(xmpppeer.Ready, text)).refused("stream error "+condition, reason, "")
	}
	return []exchange{
		stanza("iq", "ask", wendy, alice, "type of an iq").refused("bad-request", verdict.Malformed, ""),
		stanza("iq", "ask", alice, wendy, "type of an iq").refused("bad-request", verdict.Malformed, ""),
		bad("spoofed from", "invalid-from", verdict.IdentityMismatch, from(lena)),
		bad("our user as from", "invalid-from", verdict.IdentityMismatch, from(bob)),
		bad("no from", "improper-addressing", verdict.Malformed, "<message to='"+alice+"'/>"),
		bad("no to", "improper-addressing", verdict.Malformed, "<message from='"+wendy+"'/>"),
		bad("to others", "host-unknown", verdict.NotOurs, "<message from='"+wendy+"' to='"+jane+"'/>"),
		bad("unasked key", "invalid-from", verdict.IdentityMismatch,
			"<db:result from='spam.example' to='contoso.com' type='valid'/>"+from("sam@spam.example")),
		bad("DTD", "restricted-xml", verdict.Malformed, "<!DOCTYPE x [<!ENTITY lol 'lol'>]>"),
		bad("not well-formed", "not-well-formed", verdict.Malformed, "<message from='"+wendy+"'></presence>"),
		bad("jabber:client", "invalid-namespace", verdict.Malformed, "<message xmlns='jabber:client' from='"+wendy+"' to='"+alice+"'/>"),
		bad("prefix", "bad-namespace-prefix", verdict.Malformed, "<s:message xmlns:s='jabber:server' from='"+wendy+"' to='"+alice+"'/>"),
		bad("no stanza", "unsupported-stanza-type", verdict.Malformed, "<note from='"+wendy+"' to='"+alice+"'/>"),
		bad("large stanza", "policy-violation", verdict.BodyTooLarge, from(wendy)[:20]+strings.Repeat(" ", 20<<10)),
		stream("woodgrove.example", "contoso.com", "version 0.9", opensWith("<?xml version='1.0'?><stream:stream xmlns='jabber:server'"+
			" xmlns:stream='http://etherx.jabber.org/streams' from='woodgrove.example' to='contoso.com' version='0.9'>")).
			refused("stream error unsupported-version", verdict.VersionUnsupported, ""),
		stream("woodgrove.example", "contoso.com", "other authzid", authorizesAs("adatum.example")).
			refused("EXTERNAL: invalid-authzid", verdict.IdentityMismatch, ""),
		stream("woodgrove.example", "contoso.com", "too early", ends(xmpppeer.Reoffered, from(wendy))).
			refused("stream error not-authorized", verdict.IdentityMismatch, ""),
		stream("woodgrove.example", "contoso.com", "in the clear", ends(xmpppeer.Offered, from(wendy))).
			refused("stream error not-authorized", verdict.IdentityMismatch, ""),
		stream("contoso.com", "woodgrove.example", "pool's spoofed from",
			ends(xmpppeer.Ready, "<message from='"+robin+"' to='"+wendy+"'/>")).refused("stream error invalid-from", verdict.IdentityMismatch, ""),
	}
}

func open() []exchange {
	return []exchange{
		chatting(margo, alice, "no consent").refused("service-unavailable", verdict.NoConsent, ruleOpenXMPP),
		chatting(alice, margo, "our user writes").passes(ruleOpenXMPP),
		chatting(margo, alice, "consent").passes(ruleOpenXMPP),
		chatting(anna, margo, "our user writes").passes(ruleOpenXMPP),
		chatting(margo, anna, "one user too many").refused("resource-constraint", verdict.BudgetExhausted, ruleDiscovered),
		chatting(margo, alice, "keeps its stream").by(stays).passes(ruleOpenXMPP),
		stream("spam.example", "contoso.com", "blocked", keptOut).refused("dialback: error forbidden", verdict.DomainBlocked, ruleSpam),
	}
}

func closed() []exchange {
	return []exchange{
		stream("margie.example", "contoso.com", "open stream", cutStream).cut(verdict.DomainUnlisted, ruleClosedXMPP),
		chatting(alice, margo, "unlisted").refused("not-allowed", verdict.DomainUnlisted, ruleClosedXMPP),
	}
}

func switchedOffXMPP() []exchange {
	return []exchange{
		chatting(alice, wendy, "federated").refused("not-allowed", verdict.FederationOff, ruleSwitch),
		stream("woodgrove.example", "contoso.com", "federated", keptOut).refused("dialback: error forbidden", verdict.FederationOff, ruleSwitch),
	}
}
