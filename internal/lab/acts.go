package lab

import (
	"time"

	"edged/internal/lab/sippeer"
	"edged/pkg/verdict"
)

// Who writes to whom, in the usual case.
const (
	alice = "alice@contoso.com" // may talk with everybody, but not call public providers
	bob   = "bob@contoso.com"   // may not talk with public providers
	holly = "holly@contoso.com" // hosted at a provider
	carol = "carol@contoso.com" // may not talk with anybody outside

	robin = "robin@fabrikam.com"     // allowed, found by SRV
	lena  = "lena@litware.com"       // direct, with an authority of its own
	nina  = "nina@northwind.example" // discovered
	tom   = "tom@tailspin.example"   // at a hosting provider
	rosa  = "rosa@relecloud.example" // found by another record
	chris = "chris@chat.example"     // at a public provider

	anonymous = "anonymous@anonymous.invalid" // hides in From (RFC 3323 §4.1.1.3)
)

// everything is how most acts are set: all is switched on, and everybody has time
// to answer, even on a busy machine.
func everything() Settings {
	return Settings{Enabled: true, Discovery: true, Contacts: 1000, Answers: 10 * time.Second}
}

// impatient is everything, but who stays silent is given up soon.
func impatient() Settings {
	s := everything()
	s.Answers = time.Second
	return s
}

func withoutDiscovery() Settings {
	s := everything()
	s.Discovery = false
	return s
}

// oneUser lets those whom nothing lists address one user of ours, beside those whom
// they know already.
func oneUser() Settings {
	s := everything()
	s.Contacts = 1
	return s
}

// openXMPP lets in whom nothing lists, each for one user of ours.
func openXMPP() Settings {
	s := everything()
	s.OpenXMPP, s.Contacts = true, 1
	return s
}

func withoutFederation() Settings {
	s := everything()
	s.Enabled = false
	return s
}

// acts is the whole play, in order.
func acts() []act {
	return []act{
		{"Partners write to us", everything(), sip(inward())},
		{"We write to partners", everything(), sip(outward())},
		{"Calls and presence", everything(), sip(dialogs())},
		{"Who may not talk with whom", everything(), sip(refusals())},
		{"Attempts to use us as a relay", everything(), sip(relays())},
		{"Partners and pools that cannot be reached", everything(), sip(unreachable())},
		{"Partners that stay silent", impatient(), sip(silent())},
		{"Answers of others", everything(), sip(answers())},
		{"Messages that are broken", everything(), sip(broken())},
		{"Connections that are not let in", everything(), sip(handshakes())},
		{"Partners that nothing lists have budgets", oneUser(), sip(budgets())},
		{"Partner discovery is switched off", withoutDiscovery(), sip(undiscovered())},
		{"XMPP: partners and we talk", everything(), xmpp(talks())},
		{"XMPP: who is heard only once we wrote", everything(), xmpp(consents())},
		{"XMPP: who may not talk with whom", everything(), xmpp(stanzaRefusals())},
		{"XMPP: domains that are not let in", everything(), xmpp(strangers())},
		{"XMPP: partners that cannot be reached", everything(), xmpp(unreachableChats())},
		{"XMPP: streams that are broken", everything(), xmpp(brokenStreams())},
		{"XMPP federation is open", openXMPP(), xmpp(open())},
		{"XMPP federation is closed again", everything(), xmpp(closed())},
		{"Federation is switched off", withoutFederation(), append(sip(switchedOff()), xmpp(switchedOffXMPP())...)},
	}
}

func inward() []scenario {
	return []scenario{
		message(robin, alice, "allowed").checked(source("AutoFederation", "unverified", "federation")).passes(ruleFabrikam),
		message(lena, alice, "direct").checked(source("DirectPartner", "unverified", "federation")).passes(ruleLitware),
		message(nina, bob, "discovered").checked(source("AutoFederation", "unverified", "federation")).passes(ruleDiscovery),
		message(rosa, alice, "found by _sips").passes(ruleRelecloud),
		message(tom, bob, "hosting provider").checked(source("AuthorizedServer", "verified", "federation")).passes(ruleWingtip),
		message(holly, alice, "hosted colleague").as("wingtip").checked(colleague).passes(ruleWingtip),
		message(chris, alice, "public provider").checked(source("AuthorizedServer", "verified", "publiccloud;ms-remote-fqdn=federation.messenger.example")).passes(ruleMessenger),
		message(robin, alice, "says it is verified").with(header(verification, "ms-source-verified-user=verified")).
			checked(source("AutoFederation", "verified", "federation")).passes(ruleFabrikam),
		message(robin, alice, "claims to be trusted").with(boasts).checked(humbled).passes(ruleFabrikam),
		message(lena, alice, "trusted to assert").with(asserts).checked(asserted).passes(ruleLitware),
		message(anonymous, alice, "may be anonymous").as("litware.com").passes(ruleLitware),
	}
}

func outward() []scenario {
	return []scenario{
		message(alice, robin, "allowed").with(header(verification, "none")).checked(vouched).passes(ruleFabrikam),
		message(alice, lena, "direct").passes(ruleLitware),
		message(bob, nina, "discovered").passes(ruleDiscovery),
		message(bob, rosa, "found by _sips").passes(ruleRelecloud),
		message(bob, tom, "hosting provider").passes(ruleWingtip),
		message(alice, holly, "hosted colleague").checked(colleague).arriving("wingtip").passes(ruleWingtip),
		message(alice, chris, "public provider").passes(ruleMessenger),
		message(alice, robin, "private identity").with(secretive).checked(discreet).passes(ruleFabrikam),
		message(alice, robin, "names of the inside").with(named).checked(nameless).passes(ruleFabrikam),
		message(alice, robin, "credentials").with(proves).checked(unproven).passes(ruleFabrikam),
		message(anonymous, lena, "anonymous").as("fe1").with(asserting(alice)).checked(discreet).passes(ruleLitware),
	}
}

func dialogs() []scenario {
	rings := sippeer.Answer{Provisional: []int{180}}
	first := sippeer.Answer{Type: "application/pidf+xml", Body: "<presence/>"}
	return []scenario{
		request("INVITE", robin, alice, "allowed").answered(rings).by(opens("call in")).passes(ruleFabrikam),
		request("MESSAGE", robin, alice, "allowed").by(within("call in", caller)).passes(ruleFabrikam),
		request("BYE", alice, robin, "allowed").by(within("call in", callee)).passes(ruleFabrikam),
		request("INVITE", alice, lena, "direct").by(opens("call out")).passes(ruleLitware),
		request("MESSAGE", lena, alice, "direct").by(within("call out", callee)).passes(ruleLitware),
		request("BYE", lena, alice, "direct").by(within("call out", callee)).passes(ruleLitware),
		request("SUBSCRIBE", robin, alice, "allowed").with(presence).answered(first).by(opens("watch")).passes(ruleFabrikam),
		request("NOTIFY", alice, robin, "allowed").with(notice).by(within("watch", callee)).passes(ruleFabrikam),
		request("BENOTIFY", alice, robin, "allowed").with(notice).by(unanswered("watch", callee)).unanswered(ruleFabrikam),
		request("INVITE", robin, alice, "allowed").answered(sippeer.Answer{Provisional: []int{180}, Silent: true}).
			by(cancels).refused(487, verdict.Cancelled, ruleFabrikam),
	}
}

func refusals() []scenario {
	const sam, old = "sam@spam.example", "olga@oldchat.example"
	forbidden := sippeer.Answer{Status: 403, Headers: fields("ms-diagnostics", `1012;reason="not for outsiders";source="fe1"`)}
	nobody := sippeer.Answer{Status: 404, Headers: []sippeer.Field{{Name: "Server", Value: "RTC/5.0"}}}
	return []scenario{
		message(sam, alice, "blocked").refused(403, verdict.DomainBlocked, ruleSpam),
		message("sam@shop.spam.example", alice, "blocked").as("spam.example").refused(403, verdict.DomainBlocked, ruleSpam),
		request("BENOTIFY", sam, alice, "blocked").by(ignored).refused(0, verdict.DomainBlocked, ruleSpam),
		message(alice, sam, "blocked").refused(403, verdict.DomainBlocked, ruleSpam).diagnosed(1027),
		message(robin, carol, "allowed").refused(404, verdict.UserNotFederated, ruleInsideOnly),
		message(robin, "zoe@contoso.com", "unknown user").answered(nobody).by(alike).relayed(404, ruleFabrikam),
		message(robin, "al%00ice@contoso.com", "unreadable user").by(alike).refused(404, verdict.UserUnreadable, ""),
		message(robin, "zack@contoso.com", "pool's own policy").answered(forbidden).by(alike).relayed(404, ruleFabrikam),
		message(carol, robin, "allowed").refused(403, verdict.UserNotFederated, ruleInsideOnly).diagnosed(1002),
		message(bob, chris, "public provider").refused(403, verdict.UserNotPublic, ruleGlobal).diagnosed(1001),
		message(chris, bob, "public provider").refused(404, verdict.UserNotPublic, ruleGlobal),
		request("INVITE", alice, chris, "public provider").with(body(audio)).
			refused(403, verdict.UserNotPublicAV, ruleSales).diagnosed(1001),
		message(alice, old, "public provider").refused(403, verdict.ProviderDisabled, ruleOldMessenger).diagnosed(1027),
		message(robin, alice, "impostor").as("evil.example").refused(403, verdict.IdentityMismatch, ruleFabrikam),
		message(lena, alice, "impostor").as("fabrikam.com").refused(403, verdict.IdentityMismatch, ruleLitware),
		message(holly, carol, "hosted colleague").as("wingtip").refused(404, verdict.UserNotFederated, ruleInsideOnly),
		message(holly, alice, "sent back").as("fe1").by(sentBack).
			refused(403, verdict.CombinationRefused, ruleShared).diagnosed(1017),
		message(robin, holly, "never came in").as("fe1").
			refused(403, verdict.CombinationRefused, ruleShared).diagnosed(1017),
		message(alice, bob, "impostor").as("fabrikam.com").refused(403, verdict.IdentityMismatch, ruleOurs),
		message(anonymous, alice, "anonymous").as("fabrikam.com").refused(403, verdict.SenderAnonymous, ""),
		message(anonymous, robin, "anonymous").as("fe1").with(asserting(alice)).
			refused(403, verdict.SenderAnonymous, ruleFabrikam).diagnosed(1005),
		message(anonymous, lena, "anonymous").as("fe1").with(asserting(carol)).
			refused(403, verdict.UserNotFederated, ruleInsideOnly).diagnosed(1002),
		message(robin, nina, "foreign sender").as("fe1").refused(403, verdict.IdentityMismatch, "").diagnosed(1005),
		message("kim@kr.contoso.com", robin, "other pool's").as("fe1").refused(403, verdict.IdentityMismatch, "").diagnosed(1005),
	}
}

func relays() []scenario {
	return []scenario{
		message(robin, lena, "elsewhere").refused(403, verdict.NotOurs, ""),
		message(robin, alice, "foreign Route").with(header("Route", "<sip:sip.evil.example;lr>")).refused(403, verdict.NotOurs, ""),
		message(robin, alice, "maddr").with(start("%s sip:alice@contoso.com;maddr=127.0.0.1 SIP/2.0")).refused(403, verdict.NotOurs, ""),
		request("INFO", lena, alice, "forged token").with(forged).by(within("call out", callee)).refused(481, verdict.RouteInvalid, ""),
		message(nina, alice, "stolen token").by(stolen("watch")).refused(481, verdict.RouteInvalid, ""),
		request("BYE", robin, alice, "no token").with(set("To", "<sip:"+alice+">;tag=none")).refused(481, verdict.RouteInvalid, ""),
	}
}

func budgets() []scenario {
	return []scenario{
		message(nina, anna, "one user too many").refused(480, verdict.BudgetExhausted, ruleDiscovered),
		message(nina, "nobody@contoso.com", "nobody, the same").refused(480, verdict.BudgetExhausted, ruleDiscovered),
		message(nina, bob, "already known").passes(ruleDiscovery),
		message(robin, anna, "listed").passes(ruleFabrikam),
	}
}

func undiscovered() []scenario {
	const lucy = "lucy@lucerne.example" // at the hosting provider, not listed
	return []scenario{
		request("-", nina, alice, "open connection").by(cutOff).cut(verdict.DomainUnlisted, ruleUndiscovered),
		message(nina, alice, "unlisted").refused(403, verdict.DomainUnlisted, ruleUndiscovered),
		message(alice, nina, "unlisted").refused(403, verdict.DomainUnlisted, ruleUndiscovered).diagnosed(1027),
		message(alice, lucy, "hosting provider").refused(403, verdict.ProviderUnlisted, ruleWingtip).diagnosed(1028),
		message(lucy, alice, "hosting provider").refused(403, verdict.ProviderUnlisted, ruleWingtip),
		message(robin, alice, "allowed").passes(ruleFabrikam),
	}
}

func switchedOff() []scenario {
	return []scenario{
		message(robin, alice, "allowed").refused(403, verdict.FederationOff, ruleSwitch),
		message(alice, robin, "allowed").refused(403, verdict.FederationOff, ruleSwitch).diagnosed(1027),
	}
}
