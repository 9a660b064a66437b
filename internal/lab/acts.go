package lab

import (
	"strings"

	"edged/internal/lab/sippeer"
	"edged/pkg/verdict"
)

// everything is the policy of most acts.
func everything() PolicyFile { return PolicyFile{Enabled: true, Discovery: true} }

// acts is the whole play, in order.
func acts() []act {
	return []act{
		{"Partners write to us", everything(), inward()},
		{"We write to partners", everything(), outward()},
		{"Calls and presence", everything(), dialogs()},
		{"Who may not talk with whom", everything(), refusals()},
		{"Attempts to use us as a relay", everything(), relays()},
		{"Partners that cannot be reached", everything(), unreachable()},
		{"Answers that are not ours", everything(), answers()},
		{"Messages that are broken", everything(), broken()},
		{"Connections that are not let in", everything(), handshakes()},
		{"Partner discovery is switched off", PolicyFile{Enabled: true}, undiscovered()},
		{"Federation is switched off", PolicyFile{Discovery: true}, switchedOff()},
	}
}

func inward() []scenario {
	return []scenario{
		{
			from: "bob@fabrikam.com", to: "alice@contoso.com", method: "MESSAGE", kind: "allowed",
			want: want{rule: ruleFabrikam, status: 200},
		},
		{
			from: "lena@litware.com", to: "alice@contoso.com", method: "MESSAGE", kind: "direct",
			want: want{rule: ruleLitware, status: 200},
		},
		{
			from: "nina@northwind.example", to: "bob@contoso.com", method: "MESSAGE", kind: "discovered",
			want: want{rule: ruleDiscovery, status: 200},
		},
		{
			from: "tom@tailspin.example", to: "bob@contoso.com", method: "MESSAGE", kind: "hosting provider",
			want: want{rule: ruleWingtip, status: 200},
		},
		{
			from: "chris@chat.example", to: "alice@contoso.com", method: "MESSAGE", kind: "public provider",
			want: want{rule: ruleMessenger, status: 200},
		},
	}
}

func outward() []scenario {
	return []scenario{
		{
			from: "alice@contoso.com", to: "bob@fabrikam.com", method: "MESSAGE", kind: "allowed",
			want: want{rule: ruleFabrikam, status: 200},
		},
		{
			from: "alice@contoso.com", to: "lena@litware.com", method: "MESSAGE", kind: "direct",
			want: want{rule: ruleLitware, status: 200},
		},
		{
			from: "bob@contoso.com", to: "nina@northwind.example", method: "MESSAGE", kind: "discovered",
			want: want{rule: ruleDiscovery, status: 200},
		},
		{
			from: "bob@contoso.com", to: "tom@tailspin.example", method: "MESSAGE", kind: "hosting provider",
			want: want{rule: ruleWingtip, status: 200},
		},
		{
			from: "alice@contoso.com", to: "chris@chat.example", method: "MESSAGE", kind: "public provider",
			want: want{rule: ruleMessenger, status: 200},
		},
	}
}

func dialogs() []scenario {
	return []scenario{
		{
			from: "bob@fabrikam.com", to: "alice@contoso.com", method: "INVITE", kind: "allowed",
			answer: sippeer.Answer{Provisional: []int{180}}, play: opens("call in"),
			want: want{rule: ruleFabrikam, status: 200},
		},
		{
			from: "bob@fabrikam.com", to: "alice@contoso.com", method: "MESSAGE", kind: "allowed", play: within("call in", caller),
			want: want{rule: ruleFabrikam, status: 200},
		},
		{
			from: "alice@contoso.com", to: "bob@fabrikam.com", method: "BYE", kind: "allowed", play: within("call in", callee),
			want: want{rule: ruleFabrikam, status: 200},
		},
		{
			from: "alice@contoso.com", to: "lena@litware.com", method: "INVITE", kind: "direct", play: opens("call out"),
			want: want{rule: ruleLitware, status: 200},
		},
		{
			from: "lena@litware.com", to: "alice@contoso.com", method: "MESSAGE", kind: "direct", play: within("call out", callee),
			want: want{rule: ruleLitware, status: 200},
		},
		{
			from: "lena@litware.com", to: "alice@contoso.com", method: "BYE", kind: "direct", play: within("call out", callee),
			want: want{rule: ruleLitware, status: 200},
		},
		{
			from: "bob@fabrikam.com", to: "alice@contoso.com", method: "SUBSCRIBE", kind: "allowed",
			edit: presence, answer: sippeer.Answer{Type: "application/pidf+xml", Body: "<presence/>"}, play: opens("watch"),
			want: want{rule: ruleFabrikam, status: 200},
		},
		{
			from: "alice@contoso.com", to: "bob@fabrikam.com", method: "NOTIFY", kind: "allowed",
			edit: notice, play: within("watch", callee),
			want: want{rule: ruleFabrikam, status: 200},
		},
		{
			from: "alice@contoso.com", to: "bob@fabrikam.com", method: "BENOTIFY", kind: "allowed",
			edit: notice, play: unanswered("watch", callee),
			want: want{rule: ruleFabrikam},
		},
		{
			from: "bob@fabrikam.com", to: "alice@contoso.com", method: "INVITE", kind: "allowed",
			answer: sippeer.Answer{Provisional: []int{180}, Silent: true}, play: cancels,
			want: want{reason: verdict.Cancelled, rule: ruleFabrikam, status: 487},
		},
	}
}

// presence is what every Microsoft client asks for in a SUBSCRIBE (spec-sip §8.1).
func presence(m *sippeer.Message) {
	header("Event", "presence")(m)
	header("Proxy-Require", "ms-benotify")(m)
	header("Supported", "ms-benotify, ms-piggyback-first-notify")(m)
}

func notice(m *sippeer.Message) {
	header("Event", "presence")(m)
	header("Subscription-State", "active")(m)
}

func refusals() []scenario {
	return []scenario{
		{
			from: "sam@spam.example", to: "alice@contoso.com", method: "MESSAGE", kind: "blocked",
			want: want{reason: verdict.DomainBlocked, rule: ruleSpam, status: 403},
		},
		{
			from: "sam@shop.spam.example", to: "alice@contoso.com", method: "MESSAGE", kind: "blocked", by: "spam.example",
			want: want{reason: verdict.DomainBlocked, rule: ruleSpam, status: 403},
		},
		{
			from: "alice@contoso.com", to: "sam@spam.example", method: "MESSAGE", kind: "blocked",
			want: want{reason: verdict.DomainBlocked, rule: ruleSpam, status: 403, inside: 1027},
		},
		{
			from: "bob@fabrikam.com", to: "carol@contoso.com", method: "MESSAGE", kind: "allowed",
			want: want{reason: verdict.UserNotFederated, rule: ruleInsideOnly, status: 404},
		},
		{
			from: "bob@fabrikam.com", to: "zoe@contoso.com", method: "MESSAGE", kind: "allowed",
			answer: sippeer.Answer{Status: 404, Headers: []sippeer.Field{{Name: "Server", Value: "RTC/5.0"}}},
			want:   want{rule: ruleFabrikam, status: 404}, play: unknownUser,
		},
		{
			from: "carol@contoso.com", to: "bob@fabrikam.com", method: "MESSAGE", kind: "allowed",
			want: want{reason: verdict.UserNotFederated, rule: ruleInsideOnly, status: 403, inside: 1002},
		},
		{
			from: "bob@contoso.com", to: "chris@chat.example", method: "MESSAGE", kind: "public provider",
			want: want{reason: verdict.UserNotPublic, rule: ruleGlobal, status: 403, inside: 1001},
		},
		{
			from: "chris@chat.example", to: "bob@contoso.com", method: "MESSAGE", kind: "public provider",
			want: want{reason: verdict.UserNotPublic, rule: ruleGlobal, status: 404},
		},
		{
			from: "alice@contoso.com", to: "chris@chat.example", method: "INVITE", kind: "public provider",
			edit: body(audio),
			want: want{reason: verdict.UserNotPublicAV, rule: ruleSales, status: 403, inside: 1001},
		},
		{
			from: "alice@contoso.com", to: "old@oldchat.example", method: "MESSAGE", kind: "public provider",
			want: want{reason: verdict.ProviderDisabled, rule: ruleOldMessenger, status: 403, inside: 1027},
		},
		{
			from: "bob@fabrikam.com", to: "alice@contoso.com", method: "MESSAGE", kind: "allowed", by: "evil.example",
			want: want{reason: verdict.IdentityMismatch, rule: ruleFabrikam, status: 403},
		},
		{
			from: "lena@litware.com", to: "alice@contoso.com", method: "MESSAGE", kind: "direct", by: "fabrikam.com",
			want: want{reason: verdict.IdentityMismatch, rule: ruleLitware, status: 403},
		},
		{
			from: "alice@contoso.com", to: "bob@contoso.com", method: "MESSAGE", kind: "our own", by: "fabrikam.com",
			want: want{reason: verdict.IdentityMismatch, status: 403},
		},
		{
			from: "anonymous@anonymous.invalid", to: "alice@contoso.com", method: "MESSAGE", kind: "anonymous", by: "fabrikam.com",
			want: want{reason: verdict.SenderAnonymous, status: 403},
		},
		{
			from: "bob@fabrikam.com", to: "nina@northwind.example", method: "MESSAGE", kind: "foreign", by: "fe1",
			want: want{reason: verdict.IdentityMismatch, status: 403, inside: 1005},
		},
		{
			from: "kim@kr.contoso.com", to: "bob@fabrikam.com", method: "MESSAGE", kind: "allowed", by: "fe1",
			want: want{reason: verdict.IdentityMismatch, status: 403, inside: 1005},
		},
	}
}

func relays() []scenario {
	return []scenario{
		{
			from: "bob@fabrikam.com", to: "lena@litware.com", method: "MESSAGE", kind: "elsewhere",
			want: want{reason: verdict.NotOurs, status: 403},
		},
		{
			from: "bob@fabrikam.com", to: "alice@contoso.com", method: "MESSAGE", kind: "foreign Route",
			edit: header("Route", "<sip:sip.evil.example;lr>"),
			want: want{reason: verdict.NotOurs, status: 403},
		},
		{
			from: "bob@fabrikam.com", to: "alice@contoso.com", method: "MESSAGE", kind: "maddr",
			edit: start("%s sip:alice@contoso.com;maddr=127.0.0.1 SIP/2.0"),
			want: want{reason: verdict.NotOurs, status: 403},
		},
		{
			from: "lena@litware.com", to: "alice@contoso.com", method: "MESSAGE", kind: "forged token",
			edit: forged, play: within("call out", callee),
			want: want{reason: verdict.RouteInvalid, status: 481},
		},
		{
			from: "nina@northwind.example", to: "alice@contoso.com", method: "MESSAGE", kind: "stolen token", play: stolen("watch"),
			want: want{reason: verdict.RouteInvalid, status: 481},
		},
		{
			from: "bob@fabrikam.com", to: "alice@contoso.com", method: "BYE", kind: "no token",
			edit: set("To", "<sip:alice@contoso.com>;tag=none"),
			want: want{reason: verdict.RouteInvalid, status: 481},
		},
	}
}

func unreachable() []scenario {
	fails := func(domain string, reason verdict.Reason, id int) scenario {
		return scenario{
			from: "alice@contoso.com", to: "x@" + domain, method: "MESSAGE", kind: "discovered",
			want: want{reason: reason, rule: ruleDiscovery, status: 504, inside: id},
		}
	}
	silent := fails("northwind.example", verdict.NoAnswer, 1007)
	silent.method, silent.want.status, silent.answer = "INVITE", 408, sippeer.Answer{Silent: true}
	lost := fails("northwind.example", verdict.ConnectionLost, 1007)
	lost.answer = sippeer.Answer{Hangup: true}
	return []scenario{
		fails("no-record.example", verdict.DNSNoRecord, 1008),
		fails("failing.example", verdict.DNSFailed, 1008),
		fails("foreign.example", verdict.TargetOutsideDomain, 1009),
		fails("no-address.example", verdict.DNSNoAddress, 1014),
		fails("private.example", verdict.TargetPrivate, 1046),
		fails("refused.example", verdict.ConnectFailed, 1046),
		fails("hangup.example", verdict.TLSFailed, 1047),
		fails("strict.example", verdict.TLSFailed, 1047),
		fails("rogue.example", verdict.CertificateRefused, 1010),
		fails("expired.example", verdict.CertificateRefused, 1010),
		fails("wrong-name.example", verdict.CertificateRefused, 1010),
		silent,
		lost,
		{
			from: "bob@fabrikam.com", to: "kim@kr.contoso.com", method: "MESSAGE", kind: "allowed",
			want: want{reason: verdict.PoolDown, rule: ruleFabrikam, status: 504},
		},
	}
}

func answers() []scenario {
	diagnostics := []sippeer.Field{{Name: "ms-diagnostics", Value: `4005;reason="Destination URI either not enabled for SIP or does not exist";source="fe1.corp.contoso.com"`}}
	return []scenario{
		{
			from: "alice@contoso.com", to: "bob@fabrikam.com", method: "MESSAGE", kind: "allowed",
			answer: sippeer.Answer{Status: 486}, want: want{reason: verdict.PeerRefused, rule: ruleFabrikam, status: 486, inside: 1034},
		},
		{
			from: "bob@fabrikam.com", to: "alice@contoso.com", method: "MESSAGE", kind: "allowed",
			answer: sippeer.Answer{Status: 486, Headers: diagnostics}, want: want{reason: verdict.PeerRefused, rule: ruleFabrikam, status: 486},
		},
		{
			from: "bob@fabrikam.com", to: "alice@contoso.com", method: "MESSAGE", kind: "allowed",
			answer: sippeer.Answer{Status: 503, Headers: []sippeer.Field{{Name: "Retry-After", Value: "3600"}}},
			want:   want{reason: verdict.PeerRefused, rule: ruleFabrikam, status: 500},
		},
	}
}

func broken() []scenario {
	bad := func(kind string, status int, reason verdict.Reason, edit func(*sippeer.Message)) scenario {
		return scenario{
			from: "bob@fabrikam.com", to: "alice@contoso.com", method: "MESSAGE", kind: kind,
			edit: edit, want: want{reason: reason, status: status},
		}
	}
	big := bad("body too large", 413, verdict.BodyTooLarge, body(strings.Repeat("x", 20<<10)))
	two := bad("two lengths", 400, verdict.Malformed, func(m *sippeer.Message) {
		header("Content-Length", "5")(m)
		header("Content-Length", "0")(m)
	})
	big.play, two.play = alone, alone
	loop := bad("loop", 482, verdict.LoopDetected, nil)
	loop.play = loops
	register := bad("REGISTER", 405, verdict.MethodRefused, nil)
	register.method = "REGISTER"
	return []scenario{
		bad("CSeq of another", 400, verdict.Malformed, set("CSeq", "1 INVITE")),
		two,
		bad("no hops left", 483, verdict.HopsExhausted, set("Max-Forwards", "0")),
		loop,
		bad("scheme", 416, verdict.SchemeUnsupported, start("%s tel:+15550100 SIP/2.0")),
		bad("version", 505, verdict.VersionUnsupported, start("%s sip:alice@contoso.com SIP/3.0")),
		bad("Proxy-Require", 420, verdict.ExtensionUnsupported, header("Proxy-Require", "time-travel")),
		bad("URI too long", 414, verdict.URITooLong, start("%s sip:alice@contoso.com;x="+strings.Repeat("x", 2<<10)+" SIP/2.0")),
		big,
		register,
	}
}

func handshakes() []scenario {
	stranger := func(from, by, kind, alert string) scenario {
		return scenario{
			from: from, to: "alice@contoso.com", method: "MESSAGE", kind: kind, by: by, play: handshake,
			want: want{reason: verdict.CertificateRefused, alert: alert},
		}
	}
	return []scenario{
		stranger("x@nobody.example", "nobody.example", "no certificate", "certificate"),
		stranger("x@rogue.example", "rogue.example", "unknown authority", "certificate"),
		stranger("x@expired.example", "expired.example", "expired", "certificate"),
	}
}

func undiscovered() []scenario {
	return []scenario{
		{
			from: "nina@northwind.example", to: "alice@contoso.com", method: "MESSAGE", kind: "unlisted",
			want: want{reason: verdict.DomainUnlisted, status: 403},
		},
		{
			from: "alice@contoso.com", to: "nina@northwind.example", method: "MESSAGE", kind: "unlisted",
			want: want{reason: verdict.DomainUnlisted, status: 403, inside: 1027},
		},
		{
			from: "alice@contoso.com", to: "lucy@lucerne.example", method: "MESSAGE", kind: "hosting provider",
			want: want{reason: verdict.ProviderUnlisted, rule: ruleWingtip, status: 403, inside: 1028},
		},
		{
			from: "lucy@lucerne.example", to: "alice@contoso.com", method: "MESSAGE", kind: "hosting provider",
			want: want{reason: verdict.ProviderUnlisted, rule: ruleWingtip, status: 403},
		},
		{
			from: "bob@fabrikam.com", to: "alice@contoso.com", method: "MESSAGE", kind: "allowed",
			want: want{rule: ruleFabrikam, status: 200},
		},
	}
}

func switchedOff() []scenario {
	return []scenario{
		{
			from: "bob@fabrikam.com", to: "alice@contoso.com", method: "MESSAGE", kind: "allowed",
			want: want{reason: verdict.FederationOff, rule: ruleSwitch, status: 403},
		},
		{
			from: "alice@contoso.com", to: "bob@fabrikam.com", method: "MESSAGE", kind: "allowed",
			want: want{reason: verdict.FederationOff, rule: ruleSwitch, status: 403, inside: 1027},
		},
	}
}
