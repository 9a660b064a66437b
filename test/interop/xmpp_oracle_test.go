package interop

import (
	"testing"

	"edged/internal/lab/xmpppeer"
)

// TestXMPPUnknownUserWithoutEdge records what the servers themselves say about a
// user who does not exist, beside users who do. It checks nothing but that they
// go on answering: this is what edged has to hide.
func TestXMPPUnknownUserWithoutEdge(t *testing.T) {
	for _, kind := range []string{"prosody", "ejabberd"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.startXMPPDNS(t, xmppFirst, false)
			spec := w.xmppPeer(t, kind, xmppFirst, "contoso.com", xmppWays()[0], "carol", "dave")
			server := w.startXMPP(t, spec)
			w.befriend(t, server, "carol", "dave")
			o := w.newOutsider(t, xmppFirst)
			for _, s := range approaches {
				for _, resource := range resources {
					var asked []*question
					for _, user := range []string{"nobody", "carol", "dave"} {
						asked = append(asked, o.approach(t, s, user+"@contoso.com"+resource))
					}
					o.settle(t, "dave@contoso.com")
					t.Logf("| %s%s | %s | %s | %s |", asText(s), resource, asked[0].answers(), asked[1].answers(), asked[2].answers())
				}
			}
		})
	}
}

// resources is what may follow the bare addresses: nobody has that one.
var resources = []string{"", "/desk"}

// befriend has two users subscribe to each other, so that both have a roster; the
// first one leaves, the other stays.
func (w *world) befriend(t *testing.T, server *xmppServer, leaves, stays string) {
	t.Helper()
	one, other := w.newUser(t, leaves, server), w.newUser(t, stays, server)
	subscribe(t, one, other)
	subscribe(t, other, one)
	one.stop()
	other.see(t, one.jid, "unavailable")
}

// TestXMPPUnknownUserOracle compares what an outsider sees of users who may not
// federate with what it sees of one who does not exist.
func TestXMPPUnknownUserOracle(t *testing.T) {
	tests := map[string]struct {
		refused  []string                                 // whom edged answers for
		stranger func(s xmpppeer.Stanza, res string) bool // whether nobody, for whom the pool answers, must look like them
	}{
		// The partner may write to everybody else. What the pool says for nobody differs
		// between servers in some cases; there edged is not alike, but always the same.
		"federated": {[]string{"alice"}, serversAgree},
		// It may not, before somebody has written to it: edged answers for all.
		"public_unverified": {
			[]string{"alice", "carol", "dave"},
			func(xmpppeer.Stanza, string) bool { return true },
		},
	}
	for name, tt := range tests {
		for _, pool := range []string{"prosody", "ejabberd"} {
			t.Run(name+" to "+pool, func(t *testing.T) {
				s := startXMPPEdge(t, xmppStandSpec{pool: pool, partnerType: name})
				s.pool = s.startXMPP(t, s.xmppMember(t, pool, xmppFirst, "mint"))
				s.newUser(t, "dave", s.pool)
				o := s.newOutsider(t, xmppOutside)
				o.settle(t, "dave@contoso.com") // the streams are there
				for _, res := range resources {
					for _, a := range approaches {
						o.wantRefused(t, a, res, tt.refused, tt.stranger(a, res))
					}
				}
			})
		}
	}
}

// wantRefused approaches the users, at their bare addresses or at a resource, and
// nobody too, who must look like them if alike is set.
func (o *outsider) wantRefused(t *testing.T, a xmpppeer.Stanza, res string, users []string, alike bool) {
	t.Helper()
	var asked []*question
	for _, user := range users {
		asked = append(asked, o.approach(t, a, user+"@contoso.com"+res))
	}
	nobody := o.approach(t, a, "nobody@contoso.com"+res)
	if alike {
		asked = append(asked, nobody)
	}
	want := refusal(a, res)
	for _, q := range asked {
		if want != nothing {
			q.await(t)
		}
	}
	o.settle(t, "alice@contoso.com/desk")
	if !alike {
		t.Logf("%s is answered with %s", nobody.what, nobody.answers())
	}
	for _, q := range asked {
		if got := q.answers(); got != want {
			t.Errorf("%s is answered with %s, want %s", q.what, got, want)
		}
	}
}

// refusal is what edged answers for a user: to messages and requests that the user is
// not there, to everything else nothing (RFC 6121 §8.5.1).
func refusal(s xmpppeer.Stanza, res string) string {
	switch {
	case s.Kind == "presence" || s.Type == "headline":
		return nothing
	case s.Kind == "iq":
		return "iq error cancel service-unavailable from the user" + res
	}
	return "message error cancel service-unavailable from the user" + res
}

// serversAgree reports whether Prosody and ejabberd say the same for nobody, which is
// then what edged says. In the name of a bare address they answer every iq, also for
// nobody, in ways of their own; ejabberd alone bounces headlines there, and Prosody
// alone answers a request to subscribe.
func serversAgree(s xmpppeer.Stanza, res string) bool {
	if res == "" && (s.Kind == "iq" || s.Type == "headline") {
		return false
	}
	return s.Type != "subscribe"
}
