package discovery

import (
	"context"
	"errors"
	"fmt"

	"github.com/miekg/dns"
)

// resolve asks for name and follows aliases from message to message.
func (r *Resolver) resolve(ctx context.Context, name string, qtype uint16) reading {
	asked, authentic, ttl := name, true, uint32(longestTTL)
	for range maxAliases + 1 {
		if _, ok := dns.IsDomainName(asked); !ok {
			return reading{err: &Error{Kind: NoSuchName, Err: fmt.Errorf("%q is longer than a name can be", asked)}}
		}
		rd := r.ask(ctx, asked, qtype)
		authentic = authentic && rd.authentic
		ttl = min(ttl, rd.ttl)
		if rd.err != nil && asked != name {
			rd.err.Err = errors.Join(fmt.Errorf("by its alias %s", asked), rd.err.Err)
		}
		if rd.err != nil || rd.alias == "" {
			rd.authentic, rd.ttl = authentic, ttl
			return rd
		}
		asked = rd.alias
	}
	return reading{err: &Error{Kind: BadAnswer, Err: fmt.Errorf("more than %d aliases", maxAliases)}}
}

// ask puts one question to the servers in turn until one can answer it. If none
// can, a server that failed says more than one that was silent.
func (r *Resolver) ask(ctx context.Context, name string, qtype uint16) reading {
	last := reading{err: &Error{Kind: Timeout, Err: ctx.Err()}}
	for _, s := range r.inOrder() {
		if ctx.Err() != nil {
			break
		}
		rd := r.askServer(ctx, s, name, qtype)
		if rd.err == nil || rd.absent() {
			return rd
		}
		if last.err.Kind == Timeout {
			last = rd
		}
	}
	return last
}

func (r *Resolver) askServer(ctx context.Context, s *server, name string, qtype uint16) reading {
	var rd reading
	m, err := s.exchange(ctx, name, qtype, r.config.Timeout)
	if err != nil {
		rd.err = err
		if unreachable := err.Kind != BadAnswer; unreachable && ctx.Err() == nil {
			s.rest(r.config.Now().Add(serverRest))
		}
	} else {
		rd = read(m, name, qtype)
	}
	if rd.err != nil {
		rd.err.Server = s.addr
	}
	rd.authentic = rd.authentic && s.trusted
	rd.server = s.addr
	return rd
}

// inOrder returns the servers as configured, those that rest last.
func (r *Resolver) inOrder() []*server {
	now := r.config.Now()
	order := make([]*server, 0, len(r.servers))
	for _, resting := range [2]bool{false, true} {
		for _, s := range r.servers {
			if s.resting(now) == resting {
				order = append(order, s)
			}
		}
	}
	return order
}
