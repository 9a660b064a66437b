package interop

import (
	"strings"
	"testing"

	"edged/internal/lab/sippeer"
)

// TestRefusedDestinations has our users write to whom they may not.
func TestRefusedDestinations(t *testing.T) {
	s := newStand(t)
	blocked, unlisted := s.tripwire(t, "sip.spam.example"), s.tripwire(t, "sip.unlisted.example")
	c := s.dialInside(t)
	for _, domain := range []string{"spam.example", "a.spam.example", "SPAM.example", "unlisted.example", "nowhere.test", "eu.fabrikam.com"} {
		t.Run(domain, func(t *testing.T) {
			wantDiagnosed(t, c.Do(soon(t), message(s.front, "carol@contoso.com", "dan@"+domain)), 403, "")
			blocked.wantUntouched(t)
			unlisted.wantUntouched(t)
		})
	}
}

// TestUnreachablePartners has our users write to partners who cannot be found,
// reached or believed. The inside learns which by the id in ms-diagnostics.
func TestUnreachablePartners(t *testing.T) {
	s := newStand(t)
	elsewhere := s.tripwire(t, "sip.unlisted.example")
	c := s.dialInside(t)
	send := func(domain string) *sippeer.Outcome {
		return c.Do(soon(t), message(s.front, "carol@contoso.com", "dan@"+domain))
	}
	t.Run("no SRV record", func(t *testing.T) { wantDiagnosed(t, send("adatum.com"), 504, "1008") })
	t.Run("target outside the domain", func(t *testing.T) {
		wantDiagnosed(t, send("proseware.com"), 504, "1009")
		elsewhere.wantUntouched(t)
	})
	t.Run("every target down", func(t *testing.T) { wantDiagnosed(t, send("tailspintoys.com"), 504, "1046") })
	t.Run("somebody else's certificate", func(t *testing.T) {
		cert := s.issue(t, s.roots, "sip.fabrikam.com")
		impostor := s.peer(t, "edge.litware.net", &cert.TLS, s.roots)
		m := message(s.front, "carol@contoso.com", "dan@litware.com")
		wantDiagnosed(t, c.Do(soon(t), m), 504, "1010")
		if len(impostor.Desk.Arrived(m.Get("Call-ID"))) > 0 {
			t.Error("the impostor received the message")
		}
	})
}

// wantDiagnosed checks the status of a final answer, and that its ms-diagnostics
// begins with the id; any id is right if none is wanted.
func wantDiagnosed(t *testing.T, o *sippeer.Outcome, status int, id string) {
	t.Helper()
	final := o.Final()
	if final == nil {
		t.Fatalf("no final answer: %v", o.Err)
	}
	if got := final.Status(); got != status {
		t.Errorf("answered with %d, want %d", got, status)
	}
	if got := final.Get("ms-diagnostics"); !strings.HasPrefix(got, id) || got == "" {
		t.Errorf("ms-diagnostics %q, want id %s", got, id)
	}
}
