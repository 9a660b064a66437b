package daemon_test

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"edged/internal/daemon"
	"edged/internal/probe"
	"edged/pkg/domain"
	"edged/pkg/policy"
)

// walk probes by the files of the bed.
func (b *bed) walk(protocol policy.Protocol, d, as string) (*probe.Report, error) {
	b.Helper()
	p, err := daemon.Prober(filepath.Join(b.dir, "edged.yaml"))
	if err != nil {
		b.Fatal(err)
	}
	defer p.Close()
	var voice domain.Name
	if as != "" {
		voice = domain.MustParse(as)
	}
	return p.Walk(b.soon(), protocol, domain.MustParse(d), voice)
}

func TestProberNeedsNoGateway(t *testing.T) {
	b := start(t)
	b.stop()
	r, err := b.walk(policy.SIP, fabrikam, "")
	if err != nil || !r.Good() || len(r.Findings) > 0 {
		t.Errorf("%+v, %v", r, err)
	}
	steps := make([]string, len(r.Steps))
	for i, s := range r.Steps {
		steps[i] = s.Step + " " + string(s.Outcome)
	}
	want := []string{"dns ok", "policy ok", "address ok", "tcp ok", "tls ok", "identity ok", "options ok", "inward ok"}
	if !slices.Equal(steps, want) {
		t.Errorf("steps %q", steps)
	}
}

func TestProberSpeaksForUs(t *testing.T) {
	b := start(t)
	for _, tt := range []struct {
		protocol policy.Protocol
		as, want string
	}{
		{policy.XMPP, "", "does not serve xmpp"},
		{policy.SIP, northwind, "is not one of our domains"},
	} {
		if _, err := b.walk(tt.protocol, fabrikam, tt.as); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("as %q: %v, want %q", tt.as, err, tt.want)
		}
	}
}

// TestProberSeesWhatFails goes through what the lab does not play.
func TestProberSeesWhatFails(t *testing.T) {
	b := start(t, func(s *setup) {
		s.Allowed = append(s.Allowed, "roots.example, proxy: sip.fabrikam.com, roots: [tls/private.crt], port: 1")
	})
	at := b.peers[fabrikam].Port()
	b.write(func(s *setup) {
		s.Allowed[2] = strings.Replace(s.Allowed[2], "port: 1", fmt.Sprintf("port: %d", at), 1)
	})
	r, err := b.walk(policy.SIP, "roots.example", "")
	if err = errors.Join(err, found(r, "certificate-refused", "counts only under the roots of roots.example")); err != nil {
		t.Error(err)
	}
	b.peers["fe1"].Close()
	b.peers["fe2"].Close()
	r, err = b.walk(policy.SIP, "contoso.com", "")
	if err = errors.Join(err, found(r, "pool-down", "nothing listens on")); err != nil {
		t.Error(err)
	}
	b.write(func(s *setup) { s.DNS = "127.0.0.1:1" })
	r, err = b.walk(policy.SIP, fabrikam, "")
	if err = errors.Join(err, found(r, "dns-failed", "server failure")); err != nil {
		t.Error(err)
	}
}

// found looks for a finding in a report that is not good.
func found(r *probe.Report, reason, cause string) error {
	if r == nil || r.Good() || !slices.ContainsFunc(r.Findings, func(f probe.Finding) bool {
		return f.Reason == reason && strings.Contains(f.Cause, cause) && len(f.Cure) > 0
	}) {
		var text strings.Builder
		_ = r.Write(&text)
		return errors.New("no " + reason + " because of " + cause + " in:\n" + text.String())
	}
	return nil
}
