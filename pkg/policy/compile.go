package policy

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
	"unicode"

	"edged/pkg/domain"
	"edged/pkg/verdict"
)

// Compile checks a policy as a whole and indexes it. It reports all problems at
// once and returns a nil Set if there are any. local are our own domains. src is
// not changed, nor kept.
func Compile(src Source, local []Local) (*Set, []Problem) {
	c := &compiler{src: &src, ours: local, set: newSet(&src, local)}
	c.local()
	c.federation()
	c.blocked()
	c.providers()
	c.allowed()
	c.xmpp()
	c.access()
	if len(c.problems) > 0 {
		return nil, c.problems
	}
	return c.set, nil
}

// compiler fills a Set and collects what is wrong on the way.
type compiler struct {
	src      *Source
	set      *Set
	ours     []Local
	problems []Problem
}

func newSet(src *Source, local []Local) *Set {
	return &Set{
		shallow:   math.MaxInt,
		homes:     make(map[domain.Name]*home, len(local)),
		providers: make(map[domain.Name]*provider, len(src.Providers)),
		proxies:   make(map[domain.Name][]string),
		anchors:   make(map[string][]string),

		anonymousBehind: make(map[domain.Name][]domain.Name),
	}
}

// problem reports what is wrong at a path.
func (c *compiler) problem(path, format string, args ...any) {
	c.problems = append(c.problems, Problem{Path: path, Text: fmt.Sprintf(format, args...)})
}

// warn reports what works, but hardly as meant.
func (c *compiler) warn(path, format string, args ...any) {
	c.set.warnings = append(c.set.warnings, Problem{Path: path, Text: fmt.Sprintf(format, args...)})
}

// at returns the entry of a domain, a new one if need be.
func (c *compiler) at(n domain.Name) *entry {
	return c.set.names.add(n.String())
}

// anchor notes the roots of an entry and returns the name that proves it: name,
// or "" if the entry has no roots of its own.
func (c *compiler) anchor(name string, roots []string) string {
	if len(roots) == 0 {
		return ""
	}
	c.set.anchors[name] = slices.Clone(roots)
	return name
}

// reachesBelow notes that an entry says something about the domains below n.
func (c *compiler) reachesBelow(n domain.Name) {
	c.set.shallow = min(c.set.shallow, labels(n))
	c.set.deep = max(c.set.deep, labels(n))
}

func (c *compiler) local() {
	for i, l := range c.ours {
		path := fmt.Sprintf("domains[%d]", i)
		switch {
		case l.Domain.IsZero():
			c.problem(path, "the domain is missing; write one of our own, such as contoso.com")
			continue
		case c.set.homes[l.Domain] != nil:
			c.problem(path, "%s is listed twice; keep one entry, with both protocols if both are meant", l.Domain)
			continue
		}
		h := &home{sip: l.SIP, xmpp: l.XMPP, rule: verdict.Rule("domains: " + l.Domain.String())}
		c.set.homes[l.Domain] = h
		c.at(l.Domain).home = h
	}
}

func (c *compiler) federation() {
	f := &c.src.Federation
	c.set.enabled, c.set.discovery, c.set.xmppDiscovery = f.Enabled, f.PartnerDiscovery, f.XMPPDiscovery
	c.set.discovered = &Partner{
		Kind: Discovered, Name: Discovered.String(), Verification: f.Discovered.Verification, Rule: ruleDiscovery,
		Service: FederationTLS.String(), Connections: 1,
	}
	orElse(&c.set.discovered.Verification, UseSource)
	c.limits(&f.Discovered)
	c.set.marks, c.set.notice, c.set.oneType = f.MarkSourceVerifiable, f.ArchivingNotice, f.OneTypePerConnection
	if f.ArchivingNotice != "" && !headerLine(f.ArchivingNotice) {
		c.problem("federation.archiving_notice", "%q is no header line of ours; write a name that begins with X- or ms-, a colon and one line of text, such as \"X-Archiving-Notice: messages are archived\"", f.ArchivingNotice)
	}
}

// headerLine tells whether s can be added to a message as it is, without being
// taken for anything that SIP defines.
func headerLine(s string) bool {
	name, text, ok := strings.Cut(s, ":")
	lower := strings.ToLower(name)
	rest, ours := strings.CutPrefix(lower, "x-")
	if !ours {
		rest, ours = strings.CutPrefix(lower, "ms-")
	}
	odd := func(r rune) bool { return r != '-' && (r < 'a' || r > 'z') && (r < '0' || r > '9') }
	return ok && ours && rest != "" && !strings.ContainsFunc(rest, odd) &&
		len(s) <= maxNotice && strings.TrimSpace(text) != "" && !strings.ContainsFunc(text, unicode.IsControl)
}

// maxNotice bounds the archiving notice, in bytes.
const maxNotice = 500

// limits checks the bounds of discovered partners.
func (c *compiler) limits(d *DiscoveredLimits) {
	const path = "federation.discovered."
	if !(d.Rate > 0) || math.IsInf(d.Rate, 0) {
		c.problem(path+"rate", "%v is no rate; write messages per second above 0, such as 20; federation.partner_discovery: false keeps everybody unlisted out", d.Rate)
	}
	if !(d.SuspiciousRate > 0) || d.SuspiciousRate > d.Rate {
		c.problem(path+"suspicious_rate", "%v is not above 0 and at most the rate of %v; write messages per second, such as 1", d.SuspiciousRate, d.Rate)
	}
	if !(d.Total >= d.Rate) || math.IsInf(d.Total, 0) {
		c.problem(path+"total", "%v is less than the rate of %v, or no rate; write messages per second of all unlisted partners together, such as 200", d.Total, d.Rate)
	}
	if d.Contacts < 0 {
		c.problem(path+"contacts", "%d is below 0; write how many users a partner may address, such as 1000, or 0 for no limit", d.Contacts)
	}
	if d.ReportPeriod < time.Minute {
		c.problem(path+"report_period", "%v is shorter than a minute; write a duration such as 1h", d.ReportPeriod)
	}
}

func (c *compiler) blocked() {
	for i := range c.src.BlockedDomains {
		d := c.src.BlockedDomains[i].Domain
		at := func() string { return fmt.Sprintf("blocked_domains[%d].domain", i) }
		if d.IsZero() {
			c.problem(at(), "the domain is missing; write the one to block, such as spam.example")
			continue
		}
		e := c.at(d)
		switch {
		case e.blocked != "":
			c.problem(at(), "%s is blocked twice; keep one entry", d)
		case e.home != nil:
			c.problem(at(), "%s is one of our own domains; remove it here, or from domains", d)
		}
		c.reachesBelow(d)
		e.blocked = verdict.Rule("blocked_domains: " + d.String())
	}
	c.homesBlocked()
}

// homesBlocked finds blocked domains above our own.
func (c *compiler) homesBlocked() {
	for i := range c.src.BlockedDomains {
		d := c.src.BlockedDomains[i].Domain
		for _, h := range c.ours {
			if h.Domain.Under(d) {
				c.problem(fmt.Sprintf("blocked_domains[%d].domain", i),
					"%s also blocks %s, which is one of our own domains; block the domains meant one by one", d, h.Domain)
			}
		}
	}
}

// notBlocked reports a listed domain that is blocked, by itself or from above.
func (c *compiler) notBlocked(path string, d domain.Name) {
	b := c.set.find(d).blocked
	if b == "" {
		return
	}
	above := strings.TrimPrefix(string(b), "blocked_domains: ")
	if above == d.String() {
		c.problem(path, "%s is also in blocked_domains; remove it from one of the two lists", d)
		return
	}
	c.problem(path, "%s lies below %s in blocked_domains, which blocks it too; remove it here, or block the other domains below %s one by one", d, above, above)
}
