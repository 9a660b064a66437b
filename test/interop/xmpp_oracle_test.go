package interop

import (
	"slices"
	"strings"
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
				for _, resource := range []string{"", "/desk"} {
					var rows []string
					for _, user := range []string{"nobody", "carol", "dave"} {
						to := user + "@contoso.com" + resource
						rows = append(rows, seen(o.approach(t, s, to), to))
					}
					t.Logf("| %s%s | %s |", asText(s), resource, strings.Join(rows, " | "))
				}
			}
		})
	}
}

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

// TestXMPPUnknownUserOracle compares what an outsider sees of users who may
// federate, who may not, and who do not exist.
func TestXMPPUnknownUserOracle(t *testing.T) {
	tests := map[string]struct {
		partnerType string
		users       []string // who must look alike
		approaches  map[string][]xmpppeer.Stanza
	}{
		// The partner may write to everybody: those who are there are found, the
		// others look alike. What a server answers in the name of every bare
		// address, also for nobody, tells nothing about users and is left out.
		"federated": {
			"federated",
			[]string{"nobody", "alice"},
			map[string][]xmpppeer.Stanza{"": withoutIQ(), "/desk": approaches},
		},
		// It may not, before somebody has written to it: all look alike.
		"public_unverified": {
			"public_unverified",
			[]string{"nobody", "alice", "carol", "dave"},
			map[string][]xmpppeer.Stanza{"": approaches, "/desk": approaches},
		},
	}
	for name, tt := range tests {
		for _, pool := range []string{"prosody", "ejabberd"} {
			t.Run(name+" to "+pool, func(t *testing.T) {
				s := startXMPPEdge(t, xmppStandSpec{pool: pool, partnerType: tt.partnerType})
				s.pool = s.startXMPP(t, s.xmppMember(t, pool, xmppFirst, "mint"))
				s.newUser(t, "dave", s.pool)
				o := s.newOutsider(t, xmppOutside)
				for resource, all := range tt.approaches {
					for _, a := range all {
						o.wantAlike(t, a, tt.users, resource)
					}
				}
			})
		}
	}
}

func withoutIQ() []xmpppeer.Stanza {
	return slices.DeleteFunc(slices.Clone(approaches), func(s xmpppeer.Stanza) bool { return s.Kind == "iq" })
}

// wantAlike approaches each of the users: at their bare addresses, or at a resource
// that they do not have.
func (o *outsider) wantAlike(t *testing.T, a xmpppeer.Stanza, users []string, resource string) {
	t.Helper()
	var want string
	for i, user := range users {
		to := user + "@contoso.com" + resource
		got := seen(o.approach(t, a, to), to)
		if i == 0 {
			want = got
		}
		if got != want {
			t.Errorf("%s to %s: the outsider sees %s, but %s of %s", asText(a), to, got, want, users[0])
		}
	}
}
