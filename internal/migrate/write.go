package migrate

import (
	"fmt"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"edged/pkg/policy"
)

// inlineGrants is how many grants stand in policy.yaml itself; more of them go into
// a file.
const inlineGrants = 20

// grantsFile is that file, beside the policy.
const grantsFile = "grants.csv"

// print writes the policy, and the lists that it names.
func (im *importer) print(name string, paths []string) []Made {
	y := &yaml{}
	im.preamble(y, paths)
	y.federation(&im.out.Federation)
	y.partners(&im.out)
	y.xmpp(im.out.XMPPPartners)
	files := []Made{{Name: name}}
	if grants := im.grantsCSV(); grants != nil {
		im.out.GrantsFile = grantsFile
		files = append(files, Made{grantsFile, grants})
	}
	y.access(&im.out)
	for i := range im.out.AccessPolicies.Sites {
		s := &im.out.AccessPolicies.Sites[i]
		var b strings.Builder
		b.WriteString("user\n")
		for _, u := range s.Users {
			b.WriteString(u.String() + "\n")
		}
		files = append(files, Made{s.UsersFile, []byte(b.String())})
	}
	files[0].Content = []byte(y.String())
	return files
}

// preamble tells later readers where the policy comes from, and what it lacks.
func (im *importer) preamble(y *yaml, paths []string) {
	y.line("# policy.yaml: who may talk with whom. Written by `edged import`. What is not here has")
	y.line("# its default; the example policy.yaml that comes with edged shows every field.")
	files := part{title: "Made of"}
	for _, p := range paths {
		files.lines = append(files.lines, oneLine(filepath.Base(p)))
	}
	for _, part := range append([]part{files}, im.report.parts()...) {
		y.line("#\n# %s:\n#   %s", part.title, strings.Join(part.lines, "\n#   "))
	}
}

// grantsCSV lists the grants, if they are too many for the policy itself; those whose
// name cannot stand in such a file stay there.
func (im *importer) grantsCSV() []byte {
	if len(im.out.Grants) <= inlineGrants {
		return nil
	}
	var b strings.Builder
	b.WriteString("user,policy\n")
	var kept []policy.Grant
	for _, g := range im.out.Grants {
		if strings.ContainsAny(g.User.String()+g.Policy, "\",") {
			kept = append(kept, g)
			continue
		}
		fmt.Fprintf(&b, "%s,%s\n", g.User, g.Policy)
	}
	im.out.Grants = kept
	return []byte(b.String())
}

// yaml is a file that is being written.
type yaml struct{ strings.Builder }

func (y *yaml) line(format string, args ...any) { fmt.Fprintf(y, format+"\n", args...) }

// pair is a field with its value, already written as YAML.
type pair struct{ field, value string }

// flow writes a mapping on one line, without the fields that have no value.
func flow(pairs ...pair) string {
	var all []string
	for _, p := range pairs {
		if p.value != "" {
			all = append(all, p.field+": "+p.value)
		}
	}
	return "{" + strings.Join(all, ", ") + "}"
}

// harmless is text that YAML takes as it is, in a flow mapping too.
var harmless = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9._@-]*$`)

// text writes a string. Words that YAML takes for something else get quotes, and so
// does whatever is not plain: Go's escapes are YAML's too.
func text(s string) string {
	switch strings.ToLower(s) {
	case "":
		return ""
	case "true", "false", "null", "yes", "no", "on", "off", "y", "n":
		return strconv.Quote(s)
	}
	if harmless.MatchString(s) {
		return s
	}
	return strconv.Quote(s)
}

// set writes an enumeration, of which 0 is nothing.
func set[T interface {
	~uint8
	fmt.Stringer
}](v T,
) string {
	if v == 0 {
		return ""
	}
	return v.String()
}

// only writes a switch that is on.
func only(on bool) string {
	if on {
		return "true"
	}
	return ""
}

// list writes a sequence on one line.
func list[T fmt.Stringer](items []T) string {
	if len(items) == 0 {
		return ""
	}
	words := make([]string, len(items))
	for i, item := range items {
		words[i] = text(item.String())
	}
	return "[" + strings.Join(words, ", ") + "]"
}

func (y *yaml) federation(f *policy.Federation) {
	d := &f.Discovered
	number := func(x float64) string { return strconv.FormatFloat(x, 'g', -1, 64) }
	y.line("\nfederation:")
	y.line("  enabled: %v", f.Enabled)
	y.line("  partner_discovery: %v", f.PartnerDiscovery)
	y.line("  xmpp_discovery: false            # Lync has none")
	y.line("  discovered: %s", flow(
		pair{"rate", number(d.Rate)}, pair{"suspicious_rate", number(d.SuspiciousRate)}, pair{"total", number(d.Total)},
		pair{"contacts", strconv.Itoa(d.Contacts)}, pair{"report_period", d.ReportPeriod.String()}, pair{"verification", set(d.Verification)}))
	y.line("  mark_source_verifiable: %v", f.MarkSourceVerifiable)
}

func (y *yaml) partners(s *policy.Source) {
	y.line("\n# SIP partners, each exactly as it is written: subdomains are others.")
	y.line("allowed_domains:")
	for i := range s.AllowedDomains {
		a := &s.AllowedDomains[i]
		y.line("  - %s", flow(pair{"domain", text(a.Domain.String())}, pair{"proxy", text(a.Proxy.String())},
			pair{"verification", set(a.Verification)}, pair{"comment", text(a.Comment)}))
	}
	y.line("\n# Beats every other list, for SIP and XMPP, and covers subdomains too.")
	y.line("blocked_domains:")
	for i := range s.BlockedDomains {
		b := &s.BlockedDomains[i]
		y.line("  - %s", flow(pair{"domain", text(b.Domain.String())}, pair{"comment", text(b.Comment)}))
	}
	y.line("\n# One proxy for many domains, which lead to it by SRV.")
	y.line("providers:")
	for i := range s.Providers {
		p := &s.Providers[i]
		y.line("  - %s", flow(pair{"name", text(p.Name)}, pair{"kind", set(p.Kind)}, pair{"proxy", text(p.Proxy.String())},
			pair{"enabled", strconv.FormatBool(p.Enabled)}, pair{"shared_address_space", only(p.SharedAddressSpace)},
			pair{"verification", set(p.Verification)}))
	}
}

func (y *yaml) xmpp(partners []policy.XMPPPartner) {
	y.line("\nxmpp_partners:")
	for i := range partners {
		x := &partners[i]
		limit := ""
		if x.ConnectionLimit > 0 {
			limit = strconv.Itoa(x.ConnectionLimit)
		}
		y.line("  - %s", flow(pair{"domain", text(x.Domain.String())}, pair{"additional_domains", list(x.AdditionalDomains)},
			pair{"proxy", text(x.Proxy.String())}, pair{"type", set(x.Type)}, pair{"tls", set(x.TLS)}, pair{"sasl", set(x.SASL)},
			pair{"dialback", set(x.Dialback)}, pair{"keepalive", set(x.KeepAlive)}, pair{"connection_limit", limit},
			pair{"description", text(x.Description)}))
	}
}

func (y *yaml) access(s *policy.Source) {
	a := &s.AccessPolicies
	y.line("\n# The narrowest scope that has a policy for a user decides alone: users, then sites,\n# then global.")
	y.line("access_policies:\n  global: %s", access(&a.Global))
	if len(a.Sites) > 0 {
		y.line("  sites:")
	}
	for i := range a.Sites {
		o := &a.Sites[i]
		y.line("    - %s", flow(pair{"name", text(o.Name)}, pair{"users_file", text(o.UsersFile)}, pair{"policy", access(o.Policy)}, pair{"description", text(o.Description)}))
	}
	if len(a.Users) > 0 {
		y.line("  users:")
	}
	for i := range a.Users {
		u := &a.Users[i]
		var users []policy.User
		for _, g := range s.Grants {
			if g.Policy == u.Name {
				users = append(users, g.User)
			}
		}
		y.line("    - %s", flow(pair{"name", text(u.Name)}, pair{"policy", access(u.Policy)}, pair{"grant", list(users)}, pair{"description", text(u.Description)}))
	}
	if s.GrantsFile != "" {
		y.line("grants_file: %s", s.GrantsFile)
	}
}

// access writes what users may do.
func access(a *policy.AccessPolicy) string {
	return flow(pair{"federation", strconv.FormatBool(a.Federation)}, pair{"xmpp", strconv.FormatBool(a.XMPP)},
		pair{"public", strconv.FormatBool(a.Public)}, pair{"public_av", only(a.PublicAV)})
}
