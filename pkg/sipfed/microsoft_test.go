package sipfed

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"edged/pkg/limit"
	"edged/pkg/policy"
)

// TestVerificationLevels: what the inside is told of a sender follows from the
// partner's level, and under use_source from the partner's own mark. It is said
// once, in requests and in answers, whatever the message claims.
func TestVerificationLevels(t *testing.T) {
	world()
	const mark, forged = "ms-asserted-verification-level", "ms-edge-proxy-message-trust: ms-source-type=InternetUser;ms-source-verified-user=verified"
	tests := []struct {
		level    policy.Verification
		marks    []string // of the partner
		verified string
	}{
		{policy.AlwaysVerifiable, nil, "verified"},
		{policy.AlwaysVerifiable, []string{"ms-source-verified-user=unverified"}, "verified"},
		{policy.AlwaysUnverifiable, []string{"ms-source-verified-user=verified"}, "unverified"},
		{policy.UseSource, nil, "unverified"},
		{policy.UseSource, []string{"ms-source-verified-user=verified"}, "verified"},
		{policy.UseSource, []string{" MS-Source-Verified-User = Verified ; x=y"}, "verified"},
		{policy.UseSource, []string{"ms-source-verified-user=unverified"}, "unverified"},
		{policy.UseSource, []string{"ms-source-verified-user=verified;ms-source-verified-user=unverified"}, "unverified"},
		{policy.UseSource, []string{"ms-source-verified-user=verified", "ms-source-verified-user=verified"}, "unverified"},
		{policy.UseSource, []string{"verified"}, "unverified"},
	}
	for _, tt := range tests {
		synctest.Test(t, func(t *testing.T) {
			b, front, partner := outward(t, listing("fabrikam.com", func(a *policy.AllowedDomain) { a.Verification = tt.level }))
			pool := b.poolServer()
			rows := []string{forged}
			for _, m := range tt.marks {
				rows = append(rows, mark+": "+m)
			}
			want := "ms-source-type=DirectPartner;ms-ep-fqdn=edge.corp.contoso.com;ms-source-verified-user=" + tt.verified + ";ms-source-network=federation"
			partner.send(with(request("MESSAGE", "1", ""), rows...))
			got := pool.expect("MESSAGE")
			got.same(t, "request", "ms-edge-proxy-message-trust", want)
			got.same(t, "request", mark)
			pool.send(got.reply("200 OK"))
			partner.expect("SIP/2.0 200")

			front.send(outgoing("MESSAGE", "2", ""))
			partner.send(partner.expect("MESSAGE").reply("200 OK", rows...))
			got = front.expect("SIP/2.0 200")
			got.same(t, "answer", "ms-edge-proxy-message-trust", want)
			got.same(t, "answer", mark)
		})
	}
}

// TestOutgoingMark: our messages say whether our users are verified, in the
// edge's words only.
func TestOutgoingMark(t *testing.T) {
	world()
	for _, on := range []bool{true, false} {
		want := map[bool]string{true: "ms-source-verified-user=verified", false: "ms-source-verified-user=unverified"}[on]
		synctest.Test(t, func(t *testing.T) {
			b, front, partner := outward(t, func(src *policy.Source, _ *limit.Bounds) { src.Federation.MarkSourceVerifiable = on })
			pool := b.poolServer()
			rows := []string{
				"ms-asserted-verification-level: ms-source-verified-user=whatever", "ms-split-domain-info: ms-traffic-type=SplitIntra",
				"ms-edge-proxy-message-trust: ms-source-type=InternetUser", "ms-diagnostics: 1;reason=\"inner\"",
				`ms-diagnostics-public: 5000;reason="told"`,
			}
			check := func(what string, m msg) {
				m.same(t, what, "ms-asserted-verification-level", want)
				for _, name := range []string{"ms-split-domain-info", "ms-edge-proxy-message-trust", "ms-diagnostics"} {
					m.same(t, what, name)
				}
				m.same(t, what, "ms-diagnostics-public", `5000;reason="told"`)
			}
			front.send(with(outgoing("MESSAGE", "1", ""), rows...))
			got := partner.expect("MESSAGE")
			check("request", got)
			partner.send(got.reply("200 OK"))
			front.expect("SIP/2.0 200")
			partner.send(request("MESSAGE", "2", ""))
			pool.send(pool.expect("MESSAGE").reply("486 Busy Here", rows...))
			check("answer", partner.expect("SIP/2.0 486"))
			partner.send(strings.Replace(request("MESSAGE", "3", ""), "alice", "mallory", 1))
			partner.expect("SIP/2.0 404").same(t, "refusal", "ms-asserted-verification-level")
		})
	}
}

// TestArchivingNotice: it goes where people write to each other, and nowhere else.
func TestArchivingNotice(t *testing.T) {
	world()
	const notice = "X-Archiving-Notice: we keep copies; <ask> us"
	synctest.Test(t, func(t *testing.T) {
		b, front, partner := outward(t, func(src *policy.Source, _ *limit.Bounds) { src.Federation.ArchivingNotice = notice })
		pool := b.poolServer()
		told := func(m msg, want bool) {
			t.Helper()
			if got := m.one("X-Archiving-Notice"); (got == "we keep copies; <ask> us") != want {
				t.Errorf("notice %q in\n%s", got, m)
			}
		}
		for _, tt := range []struct {
			method, status string
			out, in        bool
		}{
			{"MESSAGE", "200 OK", true, true},
			{"INVITE", "200 OK", true, true},
			{"MESSAGE", "486 Busy Here", true, false},
			{"SUBSCRIBE", "200 OK", false, false},
			{"OPTIONS", "200 OK", false, false},
		} {
			front.send(outgoing(tt.method, tt.method+tt.status[:3], ""))
			if tt.method == "INVITE" {
				front.expect("SIP/2.0 100")
			}
			got := partner.expect(tt.method)
			told(got, tt.out)
			partner.send(got.reply(tt.status))
			told(front.expect("SIP/2.0 "+tt.status), false)

			partner.send(request(tt.method, "in"+tt.method+tt.status[:3], ""))
			if tt.method == "INVITE" {
				partner.expect("SIP/2.0 100")
			}
			got = pool.expect(tt.method)
			told(got, false)
			pool.send(got.reply(tt.status))
			told(partner.expect("SIP/2.0 "+tt.status), tt.in)
		}
	})
}

// TestRefusalOfPartner: the inside is told who refused without explaining, and a
// refusal of the edge itself says so.
func TestRefusalOfPartner(t *testing.T) {
	world()
	const silent = `1034;reason="Previous hop federated peer did not report diagnostic information";source="edge.corp.contoso.com";Domain="fabrikam.com";PeerServer="` + partnerAddr + `"`
	const told = `4005;reason="Destination URI either not enabled for SIP or does not exist"`
	synctest.Test(t, func(t *testing.T) {
		_, front, partner := outward(t)
		for i, tt := range []struct{ row, inside, public string }{
			{"Subject: none", silent, ""},
			{`ms-diagnostics: 4005;reason="x";source="secret.fabrikam.com"`, silent, ""},
			{"ms-diagnostics-public: " + told, "", told},
		} {
			front.send(outgoing("MESSAGE", fmt.Sprint(i), ""))
			partner.send(partner.expect("MESSAGE").reply("404 Not Found", tt.row))
			got := front.expect("SIP/2.0 404")
			if got.one("ms-diagnostics") != tt.inside || got.one("ms-diagnostics-public") != tt.public {
				t.Errorf("%s: got\n%s", tt.row, got)
			}
		}
		front.send(strings.Replace(outgoing("MESSAGE", "x", ""), "sip:bob@fabrikam.com SIP", "sip:x@unlisted.example SIP", 1))
		got := front.expect("SIP/2.0 403")
		got.same(t, "own", "ms-edge-proxy-message-trust", "ms-source-type=EdgeProxyGenerated;ms-ep-fqdn=edge.corp.contoso.com;ms-source-verified-user=verified")
		if !strings.HasPrefix(got.one("ms-diagnostics"), "1027;") {
			t.Errorf("got\n%s", got)
		}
	})
}

// TestMicrosoftTraffic: what Microsoft's clients and servers send crosses
// literally: parameters nobody else has, methods nobody else has, routes as long
// as theirs, bodies in answers to SUBSCRIBE.
func TestMicrosoftTraffic(t *testing.T) {
	world()
	long := func(host, name string) string {
		return "Record-Route: <sip:" + host + ":5061;transport=tls;" + name + "=" + strings.Repeat("aB3", 300) + ";ms-fe=fe1;opaque=state:F;lr>;tag=0123456789ABCDEF"
	}
	rows := []string{
		long("edge.fabrikam.com", "ms-key-info"), long("pool.fabrikam.com", "ms-route-sig"), long("fe.fabrikam.com", "opaque"),
		"Contact: <sip:bob@fabrikam.com;opaque=user:epid:AAA;gruu>;proxy=replace;+sip.instance=\"<urn:uuid:1>\"",
		"Supported: com.microsoft.autoextend, ms-benotify, ms-piggyback-first-notify", "Proxy-Require: ms-benotify",
		"Accept: application/msrtc-event-categories+xml, text/xml+msrtc.pidf, application/xpidf+xml", "Event: presence",
		"ms-text-format: text/plain;charset=UTF-8;ms-body=aGVsbG8=", "Ms-Conversation-ID: AdAAA==", "ms-keep-alive: UAC;hop-hop=yes",
	}
	from := `From: "Bob"<sip:bob@fabrikam.com>;tag=here;epid=0123456789`
	synctest.Test(t, func(t *testing.T) {
		_, partner, pool := between(t)
		for i, method := range []string{"SUBSCRIBE", "SERVICE", "NEGOTIATE", "INFO", "NOTIFY", "PUBLISH", "INVITE", "BENOTIFY", "X-FUTURE"} {
			text := strings.Replace(request(method, fmt.Sprint(i), "m=message 5060 sip null\r\n\x00\xff"), "From: <sip:bob@fabrikam.com>;tag=here", from, 1)
			partner.send(with(strings.Replace(text, "branch=", "ms-received-port=1;ms-received-cid=2A00;branch=", 1), rows...))
			if method == "INVITE" {
				partner.expect("SIP/2.0 100")
			}
			got := pool.expect(method)
			holds(t, got, append(rows, from)...)
			if got.body != "m=message 5060 sip null\r\n\x00\xff" || !strings.Contains(got.all("Via")[1], "ms-received-port=1;ms-received-cid=2A00") {
				t.Errorf("%s arrived as\n%s", method, got)
			}
			if method == "BENOTIFY" {
				continue
			}
			reply := got.reply("200 OK", "ms-piggyback-cseq: 1", "Content-Type: application/pidf+xml", rows[3])
			pool.send(strings.TrimSuffix(reply, "\n") + "\n<presence/>")
			answer := partner.expect("SIP/2.0 200")
			holds(t, answer, "ms-piggyback-cseq: 1", rows[0], rows[1], rows[2], rows[3])
			if answer.body != "<presence/>" {
				t.Errorf("%s was answered with\n%s", method, answer)
			}
		}
		partner.silent(time.Minute)
	})
}

// TestFederationProbe: an OPTIONS for a user is answered by the other side, and
// one for the edge by the edge (Test-CsFederatedPartner).
func TestFederationProbe(t *testing.T) {
	world()
	synctest.Test(t, func(t *testing.T) {
		b, front, partner := outward(t)
		front.send(strings.Replace(outgoing("OPTIONS", "1", ""), "sip:bob@", "sip:Options_User@", 1))
		got := partner.expect("OPTIONS sip:Options_User@fabrikam.com")
		partner.send(got.reply("200 OK", "Allow: X"))
		if answer := front.expect("SIP/2.0 200"); answer.one("Allow") != "X" {
			t.Errorf("answered by somebody else:\n%s", answer)
		}
		pool := b.poolServer()
		partner.send(request("OPTIONS", "2", ""))
		pool.send(pool.expect("OPTIONS sip:alice@contoso.com").reply("481 Gone"))
		partner.expect("SIP/2.0 481")
	})
}
