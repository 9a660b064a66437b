package xmpp

import (
	"context"
	"net/netip"
	"sync"

	"edged/pkg/domain"
	"edged/pkg/limit"
	"edged/pkg/verdict"
)

// verifying bounds the dialback keys that are being verified, in all and for each
// address that they came from. A quarter is kept for partners that an entry lists.
type verifying struct {
	mu            sync.Mutex
	all, unlisted int
	byAddress     map[netip.Addr]int
}

// verification is one of them. Inside, one address may be a whole pool: it has none.
type verification struct {
	from   netip.Addr
	listed bool
}

func (c *conn) verification(t terms) verification {
	one := verification{listed: !isStranger(t.partner)}
	if c.side == External {
		one.from = c.addr.Addr()
	}
	return one
}

// key lumps an IPv6 network together, as limit.Accept does.
func (v *verifying) key(a netip.Addr) netip.Addr {
	if !a.Is6() {
		return a
	}
	p, err := a.Prefix(64)
	if err != nil {
		return a
	}
	return p.Addr()
}

func (v *verifying) enter(one verification, b *limit.Bounds) bool {
	from := v.key(one.from)
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.all >= b.Verifications || from.IsValid() && v.byAddress[from] >= b.VerificationsPerAddress ||
		!one.listed && v.unlisted >= unlistedShare(b.Verifications) {
		return false
	}
	v.add(one, 1)
	v.byAddress[from]++
	return true
}

// add is called with the mutex.
func (v *verifying) add(one verification, n int) {
	v.all += n
	if !one.listed {
		v.unlisted += n
	}
}

func (v *verifying) leave(one verification) {
	from := v.key(one.from)
	v.mu.Lock()
	defer v.mu.Unlock()
	v.add(one, -1)
	if v.byAddress[from]--; v.byAddress[from] <= 0 {
		delete(v.byAddress, from)
	}
}

// verify asks the authoritative server of a domain whether a key is its own, on a
// stream made for it: never on the one that the key came on (XEP-0220 §2.2).
// A nil refusal means yes.
func (s *Server) verify(ctx context.Context, st *State, side Side, p pair, streamID, key string) *refusal {
	ctx, cancel := context.WithTimeout(ctx, st.Bounds.DialbackTimeout)
	defer cancel()
	c, refused := s.connect(ctx, side, p, toVerify)
	if refused != nil {
		return refused
	}
	defer c.abort(errEnded)
	stop := context.AfterFunc(ctx, func() { c.abort(ctx.Err()) })
	defer stop()
	self, peer := p.self(side), p.peer(side)
	if err := c.say(dialbackRequest("verify", self, peer, streamID, key)); err != nil {
		return refuse(verdict.ConnectionLost, "asking %s: %v", peer, err)
	}
	refused = c.awaitVerdict(self, peer, streamID)
	_ = c.say("</stream:stream>")
	return refused
}

// awaitVerdict reads up to the answer that fits the question.
func (c *conn) awaitVerdict(self, peer domain.Name, streamID string) *refusal {
	for {
		e, refused := c.await()
		switch {
		case refused != nil && refused.reason == verdict.ConnectionLost:
			return refuse(verdict.NoAnswer, "%s", refused.detail)
		case refused != nil:
			return refused
		case string(e.Space) != nsDialback || string(e.Local) != "verify" ||
			!sameDomain(e.Value("from"), peer) || !sameDomain(e.Value("to"), self) || e.Value("id") != streamID:
			continue
		}
		switch e.Value("type") {
		case "valid":
			return nil
		case "invalid":
			return refuse(verdict.DialbackInvalid, "%s did not make the key", peer)
		case "error":
			return refuse(verdict.PeerRefused, "%s: %s", peer, stanzaCondition(e))
		}
	}
}

func sameDomain(text string, d domain.Name) bool {
	got, err := domain.Parse(text)
	return err == nil && got == d
}
