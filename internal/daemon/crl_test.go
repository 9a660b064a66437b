package daemon_test

import (
	"regexp"
	"testing"
	"time"

	"edged/internal/lab/ca"
)

// revokes writes the public authority's list, good for that long.
func (b *bed) revokes(good time.Duration, revoked ...ca.Cert) {
	b.Helper()
	b.File("tls/public.crl", b.Public.CRL(time.Now().Add(-time.Minute), time.Now().Add(good), revoked...))
}

// TestRevokedStreams: open streams of a certificate that was revoked end when the lists
// are read again, whoever opened them, and no others.
func TestRevokedStreams(t *testing.T) {
	x := startXMPP(t, func(s *setup) { s.CRLs = "[tls/public.crl]" })
	cert := x.Public.Issue(ca.Leaf{DNS: []string{jabber}})
	bad, good, user := x.partner(jabber, &cert.TLS).User("carol@"+jabber), x.partner(public, nil).User("dave@"+public), x.chat.User(alice)
	x.arrives(bad, user)
	x.arrives(user, bad)
	x.arrives(user, good)
	x.arrives(good, user)
	x.revokes(time.Hour, cert)
	x.edge.Refresh()
	for _, dialled := range []string{"true", "false"} {
		x.logged(`msg="stream closed" .* peer_domain=` + jabber + ` dialled=` + dialled + ` .* err="no longer allowed after a reload"`)
	}
	x.logged(`msg="stream refused after reload" .* reason=certificate-refused`)
	if _, err := bad.Message(x.Soon(), alice, "hello"); err == nil {
		t.Error("it can open a stream again")
	}
	x.refused(user, bad, "remote-server-timeout")
	x.arrives(good, user)
	x.arrives(user, good)
	if streams := regexp.MustCompile(`msg="stream (opened|authenticated)" .* peer_domain=`+public).FindAllString(x.log.text(), -1); len(streams) != 4 {
		t.Errorf("another partner's streams were opened again: %q", streams)
	}
}

// TestStaleCRLs alert at once, and let partners in unless lists are required.
func TestStaleCRLs(t *testing.T) {
	for mode, letsIn := range map[string]bool{"optional": true, "required": false} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			b := start(t, func(s *setup) { s.CRLs, s.CRL = "[tls/public.crl]", mode })
			b.revokes(2 * time.Second)
			b.reload()
			b.metrics("edged_crls_stale 0")
			conn := b.dial(fabrikam)
			if got := b.say(conn, fabrikam, "bob@"+fabrikam, alice); got != 200 {
				t.Fatalf("while the list is good: %d", got)
			}
			b.metrics("edged_crls_stale 1")
			b.edge.Refresh()
			b.logged(`level=WARN msg="revocation list is stale or missing" file=\S*public.crl`)
			if letsIn {
				b.wantOpen(fabrikam, conn, outside)
			} else {
				b.wantClosed(conn)
			}
			again, err := b.peers[fabrikam].Dial(b.Soon(), b.edge.Addr("sip.external").String(), outside)
			if err == nil && letsIn {
				b.wantOpen(fabrikam, again, outside)
			} else if err == nil { // TLS 1.3: the refusal comes after the client's handshake
				b.wantClosed(again)
			} else if letsIn {
				t.Error(err)
			}
		})
	}
}
