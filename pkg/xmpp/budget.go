package xmpp

import (
	"edged/pkg/limit"
	"edged/pkg/verdict"
)

// spend takes a stanza of a partner that nothing lists out of its budgets
// (federation.discovered). It comes before the answer about the local user: who asks
// for users that are refused spends as much as others, and a budget that is used up
// looks the same for both.
func (c *conn) spend(adm *admission) *refusal {
	if !adm.inward || !isStranger(adm.partner) || adm.st.Discovered == nil {
		return nil
	}
	to := adm.to.Bare().Canonical().String()
	admitted := adm.st.Discovered.Admit(c.sender(adm), to)
	if admitted == limit.Admitted {
		return nil
	}
	return &refusal{reason: verdict.BudgetExhausted, rule: "federation.discovered", detail: admitted.String()}
}

// sender is who sends, for the budgets.
func (c *conn) sender(adm *admission) limit.Stranger {
	from := limit.Stranger{Domain: adm.pair.theirs}
	if how, _ := c.proven(adm.pair); how != byDialback {
		from.Leaf = c.identity.Leaf
	}
	return from
}

// report counts how a stranger's stanza ended, as far as anybody knows: the pool may
// still say that its user is not there (hide.go).
func (c *conn) report(adm *admission, failed bool) {
	if adm.inward && isStranger(adm.partner) && adm.st.Discovered != nil {
		adm.st.Discovered.Outcome(c.sender(adm), failed)
	}
}
