package sipfed

import (
	"bytes"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"edged/pkg/domain"
	"edged/pkg/limit"
	"edged/pkg/policy"
	"edged/pkg/tlsid"
)

// same compares what is there of a header with what should be.
func (m msg) same(t *testing.T, what, name string, want ...string) {
	t.Helper()
	if got := m.all(name); !slices.Equal(got, want) {
		t.Errorf("%s: %s %q, want %q", what, name, got, want)
	}
}

// listing changes the entry of a domain.
func listing(domain string, to func(*policy.AllowedDomain)) change {
	return func(src *policy.Source, _ *limit.Bounds) {
		for i := range src.AllowedDomains {
			if a := &src.AllowedDomains[i]; a.Domain.String() == domain {
				to(a)
			}
		}
	}
}

// TestTrustedPartnerAsserts: P-Asserted-Identity crosses from a partner that is
// trusted, as far as it is in the domain that the certificate proves (RFC 3325
// §5); nothing else of the kind does.
func TestTrustedPartnerAsserts(t *testing.T) {
	world()
	trust := func(a *policy.AllowedDomain) { a.TrustAsserted = true }
	asserts := []string{
		`P-Asserted-Identity: "Bob, <b>" <sip:bob@FABRIKAM.com;user=phone> , <tel:+15550100>,<sip:eve@adatum.com>`,
		"P-Asserted-Identity: <sip:bob@sub.fabrikam.com>", "P-Preferred-Identity: <sip:bob@fabrikam.com>",
		"Remote-Party-ID: <sip:bob@fabrikam.com>;party=calling",
	}
	synctest.Test(t, func(t *testing.T) {
		b, front, partner := outward(t, listing("fabrikam.com", trust))
		pool := b.poolServer()
		partner.send(with(request("MESSAGE", "1", ""), asserts...))
		got := pool.expect("MESSAGE")
		got.same(t, "trusted", "P-Asserted-Identity", `"Bob, <b>" <sip:bob@FABRIKAM.com;user=phone>`)
		got.same(t, "trusted", "P-Preferred-Identity")
		got.same(t, "trusted", "Remote-Party-ID")
		pool.send(got.reply("200 OK"))
		partner.expect("SIP/2.0 200")

		other := b.partner(b.world.other)
		other.send(strings.ReplaceAll(with(request("MESSAGE", "2", ""), asserts...), "bob@fabrikam.com>;tag", "eve@adatum.com>;tag"))
		got = pool.expect("MESSAGE")
		got.same(t, "not trusted", "P-Asserted-Identity")
		pool.send(got.reply("200 OK"))

		front.send(outgoing("MESSAGE", "3", ""))
		partner.send(partner.expect("MESSAGE").reply("200 OK", "P-Asserted-Identity: <sip:bob@fabrikam.com>, <sip:x@adatum.com>"))
		front.expect("SIP/2.0 200").same(t, "answer", "P-Asserted-Identity", "<sip:bob@fabrikam.com>")
	})
}

// TestPrivacyOfOurUsers: what a partner may learn of whom the pool asserts
// (RFC 3325 §5, §7), in requests and in answers.
func TestPrivacyOfOurUsers(t *testing.T) {
	world()
	const all = `"Alice" <sip:alice@contoso.com>, <tel:+15550199>, <sip:a@kr.contoso.com>`
	const own = `"Alice" <sip:alice@contoso.com>`
	tests := []struct{ privacy, asserted string }{
		{"", own},
		{"none", all},
		{"id", ""},
		{"header", own},
		{"header; ID", ""},
		{"session;id;critical-not", ""},
		{"id ; critical", ""},
		{"none;id", ""},
		{"user,id", ""},
	}
	synctest.Test(t, func(t *testing.T) {
		_, pool, partner := outward(t)
		for i, tt := range tests {
			lines := []string{"P-Asserted-Identity: " + all, "P-Preferred-Identity: <sip:alice@contoso.com>"}
			if tt.privacy != "" {
				lines = append(lines, "Privacy: "+tt.privacy)
			}
			var want []string
			if tt.asserted != "" {
				want = []string{tt.asserted}
			}
			pool.send(with(outgoing("MESSAGE", fmt.Sprint(i), ""), lines...))
			got := partner.expect("MESSAGE")
			got.same(t, tt.privacy, "P-Asserted-Identity", want...)
			got.same(t, tt.privacy, "P-Preferred-Identity")
			if got.one("Privacy") != tt.privacy {
				t.Errorf("Privacy %q became %q", tt.privacy, got.one("Privacy"))
			}
			partner.send(got.reply("200 OK"))
			pool.expect("SIP/2.0 200")
		}
	})
	synctest.Test(t, func(t *testing.T) {
		_, partner, pool := between(t)
		partner.send(request("INVITE", "1", ""))
		partner.expect("SIP/2.0 100")
		invite := pool.expect("INVITE")
		pool.send(invite.reply("180 Ringing", "P-Asserted-Identity: "+all))
		partner.expect("SIP/2.0 180").same(t, "answer", "P-Asserted-Identity", own)
		pool.send(invite.reply("200 OK", "P-Asserted-Identity: "+all, "Privacy: id"))
		partner.expect("SIP/2.0 200").same(t, "private answer", "P-Asserted-Identity")
	})
}

// TestCriticalPrivacy: what a proxy cannot hide is refused where the sender
// insists, and left to others where not (RFC 3323 §4.2, §5). Hanging up is always
// possible.
func TestCriticalPrivacy(t *testing.T) {
	world()
	synctest.Test(t, func(t *testing.T) {
		b, partner, pool := between(t)
		for i, tt := range []struct{ privacy, answer string }{
			{"header;critical", "SIP/2.0 500 Privacy Not Supported: header"},
			{"critical ;Session", "SIP/2.0 500 Privacy Not Supported: Session"},
			{"id;user;critical", "SIP/2.0 500 Privacy Not Supported: user"},
			{"id;critical", ""},
			{"none;critical", ""},
			{"header;session;user", ""},
			{"critical", ""},
		} {
			partner.send(with(request("MESSAGE", fmt.Sprint("in", i), ""), "Privacy: "+tt.privacy))
			if tt.answer != "" {
				partner.expect(tt.answer)
				continue
			}
			got := pool.expect("MESSAGE")
			got.same(t, "inward", "Privacy", tt.privacy)
			pool.send(got.reply("200 OK"))
			partner.expect("SIP/2.0 200")
		}
		front := b.client(b.inside, b.world.member)
		front.send(with(outgoing("MESSAGE", "1", ""), "Privacy: header;critical"))
		front.expect("SIP/2.0 500 Privacy Not Supported: header")

		later := b.dialogWith(partner, pool)
		partner.send(later("INFO", "sip:alice@10.0.0.9", "7", "Privacy: session;critical"))
		partner.expect("SIP/2.0 500")
		partner.send(later("BYE", "sip:alice@10.0.0.9", "8", "Privacy: session;critical"))
		pool.send(pool.expect("BYE").reply("200 OK"))
		partner.expect("SIP/2.0 200")
	})
}

// TestSignedIdentityIsKept: what Identity signs is byte for byte the same behind
// the edge (RFC 8224 §4), and what a verifier answers comes back (§6.2.2).
func TestSignedIdentityIsKept(t *testing.T) {
	world()
	lines := []string{
		"Identity: eyJhbGciOiJFUzI1NiJ9..x-_y;info=<https://cert.example.org/a.cer>;alg=ES256;ppt=shaken",
		"y:  second==;info=<https://b.example>", "Identity-Info:<https://c.example/c>;alg=rsa-sha1", "Date:  Thu, 21 Feb 2002 13:02:03  GMT",
		`Reply-To: "\"Bob\" ` + "\u202e Zürich" + `" <sip:bob@FABRIKAM.com>`,
	}
	synctest.Test(t, func(t *testing.T) {
		b, front, partner := outward(t)
		pool := b.poolServer()
		for i, status := range []string{"403 Stale Date", "428 Use Identity Header", "436 Bad Identity Info", "437 Unsupported Credential", "438 Invalid Identity Header"} {
			in, out := with(request("MESSAGE", fmt.Sprint(i), ""), lines...), with(outgoing("MESSAGE", fmt.Sprint(i), ""), lines...)
			in = strings.Replace(in, "From: <sip:bob@fabrikam.com>", `From:"Bob \\ "  <sip:bob@Fabrikam.com;a=%41>;x = "y"`, 1)
			partner.send(in)
			got := pool.expect("MESSAGE")
			holds(t, got, append(lines, `From:"Bob \\ "  <sip:bob@Fabrikam.com;a=%41>;x = "y";tag=here`, "To: <sip:alice@contoso.com>")...)
			pool.send(got.reply(status, lines[0]))
			holds(t, partner.expect("SIP/2.0 "+status), lines[0])

			front.send(out)
			got = partner.expect("MESSAGE")
			holds(t, got, append(lines, "From: <sip:alice@contoso.com>;tag=here")...)
			partner.send(got.reply(status, lines[0]))
			holds(t, front.expect("SIP/2.0 "+status), lines[0])
		}
	})
}

// holds checks that rows are there as they were sent, and in that order.
func holds(t *testing.T, m msg, rows ...string) {
	t.Helper()
	for _, row := range rows {
		if !slices.Contains(m.rows, row) {
			t.Errorf("%q is not in\n%s", row, m)
		}
	}
}

// TestAnonymousSenders: From hides its sender. Without the option nobody is heard
// (TestOneBadMessage); with it the certificate still has to prove the partner.
func TestAnonymousSenders(t *testing.T) {
	world()
	hide := func(a *policy.AllowedDomain) { a.Anonymous = true }
	nobody := func(text string, lines ...string) string {
		text = strings.Replace(text, "<sip:bob@fabrikam.com>", `"Anonymous" <sip:anonymous@Anonymous.invalid>`, 1)
		text = strings.Replace(text, "<sip:alice@contoso.com>;tag", `"Anonymous" <sip:anonymous@anonymous.invalid>;tag`, 1)
		return with(text, append([]string{"Privacy: id"}, lines...)...)
	}
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t, listing("fabrikam.com", hide))
		partner, pool := b.partner(b.world.partner), b.poolServer()
		partner.send(nobody(request("MESSAGE", "1", "")))
		got := pool.expect("MESSAGE")
		if !strings.Contains(got.one("From"), "anonymous@Anonymous.invalid") {
			t.Errorf("From became %q", got.one("From"))
		}
		pool.send(got.reply("200 OK"))
		partner.expect("SIP/2.0 200")
		// Whom P-Asserted-Identity names is what is judged, and proven.
		partner.send(nobody(request("MESSAGE", "2", ""), "P-Asserted-Identity: <tel:+1>, <sip:bob@fabrikam.com>"))
		pool.send(pool.expect("MESSAGE").reply("200 OK"))
		partner.expect("SIP/2.0 200")
		for i, claim := range []string{"sip:eve@adatum.com", "sip:ceo@contoso.com", "sip:x@third.example"} {
			partner.send(nobody(request("MESSAGE", fmt.Sprint("claim", i), ""), "P-Asserted-Identity: <"+claim+">"))
			partner.expect("SIP/2.0 403")
		}
		// Who may not hide does not by another's permission.
		other := b.partner(b.world.other)
		other.send(nobody(request("MESSAGE", "3", "")))
		other.expect("SIP/2.0 403")
		other.send(nobody(request("MESSAGE", "4", ""), "P-Asserted-Identity: <sip:bob@fabrikam.com>"))
		other.expect("SIP/2.0 403")
		// The user's policy holds.
		partner.send(nobody(strings.Replace(request("MESSAGE", "5", ""), "alice", "mallory", 1)))
		partner.expect("SIP/2.0 404")
	})
	synctest.Test(t, func(t *testing.T) { // in a dialog
		b := newBed(t, listing("fabrikam.com", hide))
		partner, pool := b.partner(b.world.partner), b.poolServer()
		later := b.dialogWith(partner, pool)
		partner.send(nobody(later("BYE", "sip:alice@10.0.0.9", "2")))
		pool.send(pool.expect("BYE").reply("200 OK"))
		partner.expect("SIP/2.0 200")
		thief := b.partner(b.world.other)
		thief.send(nobody(later("BYE", "sip:alice@10.0.0.9", "3")))
		thief.expect("SIP/2.0 403")
	})
	synctest.Test(t, func(t *testing.T) { // from inside: whom the pool asserts is judged
		_, pool, partner := outward(t, listing("fabrikam.com", hide))
		pool.send(nobody(outgoing("MESSAGE", "1", "")))
		if answer := pool.expect("SIP/2.0 403"); !strings.HasPrefix(answer.one("ms-diagnostics"), "1005;") {
			t.Errorf("got\n%s", answer)
		}
		pool.send(nobody(outgoing("MESSAGE", "2", ""), "P-Asserted-Identity: <sip:mallory@contoso.com>"))
		if answer := pool.expect("SIP/2.0 403"); !strings.HasPrefix(answer.one("ms-diagnostics"), "1002;") {
			t.Errorf("got\n%s", answer)
		}
		pool.send(nobody(outgoing("MESSAGE", "3", ""), "P-Asserted-Identity: <sip:eve@adatum.com>"))
		pool.expect("SIP/2.0 403")
		pool.send(nobody(outgoing("MESSAGE", "4", ""), "P-Asserted-Identity: <sip:alice@contoso.com>"))
		got := partner.expect("MESSAGE")
		got.same(t, "anonymous", "P-Asserted-Identity")
		partner.send(got.reply("200 OK"))
		pool.expect("SIP/2.0 200")
	})
	synctest.Test(t, func(t *testing.T) { // and not without the option
		_, pool, _ := outward(t)
		pool.send(nobody(outgoing("MESSAGE", "1", ""), "P-Asserted-Identity: <sip:alice@contoso.com>"))
		pool.expect("SIP/2.0 403")
	})
}

// TestAnonymousInDialog: the dialog's partner is who hides, whatever the
// certificate could prove besides; policy then asks whether it does prove that.
func TestAnonymousInDialog(t *testing.T) {
	m := parsed(t, strings.Replace(request("BYE", "1", ""), "bob@fabrikam.com", "anonymous@anonymous.invalid", 1))
	st := newBed(t, listing("fabrikam.com", func(a *policy.AllowedDomain) { a.Anonymous = true })).state
	id := &tlsid.Identity{Names: []domain.Name{domain.MustParse("fabrikam.com")}, Anchors: []string{""}}
	adm := &admission{dialog: true, token: routeToken{partner: domain.MustParse("tailspin.example")}}
	d, anonymous, refused := inwardSender(st, id, m, adm)
	if d != adm.token.partner || !anonymous || refused != nil {
		t.Errorf("%s, %v, %v", d, anonymous, refused)
	}
}

// TestDisplayNamesAreNotLogged: they are text of strangers, and say nothing that
// is proven.
func TestDisplayNamesAreNotLogged(t *testing.T) {
	m := parsed(t, strings.Replace(request("MESSAGE", "1", ""), "From: ", `From: "Bank \"of\" `+"\u202egnihtyrevE"+`" `, 1))
	var b bytes.Buffer
	slog.New(slog.NewTextHandler(&b, nil)).LogAttrs(t.Context(), slog.LevelInfo, "x", (&conn{}).messageAttrs(m)...)
	if line := b.String(); strings.Contains(line, "Bank") || strings.Contains(line, "gniht") || !strings.Contains(line, "bob@fabrikam.com") {
		t.Errorf("logged %s", line)
	}
}
