package discovery

import (
	"context"
	"errors"
	"net"
	"os"
	"strings"
	"time"

	"github.com/miekg/dns"
)

// errStrays ends the wait on a UDP socket that gets messages which are no answer:
// somebody may be guessing, and over TCP he cannot.
var errStrays = errors.New("too many messages that are no answer")

// exchange puts one question to the server and returns its answer: over UDP, and
// over TCP if that was cut off. Every UDP query has its own socket, so that the
// system picks a new source port, and a random id.
func (s *server) exchange(ctx context.Context, name string, qtype uint16, timeout time.Duration) (*dns.Msg, *Error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	query := new(dns.Msg).SetQuestion(dns.Fqdn(name), qtype)
	query.AuthenticatedData = true // we understand the bit (RFC 6840 §5.7)
	query.SetEdns0(udpPayload, false)
	m, err := s.overUDP(ctx, query, timeout/3)
	if errors.Is(err, errStrays) || err == nil && m.Truncated {
		m, err = s.overTCP(ctx, query)
	}
	if err != nil {
		return nil, classify(ctx, err)
	}
	return m, nil
}

// overUDP sends the query, and once more after repeat, because a lost datagram is
// no dead server.
func (s *server) overUDP(ctx context.Context, query *dns.Msg, repeat time.Duration) (*dns.Msg, error) {
	conn, hangUp, err := s.dial(ctx, "udp")
	if err != nil {
		return nil, err
	}
	defer hangUp()
	for _, deadline := range [2]time.Time{time.Now().Add(repeat), {}} {
		if err := conn.SetReadDeadline(deadline); err != nil {
			return nil, err
		}
		if err := conn.WriteMsg(query); err != nil {
			return nil, err
		}
		m, err := receive(conn, query)
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			return m, err
		}
	}
	return nil, context.DeadlineExceeded
}

// receive waits for the answer to query and passes over what is none.
func receive(conn *dns.Conn, query *dns.Msg) (*dns.Msg, error) {
	for range maxStrays {
		m, err := conn.ReadMsg()
		switch {
		case m == nil && !errors.Is(err, dns.ErrShortRead):
			return nil, err
		case m == nil || !answers(m, query):
		case err != nil:
			return nil, &Error{Kind: BadAnswer, Err: err}
		default:
			return m, nil
		}
	}
	return nil, errStrays
}

func (s *server) overTCP(ctx context.Context, query *dns.Msg) (*dns.Msg, error) {
	conn, hangUp, err := s.dial(ctx, "tcp")
	if err != nil {
		return nil, err
	}
	defer hangUp()
	if err := conn.WriteMsg(query); err != nil {
		return nil, err
	}
	m, err := conn.ReadMsg()
	if m == nil {
		return nil, err
	}
	if err == nil && (!answers(m, query) || m.Truncated) {
		err = errors.New("TCP answer to another question, or cut off")
	}
	if err != nil {
		return nil, &Error{Kind: BadAnswer, Err: err}
	}
	return m, nil
}

// dial connects to the server. The end of ctx closes the connection; hangUp must
// be called in any case.
func (s *server) dial(ctx context.Context, network string) (conn *dns.Conn, hangUp func(), err error) {
	var d net.Dialer
	c, err := d.DialContext(ctx, network, s.addr)
	if err != nil {
		return nil, nil, err
	}
	stop := context.AfterFunc(ctx, func() { _ = c.Close() })
	return &dns.Conn{Conn: c, UDPSize: udpPayload}, func() { stop(); _ = c.Close() }, nil
}

// answers tells whether m is an answer to query: its id, and the very question.
func answers(m, query *dns.Msg) bool {
	if m.Id != query.Id || !m.Response || m.Opcode != dns.OpcodeQuery || len(m.Question) != 1 {
		return false
	}
	got, want := m.Question[0], query.Question[0]
	return got.Qtype == want.Qtype && got.Qclass == want.Qclass && strings.EqualFold(got.Name, want.Name)
}

// classify turns an error of the exchange into one of ours.
func classify(ctx context.Context, err error) *Error {
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	switch {
	case ctx.Err() != nil:
		return &Error{Kind: Timeout, Err: ctx.Err()}
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, context.DeadlineExceeded):
		return &Error{Kind: Timeout, Err: err}
	}
	return &Error{Kind: ServerFailure, Err: err}
}
