package interop

import (
	"context"
	"crypto/tls"
	"net"
	"net/netip"
	"strings"
	"testing"

	"github.com/emiago/sipgo"
	"github.com/emiago/sipgo/sip"
)

// agent is a user agent made of sipgo, with its own port: a second opinion on
// everything edged writes.
type agent struct {
	user    sip.Uri
	via     string // its transport: tls or tcp
	at      netip.AddrPort
	edge    netip.AddrPort // where it sends what is outside a dialog
	client  *sipgo.Client
	calls   *sipgo.DialogClientCache
	answers *sipgo.DialogServerCache
	body    chan string // of MESSAGE requests received
	bye     chan struct{}
}

// agentSpec says which agent to start.
type agentSpec struct {
	host         string // its name in the zone
	user, domain string
	edge         string // the place it sends to
	cred         credential
	trusts       authority
	plain        bool // it speaks TCP, without TLS
}

// newAgent starts an agent where the zone says that the host is. It resolves the
// names in its routes by the world's DNS.
func (w *world) newAgent(t *testing.T, s agentSpec) *agent {
	t.Helper()
	ua, err := sipgo.NewUA(
		sipgo.WithUserAgent(s.user), sipgo.WithUserAgentHostname(s.domain),
		sipgo.WithUserAgentDNSResolver(w.resolver()),
		sipgo.WithUserAgenTLSConfig(&tls.Config{
			Certificates: []tls.Certificate{s.cred.TLS}, RootCAs: s.trusts.pool, ServerName: s.edge,
		}),
	)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ua.Close() })
	a := &agent{
		user: sip.Uri{Scheme: "sip", User: s.user, Host: s.domain}, via: "tls",
		at: w.place(s.host), edge: w.place(s.edge),
		body: make(chan string, 1), bye: make(chan struct{}, 1),
	}
	if s.plain {
		a.via = "tcp"
	}
	a.client, err = sipgo.NewClient(ua, sipgo.WithClientHostname(a.at.Addr().String()),
		sipgo.WithClientPort(int(a.at.Port())))
	if err != nil {
		t.Fatal(err)
	}
	contact := sip.ContactHeader{Address: a.contact()}
	a.calls, a.answers = sipgo.NewDialogClientCache(a.client, contact), sipgo.NewDialogServerCache(a.client, contact)
	a.serve(t, ua, &tls.Config{
		Certificates: []tls.Certificate{s.cred.TLS}, ClientCAs: s.trusts.pool, ClientAuth: tls.RequireAndVerifyClientCert,
	})
	return a
}

// contact is where the agent is.
func (a *agent) contact() sip.Uri {
	return sip.Uri{
		Scheme: "sip", User: a.user.User, Host: a.at.Addr().String(), Port: int(a.at.Port()),
		UriParams: sip.HeaderParams{{K: "transport", V: a.via}},
	}
}

// resolver asks the world's DNS only.
func (w *world) resolver() *net.Resolver {
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, w.place("ns.test").String())
	}}
}

func (a *agent) serve(t *testing.T, ua *sipgo.UserAgent, config *tls.Config) {
	t.Helper()
	server, err := sipgo.NewServer(ua)
	if err != nil {
		t.Fatal(err)
	}
	server.OnMessage(func(req *sip.Request, tx sip.ServerTransaction) {
		a.body <- string(req.Body())
		_ = tx.Respond(sip.NewResponseFromRequest(req, 200, "OK", nil))
	})
	server.OnInvite(func(req *sip.Request, tx sip.ServerTransaction) {
		call, err := a.answers.ReadInvite(req, tx)
		if err != nil {
			t.Errorf("read INVITE: %v", err)
			return
		}
		_ = call.Respond(180, "Ringing", nil) // what is lost shows at the caller
		_ = call.Respond(200, "OK", nil)
		<-tx.Done()
	})
	server.OnAck(func(req *sip.Request, tx sip.ServerTransaction) { _ = a.answers.ReadAck(req, tx) })
	server.OnBye(func(req *sip.Request, tx sip.ServerTransaction) {
		if err := a.answers.ReadBye(req, tx); err != nil {
			t.Errorf("read BYE: %v", err)
		}
		a.bye <- struct{}{}
	})
	listener, err := net.Listen("tcp", a.at.String())
	if err != nil {
		t.Fatal(err)
	}
	// They end when the listener closes.
	if a.via == "tls" {
		go func() { _ = server.ServeTLS(tls.NewListener(listener, config)) }()
	} else {
		go func() { _ = server.ServeTCP(listener) }()
	}
	t.Cleanup(func() { listener.Close() })
}

// request is a request outside a dialog to the other agent's user.
func (a *agent) request(method sip.RequestMethod, to *agent) *sip.Request {
	req := sip.NewRequest(method, to.user)
	req.AppendHeader(&sip.FromHeader{Address: a.user, Params: sip.HeaderParams{{K: "tag", V: sip.GenerateTagN(16)}}})
	req.SetTransport(strings.ToUpper(a.via))
	req.SetDestination(a.edge.String())
	return req
}

// fabrikamAgent is bob at an allowed partner.
func (w *world) fabrikamAgent(t *testing.T) *agent {
	t.Helper()
	return w.newAgent(t, agentSpec{
		host: "sip.fabrikam.com", user: "bob", domain: "fabrikam.com", edge: "sip.contoso.com",
		cred: w.issue(t, w.roots, "sip.fabrikam.com"), trusts: w.roots,
	})
}

// TestSipgo lets sipgo speak on both ends: a message, and a call whose ACK and
// BYE follow the routes that edged has recorded.
func TestSipgo(t *testing.T) {
	w := newWorld(t)
	w.startDNS(t)
	carol := w.newAgent(t, agentSpec{
		host: "fe1.corp.contoso.com", user: "carol", domain: "contoso.com", edge: "edge.corp.contoso.com",
		cred: w.issue(t, w.inside, "fe1.corp.contoso.com", "pool.corp.contoso.com"), trusts: w.inside,
	})
	bob := w.fabrikamAgent(t)
	w.startEdge(t, edgeSpec{})

	t.Run("message in", func(t *testing.T) { bob.sendMessage(t, carol) })
	t.Run("message out", func(t *testing.T) { carol.sendMessage(t, bob) })
	t.Run("call in", func(t *testing.T) { bob.call(t, carol) })
	t.Run("call out", func(t *testing.T) { carol.call(t, bob) })
}

func (a *agent) sendMessage(t *testing.T, to *agent) {
	t.Helper()
	req := a.request(sip.MESSAGE, to)
	req.AppendHeader(sip.NewHeader("Content-Type", "text/plain"))
	req.SetBody([]byte("hello"))
	resp, err := a.client.Do(soon(t), req)
	if err == nil && resp.StatusCode == 407 {
		resp, err = a.client.DoDigestAuth(soon(t), req, resp, a.digest())
	}
	if err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode != 200 {
		t.Fatalf("answered with %s", resp.StartLine())
	}
	if got := <-to.body; got != "hello" {
		t.Errorf("received %q", got)
	}
}

func (a *agent) call(t *testing.T, to *agent) {
	t.Helper()
	call, err := a.calls.WriteInvite(soon(t), a.request(sip.INVITE, to))
	if err != nil {
		t.Fatal(err)
	}
	defer call.Close()
	if err := call.WaitAnswer(soon(t), sipgo.AnswerOptions{Username: a.user.User, Password: password}); err != nil {
		t.Fatalf("INVITE: %v", err)
	}
	if err := call.Ack(soon(t)); err != nil {
		t.Fatalf("ACK: %v", err)
	}
	if err := call.Bye(soon(t)); err != nil {
		t.Fatalf("BYE: %v", err)
	}
	select {
	case <-to.bye:
	case <-soon(t).Done():
		t.Error("the callee has not received the BYE")
	}
}
