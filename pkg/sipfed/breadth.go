package sipfed

import (
	"strconv"

	"edged/pkg/sipfed/sipmsg"
)

// The edge does not fork, but an INVITE that a target has not answered rings at the
// next one while the first may still wake up: both are branches of it, and what
// Max-Breadth allows is for all of them together (RFC 5393 §5.3.3).

// breadth is what the request may have of branches.
func (adm *admission) breadth(m *sipmsg.Message) int {
	if branches, ok := m.MaxBreadth(); ok {
		return branches
	}
	return sipmsg.MostBreadth
}

// breadthLeft is what the attempts under way leave of it.
func (tx *transaction) breadthLeft() int {
	left := tx.adm.breadth(tx.req)
	for _, a := range tx.earlier {
		if !a.over {
			left -= a.breadth
		}
	}
	if a := tx.current; a != nil && !a.over {
		left -= a.breadth
	}
	return left
}

// share is the breadth of the next attempt: all that is left, less one for each
// target that may have to ring beside it.
func (tx *transaction) share() int {
	left := tx.breadthLeft()
	if tx.invite() {
		return max(left-len(tx.targets), min(left, 1))
	}
	return left
}

// noteBreadth writes what an attempt may have.
func noteBreadth(splice *sipmsg.Splice, m *sipmsg.Message, branches int) {
	text := strconv.Itoa(branches)
	if row, ok := m.Row(sipmsg.MaxBreadth); !ok {
		splice.AppendHeader("Max-Breadth: ", text, "\r\n")
	} else if string(m.Value(row)) != text {
		splice.SetValue(row, text)
	}
}
