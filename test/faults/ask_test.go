package faults

import (
	"context"
	"strings"
	"time"

	"edged/internal/lab/sippeer"
)

// ask is a request under way.
type ask struct {
	*sippeer.Call
	b    *bed
	m    *sippeer.Message
	sent time.Time
	out  *sippeer.Outcome
	took time.Duration // until its end
}

// dial opens a connection of a server to an edge, of a member to its inside.
func (e *edge) dial(host string) *sippeer.Conn {
	e.Helper()
	at, name := e.addr+":5061", outside
	if strings.HasSuffix(host, "corp.contoso.com") {
		at, name = e.addr+":5062", inside
	}
	conn, err := e.servers[host].Dial(e.Soon(), at, name)
	if err != nil {
		e.Fatal(err)
	}
	e.Cleanup(func() { conn.Close() })
	return conn
}

// compose writes a request from one user to another, as a server sends it.
func (b *bed) compose(host, method, from, to string) *sippeer.Message {
	r := sippeer.Request{
		Method: method, URI: "sip:" + to, CallID: sippeer.NewCallID(host), From: "<sip:" + from + ">", To: "<sip:" + to + ">",
	}
	if method == "MESSAGE" {
		r.Body = "hello"
	}
	return b.servers[host].Compose(r)
}

// ask sends a request. That it is never answered twice is seen to at the end of
// the test.
func (b *bed) ask(conn *sippeer.Conn, m *sippeer.Message) *ask {
	a := b.expect(conn, m)
	_ = conn.Write(m.String()) // a lost connection shows as no answer
	return a
}

// expect is ask for a request that the caller writes.
func (b *bed) expect(conn *sippeer.Conn, m *sippeer.Message) *ask {
	a := &ask{b: b, m: m, sent: time.Now(), Call: conn.Expect(m)}
	b.asked = append(b.asked, a)
	return a
}

// final waits for the final answer and returns its status, 0 if there was none in
// time, and how long it took.
func (a *ask) final(within time.Duration) (status int, took time.Duration) {
	if a.out == nil || a.out.Final() == nil {
		ctx, cancel := context.WithTimeout(a.b.Context(), within)
		defer cancel()
		a.out, a.took = a.Wait(ctx, 200), time.Since(a.sent)
	}
	if f := a.out.Final(); f != nil {
		status = f.Status()
	}
	return status, a.took
}

// want waits for a final answer of the status, within the time.
func (a *ask) want(status int, within time.Duration) {
	a.b.Helper()
	if got, took := a.final(patience); got != status || took > within {
		a.b.Errorf("%s answered with %d after %v (%v), want %d within %v", a.m.Start, got, took, a.out.Err, status, within)
	}
}

// wantAnswer wants one final answer within the time, whatever it says.
func (a *ask) wantAnswer(within time.Duration) int {
	a.b.Helper()
	got, took := a.final(patience)
	if got == 0 || took > within {
		a.b.Errorf("%s answered with %d after %v (%v), want an answer within %v", a.m.Start, got, took, a.out.Err, within)
	}
	return got
}

// nothingTwice runs at the end of a test: no request had two final answers.
func (b *bed) nothingTwice() {
	pause(200 * time.Millisecond) // what would come now is too much
	over, cancel := context.WithCancel(context.Background())
	cancel()
	for _, a := range b.asked {
		finals := 0
		for _, r := range a.Wait(over, 700).Responses {
			if r.Status() >= 200 {
				finals++
			}
		}
		if finals > 1 {
			b.Errorf("%s had %d final answers", a.m.Start, finals)
		}
	}
}

// arrivals is how many times a server was sent the request.
func (b *bed) arrivals(host string, m *sippeer.Message) int {
	n := 0
	for _, got := range b.servers[host].Desk.Arrived(m.Get("Call-ID")) {
		if got.Get("CSeq") == m.Get("CSeq") {
			n++
		}
	}
	return n
}
