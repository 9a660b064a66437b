package sipfed

import (
	"strconv"
	"sync"

	"edged/pkg/sipfed/sipmsg"
)

// What the edge changes in a message, and nothing else:
//
//	Via            ours on top of a request, off a response; received= and rport= on the
//	               sender's
//	Record-Route   two values of ours on requests that make or refresh a dialog
//	Route          our own values off the top; changes places with the Request-URI for
//	               strict routers (strict.go)
//	Max-Forwards   one less, 70 where there was none
//	Max-Breadth    60 where there was none or more; a share of it for each target that
//	               an INVITE rings at the same time
//	strip-asserted from outside: headers by which the inside would take a
//	               stranger's word for something. P-Asserted-Identity of a trusted
//	               partner stays, as far as it is in the domain that is proven
//	strip-inside   to outside: diagnostics, and what was meant for the inside
//	strip-credentials  to outside: what proves users to our own servers
//	privacy-id     to outside: P-Asserted-Identity where Privacy says id (RFC 3325 §7);
//	               where it does not say none, all but URIs of the sender's domain
//	hygiene        to outside, if it is switched on: Server, User-Agent, and the
//	               hosts in Warning
//	trust          to inside: ms-edge-proxy-message-trust, what the edge knows of the sender
//	mark           to outside: ms-asserted-verification-level, whether our users are
//	               verified
//	archiving      to outside, if there is one: the notice that messages are archived
//	diagnose       to inside: ms-diagnostics on failures
//	hide-user      to outside: one answer for all reasons why a user is not reached

// splices are reused: the hot path allocates none.
type splices struct{ pool sync.Pool }

func (p *splices) get(m *sipmsg.Message) *sipmsg.Splice {
	s, _ := p.pool.Get().(*sipmsg.Splice)
	if s == nil {
		s = &sipmsg.Splice{}
	}
	s.Reset(m)
	return s
}

func (p *splices) put(s *sipmsg.Splice) { p.pool.Put(s) }

// appendRequest appends the request as it goes to its next hop on side to
// (RFC 3261 §16.6).
func (s *Server) appendRequest(dst []byte, tx *transaction, to Side, a *attempt) []byte {
	st, m, adm := tx.st, tx.req, tx.adm
	splice := s.splices.get(m)
	defer s.splices.put(splice)
	// Step 3, Max-Forwards.
	if row, ok := m.Row(sipmsg.MaxForwards); ok {
		hops, _ := m.MaxForwards()
		splice.SetValue(row, strconv.Itoa(hops-1))
	} else {
		splice.AppendHeader("Max-Forwards: 70\r\n")
	}
	noteBreadth(splice, m, a.breadth)
	// Steps 4 and 8, Record-Route and Via, on top of everything.
	top := make([]byte, 0, 512)
	top = appendVia(top, &st.Faces[to], a.branch)
	if recordRoutes(m.Method) {
		token := adm.token
		if adm.inward {
			token.member = a.target // which has the dialog from now on
		}
		for _, side := range [2]Side{to, to.other()} { // RFC 5658 §5: the side it leaves by first
			top = appendRecordRoute(top, &st.Faces[side], adm.scheme(), st.tokens.seal(token, side, m.CallID()))
		}
	}
	_, end := m.StartLine()
	splice.InsertBytes(end+2, top)
	m.NoteSource(splice)
	// Step 6, the Request-URI and Route.
	noteTarget(splice, m, adm)
	x := crossing{st: st, adm: adm, to: to, m: m, method: m.Method, splice: splice}
	x.screen()
	return splice.AppendTo(dst)
}

// appendForwarded appends a response as it goes back to the request's sender
// (RFC 3261 §16.7 steps 3 and 9). That it has a Via below ours is known.
func (s *Server) appendForwarded(dst []byte, tx *transaction, a *attempt, m *sipmsg.Message) []byte {
	splice := s.splices.get(m)
	defer s.splices.put(splice)
	for v := range m.Each(sipmsg.Via) {
		splice.DropValue(v)
		break
	}
	x := crossing{st: tx.st, adm: tx.adm, to: tx.from.side, m: m, method: tx.method, inside: tx.echo.inside, splice: splice}
	x.screen()
	if x.to == Internal {
		x.diagnose(a)
	}
	return splice.AppendTo(dst)
}

// answerLines are the header lines of an answer of the edge's own: diagnostics
// inside, nothing outside.
func answerLines(st *State, side Side, a answer, r *refusal) []string {
	lines := r.extra
	if a.retryAfter > 0 {
		lines = append(lines, "Retry-After: "+strconv.Itoa(a.retryAfter))
	}
	if side == Internal && a.id != 0 {
		detail := r.detail
		if r.rule != "" {
			detail = string(r.rule)
			if r.detail != "" {
				detail += ": " + r.detail
			}
		}
		lines = append(lines, generated(st), a.diagnostics(st.Faces[Internal].Host.String(), detail))
	}
	return lines
}
