package sipfed

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"edged/internal/lab/ca"
	"edged/pkg/domain"
	"edged/pkg/limit"
	"edged/pkg/policy"
)

// sharing adds a provider that hosts some of our users, such as holly.
func sharing(src *policy.Source, _ *limit.Bounds) {
	src.Providers = []policy.Provider{{
		Name: "Online", Kind: policy.Hosting, Proxy: domain.MustParse("sipfed.online.example"), Enabled: true, SharedAddressSpace: true,
	}}
}

// online is the certificate of the provider's proxy.
func online() ca.Cert { return world().public.Issue(ca.Leaf{DNS: []string{"sipfed.online.example"}}) }

// poolRoute is by what a pool that routes stays in dialogs.
const poolRoute = "<sip:pool.corp.contoso.com:5061;transport=tls;lr>"

// onwards is a request as the pool sends it on: with its Via, without its own
// Route, and staying in the dialog. Where the pool names the next hop it says so.
func onwards(m msg, branch string, route ...string) string {
	out := []string{m.first, "Via: SIP/2.0/TLS pool.corp.contoso.com:5061;branch=z9hG4bK" + branch}
	if len(m.all("Record-Route")) > 0 {
		out = append(out, "Record-Route: "+poolRoute)
	}
	for _, r := range route {
		out = append(out, "Route: "+r)
	}
	for _, row := range m.rows {
		if row != "Route: "+poolRoute && !strings.HasPrefix(row, "Content-Length") {
			out = append(out, row)
		}
	}
	return strings.Join(out, "\n") + "\n\n" + m.body
}

// back is a response as the pool sends it on: without its own Via.
func back(m msg) string {
	out := []string{m.first}
	for _, row := range m.rows {
		if !strings.HasPrefix(row, "Via: SIP/2.0/TLS pool.corp.contoso.com") && !strings.HasPrefix(row, "Content-Length") {
			out = append(out, row)
		}
	}
	return strings.Join(out, "\n") + "\n\n" + m.body
}

// inDialog is a request by one of two ends of a dialog. The answer that
// opened it says how it is routed.
func inDialog(method, uri, from, to, branch, seq string, routes []string) string {
	text := method + " " + uri + ` SIP/2.0
Via: SIP/2.0/TLS end.example:5061;branch=z9hG4bK` + branch + `
Max-Forwards: 70
`
	for _, r := range routes {
		text += "Route: " + r + "\n"
	}
	return text + "From: " + from + "\nTo: " + to + "\nCall-ID: call-1\nCSeq: " + seq + " " + method + "\n\n"
}

func reversed(in []string) []string {
	out := make([]string, len(in))
	for i, v := range in {
		out[len(in)-1-i] = v
	}
	return out
}

// TestPartnerCallsHostedUser: partner, edge, pool, edge, provider, and the same way
// back, with later requests from both ends.
func TestPartnerCallsHostedUser(t *testing.T) {
	cert := online()
	const toProvider = "<sip:" + partnerAddr + ":5061;transport=tls;lr>"
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t, sharing, listing("fabrikam.com", func(a *policy.AllowedDomain) { a.Proxy = domain.MustParse("fabrikam.com") }))
		partner, in, out := b.partner(b.world.partner), b.poolServer(), b.client(b.inside, b.world.member)

		call := with(strings.ReplaceAll(request("INVITE", "1", "v=0"), "alice", "holly"), "P-Asserted-Identity: <sip:bob@fabrikam.com>", "ms-split-domain-info: forged")
		partner.send(call)
		partner.expect("SIP/2.0 100")
		first := in.expect("INVITE")
		first.same(t, "from a partner", "ms-split-domain-info")
		out.send(with(onwards(first, "p1", toProvider), "ms-split-domain-info: ms-traffic-type=SplitExtra"))
		out.expect("SIP/2.0 100")
		provider := b.serverAt(partnerAddr, cert)
		got := provider.expect("INVITE sip:holly@contoso.com")
		if len(got.all("Via")) != 4 || len(got.all("Record-Route")) != 5 || got.body != "v=0" {
			t.Fatalf("the provider got\n%s", got)
		}
		got.same(t, "to the provider", "ms-split-domain-info", "ms-traffic-type=SplitExtra")
		got.same(t, "to the provider", "ms-asserted-verification-level", "ms-source-verified-user=unverified")
		got.same(t, "to the provider", "ms-edge-proxy-message-trust")
		provider.send(got.reply("200 OK", "Contact: <sip:holly@"+partnerAddr+">"))
		in.send(back(out.expect("SIP/2.0 200")))
		ok := partner.expect("SIP/2.0 200")
		routes := ok.all("Record-Route")
		if len(routes) != 5 || len(ok.all("Via")) != 1 {
			t.Fatalf("the partner got\n%s", ok)
		}

		// The devices are where the bed can dial them: it has no DNS for routes of the
		// partner and the provider.
		bob, holly := ok.one("From"), ok.one("To")
		partner.send(inDialog("INFO", "sip:holly@"+partnerAddr, bob, holly, "2", "2", reversed(routes)))
		passing := in.expect("INFO")
		if r := passing.all("Route"); len(r) != 3 || r[0] != poolRoute {
			t.Fatalf("the pool got the routes %q", r)
		}
		out.send(onwards(passing, "p2"))
		provider.send(provider.expect("INFO").reply("200 OK"))
		in.send(back(out.expect("SIP/2.0 200")))
		partner.expect("SIP/2.0 200")

		provider.send(inDialog("BYE", "sip:bob@"+partnerAddr, holly, bob, "3", "1", routes))
		passing = in.expect("BYE")
		if r := passing.all("Route"); len(r) != 3 || r[0] != poolRoute {
			t.Fatalf("the pool got the routes %q", r)
		}
		passing.same(t, "from the provider", "ms-split-domain-info")
		out.send(onwards(passing, "p3"))
		fabrikam := b.serverAt(partnerAddr, b.world.partner)
		fabrikam.send(fabrikam.expect("BYE").reply("200 OK"))
		in.send(back(out.expect("SIP/2.0 200")))
		provider.expect("SIP/2.0 200")
	})
}

// TestPoolThatRoutesBack: what crosses twice is no loop, also where the pool leaves
// the next hop to the edge; and where the pool does not stay in the dialog, each
// crossing takes its own routes only.
func TestPoolThatRoutesBack(t *testing.T) {
	world()
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t, sharing)
		partner, in, out := b.partner(b.world.partner), b.poolServer(), b.client(b.inside, b.world.member)
		partner.send(strings.ReplaceAll(request("INVITE", "1", ""), "alice", "holly"))
		partner.expect("SIP/2.0 100")
		first := in.expect("INVITE")
		out.send(onwards(first, "p1")) // without DNS the provider is not found, and that is all
		out.expect("SIP/2.0 100")
		out.expect("SIP/2.0 504")
		in.send(first.reply("200 OK"))
		routes := partner.expect("SIP/2.0 200").all("Record-Route")

		once := reversed(routes)
		twice := append(once, "<sip:edge.corp.contoso.com:5061;lr;edged=x>", "<sip:sip.contoso.com:5061;lr;edged=y>")
		partner.send(inDialog("INFO", "sip:holly@"+partnerAddr, first.one("From"), first.one("To")+";tag=there", "2", "2", twice))
		if left := in.expect("INFO").all("Route"); len(left) != 2 || left[0] != twice[2] || left[1] != twice[3] {
			t.Errorf("the pool got the routes %q", left)
		}
	})
}

// TestColleaguesAtProvider: users of ours here and there write to each other, and
// are marked as what they are. Nothing goes round, nobody else gets through.
func TestColleaguesAtProvider(t *testing.T) {
	cert := online()
	const toProvider = "<sip:" + partnerAddr + ":5061;transport=tls;lr>"
	from := func(text, sender string) string {
		return strings.Replace(text, "<sip:bob@fabrikam.com>;tag", "<sip:"+sender+">;tag", 1)
	}
	to := func(text, user string) string { return strings.ReplaceAll(text, "bob@fabrikam.com", user) }
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t, sharing)
		in, out := b.poolServer(), b.client(b.inside, b.world.member)
		out.send(to(outgoing("MESSAGE", "1", "hi"), "holly@contoso.com"))
		provider := b.serverAt(partnerAddr, cert)
		got := provider.expect("MESSAGE sip:holly@contoso.com")
		got.same(t, "out", "ms-split-domain-info", "ms-traffic-type=SplitIntra")
		got.same(t, "out", "ms-asserted-verification-level", "ms-source-verified-user=verified")
		provider.send(got.reply("486 Busy Here"))
		if answer := out.expect("SIP/2.0 486"); !strings.HasPrefix(answer.one("ms-diagnostics"), "1036;") {
			t.Errorf("got\n%s", answer)
		}

		provider.send(with(from(request("MESSAGE", "2", "hi"), "holly@contoso.com"), "ms-split-domain-info: forged"))
		got = in.expect("MESSAGE sip:alice@contoso.com")
		got.same(t, "in", "ms-split-domain-info", "ms-traffic-type=SplitIntra")
		got.same(t, "in", "ms-edge-proxy-message-trust", "ms-source-type=AuthorizedServer;ms-ep-fqdn=edge.corp.contoso.com;ms-source-verified-user=verified;ms-source-network=federation")
		// The pool does not have the user either: it must not go round.
		out.send(onwards(got, "p2", toProvider))
		if answer := out.expect("SIP/2.0 403"); !strings.HasPrefix(answer.one("ms-diagnostics"), "1017;") {
			t.Errorf("got\n%s", answer)
		}
		in.send(got.reply("200 OK"))
		provider.expect("SIP/2.0 200")

		// A policy is a policy, for colleagues too.
		provider.send(from(strings.ReplaceAll(request("MESSAGE", "3", ""), "alice", "mallory"), "holly@contoso.com"))
		provider.expect("SIP/2.0 404")
		for i, tt := range []struct {
			cert   ca.Cert
			sender string
		}{
			{b.world.partner, "holly@contoso.com"}, {b.world.other, "holly@contoso.com"},
		} {
			p := b.partner(tt.cert)
			p.send(from(request("MESSAGE", fmt.Sprint("x", i), ""), tt.sender))
			p.expect("SIP/2.0 403")
		}
		// A pool speaks for a partner only of what has come in here.
		out.send(strings.Replace(to(outgoing("MESSAGE", "4", ""), "holly@contoso.com"), "alice@contoso.com>;tag", "bob@fabrikam.com>;tag", 1))
		if answer := out.expect("SIP/2.0 403"); !strings.HasPrefix(answer.one("ms-diagnostics"), "1017;") {
			t.Errorf("got\n%s", answer)
		}
		provider.silent(time.Minute)
	})
	synctest.Test(t, func(t *testing.T) { // and without the option
		b := newBed(t)
		out := b.client(b.inside, b.world.member)
		out.send(to(outgoing("MESSAGE", "1", "hi"), "holly@contoso.com"))
		if answer := out.expect("SIP/2.0 403"); !strings.HasPrefix(answer.one("ms-diagnostics"), "1005;") {
			t.Errorf("got\n%s", answer)
		}
		provider := b.partner(cert)
		provider.send(from(request("MESSAGE", "2", "hi"), "holly@contoso.com"))
		provider.expect("SIP/2.0 403")
	})
}
