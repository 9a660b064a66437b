package main

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"edged/internal/admin"
	"edged/internal/config"
	"edged/pkg/domain"
	"edged/pkg/policy"
	"edged/pkg/verdict"
)

// answering is a gateway that answers by path, and fails where it has no answer.
func answering(answers map[string]any) gateway {
	return func(path string, into any) error {
		path, _, _ = strings.Cut(path, "?")
		a, ok := answers[path]
		if !ok {
			return errors.New("no answer to " + path)
		}
		raw, err := json.Marshal(a)
		return errors.Join(err, json.Unmarshal(raw, into))
	}
}

// federated is a policy under which everybody may, once consent is given.
func federated(t *testing.T) *config.Loaded {
	t.Helper()
	l := &config.Loaded{Hash: "c", PolicyHash: "p", Source: policy.Default()}
	l.Source.Federation.Enabled = true
	l.Source.AllowedDomains = []policy.AllowedDomain{{Domain: policy.Pattern{Name: domain.MustParse("fabrikam.com")}}}
	l.Source.XMPPPartners = []policy.XMPPPartner{{Domain: domain.MustParse("jabber.example")}}
	l.Source.AccessPolicies.Global = policy.AccessPolicy{Federation: true, XMPP: true}
	ours := domain.MustParse("contoso.com")
	l.Config.Domains = []config.Domain{{Name: ours, Protocols: []config.Protocol{config.SIPProtocol, config.XMPPProtocol}}}
	set, problems := policy.Compile(l.Source, []policy.Local{{Domain: ours, SIP: true, XMPP: true}})
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	l.Policy = set
	return l
}

func TestExplainLive(t *testing.T) {
	then := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	running := admin.Running{Config: "c", Policy: "p", LoadedAt: then}
	pairs := []admin.Consent{
		{Local: "alice@contoso.com", Remote: "bobby@jabber.example", Since: then}, {Local: "alice@contoso.com", Remote: "bob@jabber.example", Since: then},
	}
	down := []admin.Pool{
		{Proto: "sip", Name: "front", Domains: []string{"contoso.com"}, Members: []admin.Member{{Name: "fe1:5061"}}},
		{Proto: "xmpp", Name: "chat", Domains: []string{"contoso.com"}, Members: []admin.Member{{Name: "x1:5269", Up: true}}},
	}
	watched := []admin.Watched{{Proto: "xmpp", Partner: "jabber.example", Since: then, Throttled: true}, {Proto: "sip", Partner: "abrikam.com", Since: then}}
	all := map[string]any{admin.RunningPath: running, "/-/consent": pairs, admin.PoolsPath: down, admin.WatchPath: watched}
	for _, tt := range []struct {
		name, protocol, from, to string
		answers                  map[string]any
		reason                   verdict.Reason
		notes                    []string
	}{
		{
			"consent", "xmpp", "bob@jabber.example", "alice@contoso.com", all, verdict.Allowed,
			[]string{"alice@contoso.com wrote to bob@jabber.example at 2026-01-02T03:04:05Z", "jabber.example is on the watch list since 2026-01-02T03:04:05Z: throttled"},
		},
		{
			"no consent", "xmpp", "eve@jabber.example", "alice@contoso.com", all, verdict.NoConsent,
			[]string{"jabber.example is on the watch list since 2026-01-02T03:04:05Z: throttled"},
		},
		{
			"the pool is down", "sip", "bob@fabrikam.com", "alice@contoso.com", all, verdict.PoolDown,
			[]string{"no member of pool front can be reached; edged probe contoso.com says why"},
		},
		{
			"the pool is down, but not on the way", "sip", "alice@contoso.com", "bob@fabrikam.com", all, verdict.Allowed,
			[]string{"no member of pool front can be reached; edged probe contoso.com says why"},
		},
		{
			"other files", "sip", "bob@fabrikam.com", "alice@contoso.com",
			map[string]any{admin.RunningPath: admin.Running{Config: "c", Policy: "old", LoadedAt: then}},
			verdict.Allowed,
			[]string{
				"the running gateway goes by other files, loaded 2026-01-02T03:04:05Z; edged reload puts these in force",
				"the watch list is not known: no answer to /-/watch", "pools are not known: no answer to /-/pools",
			},
		},
		{"nobody answers", "sip", "bob@fabrikam.com", "alice@contoso.com", nil, verdict.Allowed, []string{"consent, the watch list and pools are not known: no answer to /-/config"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := explainCmd{Protocol: tt.protocol, SRV: []domain.Name{domain.MustParse("sip.fabrikam.com")}}
			if err := errors.Join(c.From.UnmarshalText([]byte(tt.from)), c.To.UnmarshalText([]byte(tt.to))); err != nil {
				t.Fatal(err)
			}
			l, e := federated(t), explanation{}
			q := c.question(l.Policy)
			e.live(answering(tt.answers), l, &q, policy.User(c.From))
			e.judge(l, q)
			if e.Reason != tt.reason.String() || strings.Join(e.Notes, "\n") != strings.Join(tt.notes, "\n") {
				t.Errorf("%s, told\n%s\nwant %s\n%s", e.Reason, strings.Join(e.Notes, "\n"), tt.reason, strings.Join(tt.notes, "\n"))
			}
		})
	}
}
