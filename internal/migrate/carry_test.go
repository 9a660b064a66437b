package migrate

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"edged/pkg/policy"
)

// took imports texts and returns the source, and what was told.
func took(t *testing.T, texts ...string) (policy.Source, string) {
	t.Helper()
	im := newImporter()
	for _, text := range texts {
		if err := im.take("x", text); err != nil {
			t.Fatal(err)
		}
	}
	im.carry()
	if err := im.compiles(); err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for i := range im.report.Left {
		b.WriteString(im.report.Left[i].String() + "\n")
	}
	return im.out, b.String()
}

// TestDiscoveredLimits: what Lync allows and a policy refuses must not come out.
func TestDiscoveredLimits(t *testing.T) {
	for name, tt := range map[string]struct {
		settings string
		want     policy.DiscoveredLimits
		told     string
	}{
		"defaults":          {``, policy.Default().Federation.Discovered, ""},
		"more than all":     {`, "DiscoveredPartnerStandardRate": 500`, limits(500, 1, 500, 1000, time.Hour), ""},
		"none":              {`, "DiscoveredPartnerStandardRate": 0`, policy.Default().Federation.Discovered, "a rate is above 0"},
		"no contacts limit": {`, "EnableDiscoveredPartnerContactsLimit": false, "MaxContactsPerDiscoveredPartner": 7`, limits(20, 1, 200, 0, time.Hour), ""},
		"as text":           {`, "MaxContactsPerDiscoveredPartner": "7", "DiscoveredPartnerReportPeriodMinutes": "5"`, limits(20, 1, 200, 7, 5*time.Minute), ""},
		"no numbers":        {`, "MaxContactsPerDiscoveredPartner": "many", "DiscoveredPartnerStandardRate": "-1"`, policy.Default().Federation.Discovered, "not a number"},
		"no period":         {`, "DiscoveredPartnerReportPeriodMinutes": 0`, policy.Default().Federation.Discovered, "a period is"},
	} {
		s, told := took(t, `{"AllowFederatedUsers": true`+tt.settings+`}`)
		if got := s.Federation.Discovered; got != tt.want {
			t.Errorf("%s: %+v, want %+v", name, got, tt.want)
		}
		if !strings.Contains(told, tt.told) || (told == "") != (tt.told == "") {
			t.Errorf("%s: told %q, want %q", name, told, tt.told)
		}
	}
}

func limits(rate, suspicious, total float64, contacts int, period time.Duration) policy.DiscoveredLimits {
	return policy.DiscoveredLimits{
		Rate: rate, SuspiciousRate: suspicious, Total: total, Contacts: contacts, ReportPeriod: period, Verification: policy.UseSource,
	}
}

// TestUsers: how a user's own policy may be written, and who has none.
func TestUsers(t *testing.T) {
	const policies = `[{"Identity": "Global", "EnableFederationAccess": false}, {"Identity": "Tag:Sales", "EnableFederationAccess": true}]`
	for name, tt := range map[string]struct{ user, want, told string }{
		"by name":         {`"SipAddress": "sip:alice@contoso.com", "ExternalAccessPolicy": "Sales"`, "alice@contoso.com Sales", ""},
		"by tag and case": {`"SipAddress": "SIP:Alice@Contoso.com", "ExternalAccessPolicy": "tag:sales"`, "alice@contoso.com Sales", ""},
		"as an object":    {`"SipAddress": "sip:alice@contoso.com", "ExternalAccessPolicy": {"Name": "Sales", "ObjectId": 7}`, "alice@contoso.com Sales", ""},
		"as no object":    {`"SipAddress": "sip:alice@contoso.com", "ExternalAccessPolicy": {"ObjectId": 7}`, "", "it has no name here"},
		"none":            {`"SipAddress": "sip:alice@contoso.com", "ExternalAccessPolicy": null`, "", ""},
		"of nowhere":      {`"SipAddress": "sip:alice@contoso.com", "ExternalAccessPolicy": "Gone"`, "", "no file has a policy of that name"},
		"no SIP user":     {`"SipAddress": null, "ExternalAccessPolicy": "Sales"`, "", ""},
		"disabled":        {`"SipAddress": "sip:alice@contoso.com", "ExternalAccessPolicy": "Sales", "Enabled": false`, "", ""},
		"no address":      {`"SipAddress": "sip:alice", "ExternalAccessPolicy": "Sales"`, "", "is not a user"},
		"an odd address":  {`"SipAddress": "sip:o'b,rien\"x@contoso.com", "ExternalAccessPolicy": "Sales"`, `o'b,rien"x@contoso.com Sales`, ""},
	} {
		s, told := took(t, policies, "{"+tt.user+"}")
		got := ""
		for _, g := range s.Grants {
			got += g.User.String() + " " + g.Policy
		}
		if got != tt.want || !strings.Contains(told, tt.told) || (told == "") != (tt.told == "") {
			t.Errorf("%s: granted %q, told %q; want %q, %q", name, got, told, tt.want, tt.told)
		}
	}
}

// TestManyGrants: a large organisation's grants go into a file, apart from the names
// that such a file cannot hold.
func TestManyGrants(t *testing.T) {
	var users strings.Builder
	for i := range 100 {
		fmt.Fprintf(&users, `{"SipAddress": "sip:user%03d@contoso.com", "ExternalAccessPolicy": "Sales"}`, i)
	}
	users.WriteString(`{"SipAddress": "sip:odd,name@contoso.com", "ExternalAccessPolicy": "Sales"}`)
	out, err := Import("policy.yaml", []string{
		write(t, "users.json", users.String()),
		write(t, "access.json", `{"Identity": "Tag:Sales", "EnableFederationAccess": true}`),
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(out.Files) != 2 || out.Files[1].Name != "grants.csv" || strings.Count(string(out.Files[1].Content), "\n") != 101 {
		t.Errorf("files: %q", out.Files)
	}
	l := load(t, out, "contoso.com")
	if n := len(l.Source.Grants); n != 100 {
		t.Errorf("%d grants in the file", n)
	}
	if g := l.Source.AccessPolicies.Users[0].Grant; len(g) != 1 || g[0].String() != "odd,name@contoso.com" {
		t.Errorf("grants in the policy: %v", g)
	}
}

// TestNames: what people called things once must come out as it was, and as one
// thing.
func TestNames(t *testing.T) {
	names := []string{"plain", "Yes", "null", "007", "with: colon # and hash", `"quoted" \ back`, "{braces}, [brackets]", "ünïcode 日本", "trailing:", "*star", "-", "&a", "!tag", "%x", "@at"}
	var text strings.Builder
	for i, n := range names {
		fmt.Fprintf(&text, `{"Identity": %q, "EnableFederationAccess": true, "Description": %q}`, "Tag:"+n, n+"\nline \u0085 two\t")
		fmt.Fprintf(&text, `{"Identity": %[1]q, "Name": %[1]q, "ProxyFqdn": "p%[2]d.example", "IsLocal": false, "Enabled": true}`, n, i)
	}
	out, err := Import("policy.yaml", []string{write(t, "x.json", text.String())})
	if err != nil {
		t.Fatal(err)
	}
	l := load(t, out, "contoso.com")
	for i, n := range names {
		p := l.Source.AccessPolicies.Users[i]
		if p.Name != n || p.Description != n+"\nline \u0085 two" {
			t.Errorf("%q came out as %q, %q", n, p.Name, p.Description)
		}
	}
	for i, p := range l.Source.Providers {
		if p.Name != names[i] {
			t.Errorf("provider %q came out as %q", names[i], p.Name)
		}
	}
}

// TestXMPPRows is every combination of the table in the documentation of pkg/policy.
func TestXMPPRows(t *testing.T) {
	n, refused := 0, 0
	for _, tls := range []string{"Required", "Optional", "NotSupported"} {
		for _, sasl := range []string{"Required", "Optional", "NotSupported"} {
			for _, dialback := range []bool{true, false} {
				n++
				s, told := took(t, fmt.Sprintf(`{"Domain": "x.example", "TlsNegotiation": %q, "SaslNegotiation": %q, "SupportDialbackNegotiation": %v}`, tls, sasl, dialback))
				if len(s.XMPPPartners) == 0 {
					refused++
					if !strings.Contains(told, "nobody can authenticate") {
						t.Errorf("%s %s %v: left out, and told %q", tls, sasl, dialback, told)
					}
				}
			}
		}
	}
	if n != 18 || refused != 5 {
		t.Errorf("%d of %d rows refused, want 5 of 18", refused, n)
	}
}

// TestSites: two sites whose names make one file name, and users of both.
func TestSites(t *testing.T) {
	s, told := took(t,
		`[{"Identity": "Site:New York", "EnableFederationAccess": true}, {"Identity": "Site:New-York", "EnableFederationAccess": true}, {"Identity": "site:NEW YORK", "EnableFederationAccess": true}]`,
		`[{"Identity": "a.corp.example", "Site": "Site:New York", "Services": []}, {"Identity": "b.corp.example", "Site": "New-York", "Services": []}]`,
		`[{"SipAddress": "sip:a@contoso.com", "RegistrarPool": "A.corp.example"}, {"SipAddress": "sip:b@contoso.com", "RegistrarPool": "b.corp.example"}]`)
	sites := s.AccessPolicies.Sites
	if len(sites) != 2 || sites[0].UsersFile != "site-new-york.csv" || sites[1].UsersFile != "site-new-york-2.csv" ||
		sites[0].Users[0].Local != "a" || sites[1].Users[0].Local != "b" {
		t.Errorf("sites %+v", sites)
	}
	if !strings.Contains(told, "the site has another policy already") {
		t.Errorf("told %q", told)
	}
}
