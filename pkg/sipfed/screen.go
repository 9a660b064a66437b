package sipfed

import (
	"bytes"
	"context"
	"fmt"
	"sync"
	"time"

	"edged/pkg/discovery"
	"edged/pkg/domain"
	"edged/pkg/policy"
	"edged/pkg/sipfed/sipmsg"
	"edged/pkg/verdict"
)

// admission is what screening found out about a request that may go on.
type admission struct {
	key       string // of its server transaction
	question  policy.Question
	decision  policy.Decision
	inward    bool
	token     routeToken // of the dialog it belongs to or may start
	dialog    bool       // it belongs to a dialog that this edge has routed before
	service   string     // outward: the SRV record that was asked for, if one was
	stranger  bool       // inward: of a partner that nothing lists, whose outcome counts
	undecided bool       // outward: the decision waits for the domain's SRV record
	spirals   bool       // requests may cross twice: users of ours are hosted at a provider
	hosted    bool       // the partner is that provider, and speaks for one of them
	guest     bool       // ... with somebody who is no user of ours
	*waypoints
}

// waypoints are where a request is to go. They are recycled with it.
type waypoints struct {
	to        destination    // the Request-URI, as it is to go on
	own       []sipmsg.Value // our values on top of Route, to be removed (RFC 3261 §16.4)
	next      destination    // of the Route value that follows them, if any
	nextValue sipmsg.Value
	sealed    []byte           // the token of our own Route, still unopened
	answer    discovery.Answer // outward: the targets of the SRV record that was asked for
}

// admissions recycles admissions and waypoints: the hot path allocates none.
type admissions struct{ whole, waypoints sync.Pool }

func (p *admissions) get() *admission {
	adm, _ := p.whole.Get().(*admission)
	if adm == nil {
		adm = new(admission)
	}
	adm.waypoints, _ = p.waypoints.Get().(*waypoints)
	if adm.waypoints == nil {
		adm.waypoints = new(waypoints)
	}
	return adm
}

// shed takes the waypoints of an admission; nobody may go by them any more.
func (p *admissions) shed(adm *admission) {
	if adm != nil && adm.waypoints != nil {
		w := adm.waypoints
		*w, adm.waypoints = waypoints{own: w.own[:0]}, nil
		p.waypoints.Put(w)
	}
}

// put takes all of it.
func (p *admissions) put(adm *admission) {
	if adm != nil {
		p.shed(adm)
		*adm = admission{}
		p.whole.Put(adm)
	}
}

func (a *admission) local() policy.User  { return a.question.Local }
func (a *admission) remote() domain.Name { return a.question.Remote }

// toItsUser reports whether an inward request is for the local user of its dialog.
func (a *admission) toItsUser() bool { return a.dialog && a.local() == a.token.local }

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
	key := serverKey(c, m)
	if s.absorb(c, key) {
		return
	}
	st := s.state.Load()
	adm, refused := s.screenRequest(ctx, st, c, m)
	if adm != nil {
		adm.key = key
	}
	switch {
	case refused != nil && adm != nil && adm.inward && hidesUser(refused.reason):
		s.hideUser(st, c, m, adm, refused)
	case refused != nil:
		adm.report(st, c, answerTo(refused.reason, c.side).status)
		s.answerRefusal(c, m, refused)
		s.admissions.put(adm)
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
	adm := s.admissions.get()
	adm.inward, adm.spirals = c.side == External, st.spirals
	// §16.4, route information, of which the other steps are to speak.
	if refused := st.preprocess(c, m, adm); refused != nil {
		return nil, refused
	}
	// §16.3 step 2, URI scheme.
	uri := adm.to.uri
	if uri.Scheme != "sip" && uri.Scheme != "sips" {
		return nil, refuse(verdict.SchemeUnsupported, "scheme %s", uri.Scheme)
	}
	// §16.3 step 3, Max-Forwards, and Max-Breadth (RFC 5393 §5.3.3).
	if hops, ok := m.MaxForwards(); ok && hops == 0 {
		return nil, refuse(verdict.HopsExhausted, "Max-Forwards is 0")
	}
	if branches, ok := m.MaxBreadth(); ok && branches == 0 {
		return nil, refuse(verdict.BreadthExhausted, "Max-Breadth is 0")
	}
	// §16.4, our own values on top of Route are taken off.
	if refused := takeOwnRoutes(st, m, adm); refused != nil {
		return nil, refused
	}
	// §16.3 step 4, loops (RFC 5393 §4.2).
	if st.looped(m, adm) {
		return nil, refuse(verdict.LoopDetected, "a Via of this edge carries the same loop hash")
	}
	// §16.3 step 5, Proxy-Require.
	if refused := checkProxyRequire(m); refused != nil {
		return nil, refused
	}
	if refused := openDialog(st, c, m, adm); refused != nil {
		return adm, refused
	}
	if forSelf(st, c, m, uri, adm) {
		return nil, nil
	}
	if refused := checkPrivacy(m); refused != nil {
		return nil, refused
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
	return adm, screenOutward(st, c, m, uri, adm)
}

// screenInward judges a request of a partner.
func (s *Server) screenInward(ctx context.Context, st *State, c *conn, m *sipmsg.Message, uri sipmsg.URI, adm *admission) *refusal {
	id := c.identity.Load()
	sender, anonymous, refused := inwardSender(st, id, m, adm)
	if refused != nil {
		return refused
	}
	adm.question = policy.Question{
		Protocol: policy.SIP, Direction: policy.Inward, Remote: sender,
		Facts: policy.Facts{Names: id.Names, Anchors: id.Anchors, Anonymous: anonymous, Carried: c.carried.Load()},
	}
	readable, refused := inwardTarget(st, uri, adm)
	if refused != nil {
		return refused
	}
	adm.decision, refused = s.decideInward(ctx, st, c, m, adm.dialog, &adm.question)
	if refused == nil || hidesUser(refused.reason) { // its sender is proven
		if over := adm.spend(st, c, m, uri, readable); over != nil {
			return over
		}
	}
	if refused != nil {
		return refused
	}
	if refused := s.dialogPartner(ctx, st, c, m, adm); refused != nil {
		return refused
	}
	// Only now: a stranger must not learn which domains are ours.
	if !readable {
		return refuse(verdict.UserUnreadable, "the user of the Request-URI has no canonical form")
	}
	c.accepted(sender, adm.decision.Partner, true)
	if adm.hosted = st.Policy.Shares(sender); adm.hosted {
		adm.guest = hasGuest(m, adm)
	}
	c.firstBy = time.Time{} // no stranger any more
	if adm.dialog {
		return nil
	}
	pool := st.pools[adm.local().Domain]
	if pool == nil {
		return refuse(verdict.PoolDown, "no SIP pool serves %s", adm.local().Domain)
	}
	adm.token = routeToken{partner: sender, local: adm.local(), pool: pool.Name, tag: m.From().Tag()}
	return nil
}

// dialogPartner holds a dialog to the partner of its token. RFC 4916 lets the
// From URI change in a dialog, but this connection must prove both domains.
func (s *Server) dialogPartner(ctx context.Context, st *State, c *conn, m *sipmsg.Message, adm *admission) *refusal {
	if !adm.dialog || adm.token.partner == adm.remote() {
		return nil
	}
	q := adm.question
	q.Remote = adm.token.partner
	_, refused := s.decideInward(ctx, st, c, m, true, &q)
	if refused == nil {
		return nil
	}
	return &refusal{
		reason: verdict.RouteInvalid, rule: refused.rule,
		detail: fmt.Sprintf("route token of %s used by %s", adm.token.partner, adm.remote()),
	}
}

// screenOutward judges a request of a pool.
func screenOutward(st *State, c *conn, m *sipmsg.Message, uri sipmsg.URI, adm *admission) *refusal {
	// RFC 4916 lets From change in a dialog: whoever speaks now needs the permission.
	user, anonymous, refused := outwardSender(m, adm)
	if refused != nil {
		return refused
	}
	q := policy.Question{Protocol: policy.SIP, Direction: policy.Outward, Local: user}
	q.Facts.Anonymous = anonymous
	if q.Remote, refused = outwardTarget(st, c, uri, adm); refused != nil {
		return refused
	}
	if adm.hosted = st.Policy.Shares(q.Remote); adm.hosted {
		if refused := sharedSender(st, m, uri, adm, &q); refused != nil {
			return refused
		}
	}
	pool := poolOf(st, c, q.Local.Domain)
	if pool == nil {
		return refuse(verdict.IdentityMismatch, "%s does not speak for %s", c.subject, q.Local.Domain)
	}
	adm.question = q
	if !adm.dialog {
		adm.token = routeToken{partner: q.Remote, local: q.Local, pool: pool.Name, member: c.member, tag: m.From().Tag()}
	}
	refused, adm.undecided = decideOutward(st, m, adm)
	return refused
}

// outwardTarget is the partner's domain that a pool wants to reach: inside a
// dialog that of its token, else that of the Request-URI.
func outwardTarget(st *State, c *conn, uri sipmsg.URI, adm *admission) (domain.Name, *refusal) {
	if adm.dialog {
		if poolOf(st, c, adm.token.local.Domain) == nil {
			return domain.Name{}, refuse(verdict.RouteInvalid, "route token of %s used by %s", adm.token.local.Domain, c.subject)
		}
		return adm.token.partner, nil
	}
	remote, err := domain.ParseWire(string(uri.Host))
	if err != nil {
		return domain.Name{}, refuse(verdict.DomainUnlisted, "%s is no domain name", uri.Host)
	}
	return remote, nil
}

// poolOf finds the pool that this inside connection proves and that speaks for
// the domain.
func poolOf(st *State, c *conn, d domain.Name) *Pool {
	p := st.pools[d]
	if p == nil || !p.Proves(*c.identity.Load()) {
		return nil
	}
	return p
}

// supportedExtension reports whether a Proxy-Require may name the option tag.
// Without ms-benotify every presence subscription of Microsoft's clients dies.
func supportedExtension(tag []byte) bool { return bytes.EqualFold(tag, []byte("ms-benotify")) }

// checkProxyRequire refuses what this proxy does not understand (RFC 3261
// §16.3 step 5), naming it.
func checkProxyRequire(m *sipmsg.Message) *refusal {
	if m.Count(sipmsg.ProxyRequire) == 0 {
		return nil
	}
	var unknown [][]byte
	for v := range m.Each(sipmsg.ProxyRequire) {
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
// side it asks for.
func forSelf(st *State, c *conn, m *sipmsg.Message, uri sipmsg.URI, adm *admission) bool {
	return m.Method == "OPTIONS" && len(uri.User) == 0 && !adm.dialog && adm.next.text == nil &&
		st.Faces[c.side].named(uri.Host)
}
