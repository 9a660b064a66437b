package policy

import (
	"slices"
	"strings"

	"edged/pkg/domain"
	"edged/pkg/verdict"
)

// Set is a compiled policy: immutable tables, safe for concurrent use. Compile
// makes one, and a reload replaces it as a whole.
type Set struct {
	// The switches.
	enabled       bool
	discovery     bool
	xmppDiscovery bool
	marks         bool
	oneType       bool
	notice        string

	// homes are our own domains.
	homes map[domain.Name]*home
	// names is everything that is said about one domain, ours included.
	names table[entry]
	// shallow and deep are the smallest and largest number of labels of those
	// names that say something about the domains below them. No other parent
	// needs a look-up: hardly ever com, and a peer gains nothing by sending
	// long names.
	shallow, deep int
	// providers by proxy; publicEnabled tells whether an enabled public one is
	// among them.
	providers     map[domain.Name]*provider
	publicEnabled bool
	// sharing is the enabled provider that hosts users of our own domains, or nil.
	sharing *provider
	// proxies holds the root sets that prove each direct partner's proxy.
	proxies map[domain.Name][]string
	// anonymous tells whether any entry lets senders hide in From, and
	// anonymousBehind names those that a direct partner's proxy speaks for.
	anonymous       bool
	anonymousBehind map[domain.Name][]domain.Name

	global access

	discovered  *Partner
	xmppDefault *Partner

	partners []*Partner
	anchors  map[string][]string
	warnings []Problem
}

// home is one of our own domains.
type home struct {
	sip, xmpp bool
	rule      verdict.Rule
	// site is the policy of the site that the domain belongs to, or nil.
	site *access
	// users have a policy of their own, by grant or by a site's users_file.
	users table[*access]
}

// speaks tells whether the domain is federated for p.
func (h *home) speaks(p Protocol) bool {
	if p == XMPP {
		return h.xmpp
	}
	return h.sip
}

// entry is what the policy says about one domain.
type entry struct {
	home    *home        // it is ours
	blocked verdict.Rule // it is blocked, with everything below
	listed  *Partner     // it is an SIP partner
	below   *Partner     // the domains below it are SIP partners
	xmpp    *Partner     // it is an XMPP partner
}

// provider is a Partner that serves domains other than its own.
type provider struct {
	Partner
	index    int // its place in the file, which decides among several
	enabled  bool
	disabled verdict.Rule
	shared   verdict.Rule // of one that shares our address space
}

// access is an AccessPolicy with the rule that each of its refusals names.
type access struct {
	AccessPolicy
	rule                 verdict.Rule // the scope itself
	noFederation, noXMPP verdict.Rule
	noPublic, noPublicAV verdict.Rule
}

// finding is what the tables hold about one domain and those above it.
type finding struct {
	exact   *entry
	below   *Partner     // of the nearest wildcard above
	blocked verdict.Rule // of the domain itself or the nearest blocked one above
}

// find looks a domain up, then the domains above it.
func (s *Set) find(n domain.Name) (f finding) {
	if f.exact = s.names.get(n.String()); f.exact != nil {
		f.blocked = f.exact.blocked
	}
	for above := labels(n) - 1; above >= s.shallow; above-- {
		n, _ = n.Parent()
		if above <= s.deep {
			f.above(s.names.get(n.String()))
		}
	}
	return f
}

// above adds what an entry says about the domains below it, unless a nearer one
// has spoken.
func (f *finding) above(e *entry) {
	if e == nil {
		return
	}
	if f.below == nil {
		f.below = e.below
	}
	if f.blocked == "" {
		f.blocked = e.blocked
	}
}

// partner returns the SIP entry that lists the domain: the exact one, else the
// nearest wildcard's.
func (f *finding) partner() *Partner {
	if f.exact != nil && f.exact.listed != nil {
		return f.exact.listed
	}
	return f.below
}

// ours tells whether the domain is one of our own, for whichever protocol.
func (f *finding) ours() bool { return f.exact != nil && f.exact.home != nil }

// labels counts the labels of a name.
func labels(n domain.Name) int { return strings.Count(n.String(), ".") + 1 }

// accessOf returns the policy that applies to one of our users: the user's own,
// else the site's, else the global one.
func (s *Set) accessOf(u User, h *home) *access {
	if a := h.users.get(u.Local); a != nil {
		return *a
	}
	if h.site != nil {
		return h.site
	}
	return &s.global
}

// IsLocal tells whether d is one of our own domains, federated for p.
func (s *Set) IsLocal(d domain.Name, p Protocol) bool {
	h := s.homes[d]
	return h != nil && h.speaks(p)
}

// Lists tells whether an entry names d for p: a partner's, or a block.
func (s *Set) Lists(d domain.Name, p Protocol) bool {
	f := s.find(d)
	if p == XMPP {
		return f.blocked != "" || f.exact != nil && f.exact.xmpp != nil
	}
	return f.blocked != "" || f.partner() != nil
}

// Shares tells whether some users of d, one of our own domains, may be hosted at a
// provider (SIP).
func (s *Set) Shares(d domain.Name) bool { return s.sharing != nil && s.IsLocal(d, SIP) }

// MarksVerifiable tells whether our users' messages are marked as verified (SIP).
func (s *Set) MarksVerifiable() bool { return s.marks }

// ArchivingNotice is the header line, without its end, that tells SIP partners that
// conversations are archived; "" if there is none.
func (s *Set) ArchivingNotice() string { return s.notice }

// Warnings are doubtful but working settings, in file order.
func (s *Set) Warnings() []Problem { return slices.Clone(s.warnings) }

// Anchors maps each Partner.Anchor to the PEM files of its entry's roots, as
// written there.
func (s *Set) Anchors() map[string][]string {
	all := make(map[string][]string, len(s.anchors))
	for name, files := range s.anchors {
		all[name] = slices.Clone(files)
	}
	return all
}

// Partners returns every listed entry in file order: allowed domains, providers
// (disabled ones too), XMPP partners. They are shared and must not be changed.
func (s *Set) Partners() []*Partner { return slices.Clone(s.partners) }
