package sipfed

import (
	"bytes"
	"context"
	"fmt"

	"edged/pkg/discovery"
	"edged/pkg/domain"
	"edged/pkg/policy"
	"edged/pkg/sipfed/sipmsg"
	"edged/pkg/verdict"
)

// admission is what screening found out about a request that may go on.
type admission struct {
	question  policy.Question
	decision  policy.Decision
	inward    bool
	token     routeToken       // of the dialog it belongs to or may start
	dialog    bool             // it belongs to a dialog that this edge has routed before
	own       []sipmsg.Value   // our values on top of Route, to be removed (RFC 3261 §16.4)
	next      []byte           // the Route value or URI that follows them
	answer    discovery.Answer // outward: the domain's SRV targets, where they were asked for
	undecided bool             // outward: the decision waits for the domain's SRV record
}

func (a *admission) local() policy.User  { return a.question.Local }
func (a *admission) remote() domain.Name { return a.question.Remote }

// handleRequest takes a request from its connection to its next hop, or
// answers it. It never waits for a next hop.
func (s *Server) handleRequest(ctx context.Context, c *conn, m *sipmsg.Message) {
	switch m.Method {
	case "ACK":
		s.handleACK(ctx, c, m)
		return
	case "CANCEL":
		s.handleCancel(c, m)
		return
	}
	if s.absorb(c, m) {
		return
	}
	st := s.state.Load()
	adm, refused := s.screenRequest(ctx, st, c, m)
	switch {
	case refused != nil:
		s.answerRefusal(c, m, refused)
	case adm == nil:
		s.answerSelf(c, m)
	default:
		s.forwardRequest(st, c, m, adm)
	}
}

// screenRequest makes every check before and including policy, in the order of
// RFC 3261 §16.3: the first that fails is the answer. Without a refusal and
// without an admission the request is for the edge itself.
func (s *Server) screenRequest(ctx context.Context, st *State, c *conn, m *sipmsg.Message) (*admission, *refusal) {
	// §16.3 step 1, reasonable syntax: sipmsg has seen to what routing needs.
	uri := m.URI()
	// §16.3 step 2, URI scheme.
	if uri.Scheme != "sip" && uri.Scheme != "sips" {
		return nil, refuse(verdict.SchemeUnsupported, "scheme %s", uri.Scheme)
	}
	// §16.3 step 3, Max-Forwards.
	if hops, ok := m.MaxForwards(); ok && hops == 0 {
		return nil, refuse(verdict.HopsExhausted, "Max-Forwards is 0")
	}
	// §16.4, route information: our own values on top are taken off.
	adm := &admission{inward: c.side == External}
	if refused := s.takeOwnRoutes(st, c, m, adm); refused != nil {
		return nil, refused
	}
	// §16.3 step 4, loops (RFC 5393 §4.2).
	if s.looped(st, m, adm.next) {
		return nil, refuse(verdict.LoopDetected, "a Via of this edge carries the same loop hash")
	}
	// §16.3 step 5, Proxy-Require.
	if refused := checkProxyRequire(m); refused != nil {
		return nil, refused
	}
	if forSelf(st, c, m, uri, adm) {
		return nil, nil
	}
	// §16.3 step 6, here: who speaks, for whom, and may they.
	if m.Method == "REGISTER" {
		return nil, &refusal{
			reason: verdict.MethodRefused, detail: "REGISTER never crosses",
			extra: []string{"Allow: INVITE, ACK, CANCEL, BYE, OPTIONS, MESSAGE, SUBSCRIBE, NOTIFY, PUBLISH, INFO, REFER, UPDATE, PRACK"},
		}
	}
	if adm.inward {
		return adm, s.screenInward(ctx, st, c, m, uri, adm)
	}
	return adm, s.screenOutward(st, c, m, uri, adm)
}

// screenInward judges a request of a partner.
func (s *Server) screenInward(ctx context.Context, st *State, c *conn, m *sipmsg.Message, uri sipmsg.URI, adm *admission) *refusal {
	sender, refused := senderDomain(m.From().URI)
	if refused != nil {
		return refused
	}
	q := policy.Question{
		Protocol: policy.SIP, Direction: policy.Inward, Remote: sender,
		Facts: policy.Facts{Names: c.identity.Names, Anchors: c.identity.Anchors},
	}
	if adm.dialog {
		if refused := dialogTarget(st, uri, adm.token.local, &q); refused != nil {
			return refused
		}
	} else if refused := inwardTarget(st, uri, adm, &q); refused != nil {
		return refused
	}
	d, refused := s.decideInward(ctx, st, c, m, &q)
	if refused != nil {
		return refused
	}
	// A dialog's partner is fixed by its token. RFC 4916 lets the From URI
	// change in a dialog, but both domains must be proven by this connection.
	if adm.dialog && adm.token.partner != sender {
		again := q
		again.Remote = adm.token.partner
		if _, refused := s.decideInward(ctx, st, c, m, &again); refused != nil {
			return &refusal{
				reason: verdict.RouteInvalid, rule: refused.rule,
				detail: fmt.Sprintf("route token of %s used by %s", adm.token.partner, sender),
			}
		}
	}
	c.accepted(sender)
	adm.question, adm.decision = q, d
	if !adm.dialog {
		pool := st.pools[q.Local.Domain]
		if pool == nil {
			return refuse(verdict.PoolDown, "no SIP pool serves %s", q.Local.Domain)
		}
		adm.token = routeToken{partner: sender, local: q.Local, pool: pool.Name, tag: m.From().Tag()}
	}
	return nil
}

// inwardTarget reads whom an outsider wants to reach. Nothing but the domain of
// the Request-URI may choose the way in (spec-sip L19, R4, R6).
func inwardTarget(st *State, uri sipmsg.URI, adm *admission, q *policy.Question) *refusal {
	if adm.next != nil {
		return refuse(verdict.NotOurs, "Route of an outsider leads elsewhere: %s", adm.next)
	}
	if _, ok := uri.Param("maddr"); ok {
		return refuse(verdict.NotOurs, "maddr in the Request-URI of an outsider")
	}
	ours, err := domain.ParseWire(string(uri.Host))
	if err != nil || !st.Policy.IsLocal(ours, policy.SIP) {
		return refuse(verdict.NotOurs, "Request-URI %s is not in one of our domains", uri.Host)
	}
	user, err := policy.CanonicalUser(string(uri.User), ours)
	if err != nil {
		return refuse(verdict.UserUnreadable, "%v", err)
	}
	q.Local = user
	return nil
}

// dialogTarget is the local user that a request in a dialog is for: the one its
// Request-URI names, where that is in one of our domains (an address of record
// or a GRUU), else the dialog's. A route opens the way to a pool, not to another
// user of it.
func dialogTarget(st *State, uri sipmsg.URI, ofDialog policy.User, q *policy.Question) *refusal {
	q.Local = ofDialog
	ours, err := domain.ParseWire(string(uri.Host))
	if err != nil || len(uri.User) == 0 || !st.Policy.IsLocal(ours, policy.SIP) {
		return nil
	}
	user, err := policy.CanonicalUser(string(uri.User), ours)
	if err != nil {
		return refuse(verdict.UserUnreadable, "%v", err)
	}
	q.Local = user
	return nil
}

// screenOutward judges a request of a pool.
func (s *Server) screenOutward(st *State, c *conn, m *sipmsg.Message, uri sipmsg.URI, adm *admission) *refusal {
	ours, refused := senderDomain(m.From().URI)
	if refused != nil {
		return refused
	}
	pool := poolOf(st, c, ours)
	if pool == nil {
		return refuse(verdict.IdentityMismatch, "%s does not speak for %s", c.subject, ours)
	}
	q := policy.Question{Protocol: policy.SIP, Direction: policy.Outward}
	if adm.dialog {
		if poolOf(st, c, adm.token.local.Domain) == nil {
			return refuse(verdict.RouteInvalid, "route token of %s used by %s", adm.token.local.Domain, c.subject)
		}
		// RFC 4916 lets From change in a dialog: whoever speaks now needs the permission.
		if q.Local, refused = outwardSender(m, ours); refused != nil {
			return refused
		}
		q.Remote = adm.token.partner
	} else if refused := outwardQuestion(m, uri, ours, &q); refused != nil {
		return refused
	}
	adm.question = q
	if !adm.dialog {
		adm.token = routeToken{partner: q.Remote, local: q.Local, pool: pool.Name, member: c.member, tag: m.From().Tag()}
	}
	refused, adm.undecided = s.decideOutward(st, m, adm)
	return refused
}

// outwardQuestion reads who inside wants to reach whom outside. The user whose
// access policy counts is the asserted identity's, where the pool sends one of
// its own domain, else the From URI's.
func outwardQuestion(m *sipmsg.Message, uri sipmsg.URI, ours domain.Name, q *policy.Question) *refusal {
	remote, err := domain.ParseWire(string(uri.Host))
	if err != nil {
		return refuse(verdict.DomainUnlisted, "%s is no domain name", uri.Host)
	}
	var refused *refusal
	q.Local, refused = outwardSender(m, ours)
	q.Remote = remote
	return refused
}

// outwardSender is the user inside who sends a request.
func outwardSender(m *sipmsg.Message, ours domain.Name) (policy.User, *refusal) {
	from, err := sipmsg.ParseURI(m.From().URI)
	if err != nil {
		return policy.User{}, refuse(verdict.Malformed, "From: %v", err)
	}
	user, err := policy.CanonicalUser(string(from.User), ours)
	if err != nil {
		return policy.User{}, refuse(verdict.UserUnreadable, "%v", err)
	}
	if asserted, ok := assertedUser(m, ours); ok {
		user = asserted
	}
	return user, nil
}

// assertedUser reads P-Asserted-Identity of the inside (RFC 3325 §9.1).
func assertedUser(m *sipmsg.Message, ours domain.Name) (policy.User, bool) {
	for _, v := range m.Values(sipmsg.PAssertedIdentity, nil) {
		addr, err := sipmsg.ParseAddress(v.Text)
		if err != nil {
			continue
		}
		uri, err := sipmsg.ParseURI(addr.URI)
		if err != nil || (uri.Scheme != "sip" && uri.Scheme != "sips") {
			continue
		}
		if d, err := domain.ParseWire(string(uri.Host)); err != nil || d != ours {
			continue
		}
		if user, err := policy.CanonicalUser(string(uri.User), ours); err == nil {
			return user, true
		}
	}
	return policy.User{}, false
}

// senderDomain reads the domain a sender claims in From.
func senderDomain(from []byte) (domain.Name, *refusal) {
	uri, err := sipmsg.ParseURI(from)
	if err != nil {
		return domain.Name{}, refuse(verdict.Malformed, "From: %v", err)
	}
	if bytes.EqualFold(uri.Host, []byte("anonymous.invalid")) {
		return domain.Name{}, refuse(verdict.SenderAnonymous, "From names nobody who could be proven")
	}
	if uri.Scheme != "sip" && uri.Scheme != "sips" {
		return domain.Name{}, refuse(verdict.IdentityMismatch, "From has the scheme %s", uri.Scheme)
	}
	d, err := domain.ParseWire(string(uri.Host))
	if err != nil {
		return domain.Name{}, refuse(verdict.IdentityMismatch, "From: %v", err)
	}
	return d, nil
}

// poolOf finds the pool that this inside connection proves and that speaks for
// the domain.
func poolOf(st *State, c *conn, d domain.Name) *Pool {
	p := st.pools[d]
	if p == nil || !p.proves(c.identity) {
		return nil
	}
	return p
}

// supportedExtensions are the option tags a Proxy-Require may name. Without
// ms-benotify every presence subscription of Microsoft's clients dies.
func supportedExtension(tag []byte) bool { return bytes.EqualFold(tag, []byte("ms-benotify")) }

// checkProxyRequire refuses what this proxy does not understand (RFC 3261
// §16.3 step 5), naming it.
func checkProxyRequire(m *sipmsg.Message) *refusal {
	if m.Count(sipmsg.ProxyRequire) == 0 {
		return nil
	}
	var unknown [][]byte
	for _, v := range m.Values(sipmsg.ProxyRequire, nil) {
		if !supportedExtension(v.Text) {
			unknown = append(unknown, v.Text)
		}
	}
	if unknown == nil {
		return nil
	}
	list := bytes.Join(unknown, []byte(", "))
	return &refusal{reason: verdict.ExtensionUnsupported, detail: string(list), extra: []string{"Unsupported: " + string(list)}}
}

// forSelf reports whether a request is for the edge itself: an OPTIONS that
// names one of its hosts and no user. A probe with a user is answered by the
// side it asks for (spec-sip 8.8).
func forSelf(st *State, c *conn, m *sipmsg.Message, uri sipmsg.URI, adm *admission) bool {
	return m.Method == "OPTIONS" && len(uri.User) == 0 && !adm.dialog && adm.next == nil &&
		st.Faces[c.side].named(uri.Host)
}
