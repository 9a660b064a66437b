package sippeer_test

import (
	"context"
	"crypto/x509"
	"strconv"
	"strings"
	"testing"
	"time"

	"edged/internal/lab/ca"
	"edged/internal/lab/sippeer"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// pair is two peers that trust each other, and a connection between them.
type pair struct {
	caller, callee *sippeer.Peer
	conn           *sippeer.Conn
}

func newPair(t *testing.T) pair {
	t.Helper()
	root := ca.New("Lab Root")
	p := pair{caller: start(t, root, "a.example", root), callee: start(t, root, "b.example", root)}
	conn, err := p.caller.Dial(soon(t), p.callee.Addr(), "b.example")
	if err != nil {
		t.Fatal(err)
	}
	p.conn = conn
	return p
}

func start(t *testing.T, signer *ca.Authority, host string, trusts *ca.Authority) *sippeer.Peer {
	t.Helper()
	cert := signer.Issue(ca.Leaf{CN: host, DNS: []string{host}}).TLS
	pool := x509.NewCertPool()
	pool.AddCert(trusts.Cert().X509)
	p, err := sippeer.New(t.Context(), sippeer.Config{Host: host, Listen: "127.0.0.1:0", Certificate: &cert, Roots: pool})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

func soon(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func (p pair) message(method, id string) *sippeer.Message {
	return p.caller.Compose(sippeer.Request{
		Method: method, URI: "sip:bob@b.example", From: "<sip:alice@a.example>", To: "<sip:bob@b.example>",
		CallID: id, Body: "hello",
	})
}

func statuses(o *sippeer.Outcome) []int {
	var all []int
	for _, m := range o.Responses {
		all = append(all, m.Status())
	}
	return all
}

func TestAnswersByScript(t *testing.T) {
	tests := map[string]struct {
		method string
		answer sippeer.Answer
		want   []int
	}{
		"default":     {"MESSAGE", sippeer.Answer{}, []int{200}},
		"error":       {"MESSAGE", sippeer.Answer{Status: 404}, []int{404}},
		"provisional": {"INVITE", sippeer.Answer{Provisional: []int{100, 180}, Status: 486}, []int{100, 180, 486}},
	}
	p := newPair(t)
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			p.callee.Desk.Script(name, tt.answer)
			o := p.conn.Do(soon(t), p.message(tt.method, name))
			if diff := cmp.Diff(tt.want, statuses(o)); diff != "" || o.Err != nil {
				t.Errorf("err %v, statuses (-want +got):\n%s", o.Err, diff)
			}
		})
	}
}

func TestRecordsWhatArrived(t *testing.T) {
	p := newPair(t)
	p.callee.Desk.Script("id", sippeer.Answer{Body: "hi", Headers: []sippeer.Field{{Name: "X-Lab", Value: "1"}}})
	sent := p.message("MESSAGE", "id")
	o := p.conn.Do(soon(t), sent)
	got, err := p.callee.Desk.Await(soon(t), "id", "MESSAGE")
	if err != nil {
		t.Fatal(err)
	}
	if got.String() != sent.String() {
		t.Errorf("arrived:\n%s\nsent:\n%s", got, sent)
	}
	if final := o.Final(); final.Body != "hi" || final.Get("X-Lab") != "1" || !strings.Contains(final.Get("To"), ";tag=") {
		t.Errorf("answer lacks what the script says:\n%s", final)
	}
}

func TestCancelledInvite(t *testing.T) {
	p := newPair(t)
	p.callee.Desk.Script("id", sippeer.Answer{Provisional: []int{180}, Silent: true})
	call := p.conn.Start(p.message("INVITE", "id"))
	call.Wait(soon(t), 180)
	if o := call.Cancel(soon(t)); o.Final().Status() != 200 {
		t.Errorf("CANCEL was answered %v", statuses(o))
	}
	if o := call.Wait(soon(t), 200); o.Final().Status() != 487 {
		t.Errorf("INVITE was answered %v", statuses(o))
	}
	if _, err := p.callee.Desk.Await(soon(t), "id", "ACK"); err != nil {
		t.Errorf("no ACK for the 487: %v", err)
	}
}

func TestDialogBothWays(t *testing.T) {
	p := newPair(t)
	invite := p.message("INVITE", "id")
	invite.Set("Record-Route", "<sip:one.example;lr>, <sip:two.example;lr>")
	o := p.conn.Do(soon(t), invite)
	arrived, err := p.callee.Desk.Await(soon(t), "id", "INVITE")
	if err != nil {
		t.Fatal(err)
	}
	caller, callee := sippeer.DialogOfCaller(invite, o.Final()), p.callee.Desk.DialogOfCallee(arrived)
	if diff := cmp.Diff([]string{"<sip:two.example;lr>", "<sip:one.example;lr>"}, caller.Routes); diff != "" {
		t.Errorf("caller's routes (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"<sip:one.example;lr>", "<sip:two.example;lr>"}, callee.Routes); diff != "" {
		t.Errorf("callee's routes (-want +got):\n%s", diff)
	}
	if caller.Remote != callee.Local || callee.Remote != caller.Local || caller.Target == callee.Target {
		t.Errorf("the two sides differ:\n%+v\n%+v", caller, callee)
	}
	if bye := caller.Next("BYE"); bye.CSeq != 2 || bye.URI != caller.Target {
		t.Errorf("BYE: %+v", bye)
	}
}

func TestHangup(t *testing.T) {
	p := newPair(t)
	p.callee.Desk.Script("id", sippeer.Answer{Hangup: true})
	if o := p.conn.Do(soon(t), p.message("MESSAGE", "id")); o.Err == nil || o.Final() != nil {
		t.Errorf("got %v, %v; want a lost connection", statuses(o), o.Err)
	}
}

func TestNeverAnswered(t *testing.T) {
	p := newPair(t)
	for _, method := range []string{"ACK", "BENOTIFY"} {
		first := p.conn.Start(p.message(method, method))
		if o := p.conn.Do(soon(t), p.message("OPTIONS", "after "+method)); o.Final() == nil {
			t.Fatal(o.Err)
		}
		done, cancel := context.WithCancel(t.Context())
		cancel()
		if o := first.Wait(done, 100); len(o.Responses) > 0 {
			t.Errorf("%s was answered %v", method, statuses(o))
		}
	}
}

func TestRefusesStrangers(t *testing.T) {
	ours, theirs := ca.New("Ours"), ca.New("Theirs")
	callee := start(t, ours, "b.example", ours)
	tests := map[string]struct {
		caller *sippeer.Peer
		sni    string
	}{
		"their certificate is unknown to us": {start(t, theirs, "a.example", ours), "b.example"},
		"our certificate is unknown to them": {start(t, ours, "a.example", theirs), "b.example"},
		"the name is another":                {start(t, ours, "a.example", ours), "c.example"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			conn, err := tt.caller.Dial(soon(t), callee.Addr(), tt.sni)
			if err != nil {
				return
			}
			<-conn.Finished() // TLS 1.3: the refusal arrives after the client's handshake
			if err := conn.Err(); !strings.Contains(err.Error(), "tls:") {
				t.Errorf("connection ended with %v, want an alert", err)
			}
		})
	}
}

func TestPingIsAnswered(t *testing.T) {
	p := newPair(t)
	if err := p.conn.Write("\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	// The pong stands before the answer, so that the answer still being read
	// shows that it was a well-formed one.
	if o := p.conn.Do(soon(t), p.message("OPTIONS", "id")); o.Final() == nil {
		t.Error(o.Err)
	}
}

func TestManyOnOneConnection(t *testing.T) {
	p := newPair(t)
	var calls []*sippeer.Call
	for i := range 50 {
		calls = append(calls, p.conn.Start(p.message("MESSAGE", strconv.Itoa(i))))
	}
	for i, call := range calls {
		if o := call.Wait(soon(t), 200); o.Final() == nil || o.Final().Get("Call-ID") != strconv.Itoa(i) {
			t.Errorf("request %d: %v, %v", i, statuses(o), o.Err)
		}
	}
}
