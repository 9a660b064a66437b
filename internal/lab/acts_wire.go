package lab

import (
	"strings"

	"edged/internal/lab/sippeer"
	"edged/pkg/verdict"
)

func unreachable() []scenario {
	fails := func(domain string, reason verdict.Reason, id int) scenario {
		return message(alice, "x@"+domain, "discovered").refused(504, reason, ruleDiscovery).diagnosed(id)
	}
	return []scenario{
		fails("no-record.example", verdict.DNSNoRecord, 1008),
		fails("unlisted-sips.example", verdict.DNSNoRecord, 1008),
		fails("failing.example", verdict.DNSFailed, 1008),
		fails("foreign.example", verdict.TargetOutsideDomain, 1009),
		fails("no-address.example", verdict.DNSNoAddress, 1014),
		fails("private.example", verdict.TargetPrivate, 1046),
		fails("refused.example", verdict.ConnectFailed, 1046),
		fails("hangup.example", verdict.TLSFailed, 1047),
		fails("strict.example", verdict.TLSFailed, 1047),
		fails("rogue.example", verdict.CertificateRefused, 1010),
		fails("expired.example", verdict.CertificateRefused, 1010),
		fails("revoked.example", verdict.CertificateRefused, 1010),
		fails("early.example", verdict.CertificateRefused, 1010),
		fails("wrong-name.example", verdict.CertificateRefused, 1010),
		fails("wild.example", verdict.CertificateRefused, 1010),
		message(alice, nina, "hangs up").answered(sippeer.Answer{Hangup: true}).
			refused(504, verdict.ConnectionLost, ruleDiscovery).diagnosed(1007),
		message(robin, "kim@kr.contoso.com", "pool is down").refused(504, verdict.PoolDown, ruleFabrikam),
	}
}

func silent() []scenario {
	never := sippeer.Answer{Silent: true}
	return []scenario{
		request("INVITE", alice, nina, "discovered").answered(never).refused(408, verdict.NoAnswer, ruleDiscovery).diagnosed(1007),
		message(alice, nina, "discovered").answered(never).by(patient).refused(0, verdict.NoAnswer, ruleDiscovery),
	}
}

func answers() []scenario {
	const detail = `13004;reason="Request was proxied to one or more registered endpoints";source="fe1.corp.contoso.com"`
	return []scenario{
		message(alice, robin, "allowed").answered(sippeer.Answer{Status: 486}).
			relayed(486, ruleFabrikam).diagnosed(1034),
		message(alice, holly, "hosted colleague").answered(sippeer.Answer{Status: 486}).arriving("wingtip").
			relayed(486, ruleWingtip).diagnosed(1036),
		message(alice, chris, "public provider").answered(sippeer.Answer{Status: 486}).
			relayed(486, ruleMessenger).diagnosed(1035),
		message(robin, alice, "allowed").answered(sippeer.Answer{Status: 486, Headers: fields("ms-diagnostics", detail)}).
			relayed(486, ruleFabrikam),
		message(robin, alice, "allowed").answered(sippeer.Answer{Status: 503, Headers: fields("Retry-After", "3600")}).
			refused(500, verdict.PeerRefused, ruleFabrikam),
	}
}

func broken() []scenario {
	bad := func(kind string, status int, reason verdict.Reason, edit func(*sippeer.Message)) scenario {
		return message(robin, alice, kind).with(edit).refused(status, reason, "")
	}
	twoLengths := func(m *sippeer.Message) {
		header("Content-Length", "5")(m)
		header("Content-Length", "0")(m)
	}
	long := start("%s sip:" + alice + ";x=" + strings.Repeat("x", 2<<10) + " SIP/2.0")
	return []scenario{
		bad("other CSeq", 400, verdict.Malformed, set("CSeq", "1 INVITE")),
		bad("two lengths", 400, verdict.Malformed, twoLengths).by(alone),
		bad("no hops left", 483, verdict.HopsExhausted, set("Max-Forwards", "0")),
		bad("no branch left", 440, verdict.BreadthExhausted, header("Max-Breadth", "0")),
		bad("loop", 482, verdict.LoopDetected, nil).by(loops),
		bad("tel:", 416, verdict.SchemeUnsupported, start("%s tel:+15550100 SIP/2.0")),
		bad("SIP/3.0", 505, verdict.VersionUnsupported, start("%s sip:"+alice+" SIP/3.0")),
		bad("Proxy-Require", 420, verdict.ExtensionUnsupported, header("Proxy-Require", "time-travel")),
		bad("long URI", 414, verdict.URITooLong, long),
		bad("large body", 413, verdict.BodyTooLarge, body(strings.Repeat("x", 20<<10))).by(alone),
		bad("huge header", 513, verdict.HeadersTooLarge, bloated).by(alone),
		bad("critical privacy", 500, verdict.PrivacyUnsupported, header("Privacy", "header;critical")),
		request("REGISTER", robin, alice, "allowed").refused(405, verdict.MethodRefused, ""),
	}
}

func handshakes() []scenario {
	return []scenario{
		message("x@nobody.example", alice, "no certificate").by(alone).
			notLetIn("certificate-none", "certificate required"),
		message("x@rogue.example", alice, "unknown authority").by(alone).
			notLetIn("certificate-unknown-authority", "bad certificate"),
		message("x@expired.example", alice, "expired").by(alone).
			notLetIn("certificate-expired", "bad certificate"),
		message("x@early.example", alice, "not yet valid").by(alone).
			notLetIn("certificate-not-yet-valid", "bad certificate"),
		message("x@revoked.example", alice, "revoked").by(alone).
			notLetIn("certificate-revoked", "bad certificate"),
		message("x@wild.example", alice, "wildcard").by(alone).
			notLetIn("certificate-no-names", "bad certificate"),
	}
}
