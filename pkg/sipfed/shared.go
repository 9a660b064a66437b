package sipfed

import (
	"edged/pkg/policy"
	"edged/pkg/sipfed/sipmsg"
	"edged/pkg/verdict"
)

// What follows is for organisations some of whose users are hosted at a provider,
// in the same domains as those of our pools (shared_address_space). The edge does
// not know who is where: the pools do, and send what is for the others out again.
//
//	from              to               way
//	a user of ours    a hosted user    pool, edge, provider
//	a hosted user     a user of ours   provider, edge, pool
//	a partner         a hosted user    partner, edge, pool, edge, provider
//
// What came from the provider never goes back there, which would be a loop, and
// nobody outside is carried to the provider without having come in by this edge and
// been judged. Both show in the Via values of our own.

// sharedSender says on whose behalf a pool writes to a hosted user: that of a user
// of ours, or of a partner who has written to the hosted user.
func sharedSender(st *State, m *sipmsg.Message, uri sipmsg.URI, adm *admission, q *policy.Question) *refusal {
	q.Facts.Passed = st.passed(m)
	adm.guest = !st.Policy.IsLocal(q.Local.Domain, policy.SIP)
	if q.Facts.Foreign = adm.guest; !adm.guest {
		return nil
	}
	if adm.dialog {
		q.Local = adm.token.local
		return nil
	}
	q.Local = policy.User{Domain: q.Remote}
	if !readUser(uri, q) {
		return refuse(verdict.UserUnreadable, "the user of the Request-URI has no canonical form")
	}
	return nil
}

// hasGuest reports whether a request of a hosted user belongs to a dialog with a
// partner: the token's local user is then the hosted one, as there is no other.
func hasGuest(m *sipmsg.Message, adm *admission) bool {
	uri, err := sipmsg.ParseURI(m.From().URI)
	if err != nil || !adm.dialog {
		return false
	}
	user, err := policy.CanonicalUser(string(uri.User), adm.remote())
	return err == nil && user == adm.token.local
}

// passed reports whether a request has crossed this edge before.
func (st *State) passed(m *sipmsg.Message) bool {
	for v := range m.Each(sipmsg.Via) {
		if via, err := sipmsg.ParseVia(v.Text); err == nil && st.ownVia(via) {
			return true
		}
	}
	return false
}

// splitDomain marks what goes between users of ours here and there. The pools and
// the provider route by it.
const splitDomain = "ms-split-domain-info: ms-traffic-type=SplitIntra\r\n"

// colleagues reports whether a message goes between users of ours, one of them at a
// provider.
func (a *admission) colleagues() bool { return a.hosted && !a.guest }
