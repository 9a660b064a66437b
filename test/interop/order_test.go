package interop

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"strings"
	"testing"
	"time"
)

// TestOrderIsKept sends many messages at once on a fresh connection, while edged
// has yet to find and dial the other side: they arrive in the order they were
// sent. An ACK that is overtaken by the next request breaks a call.
func TestOrderIsKept(t *testing.T) {
	for name, way := range map[string]struct{ from, to, edge, host, far string }{
		"in":  {"bob@fabrikam.com", "carol@contoso.com", "sip.contoso.com", "sip.fabrikam.com", "fe1.corp.contoso.com"},
		"out": {"carol@contoso.com", "bob@fabrikam.com", "edge.corp.contoso.com", "fe1.corp.contoso.com", "sip.fabrikam.com"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.startDNS(t)
			near, far := w.roots, w.inside
			if name == "out" {
				near, far = far, near
			}
			received := w.recorder(t, way.far, w.issue(t, far, way.far, "pool.corp.contoso.com"), far)
			w.startEdge(t, edgeSpec{})
			conn, err := tls.Dial("tcp", w.place(way.edge).String(), &tls.Config{
				Certificates: []tls.Certificate{w.issue(t, near, way.host, "pool.corp.contoso.com").TLS},
				RootCAs:      near.pool, ServerName: way.edge,
			})
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
				t.Fatal(err)
			}
			const many = 500
			go sendNumbered(conn, many, way.from, way.to)
			wantNumbered(t, received, many)
		})
	}
}

// sendNumbered writes the messages one after the other, and reads the answers.
// What fails shows at the far side.
func sendNumbered(conn *tls.Conn, many int, from, to string) {
	go func() {
		for r := bufio.NewReader(conn); ; {
			if _, err := readMessage(r); err != nil {
				return
			}
		}
	}()
	for i := range many {
		_, err := fmt.Fprintf(conn, "MESSAGE sip:%[3]s SIP/2.0\r\n"+
			"Via: SIP/2.0/TLS order.test;branch=z9hG4bKorder%[1]d\r\n"+
			"From: <sip:%[2]s>;tag=order\r\nTo: <sip:%[3]s>\r\nCall-ID: order@interop.test\r\n"+
			"CSeq: %[1]d MESSAGE\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n", i+1, from, to)
		if err != nil {
			return
		}
	}
}

func wantNumbered(t *testing.T, received <-chan []byte, many int) {
	t.Helper()
	for i := range many {
		select {
		case m := <-received:
			if want := fmt.Sprintf("CSeq: %d MESSAGE\r\n", i+1); !strings.Contains(string(m), want) {
				t.Fatalf("received, where %q was next:\n%s", want, m)
			}
		case <-soon(t).Done():
			t.Fatalf("%d of %d messages received", i, many)
		}
	}
}
