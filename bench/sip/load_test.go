package sip

import (
	"bytes"
	"context"
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

func partner() Parties {
	return Parties{From: "alice@partner.example", To: "bob@pool.example", Host: "sip.partner.example"}
}

// bed is a sink with what is between it and a load.
type bed struct {
	ledger *Ledger
	sink   *Sink
	l      net.Listener
}

// newBed changes what the sink sends and receives, like a proxy does; nil leaves
// it as it is.
func newBed(t *testing.T, requests, responses func([]byte) []byte) *bed {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	b := &bed{ledger: NewLedger(), l: l}
	b.sink = NewSink(b.ledger, l.Addr().String())
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go b.sink.Serve(&between{Conn: c, requests: requests, responses: responses})
		}
	}()
	return b
}

// between changes whole messages.
type between struct {
	net.Conn
	requests, responses func([]byte) []byte
	in                  *scanner
	left                []byte
}

func (b *between) Read(p []byte) (int, error) {
	if b.requests == nil {
		return b.Conn.Read(p)
	}
	if b.in == nil {
		b.in = newScanner(b.Conn, nil)
	}
	if len(b.left) == 0 {
		m, err := b.in.next()
		if err != nil {
			return 0, err
		}
		b.left = b.requests(m)
	}
	n := copy(p, b.left)
	b.left = b.left[n:]
	return n, nil
}

func (b *between) Write(p []byte) (int, error) {
	changed := p
	if b.responses != nil {
		changed = b.responses(p)
	}
	_, err := b.Conn.Write(changed)
	return len(p), err
}

func (b *bed) dial(t *testing.T, count int) []net.Conn {
	t.Helper()
	var all []net.Conn
	for range count {
		c, err := net.Dial("tcp", b.l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, c)
	}
	return all
}

type maker func(l *Ledger, conns []net.Conn, each int, parties ...Parties) *Load

// route is what two sides of a proxy record, in one row and in two.
const route = "Record-Route: <sip:in.example;lr>, <sip:out.example;lr>\r\nRecord-Route: <sip:first.example;lr>\r\n"

func TestEveryRequestHasItsAnswer(t *testing.T) {
	for name, tt := range map[string]struct {
		make  maker
		steps uint32
	}{
		"messages": {Messages, 1},
		"calls":    {Calls, 3},
	} {
		t.Run(name, func(t *testing.T) {
			var inDialog string
			b := newBed(t, func(m []byte) []byte {
				switch m[0] {
				case 'I':
					i := strings.Index(string(m), "\r\n") + 2
					return []byte(string(m[:i]) + route + string(m[i:]))
				case 'A', 'B':
					inDialog = string(m)
				}
				return m
			}, nil)
			l := tt.make(b.ledger, b.dial(t, 1), 4, partner())
			defer l.Close()
			ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
			defer cancel()
			if err := l.Flat(ctx); err != nil {
				t.Fatal(err)
			}
			if err := l.Drain(t.Context()); err != nil {
				t.Fatal(err)
			}
			if got, want := b.ledger.Arrived(), l.Received()*tt.steps; got != want || got == 0 {
				t.Errorf("%d requests arrived, want %d", got, want)
			}
			l.Keep(1)
			if err := l.Paced(t.Context(), 1000, 20); err != nil {
				t.Fatal(err)
			}
			if err := l.Drain(t.Context()); err != nil {
				t.Fatal(err)
			}
			if n := len(l.Latencies()); n != 20 {
				t.Errorf("%d latencies, want 20", n)
			}
			if err := b.sink.Err(); err != nil {
				t.Error(err)
			}
			const back = "Route: <sip:first.example;lr>\r\nRoute: <sip:out.example;lr>\r\nRoute: <sip:in.example;lr>\r\n"
			if name == "calls" && (!strings.Contains(inDialog, back) || !strings.HasPrefix(inDialog, "BYE sip:bob@127.0.0.1:")) {
				t.Errorf("a BYE that does not follow the route:\n%s", inDialog)
			}
		})
	}
}

func TestFaultsAreErrors(t *testing.T) {
	twice := func(m []byte) []byte { return append(m, m...) }
	for name, tt := range map[string]struct {
		make                maker
		requests, responses func([]byte) []byte
		want                string // in the error of the load or the sink
	}{
		"request twice":  {Messages, twice, nil, "arrived twice"},
		"answer twice":   {Messages, nil, twice, "has had one"},
		"INVITE's twice": {Calls, nil, twice, "a second answer to INVITE"},
		"refused": {Messages, nil, func(m []byte) []byte {
			return []byte(strings.Replace(string(m), "200 OK", "503 Full", 1))
		}, "SIP/2.0 503 Full"},
		"somebody else's": {Messages, nil, func(m []byte) []byte {
			return []byte(strings.Replace(string(m), "Call-ID: 0", "Call-ID: 7", 1))
		}, "was never sent here"},
		"ACK lost": {Calls, func(m []byte) []byte {
			if m[0] == 'A' {
				return []byte("\r\n\r\n") // a ping instead
			}
			return m
		}, nil, "the one before it did not"},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBed(t, tt.requests, tt.responses)
			l := tt.make(b.ledger, b.dial(t, 1), 1, partner())
			defer l.Close()
			_ = l.Paced(t.Context(), 1000, 3) // fails, or is followed by what fails
			err := l.Drain(t.Context())
			text := ""
			for _, e := range []error{err, b.sink.Err()} {
				if e != nil {
					text += e.Error()
				}
			}
			if !strings.Contains(text, tt.want) {
				t.Errorf("errors %q, want one about %q", text, tt.want)
			}
		})
	}
}

func TestTolerantLoadsCount(t *testing.T) {
	b := newBed(t, nil, func(m []byte) []byte {
		if m[bytes.Index(m, []byte("Call-ID: "))+9+digits-1] != '0' { // of number 0 only
			return m
		}
		return bytes.Repeat(bytes.Replace(m, []byte("200 OK"), []byte("477 No"), 1), 2)
	})
	l := Messages(b.ledger, b.dial(t, 2), 1, partner())
	defer l.Close()
	l.Tolerate()
	if err := l.Burst(8); err != nil {
		t.Fatal(err)
	}
	if err := l.Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	if l.Received() != 8 || l.Served() != 7 || l.Surplus() != 1 {
		t.Errorf("%d answered, %d with 200, %d too many; want 8, 7, 1", l.Received(), l.Served(), l.Surplus())
	}
}

func TestAnswersThatDoNotComeAreAnError(t *testing.T) {
	near, far := net.Pipe()
	go func() { _, _ = io.Copy(io.Discard, far) }()
	l := Messages(NewLedger(), []net.Conn{near}, 1, partner())
	defer l.Close()
	if err := l.Paced(t.Context(), 1000, 2); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := l.Drain(ctx); err == nil || !strings.Contains(err.Error(), "2 requests have no final answer") {
		t.Errorf("error %v, want one about two lost answers", err)
	}
}

func TestMessageLooksLikeTraffic(t *testing.T) {
	text := string(partner().message().append(nil, 0xab))
	_, body, _ := strings.Cut(text, "\r\n\r\n")
	if len(body) != BodyBytes || strings.Count(text, "000000ab") != 3 {
		t.Errorf("a body of %d bytes, or a number missing:\n%s", len(body), text)
	}
	if len(text) < 410 || len(text) > 450 {
		t.Errorf("%d bytes, want about 430", len(text))
	}
}

func TestScannerCutsAnywhere(t *testing.T) {
	p := partner()
	all := "\r\n\r\n" + string(p.message().append(nil, 1)) + "\r\n" + string(p.invite().append(nil, 2))
	for cut := range all {
		near, far := net.Pipe()
		go func() {
			for _, piece := range []string{all[:cut], all[cut:]} {
				_, _ = io.WriteString(far, piece)
			}
			far.Close()
		}()
		pings := 0
		s := newScanner(near, func() error { pings++; return nil })
		for want := range uint32(2) {
			m, err := s.next()
			if err != nil {
				t.Fatalf("cut at %d: %v", cut, err)
			}
			if n, err := number(m); err != nil || n != want+1 {
				t.Fatalf("cut at %d: message %d, error %v, want %d", cut, n, err, want+1)
			}
		}
		if pings != 1 {
			t.Errorf("cut at %d: %d pings, want 1", cut, pings)
		}
		near.Close()
	}
}
