package xmpp

import (
	"context"
	"hash/maphash"
	"math/rand/v2"
	"sync"
	"time"

	"edged/pkg/limit"
	"edged/pkg/xmpp/jid"
	"edged/pkg/xmpp/xmlstream"
)

// The rule hide-user: an outsider who writes to a user that does not exist, to one
// who may not federate and to one who has not given consent sees the same answer
// after about the same time. The first is the pool's to give, so the edge measures
// how long it takes, and words it anew.

// hiding knows how long pools take to say that a user is not there.
type hiding struct {
	mu    sync.Mutex
	seed  maphash.Seed
	asked [64]asked // stanzas that went inward, the latest ones
	next  int
	usual time.Duration // a moving average; 0 before a pool has said so once

	waiting int // refusals that are being held back
}

// asked is a stanza that may be answered so.
type asked struct {
	sum uint64
	at  time.Time
}

const (
	hideAtFirst = 3 * time.Millisecond // before a pool has said so once
	hideAtMost  = 2 * time.Second
	hideMost    = 10_000 // refusals held back at a time
	observed    = 8      // one in so many stanzas is timed
)

// observe notes a stanza that goes inward, or the answer to one.
func (h *hiding) observe(e *xmlstream.Element, adm *admission, inward bool) {
	id, ok := e.Attr("id")
	if !ok {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.seed == (maphash.Seed{}) {
		h.seed = maphash.MakeSeed()
	}
	var sum maphash.Hash
	sum.SetSeed(h.seed)
	_, _ = sum.Write(id)
	_, _ = sum.WriteString(adm.remote().Domain.String())
	_, _ = sum.WriteString(adm.local().Local)
	now := time.Now()
	if inward {
		h.asked[h.next%len(h.asked)] = asked{sum.Sum64(), now}
		h.next++
		return
	}
	for i := range h.asked {
		if h.asked[i].sum == sum.Sum64() {
			h.answered(now.Sub(h.asked[i].at))
			h.asked[i] = asked{}
			return
		}
	}
}

func (h *hiding) answered(took time.Duration) {
	if h.usual == 0 {
		h.usual = took
	}
	h.usual = min(h.usual+(took-h.usual)/8, hideAtMost)
}

// delay is how long to wait: the average, give or take half of it. It is false when
// too many wait already.
func (h *hiding) delay() (time.Duration, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.waiting >= hideMost {
		return 0, false
	}
	h.waiting++
	usual := h.usual
	if usual == 0 {
		usual = hideAtFirst
	}
	return usual/2 + rand.N(usual), true //nolint:gosec // a delay is no secret
}

func (h *hiding) done() {
	h.mu.Lock()
	h.waiting--
	h.mu.Unlock()
}

// likeOthers is why a stanza would not get to the pool, whoever it is for: then one for
// a user that is hidden gets that answer too.
func (ls *links) likeOthers(p pair, bytes int) *refusal {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	l, most := ls.m[linkKey{Internal, p}], ls.most[p.ours]
	if l == nil {
		if r := ls.mayLink(Internal, p); r != nil {
			return r
		}
		return tooLarge(bytes, most)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.most > 0 {
		most = l.most
	}
	if l.conn == nil && l.down.failures > 0 {
		return l.down.why
	}
	return tooLarge(bytes, most)
}

// hideUser answers a stanza that is refused because of its local user, as a pool does
// that does not know the user.
func (s *Server) hideUser(e *xmlstream.Element, adm *admission, it item) {
	raw := appendHidden(nil, e, adm)
	if raw == nil {
		it.taken()
		return
	}
	delay, ok := s.hiding.delay()
	if !ok {
		s.metrics.dropped(External)
		it.taken()
		return
	}
	p, st := adm.pair, adm.st
	started := s.group.Go(func(context.Context) {
		defer it.taken()
		defer s.hiding.done()
		if s.group.Sleep(delay) {
			// Not within limits.bounce_rate: pools have none for users that are not there.
			s.push(st, External, p, raw)
			s.metrics.bounced(External, stanzaUnavailable)
		}
	})
	if !started {
		it.taken()
	}
}

// appendHidden appends what a pool says for a user that is not there: an error to
// messages and requests (RFC 6121 §8.5.1), and nothing to presence and to headlines
// (§8.5.2.2.1, §8.5.3.2.1).
func appendHidden(dst []byte, e *xmlstream.Element, adm *admission) []byte {
	if string(e.Local) == "presence" || e.Value("type") == "headline" || !bounceable(e) {
		return nil
	}
	return appendUnavailable(dst, e, adm.to, adm.from)
}

// appendUnavailable appends the one form of that answer. Its addresses are in their
// canonical form: some pools write them so, whatever they have got, and the edge cannot
// know how the sender wrote them when a pool answers.
func appendUnavailable(dst []byte, e *xmlstream.Element, from, to jid.JID) []byte {
	dst = append(append(dst, '<'), e.Local...)
	dst = appendAttr(dst, "from", from.Canonical().String())
	dst = appendAttr(dst, "to", to.Canonical().String())
	return appendErrorBody(dst, e, answer{stanzaUnavailable, "cancel"}, "")
}

// hideAnswer is the rule outward: the pool's word that a user is not there, as the
// edge words it. It is nil for everything else.
func (c *conn) hideAnswer(e *xmlstream.Element, adm *admission) []byte {
	if adm.kind != "error" || adm.from.Local == "" || stanzaCondition(e) != stanzaUnavailable {
		return nil
	}
	c.srv.hiding.observe(e, adm, false)
	if d := adm.st.Discovered; d != nil && isStranger(adm.partner) {
		d.Failed(limit.Stranger{Domain: adm.pair.theirs})
	}
	c.scratch = appendUnavailable(c.scratch[:0], e, adm.from, adm.to)
	return c.scratch
}
