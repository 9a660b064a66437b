package daemon_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"edged/internal/admin"
	"edged/internal/lab/sippeer"
)

// unlisted starts an edge that lets northwind.example in, which nothing lists, and
// lets it address one user.
func unlisted(s *setup) {
	s.Allowed = []string{fabrikam}
	s.Federation = ", partner_discovery: true, discovered: {contacts: 1}"
}

const carol = "carol@contoso.com"

// watched asks the admin socket for the watch list.
func (b *bed) watched() []admin.Watched {
	b.Helper()
	raw, err := admin.Call(b.Soon(), filepath.Join(b.Dir, "s"), "GET", admin.WatchPath)
	if err != nil {
		b.Fatal(err)
	}
	var all []admin.Watched
	if err := json.Unmarshal(raw, &all); err != nil {
		b.Fatal(err)
	}
	return all
}

func (b *bed) release(partner string) {
	b.Helper()
	if _, err := admin.Call(b.Soon(), filepath.Join(b.Dir, "s"), "DELETE", admin.ReleasePath("", partner)); err != nil {
		b.Fatal(err)
	}
}

// reaches compares the answers to northwind's messages to alice and to carol.
func (b *bed) reaches(conn *sippeer.Conn, toAlice, toCarol int) {
	b.Helper()
	if got := b.say(conn, northwind, "bob@"+northwind, alice); got != toAlice {
		b.Errorf("to alice: %d, want %d", got, toAlice)
	}
	if got := b.say(conn, northwind, "bob@"+northwind, carol); got != toCarol {
		b.Errorf("to carol: %d, want %d", got, toCarol)
	}
}

func TestWatchList(t *testing.T) {
	b := start(t, unlisted)
	conn := b.dial(northwind)
	b.reaches(conn, 200, 480)
	all := b.watched()
	if len(all) != 1 || time.Since(all[0].Since) > patience {
		t.Fatalf("watch list %+v", all)
	}
	leaf := b.certs[northwind].X509
	want := []admin.Watched{{
		Proto: "sip", Partner: northwind, Why: "too many contacts", Since: all[0].Since, NoNewUsers: true,
		Domains: []string{northwind}, Issuer: leaf.Issuer.String(), Serial: leaf.SerialNumber.Text(16),
		Requests: 1, Contacts: 1, Refused: 1,
	}}
	if diff := cmp.Diff(want, all); diff != "" {
		t.Errorf("watch list (-want +got):\n%s", diff)
	}
	b.logged(`level=WARN msg="partner is watched" proto=sip partner=northwind.example change=entered why="too many contacts"`)
	b.metrics(`edged_watch_list_partners{proto="sip"} 1`, `edged_watch_list_changes_total{change="entered",proto="sip"} 1`, "edged_state_usable 1")

	b.release(northwind)
	b.logged(`msg="partner is not watched any more" proto=sip partner=northwind.example change=released`)
	b.metrics(`edged_watch_list_partners{proto="sip"} 0`, `edged_watch_list_changes_total{change="released",proto="sip"} 1`)
	if got := b.say(conn, northwind, "bob@"+northwind, carol); got != 200 {
		t.Errorf("to carol, once released: %d", got)
	}
	b.reaches(conn, 480, 200)
	b.reload(func(s *setup) { s.Allowed = append(s.Allowed, northwind) })
	b.reaches(conn, 200, 200)
	b.logged(`msg="partner is not watched any more" proto=sip partner=northwind.example change=listed`)
	if all := b.watched(); len(all) != 0 {
		t.Errorf("watch list, once it is listed: %+v", all)
	}
}

// TestWatchListIsKept: over a restart, over a kill, and until it is released.
func TestWatchListIsKept(t *testing.T) {
	if path := os.Getenv(childConfig); path != "" {
		beChild(t, path)
		return
	}
	b := start(t, unlisted)
	b.reaches(b.dial(northwind), 200, 480)
	b.stop()
	b.again()
	b.reaches(b.dial(northwind), 200, 480)
	b.release(northwind)
	b.stop()

	child := b.child("TestWatchListIsKept", "sip.external", "metrics")
	b.reaches(b.dialAt(northwind, child.at["sip.external"], outside), 200, 480)
	b.eventually(func() bool {
		return cmp.Equal(scrape(t, child.at["metrics"], "edged_watch_list_unwritten"), []string{`edged_watch_list_unwritten{proto="sip"} 0`})
	})
	child.kill()
	b.again()
	b.reaches(b.dial(northwind), 200, 480)
	b.stop()

	b.write(func(s *setup) { s.Allowed = append(s.Allowed, northwind) }) // while it does not run
	b.again()
	if all := b.watched(); len(all) != 0 {
		t.Errorf("watch list, once it is listed: %+v", all)
	}
}

// TestWatchListWithoutAStore: SIP goes on without state_dir, and says so.
func TestWatchListWithoutAStore(t *testing.T) {
	b := start(t, unlisted, func(s *setup) {
		s.StateDir = "occupied"
		if err := os.WriteFile(filepath.Join(s.Dir, "occupied"), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	})
	b.reaches(b.dial(northwind), 200, 480)
	b.logged(`level=ERROR msg="state_dir cannot be used: consent and the watch list do not outlast a restart"`)
	b.metrics(`edged_watch_list_partners{proto="sip"} 1`, "edged_state_usable 0")
}

// TestWatchListOfXMPP is one of its own: budgets are for each protocol.
func TestWatchListOfXMPP(t *testing.T) {
	x := startXMPP(t, func(s *setup) {
		s.XMPP.Federation = ", xmpp_discovery: true"
		s.XMPP.Default = "{type: federated, tls: required, sasl: required, dialback: false}"
		unlisted(s)
	})
	dave := x.partner(stranger, nil).User("dave@" + stranger)
	x.arrives(dave, x.chat.User(alice))
	x.refused(dave, x.chat.User(carol), "resource-constraint")
	x.arrives(dave, x.chat.User(alice))
	all := x.watched()
	if len(all) != 1 || all[0].Proto != "xmpp" || all[0].Partner != stranger || all[0].Serial == "" {
		t.Errorf("watch list %+v", all)
	}
	x.stop()
	x.again()
	x.refused(dave, x.chat.User(carol), "resource-constraint")
	x.arrives(dave, x.chat.User(alice))
	x.reaches(x.dial(northwind), 200, 480)
	if _, err := admin.Call(x.Soon(), filepath.Join(x.Dir, "s"), "DELETE", admin.ReleasePath("sip", stranger)); err == nil {
		t.Error("released from the list of SIP")
	}
	x.release(stranger)
	x.arrives(dave, x.chat.User(carol))
	if all := x.watched(); len(all) != 1 || all[0].Proto != "sip" {
		t.Errorf("watch list %+v", all)
	}
}

// metrics waits until a scrape has these lines.
func (b *bed) metrics(lines ...string) {
	b.Helper()
	for _, line := range lines {
		b.eventually(func() bool { return len(b.metric(line)) == 1 })
	}
}

// eventually waits until something is so.
func (b *bed) eventually(so func() bool) {
	b.Helper()
	ctx, tick := b.Soon(), time.NewTicker(10*time.Millisecond)
	defer tick.Stop()
	for !so() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			b.Fatal("it never came to that")
		}
	}
}
