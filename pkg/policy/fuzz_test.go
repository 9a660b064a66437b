package policy_test

import (
	"testing"

	"edged/pkg/domain"
	"edged/pkg/policy"
	"edged/pkg/verdict"
)

// everything is a world with every kind of entry, so that few bytes of fuzzing
// reach every path.
func everything(t testing.TB) *policy.Set {
	t.Helper()
	for _, w := range readWorlds(t, "fuzz-world.txt") {
		return w.compile(t)
	}
	t.Fatal("no world")
	return nil
}

// hosts are what a fuzzed question is made of: the world's names and some near them.
func hosts() []domain.Name {
	var all []domain.Name
	for _, s := range []string{
		"contoso.com", "kr.contoso.com", "fabrikam.com", "sip.fabrikam.com", "a.b.fabrikam.com", "litware.com",
		"edge.litware.net", "adatum.example", "sip.adatum.example", "it.tailspin.example", "spam.example",
		"a.spam.example", "b.a.spam.example", "sipfed.online.example", "sipfed.retired.example", "sip.live.example",
		"northwind.example", "sip.northwind.example", "jabber.example", "conference.jabber.example", "example",
	} {
		all = append(all, domain.MustParse(s))
	}
	return append(all, domain.Name{})
}

// fuzzed reads a question out of bytes. names, srv and anchors are bit sets.
func fuzzed(kind uint8, local, remote string, names, srv uint32, anchors uint8) policy.Question {
	pick := func(set uint32) (picked []domain.Name) {
		for i, h := range hosts() {
			if set&(1<<i) != 0 {
				picked = append(picked, h)
			}
		}
		return picked
	}
	bit := func(i int) bool { return kind&(1<<i) != 0 }
	q := policy.Question{Facts: policy.Facts{
		Names: pick(names), SRV: pick(srv), SRVKnown: bit(2), Proven: bit(3), Consent: bit(4), Media: bit(5), Exhausted: bit(6),
	}}
	if bit(0) {
		q.Protocol = policy.XMPP
		// What only SIP reads has another meaning here.
		q.Facts.Answer, q.Facts.Proof = bit(5), policy.Proof(names%6)
	}
	if bit(1) {
		q.Direction = policy.Outward
		q.Facts.Passed, q.Facts.Foreign = bit(4), bit(3) // which are XMPP's otherwise
	}
	for i, a := range []string{"", "adatum.example", "provider:Private", "xmpp:jabber.example"} {
		if anchors&(1<<i) != 0 {
			q.Facts.Anchors = append(q.Facts.Anchors, a)
		}
	}
	q.Local, _ = policy.ParseUser(local)
	q.Remote, _ = domain.Parse(remote)
	return q
}

func seedQuestions(f *testing.F) {
	f.Helper()
	for i, h := range hosts() {
		f.Add(uint8(i*37), "alice@contoso.com", h.String(), uint32(1)<<i, uint32(1)<<i, uint8(1))
		f.Add(uint8(i*11+4), "kim@kr.contoso.com", h.String(), ^uint32(0), ^uint32(0), uint8(15))
		f.Add(uint8(0x1c), "alice@contoso.com", "x."+h.String(), uint32(i)*7, uint32(i)*5, uint8(i))
	}
}

// FuzzBlocked: with the switch on and a local side that is ours, a blocked domain
// is refused as blocked, whatever the facts; and never allowed in any case.
func FuzzBlocked(f *testing.F) {
	seedQuestions(f)
	set := everything(f)
	spam := domain.MustParse("spam.example")
	f.Fuzz(func(t *testing.T, kind uint8, local, remote string, names, srv uint32, anchors uint8) {
		q := fuzzed(kind, local, remote, names, srv, anchors)
		if q.Remote != spam && !q.Remote.Under(spam) {
			if sub, err := domain.Parse(remote + ".spam.example"); err == nil {
				q.Remote = sub
			} else {
				q.Remote = spam
			}
		}
		d := set.Decide(q)
		switch {
		case d.Allow() || !d.Final() || d.Partner != nil:
			t.Fatalf("%+v: %s", q, answer(d.Verdict))
		case set.IsLocal(q.Local.Domain, q.Protocol) && d.Reason != verdict.DomainBlocked:
			t.Fatalf("%+v: %s", q, answer(d.Verdict))
		}
	})
}

// FuzzDecide holds every decision to what must be true of all of them.
func FuzzDecide(f *testing.F) {
	seedQuestions(f)
	sets := []*policy.Set{everything(f), noDiscovery(f)}
	f.Fuzz(func(t *testing.T, kind uint8, local, remote string, names, srv uint32, anchors uint8) {
		q := fuzzed(kind, local, remote, names, srv, anchors)
		for _, set := range sets {
			checkDecision(t, set, q)
		}
	})
}

func checkDecision(t *testing.T, set *policy.Set, q policy.Question) {
	t.Helper()
	d := set.Decide(q)
	explained, steps := set.Explain(q)
	if explained != d {
		t.Fatalf("%+v: decided %s, explained %s", q, answer(d.Verdict), answer(explained.Verdict))
	}
	checkSteps(t, d, steps)
	if q.Facts.SRVKnown && !d.Final() {
		t.Fatalf("%+v: asks for what it was told", q)
	}
	if d.Allow() {
		checkAllowed(t, set, q, d)
	}
	if !d.Final() {
		checkWorthIt(t, set, q)
	}
	if reversed := set.Decide(reverse(q)); reversed != d {
		t.Fatalf("%+v: the order of facts decides: %s, %s", q, answer(d.Verdict), answer(reversed.Verdict))
	}
}

// checkAllowed: nobody gets in unproven, and nobody is or speaks for us.
func checkAllowed(t *testing.T, set *policy.Set, q policy.Question, d policy.Decision) {
	t.Helper()
	switch {
	case d.Partner == nil || d.Rule != d.Partner.Rule:
		t.Fatalf("%+v: allowed without a partner, or by another's rule", q)
	case q.Protocol == policy.XMPP && set.IsLocal(q.Remote, policy.XMPP), set.IsLocal(q.Remote, policy.SIP) && d.Partner.Name != "Online":
		t.Fatalf("%+v: a domain of ours is allowed as a partner, and not by the provider that hosts users of it", q)
	case !set.IsLocal(q.Local.Domain, q.Protocol):
		t.Fatalf("%+v: the local side is not ours", q)
	case q.Direction == policy.Inward && !set.Covers(d.Partner, q.Remote, q.Facts):
		t.Fatalf("%+v: allowed and not covered", q)
	case q.Direction == policy.Inward && q.Protocol == policy.SIP && !set.CouldProve(q.Facts.Names, q.Facts.Anchors):
		t.Fatalf("%+v: allowed, but CouldProve says no", q)
	}
}

// checkWorthIt: a look-up is only asked for if some answer to it would be
// accepted, apart from what belongs to the user and the budget.
func checkWorthIt(t *testing.T, set *policy.Set, q policy.Question) {
	t.Helper()
	q.Facts.SRVKnown, q.Facts.Exhausted = true, false
	for _, h := range hosts() {
		q.Facts.SRV = []domain.Name{h}
		if set.DecideDomain(q).Allow() {
			return
		}
	}
	for _, n := range append(q.Facts.Names, q.Remote) {
		q.Facts.SRV = []domain.Name{n}
		if set.DecideDomain(q).Allow() {
			return
		}
	}
	t.Fatalf("%+v: no answer to the look-up could help", q)
}

func reverse(q policy.Question) policy.Question {
	backwards := func(names []domain.Name) (out []domain.Name) {
		for i := range names {
			out = append(out, names[len(names)-1-i])
		}
		return out
	}
	q.Facts.Names, q.Facts.SRV = backwards(q.Facts.Names), backwards(q.Facts.SRV)
	return q
}
