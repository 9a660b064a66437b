package sipfed

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"edged/pkg/sipfed/sipmsg"
)

func parsed(t *testing.T, text string) *sipmsg.Message {
	t.Helper()
	m, err := sipmsg.Parse([]byte(wire(text)), sipmsg.DefaultLimits())
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// with adds header lines to a request.
func with(request string, lines ...string) string {
	return strings.Replace(request, "\n\n", "\n"+strings.Join(lines, "\n")+"\n\n", 1)
}

func TestStrangersAssertNothing(t *testing.T) {
	world()
	synctest.Test(t, func(t *testing.T) {
		_, partner, pool := between(t)
		partner.send(with(request("MESSAGE", "1", ""),
			"P-Asserted-Identity: <sip:ceo@contoso.com>, <tel:+1>", "p-preferred-identity: <sip:ceo@contoso.com>",
			"ms-edge-proxy-message-trust: ms-source-type=InternetUser", "MS-Split-Domain-Info: x",
			"ms-asserted-verification-level: ms-source-verified-user=verified", "ms-diagnostics: 1;reason=\"x\"",
			"X-Unknown:   kept ,as  it is", "Subject: hello"))
		got := pool.expect("MESSAGE")
		for _, name := range []string{"P-Asserted-Identity", "P-Preferred-Identity", "ms-split-domain-info", "ms-asserted-verification-level", "ms-diagnostics"} {
			if all := got.all(name); len(all) > 0 {
				t.Errorf("%s crossed: %q", name, all)
			}
		}
		trust := got.all("ms-edge-proxy-message-trust")
		if len(trust) != 1 || !strings.HasPrefix(trust[0], "ms-source-type=AutoFederation;ms-ep-fqdn=edge.corp.contoso.com;ms-source-verified-user=verified") {
			t.Errorf("trust %q", trust)
		}
		if !strings.Contains(got.String(), "X-Unknown:   kept ,as  it is") {
			t.Errorf("an unknown header was changed\n%s", got)
		}
		pool.send(got.reply("486 Busy Here", `ms-diagnostics: 5000;reason="inner life";source="fe1"`, "X-Kept: yes"))
		answer := partner.expect("SIP/2.0 486")
		if strings.Contains(answer.String(), "inner life") || answer.one("X-Kept") != "yes" {
			t.Errorf("partner got\n%s", answer)
		}
	})
}

// TestOneBadMessage: it is answered, and the connection goes on; only lost
// framing ends it.
func TestOneBadMessage(t *testing.T) {
	world()
	good := request("MESSAGE", "1", "")
	tests := []struct{ name, text, answer string }{
		{"CSeq of another method", strings.Replace(good, "CSeq: 1 MESSAGE", "CSeq: 1 BYE", 1), "SIP/2.0 400 Bad Request: CSeq"},
		{"version", strings.Replace(good, "SIP/2.0\n", "SIP/7.0\n", 1), "SIP/2.0 505"},
		{"scheme", strings.Replace(good, "sip:alice@contoso.com SIP", "soap.beep://x SIP", 1), "SIP/2.0 416"},
		{"headers in the Request-URI", strings.Replace(good, "contoso.com SIP", "contoso.com?Route=x SIP", 1), "SIP/2.0 400"},
		{"no hops left", strings.Replace(good, "Max-Forwards: 70", "Max-Forwards: 0", 1), "SIP/2.0 483"},
		{"two of Call-ID", with(good, "Call-ID: two"), "SIP/2.0 400"},
		{"From of another domain", strings.Replace(good, "bob@fabrikam.com", "bob@adatum.com", 1), "SIP/2.0 403"},
		{"From below the domain", strings.Replace(good, "bob@fabrikam.com", "bob@sub.fabrikam.com", 1), "SIP/2.0 403"},
		{"From that ends in the domain", strings.Replace(good, "bob@fabrikam.com", "bob@evilfabrikam.com", 1), "SIP/2.0 403"},
		{"From anonymous", strings.Replace(good, "sip:bob@fabrikam.com", "sip:anonymous@anonymous.invalid", 1), "SIP/2.0 403"},
		{"to somebody else's domain", strings.Replace(good, "sip:alice@contoso.com SIP", "sip:x@third.example SIP", 1), "SIP/2.0 403"},
		{"Route elsewhere", with(good, "Route: <sip:third.example;lr>"), "SIP/2.0 403"},
		{"own Route, then elsewhere", with(good, "Route: <sip:sip.contoso.com;lr>, <sip:third.example;lr>"), "SIP/2.0 403"},
		{"maddr", strings.Replace(good, "contoso.com SIP", "contoso.com;maddr=192.0.2.1 SIP", 1), "SIP/2.0 403"},
		{"REGISTER", strings.ReplaceAll(good, "MESSAGE", "REGISTER"), "SIP/2.0 405"},
		{"in a dialog without token", strings.Replace(good, "To: <sip:alice@contoso.com>", "To: <sip:alice@contoso.com>;tag=x", 1), "SIP/2.0 481"},
		{"for the edge itself", strings.ReplaceAll(strings.Replace(good, "sip:alice@contoso.com SIP", "sip:sip.contoso.com SIP", 1), "MESSAGE", "OPTIONS"), "SIP/2.0 200"},
	}
	synctest.Test(t, func(t *testing.T) {
		_, partner, pool := between(t)
		for _, tt := range tests {
			partner.send(tt.text)
			if answer := partner.expect(tt.answer); answer.one("To") == "" {
				t.Errorf("%s: got\n%s", tt.name, answer)
			}
		}
		partner.send(request("MESSAGE", "last", "")) // the first thing that the pool sees
		if got := pool.expect("MESSAGE"); got.one("Call-ID") != "call-last" {
			t.Errorf("the pool saw\n%s", got)
		}
		if _, err := partner.sock.Write([]byte(strings.Replace(wire(good), "Content-Length: 0", "Content-Length: 0\r\nl: 5", 1))); err != nil {
			t.Fatal(err)
		}
		partner.expect("SIP/2.0 400")
		if m, err := partner.read(time.Minute); err == nil {
			t.Errorf("after lost framing came\n%s", m)
		}
	})
}

// TestFirstFailureWins: the checks of RFC 3261 §16.3 are made in its order, and the
// answer is that of the first that fails. Everything is wrong with the request, and
// one thing after the other is put right.
func TestFirstFailureWins(t *testing.T) {
	world()
	synctest.Test(t, func(t *testing.T) {
		_, partner, pool := between(t)
		partner.send(strings.ReplaceAll(request("MESSAGE", "0", ""), "bob@fabrikam.com", "robin@fabrikam.com"))
		before := pool.expect("MESSAGE")
		pool.send(before.reply("200 OK"))
		partner.expect("SIP/2.0 200")
		text := with(strings.NewReplacer("call-1", "call-0", "CSeq: 1 ", "CSeq: 1x ", "sip:alice@contoso.com SIP", "tel:+1 SIP", "Max-Forwards: 70", "Max-Forwards: 0", "bob@fabrikam.com", "eve@adatum.com").
			Replace(request("MESSAGE", "1", "")), "Max-Breadth: 0", "Via: "+before.one("Via"))
		for i, step := range []struct{ answer, wrong, right string }{
			{"400 Bad Request: CSeq", "CSeq: 1x ", "CSeq: 1 "},
			{"416", "tel:+1 SIP", "sip:alice@contoso.com SIP"},
			{"483", "Max-Forwards: 0", "Max-Forwards: 70"},
			{"440", "Max-Breadth: 0", "Max-Breadth: 9"},
			{"482", "Via: " + before.one("Via"), "Proxy-Require: telepathy"}, // of which the loop's hash is made too
			{"420", "Proxy-Require", "Require"},
			{"403", "eve@adatum.com", "bob@fabrikam.com"},
		} {
			partner.send(strings.Replace(text, "z9hG4bK1", fmt.Sprint("z9hG4bKstep", i), 1))
			if got := partner.expect("SIP/2.0"); !strings.HasPrefix(got.first, "SIP/2.0 "+step.answer) {
				t.Errorf("before %q was put right: %s, want %s", step.wrong, got.first, step.answer)
			}
			text = strings.Replace(text, step.wrong, step.right, 1)
		}
		partner.send(text)
		pool.expect("MESSAGE")
	})
}
