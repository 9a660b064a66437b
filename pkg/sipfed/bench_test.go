package sipfed

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"edged/internal/lab/ca"
	"edged/pkg/domain"
)

// BenchmarkRelay is a MESSAGE from a partner to the pool and its 200 back, over TLS on
// loopback sockets, with 16 connections and 8 requests under way on each. Sender and
// pool are in the same process, so only a profile tells whose time it is; `make bench`
// measures the edge alone.
func BenchmarkRelay(b *testing.B) {
	const conns, underWay = 16, 8
	s, outside := benchServer(b)
	_ = s
	var left atomic.Int64
	left.Store(int64(b.N))
	b.ReportAllocs()
	start := cpuTime()
	b.ResetTimer()
	var all sync.WaitGroup
	for i := range conns {
		sock := benchDial(b, outside)
		all.Go(func() { benchSend(b, sock, i, underWay, &left) })
	}
	all.Wait()
	b.ReportMetric(float64(cpuTime()-start)/float64(b.N), "cpu-ns/op")
}

// cpuTime is what this process has used so far: it tells more than the clock where
// others are at work.
func cpuTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkCall is an INVITE, its 200, ACK, BYE and its 200, one call at a time on each
// of 16 connections.
func BenchmarkCall(b *testing.B) {
	_, outside := benchServer(b)
	var left atomic.Int64
	left.Store(int64(b.N))
	b.ReportAllocs()
	start := cpuTime()
	b.ResetTimer()
	var all sync.WaitGroup
	for i := range 16 {
		sock := benchDial(b, outside)
		all.Go(func() { benchCall(b, sock, i, &left) })
	}
	all.Wait()
	b.ReportMetric(float64(cpuTime()-start)/float64(b.N), "cpu-ns/op")
}

func benchCall(b *testing.B, sock *tls.Conn, conn int, left *atomic.Int64) {
	b.Helper()
	defer sock.Close()
	r := bufio.NewReader(sock)
	final := func() []byte {
		for {
			head, _, err := benchRead(r)
			if err != nil || bytes.HasPrefix(head, []byte("SIP/2.0 2")) {
				return head
			}
		}
	}
	for n := 0; left.Add(-1) >= 0; n++ {
		write := func(method, kind, route string) {
			text := fmt.Sprintf("%s sip:alice@contoso.com SIP/2.0\r\nVia: SIP/2.0/TLS sip.fabrikam.com:5061;branch=z9hG4bK%s%d-%d\r\n%s"+
				"Max-Forwards: 69\r\nFrom: <sip:bob@fabrikam.com>;tag=a\r\nTo: <sip:alice@contoso.com>%s\r\nCall-ID: %d-%d\r\nCSeq: 1 %s\r\nContent-Length: 0\r\n\r\n",
				method, kind, conn, n, route, map[bool]string{true: ";tag=there"}[route != ""], conn, n, method)
			_, _ = io.WriteString(sock, text)
		}
		write("INVITE", "i", "")
		var route strings.Builder
		for line := range bytes.SplitAfterSeq(final(), []byte("\n")) {
			if v, ok := bytes.CutPrefix(line, []byte("Record-Route: ")); ok { // the last one is ours to use first
				rest := route.String()
				route.Reset()
				route.WriteString("Route: " + string(v) + rest)
			}
		}
		write("ACK", "a", route.String())
		write("BYE", "b", route.String())
		if len(final()) == 0 {
			b.Error("no answer to BYE")
			return
		}
	}
}

// benchServer is a Server on sockets, with a pool that answers everything.
func benchServer(b *testing.B) (*Server, string) {
	b.Helper()
	w := world()
	pool := must(net.Listen("tcp", "127.0.0.1:0"))
	b.Cleanup(func() { _ = pool.Close() })
	go func() {
		for {
			raw, err := pool.Accept()
			if err != nil {
				return
			}
			go benchPool(tls.Server(raw, &tls.Config{Certificates: []tls.Certificate{w.member.TLS}, ClientAuth: tls.RequireAnyClientCert}))
		}
	}()
	d := net.Dialer{}
	stand := &bed{world: w, ours: []domain.Name{domain.MustParse("contoso.com")}}
	s := must(New(Config{
		Log: slog.New(slog.DiscardHandler), Metrics: NewMetrics(prometheus.NewRegistry()),
		Dial: func(ctx context.Context, _ Side, _ netip.AddrPort) (net.Conn, error) {
			return d.DialContext(ctx, "tcp", pool.Addr().String())
		},
	}, stand.newState()))
	l := must(net.Listen("tcp", "127.0.0.1:0"))
	go func() { _ = s.Serve(External, l) }()
	b.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		s.Shutdown(ctx)
	})
	return s, l.Addr().String()
}

func benchDial(b *testing.B, addr string) *tls.Conn {
	b.Helper()
	return must(tls.Dial("tcp", addr, benchTLS(world().partner)))
}

func benchTLS(cert ca.Cert) *tls.Config {
	return &tls.Config{InsecureSkipVerify: true, GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
		return &cert.TLS, nil
	}}
}

const benchMessage = "MESSAGE sip:alice@contoso.com SIP/2.0\r\n" +
	"Via: SIP/2.0/TLS sip.fabrikam.com:5061;branch=z9hG4bK%d-%d\r\n" +
	"Max-Forwards: 69\r\nFrom: \"Bob\" <sip:bob@fabrikam.com>;tag=1928301774\r\nTo: <sip:alice@contoso.com>\r\n" +
	"Call-ID: %d-%d@fabrikam.com\r\nCSeq: 1 MESSAGE\r\nUser-Agent: bench\r\nContent-Type: text/plain\r\nContent-Length: 64\r\n\r\n" +
	"0123456789012345678901234567890123456789012345678901234567890123"

// benchSend keeps requests under way until none is left.
func benchSend(b *testing.B, sock *tls.Conn, conn, underWay int, left *atomic.Int64) {
	b.Helper()
	defer sock.Close()
	r, n, open := bufio.NewReader(sock), 0, 0
	for {
		var out []byte
		for open < underWay && left.Add(-1) >= 0 {
			n++
			open++
			out = fmt.Appendf(out, benchMessage, conn, n, conn, n)
		}
		if open == 0 {
			return
		}
		if len(out) > 0 {
			if _, err := sock.Write(out); err != nil {
				b.Error(err)
				return
			}
		}
		for {
			head, _, err := benchRead(r)
			if err != nil || !bytes.HasPrefix(head, []byte("SIP/2.0 200")) {
				b.Errorf("%v, %q", err, head)
				return
			}
			if open--; r.Buffered() == 0 {
				break
			}
		}
	}
}

// benchRead reads one message: its header section and its body.
func benchRead(r *bufio.Reader) (head, body []byte, err error) {
	length := 0
	for {
		line, err := r.ReadSlice('\n')
		if err != nil {
			return nil, nil, err
		}
		head = append(head, line...)
		if len(line) == 2 {
			break
		}
		if text, ok := bytes.CutPrefix(line, []byte("Content-Length: ")); ok {
			length, _ = strconv.Atoi(string(bytes.TrimSpace(text)))
		}
	}
	body = make([]byte, length)
	_, err = io.ReadFull(r, body)
	return head, body, err
}

// benchPool answers 200 to everything, all that has come in one write.
func benchPool(sock *tls.Conn) {
	defer sock.Close()
	r := bufio.NewReaderSize(sock, 16<<10)
	var out []byte
	for {
		head, _, err := benchRead(r)
		if err != nil {
			return
		}
		if bytes.HasPrefix(head, []byte("ACK")) {
			continue
		}
		out = append(out, "SIP/2.0 200 OK\r\n"...)
		for line := range bytes.SplitAfterSeq(head, []byte("\n")) {
			for _, name := range []string{"Via:", "Record-Route:", "From:", "To:", "Call-ID:", "CSeq:"} {
				if bytes.HasPrefix(line, []byte(name)) {
					out = append(out, line...)
				}
			}
		}
		out = append(out, "Content-Length: 0\r\n\r\n"...)
		if r.Buffered() > 0 {
			continue
		}
		if _, err := sock.Write(out); err != nil {
			return
		}
		out = out[:0]
	}
}
