package sipfed

import (
	"bytes"
	"context"
	"time"

	"edged/pkg/discovery"
	"edged/pkg/domain"
	"edged/pkg/policy"
	"edged/pkg/sipfed/sipmsg"
	"edged/pkg/verdict"
)

// decideInward asks policy about a partner's request. Where the answer hangs on
// the domain's current SRV record, only this connection waits for the look-up,
// and strangers are held to a number and a rate of them.
func (s *Server) decideInward(ctx context.Context, st *State, c *conn, m *sipmsg.Message, dialog bool, q *policy.Question) (policy.Decision, *refusal) {
	d := ask(st, m, dialog, *q)
	if d.Final() {
		return d, refusedBy(d)
	}
	service := serviceOf(d)
	answer, err, known := st.Resolver.Peek(service, q.Remote)
	if !known {
		c.wakeFed()
		may := c.mayAsk(st, q.Remote)
		answer, err = st.Resolver.SRVIf(ctx, service, q.Remote, func() bool {
			may = may && s.strangers.Load().Allow(c.key)
			return may
		})
		c.now = time.Now() // what comes next has not waited for the DNS
		if !may {
			return d, refuse(verdict.DNSLimited, "too many domains looked up for %s", c.subject)
		}
	}
	if err != nil && discovery.Reason(err) == verdict.DNSFailed {
		return d, refuse(verdict.DNSFailed, "%v", err)
	}
	q.Facts.SRV, q.Facts.SRVKnown = answer.Names(), true
	d = ask(st, m, dialog, *q)
	return d, refusedBy(d)
}

// mayAsk spends one of a connection's new domains, for a domain it has not
// brought before.
func (c *conn) mayAsk(st *State, d domain.Name) bool {
	if _, asked := c.asked[d]; !asked {
		if len(c.asked) >= st.Bounds.StrangerDomains {
			return false
		}
		c.asked[d] = struct{}{}
	}
	return true
}

// decideOutward asks policy about a pool's request. If the answer hangs on an
// SRV record that is not cached, it reports undecided: the request then waits
// for the look-up in the queue of its domain, and nothing else waits with it.
func decideOutward(st *State, m *sipmsg.Message, adm *admission) (refused *refusal, undecided bool) {
	d := ask(st, m, adm.dialog, adm.question)
	if d.Final() {
		adm.decision = d
		return refusedBy(d), false
	}
	adm.service = serviceOf(d)
	answer, err, known := st.Resolver.Peek(adm.service, adm.remote())
	if !known {
		return nil, true
	}
	return decideWithSRV(st, m, adm, answer, err), false
}

// serviceOf names the SRV record that a decision waits for: that of the domain's
// entry, if it has one.
func serviceOf(d policy.Decision) string {
	if d.Partner != nil && d.Partner.Service != "" {
		return d.Partner.Service
	}
	return discovery.SIPFederation
}

// decideWithSRV is the outward decision once the domain's SRV answer is there.
func decideWithSRV(st *State, m *sipmsg.Message, adm *admission, answer discovery.Answer, err error) *refusal {
	adm.answer = answer
	adm.question.Facts.SRV, adm.question.Facts.SRVKnown = answer.Names(), true
	d := ask(st, m, adm.dialog, adm.question)
	if refused := refusedBy(d); refused != nil {
		return refused
	}
	if err != nil {
		return &refusal{reason: discovery.Reason(err), rule: d.Rule, detail: err.Error()}
	}
	adm.decision = d
	return nil
}

// ask puts the question to policy. In a dialog, BYE and ACK end or complete what
// was allowed before, so a change of the user's own policy does not hold them
// back; the domain's does.
func ask(st *State, m *sipmsg.Message, dialog bool, q policy.Question) policy.Decision {
	if dialog && (m.Method == "BYE" || m.Method == "ACK") {
		return st.Policy.DecideDomain(q)
	}
	d := st.Policy.Decide(q)
	if d.Partner != nil && d.Partner.Kind == policy.PublicProvider && offersMedia(m) {
		q.Facts.Media = true
		d = st.Policy.Decide(q)
	}
	return d
}

func refusedBy(d policy.Decision) *refusal {
	if d.Allow() {
		return nil
	}
	return &refusal{reason: d.Reason, rule: d.Rule}
}

// offersMedia reports whether a body is a session description with audio or
// video (RFC 4566 §5.14).
func offersMedia(m *sipmsg.Message) bool {
	for _, kind := range []string{"m=audio ", "m=video "} {
		if i := bytes.Index(m.Body, []byte(kind)); i == 0 || i > 0 && m.Body[i-1] == '\n' {
			return true
		}
	}
	return false
}
