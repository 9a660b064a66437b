package daemon_test

import (
	"context"
	"errors"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"edged/internal/admin"
	"edged/internal/config"
	"edged/internal/daemon"
	"edged/pkg/discovery"
)

// partner is the row of a partner on the status page.
func (b *bed) partner(name string) admin.Partner {
	b.Helper()
	all := b.edge.Status().Partners
	i := slices.IndexFunc(all, func(p admin.Partner) bool { return p.Name == name })
	if i < 0 {
		return admin.Partner{}
	}
	return all[i]
}

func TestStatusOfPartners(t *testing.T) {
	b := start(t, func(s *setup) {
		s.Blocked = []string{"spam.example"}
		s.Allowed = append(s.Allowed, "nowhere.example")
	})
	if p := b.partner(fabrikam); p.State != admin.Idle || p.Kind != "allowed" || p.Open != 0 || len(p.Proven) != 0 || !p.NotAfter.IsZero() {
		t.Errorf("before anything: %+v", p)
	}
	b.edge.Sample(time.Now().Add(-time.Minute))
	theirs, ours := b.dial(fabrikam), b.dial("fe1")
	for range 3 {
		if got := b.say(theirs, fabrikam, "robin@fabrikam.com", alice); got != 200 {
			t.Fatalf("inward: %d", got)
		}
	}
	if got := b.say(ours, "fe1", alice, "robin@fabrikam.com"); got != 200 {
		t.Fatalf("outward: %d", got)
	}
	p := b.partner(fabrikam)
	if p.State != admin.Connected || p.Open != 2 || !slices.Equal(p.Proven, []string{"certificate under tls.roots"}) || p.Total != 4 || p.Refused != nil {
		t.Errorf("with two connections: %+v", p)
	}
	if days := time.Until(p.NotAfter).Hours() / 24; days < 80 || days > 90 {
		t.Errorf("its certificate has %v days", days)
	}
	if p.In < 2 || p.In > 3 || p.Out < 0.5 || p.Out > 1 { // 3 and 1, within a minute or so
		t.Errorf("%v in, %v out a minute", p.In, p.Out)
	}
	if status := b.edge.Status(); len(status.Traffic) != 1 || status.Traffic[0].Connections < 3 || status.Traffic[0].In < 2 {
		t.Errorf("in all: %+v", status.Traffic)
	}

	// Who cannot be reached, and who is refused.
	if got := b.say(ours, "fe1", alice, "x@nowhere.example"); got != 504 {
		t.Fatalf("nowhere: %d", got)
	}
	if got := b.say(theirs, fabrikam, "eve@spam.example", alice); got != 403 {
		t.Fatalf("blocked: %d", got)
	}
	if p := b.partner("nowhere.example"); p.State != admin.Failing || p.Refused == nil || p.Refused.Reason != "dns-no-record" {
		t.Errorf("nowhere: %+v", p)
	}
	if first := b.edge.Status().Partners[0]; first.Name != "nowhere.example" {
		t.Errorf("the first is %s, not the one that fails", first.Name)
	}
	refusals := b.edge.Status().Refusals
	if len(refusals) != 2 || refusals[0].Rule != "blocked_domains: spam.example" || refusals[1].Reason != "dns-no-record" {
		t.Errorf("refusals: %+v", refusals)
	}

	// What was counted stays when the connections have gone.
	b.peers[fabrikam].Close()
	b.eventually(func() bool { p := b.partner(fabrikam); return p.Open == 0 && p.Total == 4 && p.State == admin.Idle })
}

func TestStatusOfPoolsAndReloads(t *testing.T) {
	b := start(t)
	b.peers["fe2"].Close()
	b.eventually(func() bool {
		pools := b.edge.Status().Pools
		return len(pools) == 1 && pools[0].Up() && pools[0].Members[0].Up && !pools[0].Members[1].Up && pools[0].Members[1].Failures > 0
	})
	b.peers["fe1"].Close()
	b.eventually(func() bool { return !b.edge.Status().Pools[0].Up() })

	b.write(func(s *setup) { s.Limits = "{connections: none}" })
	if err := b.edge.Reload(b.Soon()); err == nil {
		t.Fatal("a bad file was taken")
	}
	b.reload(func(s *setup) { s.Limits = "{}" })
	reloads := b.edge.Status().Reloads
	if len(reloads) != 3 || reloads[0].What != "reload" || reloads[0].Err != "" || !strings.Contains(reloads[1].Err, "limits.connections") ||
		reloads[1].Config != "" || reloads[2].What != "start" || reloads[2].Config != reloads[0].Config || reloads[0].Policy == "" {
		t.Errorf("%+v", reloads)
	}
	for range 30 {
		b.reload()
	}
	if n := len(b.edge.Status().Reloads); n != 20 {
		t.Errorf("%d are kept", n)
	}
}

func TestStatusLooksAtItself(t *testing.T) {
	var asked atomic.Int32
	check := func(ctx context.Context, c *config.Config, r *discovery.Resolver) []admin.Check {
		if ctx.Err() != nil || r == nil {
			t.Error("no time, or nobody to ask")
		}
		if asked.Add(1) == 1 {
			return []admin.Check{{State: "wrong", About: c.FQDN.String()}}
		}
		return []admin.Check{{State: "ok", About: c.FQDN.String()}}
	}
	b := start(t)
	b.stop()
	var err error
	b.edge, err = daemon.Start(b.Context(), daemon.Options{ConfigPath: b.config(), Version: "test", LogTo: b.log, SelfCheck: check})
	if err != nil {
		t.Fatal(err)
	}
	is := func(state string) func() bool {
		return func() bool {
			s := b.edge.Status()
			return !s.Checked.IsZero() && slices.Equal(s.Checks, []admin.Check{{State: state, About: outside}})
		}
	}
	b.eventually(is("wrong"))
	b.reload()
	b.eventually(is("ok"))
}

// TestStatusPage: what admin.listen serves is the page, and it is for this host.
func TestStatusPage(t *testing.T) {
	b := start(t)
	at := "http://" + b.edge.Addr("admin.listen").String()
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: patience}
	for path, want := range map[string]string{"/": "text/html; charset=utf-8", "/page.css": "text/css; charset=utf-8", "/page.js": "text/javascript; charset=utf-8", "/metrics": ""} {
		answer, err := client.Get(at + path)
		if err = errors.Join(err, answer.Body.Close()); err != nil || answer.StatusCode != 200 {
			t.Fatalf("%s: %v, %d", path, err, answer.StatusCode)
		}
		if got := answer.Header.Get("Content-Type"); want != "" && got != want {
			t.Errorf("%s is %s", path, got)
		}
	}
	if answer, err := client.Post(at+"/-/reload", "", nil); err != nil || answer.Body.Close() != nil || answer.StatusCode != 404 {
		t.Errorf("reload by the page: %v", err)
	}
}

// TestStatusOfBothProtocols: how XMPP partners were proven, and what crossed, also after
// the streams have ended.
func TestStatusOfBothProtocols(t *testing.T) {
	x := startXMPP(t)
	server := x.partner(jabber, nil)
	bob, user := server.User("bob@"+jabber), x.chat.User(alice)
	f := x.follow(t.Context(), admin.TraceFilter{Domain: jabber})
	x.arrives(bob, user)
	x.arrives(user, bob)
	p := x.bed.partner(jabber)
	if p.Proto != "xmpp" || p.State != admin.Connected || p.Open != 2 || p.Total != 2 || len(p.Proven) != 1 ||
		!strings.HasPrefix(p.Proven[0], "certificate under ") || p.NotAfter.IsZero() {
		t.Errorf("%+v", p)
	}
	for _, want := range []string{"inward", "outward"} {
		if l := f.next(x.bed); l.Direction != want || l.Proto != "xmpp" || l.What != "message chat" || l.Reason != "allowed" || l.ID == "" || l.NextHop == "" ||
			!strings.Contains(l.From+l.To, "bob@"+jabber) {
			t.Errorf("%s: %+v", want, l)
		}
	}
	files := []string{}
	for _, c := range x.edge.Status().Certs {
		files = append(files, filepath.Base(c.File))
	}
	if slices.Sort(files); !slices.Equal(files, []string{"edge.crt", "inside.crt", "mint.crt"}) {
		t.Errorf("certificates: %q", files)
	}
	if traffic := x.edge.Status().Traffic; len(traffic) != 2 || traffic[1].Proto != "xmpp" || traffic[1].Connections < 3 {
		t.Errorf("%+v", traffic)
	}
	server.Close()
	x.eventually(func() bool { p := x.bed.partner(jabber); return p.Open == 0 && p.Total == 2 })
}
