package sipfed

import (
	"edged/pkg/limit"
	"edged/pkg/policy"
	"edged/pkg/sipfed/sipmsg"
	"edged/pkg/verdict"
)

// spend takes a request of a partner that nothing lists, and that is proven, out of
// its budgets (federation.discovered). It comes before the answer about the local
// user: who asks for users that are refused spends as much as others, and a budget
// that is used up looks the same for both. The user of a dialog is no new one, and what
// ends or completes a dialog is never held back.
func (adm *admission) spend(st *State, c *conn, m *sipmsg.Message, uri sipmsg.URI, readable bool) *refusal {
	if st.Discovered == nil || adm.decision.Partner == nil || adm.decision.Partner.Kind != policy.Discovered {
		return nil
	}
	adm.stranger = true
	known := adm.toItsUser()
	if m.Method == "ACK" || m.Method == "BYE" && known {
		return nil
	}
	contact := ""
	switch {
	case known:
	case readable:
		contact = adm.local().String()
	default: // spelled so that it is nobody: one more guess all the same
		contact = string(uri.User) + "@" + adm.local().Domain.String()
	}
	admitted := st.Discovered.Admit(adm.sender(c), contact)
	if admitted == limit.Admitted {
		return nil
	}
	adm.stranger = false // no outcome to be counted
	return &refusal{reason: verdict.BudgetExhausted, rule: "federation.discovered", detail: admitted.String()}
}

// sender is who sends, for the budgets.
func (adm *admission) sender(c *conn) limit.Stranger {
	return limit.Stranger{Domain: adm.remote(), Leaf: c.identity.Load().Leaf}
}

// report counts how a stranger's request ended.
func (adm *admission) report(st *State, c *conn, status int) {
	if adm != nil && adm.stranger && status > 0 {
		st.Discovered.Outcome(adm.sender(c), tellsAgainst(status))
	}
}

// tellsAgainst reports whether an answer speaks against who asked: what fails on
// this side, a challenge, somebody who is away and what its sender took back do not.
func tellsAgainst(status int) bool {
	switch status {
	case 401, 407, 408, 480, 487:
		return false
	}
	return status >= 400 && status < 500 || status >= 600
}
