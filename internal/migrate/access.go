package migrate

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"edged/pkg/domain"
	"edged/pkg/policy"
)

// domainKind names our own domains.
func domainKind() kind {
	return kind{
		command: "Get-CsSipDomain",
		marks:   [][]string{{"Name"}, {"IsDefault"}},
		carry: func(im *importer, t *thing) {
			d, ok := im.host(t, "Name")
			if _, known := im.ours[d]; ok && !known {
				im.ours[d] = 0
			}
		},
		carried: []string{"Identity", "Name", "IsDefault"},
	}
}

// member is a user, with what decides about the user's access policy.
type member struct {
	user         policy.User
	policy, pool string // of the user's own; empty if there is none
	thing        *thing
}

func userKind() kind {
	return kind{
		command: "Get-CsUser",
		marks:   [][]string{{"SipAddress"}},
		carry:   (*importer).user,
		carried: []string{"SipAddress", "ExternalAccessPolicy", "RegistrarPool", "Enabled"},
		open:    true,
	}
}

func (im *importer) user(t *thing) {
	address := t.get("SipAddress").text
	if enabled, known := t.get("Enabled").boolean(); address == "" || known && !enabled {
		return // no SIP user (any more)
	}
	const scheme = "sip:"
	if len(address) > len(scheme) && strings.EqualFold(address[:len(scheme)], scheme) {
		address = address[len(scheme):]
	}
	u, err := policy.ParseUser(address)
	switch {
	case err != nil:
		im.drop(t, "%v", err)
		return
	case im.known[u]:
		im.drop(t, "the user is there twice")
		return
	}
	im.known[u] = true
	im.ours[u.Domain]++
	own := t.get("ExternalAccessPolicy")
	if own.opaque {
		im.widen(t, "ExternalAccessPolicy", own, "it has no name here, and the site's or the global one applies; export with Select-Object SipAddress,ExternalAccessPolicy,RegistrarPool")
	}
	im.users = append(im.users, &member{u, untagged(own.text), strings.ToLower(t.get("RegistrarPool").text), t})
}

// untagged is the name of a policy without the scope that is written before it.
func untagged(name string) string {
	if rest, ok := scoped(name, "Tag:"); ok {
		return rest
	}
	return name
}

func scoped(name, scope string) (rest string, ok bool) {
	if len(name) > len(scope) && strings.EqualFold(name[:len(scope)], scope) {
		return name[len(scope):], true
	}
	return "", false
}

// poolKind says which site a pool, and so its users, belong to.
func poolKind() kind {
	return kind{
		command: "Get-CsPool",
		marks:   [][]string{{"Site"}, {"Services", "Computers"}},
		carry: func(im *importer, t *thing) {
			site := t.get("Site").text
			if name, ok := scoped(site, "Site:"); ok {
				site = name
			}
			for _, name := range []string{t.get("Identity").text, t.get("Fqdn").text} {
				if name != "" {
					im.siteOf[strings.ToLower(name)] = site
				}
			}
		},
		carried: []string{"Identity", "Fqdn", "Site"},
		open:    true,
	}
}

// sitePolicy is the access policy of a site.
type sitePolicy struct {
	name, description string
	access            policy.AccessPolicy
	thing             *thing
}

func accessKind() kind {
	return kind{
		command: "Get-CsExternalAccessPolicy",
		marks:   [][]string{{"EnableFederationAccess"}},
		carry:   (*importer).accessPolicy,
		carried: []string{
			"Identity", "Description", "EnableFederationAccess", "EnableXmppAccess", "EnablePublicCloudAccess", "EnablePublicCloudAudioVideoAccess",
		},
		left: []property{
			{name: "EnableOutsideAccess", quiet: "False", why: "own users who sign in over the Internet do not come through edged: keep an edge for them"},
			{name: "EnableTeamsConsumerAccess", quiet: "*"}, // Teams in the cloud
			{name: "EnableTeamsConsumerInbound", quiet: "*"},
			{name: "EnableAcsFederationAccess", quiet: "*"},
		},
	}
}

func (im *importer) accessPolicy(t *thing) {
	var a policy.AccessPolicy
	im.flag(t, "EnableFederationAccess", &a.Federation)
	im.flag(t, "EnableXmppAccess", &a.XMPP)
	im.flag(t, "EnablePublicCloudAccess", &a.Public)
	im.flag(t, "EnablePublicCloudAudioVideoAccess", &a.PublicAV)
	identity, description := t.get("Identity").text, t.get("Description").text
	if strings.EqualFold(identity, "Global") {
		if im.global {
			im.drop(t, "there is another one before it, and there is only one such object")
			return
		}
		im.out.AccessPolicies.Global, im.global = a, true
		im.carried(t)
		return
	}
	if site, ok := scoped(identity, "Site:"); ok {
		im.sites = append(im.sites, &sitePolicy{oneLine(site), description, a, t})
		return
	}
	name := oneLine(untagged(identity))
	if name == "" || im.userPolicy(name) != nil {
		im.drop(t, "it has no name, or that of another one")
		return
	}
	im.out.AccessPolicies.Users = append(im.out.AccessPolicies.Users, policy.UserPolicy{Name: name, Policy: &a, Description: description})
	im.carried(t)
}

// userPolicy finds a policy for users; case does not count.
func (im *importer) userPolicy(name string) *policy.UserPolicy {
	all := im.out.AccessPolicies.Users
	i := slices.IndexFunc(all, func(p policy.UserPolicy) bool { return strings.EqualFold(p.Name, name) })
	if i < 0 {
		return nil
	}
	return &all[i]
}

// finish joins what came from different commands.
func (im *importer) finish() {
	slices.SortFunc(im.users, func(a, b *member) int { return cmp.Compare(a.user.String(), b.user.String()) })
	for _, m := range im.users {
		im.grant(m)
	}
	for _, s := range im.sites {
		im.site(s)
	}
	im.notes()
}

// grant gives a user the policy of the user's own.
func (im *importer) grant(m *member) {
	if m.policy == "" {
		return
	}
	p := im.userPolicy(oneLine(m.policy))
	if p == nil {
		im.widen(m.thing, "ExternalAccessPolicy", value{text: m.policy}, "no file has a policy of that name, and the site's or the global one applies; export Get-CsExternalAccessPolicy with it")
		return
	}
	im.out.Grants = append(im.out.Grants, policy.Grant{User: m.user, Policy: p.Name})
	im.carried(m.thing)
}

// site carries a site's policy, for the users of the pools there.
func (im *importer) site(s *sitePolicy) {
	var there []policy.User
	for _, m := range im.users {
		if strings.EqualFold(im.siteOf[m.pool], s.name) && m.pool != "" {
			there = append(there, m.user)
		}
	}
	taken := slices.ContainsFunc(im.out.AccessPolicies.Sites, func(o policy.Site) bool { return strings.EqualFold(o.Name, s.name) })
	switch {
	case taken:
		im.drop(s.thing, "the site has another policy already")
	case len(there) == 0:
		im.widen(s.thing, "", value{}, "nothing says who is at this site, and the global policy applies: export Get-CsUser (SipAddress, RegistrarPool) and Get-CsPool with it, or write the site yourself")
	default:
		access := s.access
		im.out.AccessPolicies.Sites = append(im.out.AccessPolicies.Sites, policy.Site{
			Name: s.name, UsersFile: im.siteFile(s.name), Users: there, Policy: &access, Description: s.description,
		})
		im.carried(s.thing)
	}
}

// siteFile is where the users of a site are written.
func (im *importer) siteFile(name string) string {
	plain := strings.Map(func(r rune) rune {
		if 'a' <= r && r <= 'z' || '0' <= r && r <= '9' {
			return r
		}
		return '-'
	}, strings.ToLower(name))
	taken := func(base string) bool {
		return slices.ContainsFunc(im.out.AccessPolicies.Sites, func(o policy.Site) bool { return o.UsersFile == base+".csv" })
	}
	return free("site-"+plain, "-", taken) + ".csv"
}

// notes tell what the files did not say.
func (im *importer) notes() {
	if len(im.ours) > 0 {
		var list []string
		for _, d := range slices.SortedFunc(maps.Keys(im.ours), func(a, b domain.Name) int { return cmp.Compare(a.String(), b.String()) }) {
			list = append(list, fmt.Sprintf("%s (%d)", d, im.ours[d]))
		}
		im.note("our own domains, with their users: %s; each has to be in domains of edged.yaml", strings.Join(list, ", "))
	}
	if !im.edge {
		im.note("no file is of Get-CsAccessEdgeConfiguration: federation stays switched off, federation.enabled: false")
	}
	if !im.global {
		im.note("no file has the global Get-CsExternalAccessPolicy: only users with a policy of their own may federate")
	}
}

// free returns the name, or if it is taken one with a number behind it.
func free(name, between string, taken func(string) bool) string {
	for i, base := 2, name; taken(name); i++ {
		name = fmt.Sprintf("%s%s%d", base, between, i)
	}
	return name
}
