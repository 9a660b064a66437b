package interop

import (
	"crypto/tls"
	"fmt"
	"syscall"
	"testing"
	"time"
)

// TestXMPPCertificateRotated replaces edged's certificate while users talk.
func TestXMPPCertificateRotated(t *testing.T) {
	for _, spec := range bothKinds() {
		t.Run(spec.name(), func(t *testing.T) {
			s := newXMPPStand(t, spec)
			exchangeMessages(t, s.bob, s.carol)
			before := s.serial(t)
			s.issueXMPPOutside(t)
			if err := s.edge.cmd.Process.Signal(syscall.SIGHUP); err != nil {
				t.Fatal(err)
			}
			// Whatever is said meanwhile arrives once, and in order.
			const messages = 50
			for i := range messages {
				s.bob.say(t, s.carol.jid, fmt.Sprint("in ", i))
				s.carol.say(t, s.bob.jid, fmt.Sprint("out ", i))
			}
			await(t, "edged to present its new certificate", func() bool { return s.serial(t) != before })
			s.bob.say(t, s.carol.jid, "in after")
			s.carol.say(t, s.bob.jid, "out after")
			s.carol.hearInOrder(t, s.bob.jid, "in ", messages)
			s.bob.hearInOrder(t, s.carol.jid, "out ", messages)
		})
	}
}

// serial is that of the certificate that edged presents over direct TLS.
func (s *xmppStand) serial(t *testing.T) string {
	t.Helper()
	conn, err := tls.Dial("tcp", s.place("direct."+xmppOutside).String(), &tls.Config{
		RootCAs: s.roots.pool, ServerName: "contoso.com", NextProtos: []string{"xmpp-server"},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	return conn.ConnectionState().PeerCertificates[0].SerialNumber.String()
}

// hearInOrder awaits "PREFIX0" and so on, then "PREFIXafter", as the next messages
// from that bare address, none of them twice.
func (u *xmppUser) hearInOrder(t *testing.T, from, prefix string, n int) {
	t.Helper()
	for i := range n + 1 {
		want := fmt.Sprint(prefix, i)
		if i == n {
			want = prefix + "after"
		}
		got := u.await(t, "for "+want, func(e xmppEvent) bool { return e.Kind == "message" && bare(e.From) == from })
		if got.Body != want || got.Type == "error" {
			t.Fatalf("%s heard %s, want %q", u.jid, got.XML, want)
		}
	}
}

// TestXMPPMemberKilled kills the member of the pool that edged has used; the other
// one knows the same user.
func TestXMPPMemberKilled(t *testing.T) {
	for _, spec := range bothKinds() {
		spec.members = []string{xmppFirst, xmppSecond}
		t.Run(spec.name(), func(t *testing.T) {
			s := startXMPPEdge(t, spec)
			s.startPartner(t)
			members := map[*xmppUser]*xmppServer{}
			for _, host := range spec.members {
				member := s.startXMPP(t, s.xmppMember(t, spec.pool, host, "mint"))
				members[s.newUser(t, "carol", member)] = member
			}
			first := s.whoHears(t, members, "to the first")
			members[first].kill()
			delete(members, first)
			second := s.whoHears(t, members, "to the second")
			exchangeMessages(t, s.bob, second)
			exchangeMessages(t, second, s.bob)
		})
	}
}

// whoHears sends to carol until one of those that are called so hears it. What is
// bounced meanwhile has not been lost; what was on its way when a member died may be,
// and is said again after a while.
func (s *xmppStand) whoHears(t *testing.T, members map[*xmppUser]*xmppServer, body string) *xmppUser {
	t.Helper()
	var heard *xmppUser
	s.bob.say(t, "carol@contoso.com", body)
	said := time.Now()
	await(t, fmt.Sprintf("carol to hear %q", body), func() bool {
		if _, bounced := s.bob.look(0, func(e xmppEvent) bool { return e.Type == "error" && e.Kind == "message" }); bounced || time.Since(said) > 3*time.Second {
			s.bob.say(t, "carol@contoso.com", body)
			said = time.Now()
		}
		for carol := range members {
			if _, ok := carol.look(0, func(e xmppEvent) bool { return e.Kind == "message" && e.Body == body }); ok {
				heard = carol
			}
		}
		return heard != nil
	})
	return heard
}
