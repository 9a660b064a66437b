package daemon_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"edged/internal/admin"
	"edged/internal/daemon"
	"edged/internal/lab/xmpppeer"
)

// TestConsent: a contact of a public_unverified partner is not heard before our user
// has turned to it, which not everything does that our user's client sends.
func TestConsent(t *testing.T) {
	x := startXMPP(t)
	carol := x.partner(public, nil).User("carol@" + public)
	for name, tt := range map[string]struct {
		sent   xmpppeer.Stanza
		grants bool
	}{
		"message":     {xmpppeer.Stanza{Payload: xmpppeer.Body("hi")}, true},
		"error":       {xmpppeer.Stanza{Type: "error", ID: "e"}, false},
		"probe":       {xmpppeer.Stanza{Kind: "presence", Type: "probe"}, true},
		"available":   {xmpppeer.Stanza{Kind: "presence"}, true},
		"subscribe":   {xmpppeer.Stanza{Kind: "presence", Type: "subscribe"}, true},
		"unavailable": {xmpppeer.Stanza{Kind: "presence", Type: "unavailable"}, false},
		"get":         {xmpppeer.Stanza{Kind: "iq", Type: "get", ID: "g", Payload: "<query xmlns='urn:x'/>"}, true},
		"result":      {xmpppeer.Stanza{Kind: "iq", Type: "result", ID: "r"}, false},
		"iq error":    {xmpppeer.Stanza{Kind: "iq", Type: "error", ID: "f"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			user := x.chat.User(strings.ReplaceAll(name, " ", "-") + "@" + ours)
			x.refused(carol, user, "service-unavailable")
			tt.sent.To = carol.Address
			if err := user.Send(x.Soon(), tt.sent); err != nil {
				t.Fatal(err)
			}
			if e := x.next(carol); e.Attr("from") != user.Address {
				t.Fatalf("carol got %s", e)
			}
			if !tt.grants {
				x.refused(carol, user, "service-unavailable")
				return
			}
			x.arrives(carol, user)
			if diff := cmp.Diff([]string{user.Address + " " + carol.Address}, x.consents(user.Address)); diff != "" {
				t.Errorf("pairs (-want +got):\n%s", diff)
			}
		})
	}
}

// TestConsentIsKept: over a restart, until somebody takes it back.
func TestConsentIsKept(t *testing.T) {
	x := startXMPP(t)
	carol, user := x.partner(public, nil).User("carol@"+public), x.chat.User(alice)
	pair := []string{alice + " " + carol.Address}
	x.arrives(user, carol)
	x.stop()
	x.again()
	x.arrives(carol, user)
	if diff := cmp.Diff(pair, x.consents("")); diff != "" {
		t.Errorf("pairs (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"edged_consent_pairs 1"}, x.metric("edged_consent_pairs")); diff != "" {
		t.Errorf("metric (-want +got):\n%s", diff)
	}
	if _, err := admin.Call(x.Soon(), filepath.Join(x.Dir, "s"), "DELETE", admin.RemoveConsentPath(alice, carol.Address)); err != nil {
		t.Fatal(err)
	}
	x.refused(carol, user, "service-unavailable")
	x.stop()
	x.again()
	x.refused(carol, user, "service-unavailable")
	if diff := cmp.Diff([]string{}, x.consents("")); diff != "" {
		t.Errorf("pairs (-want +got):\n%s", diff)
	}
}

// TestConsentOutlivesTheProcess: what is on disk stays there when the process is
// killed; and while it lives nobody else gets its state.
func TestConsentOutlivesTheProcess(t *testing.T) {
	if path := os.Getenv(childConfig); path != "" {
		beChild(t, path)
		return
	}
	x := startXMPP(t)
	carol, user := x.partner(public, nil).User("carol@"+public), x.chat.User(alice)
	x.stop()
	child := x.child("TestConsentOutlivesTheProcess", "xmpp.external", "xmpp.internal", "metrics")
	x.outside.Store(child.at["xmpp.external"])
	x.inside.Store(child.at["xmpp.internal"])
	x.arrives(user, carol)
	x.flushed(child.at["metrics"])

	text, err := os.ReadFile(filepath.Join(x.Dir, "edged.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	x.File("second.yaml", []byte(strings.Replace(string(text), "/s,", "/t,", 1))) // another admin socket
	second, err := daemon.Start(t.Context(), daemon.Options{ConfigPath: filepath.Join(x.Dir, "second.yaml"), LogTo: x.log})
	if err != nil {
		t.Fatalf("a second process: %v", err)
	}
	if err := second.Stop(t.Context()); err != nil {
		t.Error(err)
	}
	x.logged("state file " + filepath.Join(x.Dir, "state", "edged.db") + ": another process uses it; is edged running already?")

	child.kill()
	x.again()
	x.arrives(carol, user)
}

// flushed waits until consent is on disk.
func (x *xmppBed) flushed(metrics string) {
	x.Helper()
	ctx, tick := x.Soon(), time.NewTicker(10*time.Millisecond)
	defer tick.Stop()
	for {
		pairs, unwritten := scrape(x.T, metrics, "edged_consent_pairs"), scrape(x.T, metrics, "edged_consent_unwritten")
		if slices.Equal(pairs, []string{"edged_consent_pairs 1"}) && slices.Equal(unwritten, []string{"edged_consent_unwritten 0"}) {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			x.Fatal("consent does not reach the disk")
		}
	}
}
