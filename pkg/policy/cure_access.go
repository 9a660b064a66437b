package policy

import (
	"fmt"
	"slices"
	"strings"
)

// permit gives the local user what the question needs beside what the user has: by a
// policy that is there already, the one that permits least beyond that, or by a new
// one. A domain as a whole gets it in the scope that applies to it.
func (c *curer) permit(set *Set, p *Partner) bool {
	u := c.q.Local
	now := set.accessOf(u, set.homes[u.Domain])
	wanted := now.with(needs(c.q, p))
	if u.Local == "" {
		return c.widen(string(now.rule), wanted)
	}
	to := c.leastOf(wanted)
	from := c.withdraw(u)
	switch {
	case to != nil && from != "":
		to.Grant = append(slices.Clip(to.Grant), u)
		return c.change("access_policies.users", "move %s from %s to %s", u, from, to.Name)
	case to != nil:
		to.Grant = append(slices.Clip(to.Grant), u)
		return c.change("access_policies.users", "grant %s the policy %s", u, to.Name)
	}
	name := c.freeName("may-federate")
	c.src.AccessPolicies.Users = append(c.src.AccessPolicies.Users, UserPolicy{Name: name, Policy: &wanted, Grant: []User{u}})
	text := fmt.Sprintf("add {name: %s, policy: {%s}, grant: [%s]}", name, wanted, u)
	if from != "" {
		text += ", and remove " + u.String() + " from " + from
	}
	return c.change("access_policies.users", "%s", text)
}

// needs is what the local user must be permitted for the question.
func needs(q Question, p *Partner) AccessPolicy {
	public := p != nil && p.Kind == PublicProvider
	return AccessPolicy{Federation: true, XMPP: q.Protocol == XMPP, Public: public, PublicAV: public && q.Facts.Media}
}

// with permits what either policy does.
func (a AccessPolicy) with(b AccessPolicy) AccessPolicy {
	return AccessPolicy{
		Federation: a.Federation || b.Federation, XMPP: a.XMPP || b.XMPP, Public: a.Public || b.Public, PublicAV: a.PublicAV || b.PublicAV,
	}
}

// String writes the permissions as policy.yaml does, those that are given.
func (a AccessPolicy) String() string {
	var given []string
	for _, p := range []struct {
		on   bool
		name string
	}{{a.Federation, "federation"}, {a.XMPP, "xmpp"}, {a.Public, "public"}, {a.PublicAV, "public_av"}} {
		if p.on {
			given = append(given, p.name+": true")
		}
	}
	return strings.Join(given, ", ")
}

// leastOf returns the user policy that permits what is wanted and the least beyond it,
// nil if none does.
func (c *curer) leastOf(wanted AccessPolicy) (best *UserPolicy) {
	for i := range c.src.AccessPolicies.Users {
		p := &c.src.AccessPolicies.Users[i]
		if p.Policy == nil || p.Policy.with(wanted) != *p.Policy {
			continue
		}
		if best == nil || len(p.Policy.String()) < len(best.Policy.String()) {
			best = p
		}
	}
	return best
}

// withdraw takes the policy that a user was granted, and says which that was.
func (c *curer) withdraw(u User) (from string) {
	for i := range c.src.AccessPolicies.Users {
		p := &c.src.AccessPolicies.Users[i]
		if slices.Contains(p.Grant, u) {
			p.Grant = slices.DeleteFunc(slices.Clone(p.Grant), func(g User) bool { return g == u })
			return p.Name
		}
	}
	i := slices.IndexFunc(c.src.Grants, func(g Grant) bool { return g.User == u })
	if i < 0 {
		return ""
	}
	from = c.src.Grants[i].Policy + " (line " + fmt.Sprint(c.src.Grants[i].Line) + " of grants_file)"
	c.src.Grants = slices.Delete(slices.Clone(c.src.Grants), i, i+1)
	return from
}

func (c *curer) freeName(base string) string {
	name := base
	for n := 2; slices.ContainsFunc(c.src.AccessPolicies.Users, func(p UserPolicy) bool { return p.Name == name }); n++ {
		name = fmt.Sprintf("%s-%d", base, n)
	}
	return name
}

// widen permits more in a scope, which its rule names.
func (c *curer) widen(rule string, wanted AccessPolicy) bool {
	if site, ok := strings.CutPrefix(rule, "access_policies.sites."); ok {
		for i := range c.src.AccessPolicies.Sites {
			if c.src.AccessPolicies.Sites[i].Name == site {
				c.src.AccessPolicies.Sites[i].Policy = &wanted
			}
		}
	} else {
		c.src.AccessPolicies.Global = wanted
	}
	return c.change(rule, "set %s", wanted)
}
