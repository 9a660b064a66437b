package config

import (
	"os"
	"testing"

	"edged/internal/config/configtest"
	"edged/internal/doctest"
	"edged/pkg/domain"
	"edged/pkg/policy"
)

// TestProvidersPage loads the policies of docs/providers.md and asks them what the
// page says of them.
func TestProvidersPage(t *testing.T) {
	const lync = "sipfed.online.lync.com"
	tests := []struct {
		block, from, to string
		inward          bool
		proves, srv     string // of a partner inward; where the record leads
		want            string // reason | rule
	}{
		{"other-record", "alice@contoso.com", "rosa@relecloud.example", false, "", "sip.relecloud.example", "allowed | allowed_domains: relecloud.example"},
		{"hosted-partner", "alice@contoso.com", "tom@tailspin.example", false, "", lync, "allowed | providers: LyncOnline"},
		{"hosted-partner", "tom@tailspin.example", "alice@contoso.com", true, lync, lync, "allowed | providers: LyncOnline"},
		{"hosted-partner", "alice@contoso.com", "x@other.example", false, "", lync, "provider-unlisted | providers: LyncOnline"},
		{"shared-address-space", "alice@contoso.com", "holly@contoso.com", false, "", "", "allowed | providers: LyncOnline"},
		{"shared-address-space", "holly@contoso.com", "alice@contoso.com", true, lync, "", "allowed | providers: LyncOnline"},
		{"shared-address-space", "holly@contoso.com", "alice@contoso.com", true, "contoso.com", "", "identity-mismatch | domains: contoso.com"},
		{"clearing-house", "alice@contoso.com", "push@push.lync.com", false, "", lync, "allowed | providers: LyncOnline"},
		{"clearing-house", "push@push.lync.com", "alice@contoso.com", true, lync, lync, "allowed | providers: LyncOnline"},
		{"public-provider", "alice@contoso.com", "x@chat.example", false, "", "federation.messenger.example", "allowed | providers: Messenger"},
		{"public-provider", "bob@contoso.com", "x@chat.example", false, "", "federation.messenger.example", "user-not-public | access_policies.global: public: false"},
	}
	asked := map[string]bool{}
	const page = "../../docs/providers.md"
	for _, b := range doctest.Blocks(t, page) {
		asked[b.Name] = false
	}
	for _, tt := range tests {
		asked[tt.block] = true
		set := policyOf(t, doctest.Block(t, page, tt.block))
		from, to := user(t, tt.from), user(t, tt.to)
		q := policy.Question{Direction: policy.Outward, Local: from, Remote: to.Domain}
		if tt.inward {
			q = policy.Question{Direction: policy.Inward, Local: to, Remote: from.Domain}
			q.Facts.Names, q.Facts.Anchors = []domain.Name{domain.MustParse(tt.proves)}, []string{""}
		}
		if tt.srv != "" {
			q.Facts.SRV, q.Facts.SRVKnown = []domain.Name{domain.MustParse(tt.srv)}, true
		}
		if d := set.Decide(q); d.Reason.String()+" | "+string(d.Rule) != tt.want {
			t.Errorf("%s: %s to %s: %s by %s, want %s", tt.block, tt.from, tt.to, d.Reason, d.Rule, tt.want)
		}
	}
	for name, done := range asked {
		if !done {
			t.Errorf("nothing is asked of the block %q", name)
		}
	}
}

func user(t *testing.T, s string) policy.User {
	t.Helper()
	u, err := policy.ParseUser(s)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// policyOf loads a policy beside the minimal configuration.
func policyOf(t *testing.T, text string) *policy.Set {
	t.Helper()
	dir := configtest.Lay(t, minimal)
	if err := os.WriteFile(dir+"/policy.yaml", []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	l, err := Load(dir + "/edged.yaml")
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	if len(l.Warnings) > 0 {
		t.Errorf("%v\n%s", l.Warnings, text)
	}
	return l.Policy
}
