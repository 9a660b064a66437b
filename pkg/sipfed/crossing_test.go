package sipfed

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
)

// TestCredentialsStayInside: what proves a user to our own servers crosses to no
// partner, what answers a partner's challenge does (RFC 3261 §22.3).
func TestCredentialsStayInside(t *testing.T) {
	world()
	tests := []struct {
		value string
		stays bool
	}{
		{`Digest username="alice", realm="contoso.com", nonce="x", uri="sip:x", response="y"`, true},
		{`Digest username="realm=\"fabrikam.com\"", realm = "Contoso.COM"`, true},
		{`Digest realm="corp.contoso.com"`, true},
		{`NTLM qop="auth", opaque="1", realm="SIP Communications Service", targetname="fe1.corp.contoso.com"`, true},
		{`TLS-DSK realm=contoso.com,opaque="1"`, true},
		{`Digest realm="co\ntoso.com"`, true},
		{`Digest realm="fabrikam.com", Digest realm="contoso.com"`, true},
		{`Kerberos AAAA`, true}, // for whom, nobody can tell
		{`Digest username="x", realm=""`, true},
		{`Digest username="alice", realm="fabrikam.com", nonce="x,y", uri="sip:bob@fabrikam.com", response="z"`, false},
		{`Digest realm="notcontoso.com", cnonce="realm=contoso.com"`, false},
		{`Digest realm="contoso.com.fabrikam.com"`, false},
	}
	synctest.Test(t, func(t *testing.T) {
		_, pool, partner := outward(t)
		for i, tt := range tests {
			foreign := `Digest realm="fabrikam.com", nonce="kept"`
			rows := []string{"Authorization: " + tt.value, "Proxy-Authorization:  " + tt.value, "authorization: " + foreign}
			pool.send(with(outgoing("MESSAGE", fmt.Sprint(i), ""), rows...))
			got := partner.expect("MESSAGE")
			if !tt.stays {
				holds(t, got, rows...)
			} else {
				got.same(t, tt.value, "Authorization", foreign)
				got.same(t, tt.value, "Proxy-Authorization")
			}
			partner.send(got.reply("200 OK"))
			pool.expect("SIP/2.0 200")
		}
	})
}

// TestAnswersToCredentials: Authentication-Info goes with the credentials that it
// answers, which it does not always name. Challenges cross.
func TestAnswersToCredentials(t *testing.T) {
	world()
	tests := []struct {
		sent, info string
		stays      bool
	}{
		{`Digest realm="fabrikam.com"`, `nextnonce="n"`, false},
		{`Digest realm="contoso.com"`, `nextnonce="n"`, true},
		{"", `nextnonce="n", rspauth="x"`, false},
		{"", `NTLM rspauth="1", realm="SIP Communications Service", targetname="fe1"`, true},
		{`Digest realm="contoso.com"`, `Digest realm="fabrikam.com", rspauth="x"`, false},
	}
	synctest.Test(t, func(t *testing.T) {
		_, partner, pool := between(t)
		for i, tt := range tests {
			text := request("MESSAGE", fmt.Sprint(i), "")
			if tt.sent != "" {
				text = with(text, "Authorization: "+tt.sent)
			}
			partner.send(text)
			got := pool.expect("MESSAGE")
			if tt.sent != "" {
				got.same(t, "inward", "Authorization", tt.sent)
			}
			challenge := `Digest realm="contoso.com", nonce="c"`
			pool.send(got.reply("401 Unauthorized", "Authentication-Info: "+tt.info, "Proxy-Authentication-Info: "+tt.info, "WWW-Authenticate: "+challenge))
			answer := partner.expect("SIP/2.0 401")
			answer.same(t, tt.info, "WWW-Authenticate", challenge)
			for _, name := range []string{"Authentication-Info", "Proxy-Authentication-Info"} {
				if answer.one(name) != "" == tt.stays {
					t.Errorf("credentials %q: %s %q", tt.sent, name, answer.one(name))
				}
			}
		}
	})
}

// TestHygiene: with it, what leaves names neither our software nor our hosts;
// what comes in is kept.
func TestHygiene(t *testing.T) {
	world()
	rows := []string{
		"Server: RTC/6.0", "User-Agent: UCCAPI/16", `Warning: 399 fe1.corp.contoso.com "see , fe1",370 10.0.0.1:5061 "x"`,
		"Warning: broken", "Organization: Contoso",
	}
	for _, on := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			b := newBed(t)
			b.state = b.newState()
			b.state.Hygiene = on
			if err := b.s.Apply(b.state); err != nil {
				t.Fatal(err)
			}
			partner, pool := b.partner(b.world.partner), b.poolServer()
			partner.send(with(request("MESSAGE", "1", ""), rows...))
			got := pool.expect("MESSAGE")
			holds(t, got, rows...)
			pool.send(got.reply("486 Busy Here", rows...))
			answer := partner.expect("SIP/2.0 486")
			want := rows
			if on {
				want = []string{
					`Warning: 399 sip.contoso.com "see , fe1",370 sip.contoso.com "x"`, "Warning: broken", "Organization: Contoso",
				}
			}
			holds(t, answer, want...)
			if on && slices.ContainsFunc(answer.rows, func(r string) bool { return strings.HasPrefix(r, "Server") || strings.HasPrefix(r, "User-Agent") }) {
				t.Errorf("hygiene left\n%s", answer)
			}
		})
	}
}
