package policy_test

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"edged/pkg/domain"
	"edged/pkg/policy"
)

func names(all ...string) (out []domain.Name) {
	for _, s := range all {
		out = append(out, domain.MustParse(s))
	}
	return out
}

// noDiscovery is the fuzz world without discovery.
func noDiscovery(t testing.TB) *policy.Set {
	t.Helper()
	w := readWorlds(t, "fuzz-world.txt")[0]
	w.src.Federation.PartnerDiscovery = false
	return w.compile(t)
}

func TestCouldProve(t *testing.T) {
	closed, open := noDiscovery(t), everything(t)
	tests := []struct {
		names  []domain.Name
		anchor string
		closed bool
		open   bool
	}{
		{names("stranger.example"), "", false, true},
		{nil, "", false, false},
		{names("stranger.example"), "adatum.example", false, false},
		{names("fabrikam.com"), "", true, true},
		{names("sip.fabrikam.com"), "", true, true},
		{names("a.b.fabrikam.com"), "", false, true},
		{names("edge.litware.net"), "", true, true},
		{names("litware.com"), "", false, true}, // as a host of "com"
		{names("edge.litware.net"), "adatum.example", false, false},
		{names("adatum.example"), "adatum.example", true, true},
		{names("adatum.example"), "", false, true}, // as a host of "example"
		{names("x.tailspin.example"), "", true, true},
		{names("sip.x.tailspin.example"), "", true, true},
		{names("sipfed.online.example"), "", true, true},
		{names("sip.live.example"), "", true, true},
		{names("sipfed.retired.example"), "", false, true},
		{names("sip.private.example"), "provider:Private", true, true},
		{names("spam.example", "a.spam.example"), "", false, true}, // as above, for the first
		{names("a.spam.example"), "", false, false},
		{names("stranger.example", "fabrikam.com"), "", true, true},
	}
	for _, tt := range tests {
		anchors := []string{tt.anchor}
		if got := closed.CouldProve(tt.names, anchors); got != tt.closed {
			t.Errorf("%v under %q without discovery: %v", tt.names, tt.anchor, got)
		}
		if got := open.CouldProve(tt.names, anchors); got != tt.open {
			t.Errorf("%v under %q with discovery: %v", tt.names, tt.anchor, got)
		}
	}
}

func TestCouldProveSwitchedOff(t *testing.T) {
	w := readWorlds(t, "fuzz-world.txt")[0]
	w.src.Federation.Enabled = false
	if w.compile(t).CouldProve(names("fabrikam.com"), []string{""}) {
		t.Error("somebody could be accepted while federation is off")
	}
}

// partner finds a listed entry by its rule.
func partner(t *testing.T, set *policy.Set, rule string) *policy.Partner {
	t.Helper()
	for _, p := range set.Partners() {
		if string(p.Rule) == rule {
			return p
		}
	}
	t.Fatalf("no entry %s", rule)
	return nil
}

// TestCovers is about what Decide does not ask: a holder judged under an entry
// that was chosen before, as when a connection outward has been opened.
func TestCovers(t *testing.T) {
	set := everything(t)
	online := names("sipfed.online.example")
	tests := []struct {
		rule, remote string
		facts        policy.Facts
		want         bool
	}{
		{"allowed_domains: fabrikam.com", "fabrikam.com", policy.Facts{Names: names("sip.fabrikam.com"), SRV: names("sip.fabrikam.com"), SRVKnown: true}, true},
		{"allowed_domains: fabrikam.com", "fabrikam.com", policy.Facts{Names: names("sip.fabrikam.com")}, false},
		{"allowed_domains: fabrikam.com", "fabrikam.com", policy.Facts{Names: names("fabrikam.com")}, true},
		{"allowed_domains: litware.com", "litware.com", policy.Facts{Names: names("edge.litware.net")}, true},
		{"allowed_domains: litware.com", "litware.com", policy.Facts{Names: names("litware.com")}, false},
		{"providers: Online", "fabrikam.com", policy.Facts{Names: online, SRV: online, SRVKnown: true}, true},
		{"providers: Online", "fabrikam.com", policy.Facts{Names: online}, false},
		{"providers: Online", "fabrikam.com", policy.Facts{Names: online, SRVKnown: true}, false},
		{"providers: Online", "litware.com", policy.Facts{Names: online, SRV: online, SRVKnown: true}, false},
		{"providers: Online", "contoso.com", policy.Facts{Names: online}, true}, // it hosts users of ours
		{"providers: Online", "contoso.com", policy.Facts{Names: names("contoso.com")}, false},
		{"providers: Live", "contoso.com", policy.Facts{Names: names("sip.live.example"), SRV: names("sip.live.example"), SRVKnown: true}, false},
	}
	for _, tt := range tests {
		tt.facts.Anchors = []string{""}
		p := partner(t, set, tt.rule)
		if got := set.Covers(p, domain.MustParse(tt.remote), tt.facts); got != tt.want {
			t.Errorf("%s for %s, %v: %v", tt.rule, tt.remote, tt.facts, got)
		}
		tt.facts.Anchors = []string{"adatum.example"}
		if set.Covers(p, domain.MustParse(tt.remote), tt.facts) {
			t.Errorf("%s for %s is covered under somebody else's roots", tt.rule, tt.remote)
		}
	}
}

func TestPartners(t *testing.T) {
	var got []string
	for _, p := range everything(t).Partners() {
		got = append(got, fmt.Sprintf("%s %s %s:%d %s %q %s", p.Kind, p.Name, p.Proxy, p.Port, p.Service, p.Anchor, p.Verification))
	}
	want := []string{
		`hosting-provider Online sipfed.online.example:5061  "" always_verifiable`,
		`hosting-provider Retired sipfed.retired.example:0  "" always_verifiable`,
		`public-provider Live sip.live.example:0  "" always_verifiable`,
		`public-provider Private sip.private.example:0  "provider:Private" always_verifiable`,
		`allowed fabrikam.com :0 _sipfederationtls._tcp "" use_source`,
		`direct litware.com edge.litware.net:5061  "" use_source`,
		`allowed adatum.example :0 _sip._tls "adatum.example" use_source`,
		`allowed *.tailspin.example :0 _sipfederationtls._tcp "" use_source`,
		`xmpp-listed jabber.example :0  "xmpp:jabber.example" unset`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("partners (-want +got):\n%s", diff)
	}
}

func TestAnchors(t *testing.T) {
	want := map[string][]string{
		"adatum.example": {"adatum-ca.pem"}, "provider:Private": {"private-ca.pem"}, "xmpp:jabber.example": {"jabber-ca.pem"},
	}
	set := everything(t)
	set.Anchors()["adatum.example"][0] = "changed"
	if diff := cmp.Diff(want, set.Anchors()); diff != "" {
		t.Errorf("anchors (-want +got):\n%s", diff)
	}
}

// TestXMPPDefaults: an entry that says nothing has defaults of its own, not those
// of xmpp_default.
func TestXMPPDefaults(t *testing.T) {
	want := policy.XMPPSettings{
		Type: policy.PublicUnverified, TLS: policy.Required, SASL: policy.Required,
		Dialback: policy.On, DANE: policy.Off, POSH: policy.Off, Bidi: policy.Off, KeepAlive: policy.On, ConnectionLimit: 20,
	}
	got := partner(t, everything(t), "xmpp_partners: jabber.example").XMPP
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("settings (-want +got):\n%s", diff)
	}
}

// TestCompileKeepsSource: a reload may compile the same source again.
func TestCompileKeepsSource(t *testing.T) {
	w, before := readWorlds(t, "fuzz-world.txt")[0], readWorlds(t, "fuzz-world.txt")[0]
	w.compile(t)
	if diff := cmp.Diff(before.src, w.src, cmp.Comparer(func(a, b domain.Name) bool { return a == b })); diff != "" {
		t.Errorf("Compile changed its source:\n%s", diff)
	}
}

func TestDefaultFederatesNothing(t *testing.T) {
	local := []policy.Local{{Domain: domain.MustParse("contoso.com"), SIP: true, XMPP: true}}
	set, problems := policy.Compile(policy.Default(), local)
	if len(problems) > 0 || len(set.Warnings()) > 0 {
		t.Fatalf("%v, %v", problems, set.Warnings())
	}
	q := policy.Question{Remote: domain.MustParse("fabrikam.com"), Facts: policy.Facts{Names: names("fabrikam.com"), Anchors: []string{""}}}
	q.Local.Domain = local[0].Domain
	if d := set.Decide(q); d.Allow() {
		t.Error("the default lets somebody in")
	}
}

func TestLimitsOutOfRange(t *testing.T) {
	tests := []struct {
		change func(*policy.DiscoveredLimits)
		path   string
	}{
		{func(d *policy.DiscoveredLimits) { d.Rate = 0 }, "rate"},
		{func(d *policy.DiscoveredLimits) { d.Rate = math.Inf(1) }, "rate"},
		{func(d *policy.DiscoveredLimits) { d.Rate = math.NaN() }, "rate"},
		{func(d *policy.DiscoveredLimits) { d.SuspiciousRate = 0 }, "suspicious_rate"},
		{func(d *policy.DiscoveredLimits) { d.SuspiciousRate = 21 }, "suspicious_rate"},
		{func(d *policy.DiscoveredLimits) { d.Total = 19 }, "total"},
		{func(d *policy.DiscoveredLimits) { d.Total = math.Inf(1) }, "total"},
		{func(d *policy.DiscoveredLimits) { d.Total = math.NaN() }, "total"},
		{func(d *policy.DiscoveredLimits) { d.Contacts = -1 }, "contacts"},
		{func(d *policy.DiscoveredLimits) { d.ReportPeriod = time.Second }, "report_period"},
	}
	for _, tt := range tests {
		src := policy.Default()
		tt.change(&src.Federation.Discovered)
		_, problems := policy.Compile(src, nil)
		found := false
		for _, p := range problems {
			found = found || p.Path == "federation.discovered."+tt.path && strings.Contains(p.Text, "write ")
		}
		if !found {
			t.Errorf("%s: %v", tt.path, problems)
		}
	}
}

// TestExplainWording reads one explanation as a person would.
func TestExplainWording(t *testing.T) {
	set := everything(t)
	q := fuzzed(0b100, "alice@contoso.com", "fabrikam.com", 0, 0, 1)
	q.Facts.Names, q.Facts.SRV = names("sipfed.online.example"), names("sipfed.online.example")
	q.Facts.Exhausted = true
	_, steps := set.Explain(q)
	var got []string
	for _, s := range steps {
		got = append(got, fmt.Sprintf("%s: %s: %s", s.Outcome, s.Check, s.Text))
	}
	want := []string{
		"passed: organisation's switch: federation is switched on",
		"passed: local domain: contoso.com is ours",
		"passed: blocked domains: neither fabrikam.com nor a domain above it is blocked, and it is not ours",
		"passed: partner entry: fabrikam.com is listed (allowed)",
		"passed: identity: the SRV record of fabrikam.com names the provider's proxy sipfed.online.example",
		"passed: access policy: alice@contoso.com may",
		"passed: consent: no consent is needed",
		"failed: budget: the partner's budget is used up",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("steps (-want +got):\n%s", diff)
	}
}

// TestExplainWordingOfXMPP: what the last steps say of answers and of proofs.
func TestExplainWordingOfXMPP(t *testing.T) {
	tests := []struct {
		kind policy.PartnerType
		f    policy.Facts
		want string
	}{
		{policy.PublicUnverified, policy.Facts{Proven: true}, "failed: consent: alice@contoso.com has not written to this contact first"},
		{policy.PublicUnverified, policy.Facts{Proven: true, Consent: true}, "passed: consent: alice@contoso.com wrote first"},
		{policy.PublicUnverified, policy.Facts{Proven: true, Answer: true}, "passed: consent: an answer to a stanza of ours needs no consent"},
		{policy.Federated, policy.Facts{Proven: true, Answer: true}, "passed: consent: no consent is needed"},
		{policy.Federated, policy.Facts{}, "failed: identity: the stream is not authenticated for jabber.example"},
		{policy.Federated, policy.Facts{Proven: true, Proof: policy.ByPOSH}, "failed: identity: the stream is authenticated for jabber.example by posh, which its settings do not accept"},
		{policy.Federated, policy.Facts{Proven: true, Anchors: []string{"other"}}, "failed: identity: the certificate for jabber.example is not signed under the roots that count for it"},
	}
	for _, tt := range tests {
		src := policy.Default()
		src.Federation.Enabled, src.AccessPolicies.Global = true, policy.AccessPolicy{Federation: true, XMPP: true}
		src.XMPPPartners = []policy.XMPPPartner{{Domain: domain.MustParse("jabber.example"), XMPPSettings: policy.XMPPSettings{Type: tt.kind}}}
		set, _ := policy.Compile(src, []policy.Local{{Domain: domain.MustParse("contoso.com"), XMPP: true}})
		q := policy.Question{Protocol: policy.XMPP, Remote: domain.MustParse("jabber.example"), Facts: tt.f}
		q.Local, _ = policy.ParseUser("alice@contoso.com")
		_, steps := set.Explain(q)
		var got []string
		for _, s := range steps {
			got = append(got, fmt.Sprintf("%s: %s: %s", s.Outcome, s.Check, s.Text))
		}
		if !slices.Contains(got, tt.want) {
			t.Errorf("%v: no step says %q:\n%s", tt.f, tt.want, strings.Join(got, "\n"))
		}
	}
}

// TestDecideDomainWithoutLocal: a connection that carries messages for several
// of our domains is judged by its remote side alone.
func TestDecideDomainWithoutLocal(t *testing.T) {
	set := everything(t)
	q := policy.Question{Remote: domain.MustParse("fabrikam.com"), Facts: policy.Facts{Names: names("fabrikam.com"), Anchors: []string{""}}}
	if d := set.DecideDomain(q); !d.Allow() {
		t.Error(answer(d.Verdict))
	}
	if d := set.Decide(q); d.Allow() {
		t.Error("a question without a local side is allowed")
	}
	q.Remote = domain.MustParse("a.spam.example")
	if d := set.DecideDomain(q); d.Allow() {
		t.Error("a blocked domain stays on an open connection")
	}
}

// TestAnonymous: whom a sender counts as who hides in From.
func TestAnonymous(t *testing.T) {
	var set *policy.Set
	for _, w := range readWorlds(t, "decide-identity.txt") {
		if w.name == "anonymous" {
			set = w.compile(t)
		}
	}
	for _, tt := range []struct {
		names  []domain.Name
		anchor string
		want   string
	}{
		{names("fabrikam.com"), "", "fabrikam.com"},
		{names("sip.fabrikam.com"), "", "fabrikam.com"},
		{names("x.example", "sip.fabrikam.com"), "", "fabrikam.com"},
		{names("a.b.fabrikam.com"), "", ""},
		{names("edge.litware.net"), "", "litware.com"},
		{names("litware.com"), "", "litware.com"}, // which Decide then refuses: it is direct
		{names("sip.eu.tailspin.example"), "", "sip.eu.tailspin.example"},
		{names("adatum.example", "com"), "", ""},
		{names("fabrikam.com"), "other", ""},
		{nil, "", ""},
	} {
		d, ok := set.Anonymous(tt.names, []string{tt.anchor})
		if ok != (tt.want != "") || d.String() != tt.want {
			t.Errorf("%v under %q: %q %v, want %q", tt.names, tt.anchor, d, ok, tt.want)
		}
	}
}

// TestArchivingNotice: one line, of a header that SIP does not define.
func TestArchivingNotice(t *testing.T) {
	for notice, good := range map[string]bool{
		"": true, "X-Archiving-Notice: messages are archived": true, "ms-archived:yes": true, "x-1: ümläut; a=\"b\"": true,
		"Subject: archived": false, "X-: x": false, "X-Archived": false, "X-Archived: ": false, "X Archived: x": false,
		"X-Archived : x": false, "X-A: x\r\nRoute: <sip:evil>": false, "X-A: x\ny": false, "X-Ä: x": false,
		"X-A: " + strings.Repeat("x", 500): false,
	} {
		src := policy.Default()
		src.Federation.ArchivingNotice = notice
		set, problems := policy.Compile(src, nil)
		switch {
		case good != (len(problems) == 0):
			t.Errorf("%q: %v", notice, problems)
		case good && set.ArchivingNotice() != notice:
			t.Errorf("%q became %q", notice, set.ArchivingNotice())
		}
	}
}
