package insidedns

import (
	"context"
	"net"
	"strings"

	"github.com/miekg/dns"
)

// ttl is how long, in seconds, the edge's own answers may be kept: a reload is in
// force everywhere after that. An answer without data is not kept (RFC 2308 §5).
const ttl = 60

// handle answers req.
func (s *Server) handle(ctx context.Context, w dns.ResponseWriter, req *dns.Msg) {
	opt := req.IsEdns0()
	var m *dns.Msg
	if opt != nil && opt.Version() != 0 {
		s.observe("refused", "refused")
		m = reply(req, dns.RcodeBadVers)
	} else {
		m = s.answer(ctx, req)
	}
	_, overTCP := w.RemoteAddr().(*net.TCPAddr)
	if m.Compress = true; opt != nil {
		m.SetEdns0(payload, opt.Do()) // RFC 6891 §6.1.1
	}
	m.Truncate(room(opt, overTCP))
	_ = w.WriteMsg(m)
}

// room is how many bytes an answer may have.
func room(opt *dns.OPT, overTCP bool) int {
	switch {
	case overTCP:
		return dns.MaxMsgSize
	case opt == nil:
		return dns.MinMsgSize
	}
	return min(max(int(opt.UDPSize()), dns.MinMsgSize), payload)
}

// answer makes the answer to req, its name as the client spelled it.
func (s *Server) answer(ctx context.Context, req *dns.Msg) *dns.Msg {
	st, q := s.state.Load(), req.Question[0]
	switch st.judge(q) {
	case target:
		return s.own("target", st.ofTarget(req))
	case partner:
		m := reply(req, dns.RcodeSuccess)
		m.Answer = []dns.RR{&dns.SRV{
			Hdr:  dns.RR_Header{Name: q.Name, Rrtype: dns.TypeSRV, Class: dns.ClassINET, Ttl: ttl},
			Port: st.port, Target: dns.Fqdn(TargetName),
		}}
		m.Extra = st.addresses(dns.Fqdn(TargetName), dns.TypeANY)
		return s.own("steered", m)
	case nothing:
		return s.own("steered", reply(req, dns.RcodeSuccess))
	case caught:
		m := reply(req, dns.RcodeSuccess)
		m.Answer = st.addresses(q.Name, q.Qtype)
		return s.own("steered", m)
	case elsewhere:
		if len(st.forward) > 0 {
			return s.forward(ctx, st, req)
		}
	case refused:
	}
	return s.refuse(req)
}

// ofTarget answers about TargetName and the names below it, of which there are none.
func (s *state) ofTarget(req *dns.Msg) *dns.Msg {
	q := req.Question[0]
	if !strings.EqualFold(q.Name, dns.Fqdn(TargetName)) {
		return reply(req, dns.RcodeNameError)
	}
	m := reply(req, dns.RcodeSuccess)
	m.Answer = s.addresses(q.Name, q.Qtype)
	return m
}

// own counts an answer that the edge has made itself.
func (s *Server) own(kind string, m *dns.Msg) *dns.Msg {
	outcome := "answered"
	if len(m.Answer) == 0 {
		outcome = "nodata"
	}
	m.Authoritative = true
	s.observe(kind, outcome)
	return m
}

func (s *Server) refuse(req *dns.Msg) *dns.Msg {
	s.observe("refused", "refused")
	return reply(req, dns.RcodeRefused)
}

// reply is an answer to req without records.
func reply(req *dns.Msg, rcode int) *dns.Msg {
	m := new(dns.Msg).SetRcode(req, rcode)
	m.RecursionAvailable = true
	return m
}
