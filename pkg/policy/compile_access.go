package policy

import (
	"fmt"

	"edged/pkg/domain"
	"edged/pkg/verdict"
)

func (c *compiler) access() {
	a := &c.src.AccessPolicies
	c.effect("access_policies.global", a.Global)
	c.set.global = *newAccess("access_policies.global", a.Global)
	granted := c.userPolicies(a.Users)
	c.grants(granted)
	c.sites(a.Sites)
}

// newAccess words the refusals of a policy in advance.
func newAccess(scope string, p AccessPolicy) *access {
	rule := verdict.Rule(scope)
	return &access{
		AccessPolicy: p,
		rule:         rule,
		noFederation: rule + ": federation: false",
		noXMPP:       rule + ": xmpp: false",
		noPublic:     rule + ": public: false",
		noPublicAV:   rule + ": public_av: false",
	}
}

// effect warns about a permission that another one keeps from working.
func (c *compiler) effect(path string, p AccessPolicy) {
	if p.PublicAV && !p.Public {
		c.warn(path+".public_av", "public_av has no effect without public; write public: true, or remove it")
	}
	if p.XMPP && !p.Federation {
		c.warn(path+".xmpp", "xmpp has no effect without federation; write federation: true, or remove it")
	}
	if p.Public && !p.Federation {
		c.warn(path+".public", "public has no effect without federation; write federation: true, or remove it")
	}
}

// policy checks and words the policy of a site or of users.
func (c *compiler) policy(path, scope string, p *AccessPolicy) *access {
	if p == nil {
		c.problem(path, "the policy is missing; write one such as {federation: true}")
		p = &AccessPolicy{}
	}
	c.effect(path, *p)
	return newAccess(scope, *p)
}

// userPolicies compiles the policies and the grants written with them.
func (c *compiler) userPolicies(policies []UserPolicy) map[string]*access {
	seen := make(map[string]bool, len(policies))
	byName := make(map[string]*access, len(policies))
	for i := range policies {
		p := &policies[i]
		path := fmt.Sprintf("access_policies.users[%d]", i)
		c.name(path+".name", p.Name, seen)
		a := c.policy(path+".policy", "access_policies.users."+p.Name, p.Policy)
		byName[p.Name] = a
		for k, u := range p.Grant {
			c.grant(u, a, func() string { return fmt.Sprintf("%s.grant[%d]", path, k) })
		}
	}
	return byName
}

// grants compiles the rows of grants_file.
func (c *compiler) grants(byName map[string]*access) {
	for i := range c.src.Grants {
		g := &c.src.Grants[i]
		at := func() string { return fmt.Sprintf("grants_file:%d", g.Line) }
		a := byName[g.Policy]
		if a == nil {
			c.problem(at(), "there is no policy %q for %s; write the name of one in access_policies.users, or add it there", g.Policy, g.User)
			continue
		}
		c.grant(g.User, a, at)
	}
}

// grant gives one user a policy. The path is a function, because a million
// grants are usually right.
func (c *compiler) grant(u User, a *access, at func() string) {
	if !c.homeUser(u, at) {
		return
	}
	own := c.set.homes[u.Domain].users.add(u.Local)
	if *own != nil {
		c.problem(at(), "%s has the policy %s already; grant each user one policy", u, (*own).rule)
		return
	}
	*own = a
}

// homeUser reports a user who is none of ours.
func (c *compiler) homeUser(u User, at func() string) bool {
	switch {
	case u.Local == "":
		c.problem(at(), "the user is missing; write one such as alice@contoso.com")
	case c.set.homes[u.Domain] == nil:
		c.problem(at(), "%s is not a user of one of our domains; correct the spelling, or add %s to domains", u, u.Domain)
	default:
		return true
	}
	return false
}

func (c *compiler) sites(sites []Site) {
	seen := make(map[string]bool, len(sites))
	siteOf := make(map[User]string)
	for i := range sites {
		s := &sites[i]
		path := fmt.Sprintf("access_policies.sites[%d]", i)
		c.name(path+".name", s.Name, seen)
		if len(s.Domains) == 0 && s.UsersFile == "" && len(s.Users) == 0 {
			c.problem(path, "the site has no users; write some of our domains in domains, or name a users_file")
		}
		a := c.policy(path+".policy", "access_policies.sites."+s.Name, s.Policy)
		for k, d := range s.Domains {
			c.siteDomain(fmt.Sprintf("%s.domains[%d]", path, k), d, a)
		}
		for _, u := range s.Users {
			c.siteUser(path+".users_file", u, s.Name, a, siteOf)
		}
	}
}

func (c *compiler) siteDomain(path string, d domain.Name, a *access) {
	h := c.set.homes[d]
	switch {
	case h == nil:
		c.problem(path, "%q is not one of our domains; correct the spelling, or add it to domains", d)
	case h.site != nil:
		c.problem(path, "%s belongs to %s already; a domain has one site", d, h.site.rule)
	default:
		h.site = a
	}
}

// siteUser puts a user into a site. A policy of the user's own is narrower and
// stays.
func (c *compiler) siteUser(path string, u User, site string, a *access, siteOf map[User]string) {
	if !c.homeUser(u, func() string { return path }) {
		return
	}
	if other, ok := siteOf[u]; ok {
		c.problem(path, "%s is a user of site %q already; write each user into one site, once", u, other)
		return
	}
	siteOf[u] = site
	if own := c.set.homes[u.Domain].users.add(u.Local); *own == nil {
		*own = a
	}
}
