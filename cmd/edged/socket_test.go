package main

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"edged/internal/admin"
	"edged/internal/config/configtest"
)

// TestAdminSocket runs testdata/socket. In the folder of each script an admin socket
// answers for a gateway that keeps three pairs and watches two partners.
func TestAdminSocket(t *testing.T) {
	laid := configtest.Lay(t, minimal)
	testscript.Run(t, testscript.Params{
		Dir: "testdata/socket",
		Setup: func(e *testscript.Env) error {
			ln, err := admin.ListenSocket(context.Background(), filepath.Join(e.WorkDir, "admin.sock"))
			if err != nil {
				return err
			}
			s := admin.ServeAdmin(ln, keeping(), slog.New(slog.DiscardHandler))
			e.Defer(func() { _ = s.Close(context.Background()) })
			if err := leaveSocket(filepath.Join(e.WorkDir, "left.sock")); err != nil {
				return err
			}
			return complete(e.WorkDir, laid)
		},
		Cmds:                map[string]func(*testscript.TestScript, bool, []string){"exits": exits},
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
	})
}

// leaveSocket leaves a socket on which nobody listens any more.
func leaveSocket(path string) error {
	ln, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		return err
	}
	ln.SetUnlinkOnClose(false)
	return ln.Close()
}

// open is what the gateway of the scripts has open.
func open() []admin.Connection {
	used, expires := time.Now().Add(-150*time.Minute), time.Now().Add(10*24*time.Hour+time.Hour)
	return []admin.Connection{
		{
			Proto: "sip", ID: 7, Side: "external", Peer: "192.0.2.7:5061", TLS: "TLS 1.3", LastUsed: used, NotAfter: expires,
			Names: []string{"sip.fabrikam.com", "fabrikam.com", "x.fabrikam.com"}, Roots: []string{"tls.roots"},
			Talks: []admin.Talk{{Theirs: "fabrikam.com", Proof: "certificate"}},
		},
		{
			Proto: "sip", ID: 8, Side: "internal", Dialled: true, Peer: "10.0.0.5:5061", Member: "fe1.corp.contoso.com:5061", TLS: "TLS 1.3",
			LastUsed: used, NotAfter: expires, Names: []string{"fe1.corp.contoso.com"}, Roots: []string{"pool:front"},
		},
		{
			Proto: "xmpp", ID: 7, Side: "external", Dialled: true, Peer: "192.0.2.9:5269", TLS: "none", LastUsed: used,
			Talks: []admin.Talk{{Ours: "contoso.com", Theirs: "jabber.example", Proof: "dialback"}},
		},
	}
}

// messages are what crosses the gateway of the scripts, before it ends.
func messages(_ context.Context, f admin.TraceFilter) (iter.Seq[admin.TraceLine], error) {
	if f.User == "nobody" {
		return nil, errors.New("as many follow as may (16)")
	}
	then := time.Date(2026, 1, 2, 3, 4, 5, 67e6, time.UTC)
	return slices.Values([]admin.TraceLine{
		{
			Time: then, Proto: "sip", Side: "external", Direction: "inward", Peer: "192.0.2.7:5061", What: "MESSAGE", ID: "call-1", Reason: "allowed",
			From: "sip:robin@fabrikam.com;tag=7", To: "sip:alice@contoso.com", URI: "sip:alice@contoso.com", Rule: "allowed_domains: fabrikam.com",
			NextHop: "fe1.corp.contoso.com:5061", Took: 1.25,
		},
		{
			Time: then, Proto: "sip", Side: "external", Direction: "inward", Peer: "192.0.2.7:5061", What: "MESSAGE", ID: "call-2", Status: 403,
			Reason: "domain-blocked", From: "sip:eve@spam.example", To: "sip:alice@contoso.com", Rule: "blocked_domains: spam.example",
		},
		{
			Time: then, Proto: "xmpp", Side: "external", Direction: "inward", Peer: "192.0.2.9:5269", What: "stream", Reason: "tls-failed",
			Detail: "no bytes, " + f.Domain, Lost: 12,
		},
	}), nil
}

func keeping() admin.Funcs {
	pairs := make([]admin.Consent, 3)
	for i := range pairs {
		pairs[i] = admin.Consent{
			Local: fmt.Sprintf("user%d@contoso.com", i), Remote: "bob@jabber.example",
			Since: time.Date(2026, 1, 2, 3, 4, 5-i, 6, time.FixedZone("KST", 9*60*60)),
		}
	}
	return admin.Funcs{
		Connections: open,
		Trace:       messages,
		ListConsent: func(filter string, limit int) (found []admin.Consent) {
			for _, p := range pairs {
				if strings.Contains(p.Local+" "+p.Remote, filter) && len(found) < limit {
					found = append(found, p)
				}
			}
			return found
		},
		RemoveConsent: func(local, remote string) (bool, error) {
			if !strings.Contains(local, "@") {
				return false, errors.New(`"` + local + `" is not a user; write one such as alice@contoso.com`)
			}
			return local == pairs[0].Local && remote == pairs[0].Remote, nil
		},
		ListWatched: func() []admin.Watched {
			return []admin.Watched{
				{
					Proto: "sip", Partner: "northwind.example", Since: time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC), Why: "most requests fail",
					Throttled: true, NoNewUsers: true, Domains: []string{"northwind.example", "x.northwind.example"}, MoreDomains: true,
					Issuer: "CN=Public", Serial: "1f", Requests: 120, Failed: 100, Contacts: 1000, Refused: 7,
				},
				{Proto: "xmpp", Partner: "*", Since: time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC)},
			}
		},
		ReleaseWatched: func(proto, partner string) bool { return proto != "xmpp" && partner == "northwind.example" },
	}
}
