package insidedns

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"strings"
	"time"

	"github.com/miekg/dns"
)

const (
	attemptTimeout = time.Second     // for one forwarder: clients begin to repeat after two
	forwardTimeout = 4 * time.Second // for all of them
	rounds         = 2               // through the forwarders, because a datagram is lost easily
	maxStrays      = 32              // messages that are no answer: beyond, somebody is guessing
)

var (
	errStrays  = errors.New("too many messages that are no answer")
	errAnswer  = errors.New("TCP answer to another question, or cut off")
	errServers = errors.New("the forwarder cannot answer")
)

// forward has a forwarder answer req.
func (s *Server) forward(ctx context.Context, st *state, req *dns.Msg) *dns.Msg {
	select {
	case s.forwards <- struct{}{}:
		defer func() { <-s.forwards }()
	default:
		s.observe("forwarded", "full")
		return reply(req, dns.RcodeServerFailure)
	}
	got, err := st.ask(ctx, question(req))
	if err != nil {
		s.observe("forwarded", "failed")
		s.log.Debug("no forwarder of the inside DNS answered", slog.Any("err", err))
		return reply(req, dns.RcodeServerFailure)
	}
	s.observe("forwarded", "answered")
	return passOn(req, got)
}

// question is req as a question of our own: options of EDNS are between two
// neighbours (RFC 6891 §6), the id is new for each attempt.
func question(req *dns.Msg) *dns.Msg {
	m := new(dns.Msg)
	m.RecursionDesired, m.CheckingDisabled = req.RecursionDesired, req.CheckingDisabled
	m.AuthenticatedData = req.AuthenticatedData
	m.Question = req.Question
	opt := req.IsEdns0()
	return m.SetEdns0(payload, opt != nil && opt.Do())
}

// passOn makes the forwarder's answer one to req.
func passOn(req, got *dns.Msg) *dns.Msg {
	m := got.Copy()
	m.Id, m.Question = req.Id, req.Question
	m.Extra = nil
	for _, rr := range got.Extra {
		switch rr.Header().Rrtype {
		case dns.TypeOPT, dns.TypeTSIG, dns.TypeSIG: // between neighbours, too
		default:
			m.Extra = append(m.Extra, rr)
		}
	}
	if m.Rcode > 0xF {
		m.Rcode = dns.RcodeServerFailure // about our EDNS, not about the client's
	}
	return m
}

// ask goes through the forwarders, first the one that answered last.
func (s *state) ask(ctx context.Context, m *dns.Msg) (*dns.Msg, error) {
	ctx, cancel := context.WithTimeout(ctx, forwardTimeout)
	defer cancel()
	n := len(s.forward)
	first := int(s.best.Load())
	err := errServers
	for i := 0; i < rounds*n && ctx.Err() == nil; i++ {
		at := (first + i) % n
		got, failed := exchange(ctx, s.forward[at], m)
		if failed == nil {
			s.best.Store(uint32(at)) //nolint:gosec // an index
			return got, nil
		}
		err = failed
	}
	return nil, err
}

// exchange asks one forwarder: over UDP, and over TCP if the answer was cut off.
// Every UDP question has a socket of its own, so that the system picks a new
// source port and drops what comes from elsewhere.
func exchange(ctx context.Context, server string, m *dns.Msg) (*dns.Msg, error) {
	ctx, cancel := context.WithTimeout(ctx, attemptTimeout)
	defer cancel()
	m.Id = dns.Id()
	got, err := over(ctx, "udp", server, m)
	if errors.Is(err, errStrays) || err == nil && got.Truncated {
		got, err = over(ctx, "tcp", server, m)
	}
	if err == nil && (got.Rcode == dns.RcodeServerFailure || got.Rcode == dns.RcodeRefused) {
		err = errServers
	}
	return got, err
}

func over(ctx context.Context, network, server string, m *dns.Msg) (*dns.Msg, error) {
	var d net.Dialer
	c, err := d.DialContext(ctx, network, server)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	defer context.AfterFunc(ctx, func() { _ = c.Close() })()
	conn := &dns.Conn{Conn: c, UDPSize: payload}
	if err := conn.WriteMsg(m); err != nil {
		return nil, err
	}
	if network == "tcp" {
		return readOne(conn, m)
	}
	return readAnswer(conn, m)
}

// readAnswer waits for the answer to m and passes over what is none.
func readAnswer(conn *dns.Conn, m *dns.Msg) (*dns.Msg, error) {
	for range maxStrays {
		got, err := conn.ReadMsg()
		if _, broken := errors.AsType[*dns.Error](err); err != nil && !broken {
			return nil, err
		}
		if err == nil && answers(got, m) {
			return got, nil
		}
	}
	return nil, errStrays
}

func readOne(conn *dns.Conn, m *dns.Msg) (*dns.Msg, error) {
	got, err := conn.ReadMsg()
	if err == nil && (!answers(got, m) || got.Truncated) {
		err = errAnswer
	}
	return got, err
}

// answers says whether got is an answer to m: its id, and the very question. Not
// every forwarder keeps the case of names.
func answers(got, m *dns.Msg) bool {
	if got.Id != m.Id || !got.Response || got.Opcode != dns.OpcodeQuery || len(got.Question) != 1 {
		return false
	}
	g, q := got.Question[0], m.Question[0]
	return g.Qtype == q.Qtype && g.Qclass == q.Qclass && strings.EqualFold(g.Name, q.Name)
}
