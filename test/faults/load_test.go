package faults

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// tally counts what becomes of requests, each by its number.
type tally struct {
	*testing.T
	fates []fate
	next  atomic.Int64 // number of the next request
	due   atomic.Int64 // requests without a final answer
	start time.Time
	odd   sync.Map // what nobody asked for, by text
}

// fate is what became of one request.
type fate struct {
	sent, answered   atomic.Int64 // since the start, in nanoseconds
	finals, arrivals atomic.Int32
	status           atomic.Int32
}

func newTally(t *testing.T, most int) *tally {
	t.Helper()
	return &tally{T: t, fates: make([]fate, most), start: time.Now()}
}

// fate finds a request by its Call-ID.
func (t *tally) fate(callID string) *fate {
	text, _, _ := strings.Cut(strings.TrimPrefix(callID, "load-"), "@")
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 || n >= len(t.fates) {
		t.odd.Store("Call-ID "+callID, true)
		return new(fate)
	}
	return &t.fates[n]
}

// stray notes what must not be.
func (t *tally) stray(format string, args ...any) { t.odd.Store(fmt.Sprintf(format, args...), true) }

// head is what the tests under load read of a message.
type head struct {
	start, callID, to string
	echo              []byte // the rows that a response repeats
}

// status is that of a response, 0 for a request.
func (h *head) status() int {
	rest, ok := strings.CutPrefix(h.start, "SIP/2.0 ")
	if !ok {
		return 0
	}
	n, _ := strconv.Atoi(rest[:min(3, len(rest))])
	return n
}

// readHead reads a message and drops its body.
func readHead(r *bufio.Reader) (h head, err error) {
	length := 0
	for {
		row, err := r.ReadSlice('\n')
		if err != nil {
			return h, err
		}
		line := string(bytes.TrimRight(row, "\r\n"))
		name, value, _ := strings.Cut(line, ": ")
		switch {
		case h.start == "":
			h.start = line // "" for what keeps alive
		case line == "":
			_, err := r.Discard(length)
			return h, err
		case name == "Content-Length":
			length, err = strconv.Atoi(value)
			if err != nil {
				return h, err
			}
		case name == "To":
			h.to = value
		case name == "Call-ID":
			h.callID = value
			h.echo = append(h.echo, row...)
		case name == "Via", name == "From", name == "CSeq":
			h.echo = append(h.echo, row...)
		}
	}
}

// sink is a server that answers every request with 200 and counts it.
type sink struct {
	tally *tally
	tls   *tls.Config
	addr  string
	count atomic.Int64
	hangs atomic.Bool // it reads no more

	mu   sync.Mutex
	ln   net.Listener
	open map[net.Conn]bool
	work sync.WaitGroup
}

// sink starts one with the certificate of a server, and in its place.
func (s *server) sink(t *tally) *sink {
	t.Helper()
	k := &sink{tally: t, addr: "127.0.0.1:0", open: map[net.Conn]bool{}, tls: &tls.Config{
		Certificates: []tls.Certificate{s.cert}, ClientAuth: tls.RequireAnyClientCert,
	}}
	k.revive()
	t.Cleanup(k.kill)
	return k
}

func (k *sink) port() uint16 { return k.ln.Addr().(*net.TCPAddr).AddrPort().Port() }

// revive listens, again where it was before.
func (k *sink) revive() {
	k.tally.Helper()
	ln, err := net.Listen("tcp", k.addr)
	if err != nil {
		k.tally.Fatal(err)
	}
	k.mu.Lock()
	k.ln, k.addr = ln, ln.Addr().String()
	k.mu.Unlock()
	k.work.Go(func() {
		for {
			raw, err := ln.Accept()
			if err != nil {
				return
			}
			k.mu.Lock()
			k.open[raw] = true
			k.mu.Unlock()
			k.work.Go(func() { k.serve(raw) })
		}
	})
}

// kill ends it as kill -9 ends a process: what has not been read is answered by a
// reset.
func (k *sink) kill() {
	defer k.work.Wait()
	defer k.hangs.Store(false)
	k.mu.Lock()
	defer k.mu.Unlock()
	k.ln.Close()
	for raw := range k.open {
		raw.Close()
	}
	clear(k.open)
}

func (k *sink) serve(raw net.Conn) {
	defer raw.Close()
	conn := tls.Server(raw, k.tls)
	r := bufio.NewReaderSize(conn, 64<<10)
	var out []byte
	for {
		h, err := readHead(r)
		for k.hangs.Load() {
			pause(time.Millisecond)
		}
		if err != nil {
			return
		}
		switch {
		case h.start == "":
		case h.status() > 0:
			k.tally.stray("a response at a sink: %s", h.start)
		default:
			k.count.Add(1)
			k.tally.fate(h.callID).arrivals.Add(1)
			out = append(append(append(out, "SIP/2.0 200 OK\r\n"...), h.echo...), "To: "+h.to+";tag=sink\r\nContent-Length: 0\r\n\r\n"...)
		}
		if r.Buffered() == 0 && len(out) > 0 {
			if _, err := conn.Write(out); err != nil {
				return
			}
			out = out[:0]
		}
	}
}

// source sends requests over a connection of its own.
type source struct {
	tally  *tally
	conn   *tls.Conn
	sentBy string
	from   string
	to     func(n int64) string
	ended  chan struct{} // closed when nothing can be read any more
	buf    []byte
}

// source connects a server to the edge, to send messages between users.
func (e *edge) source(t *tally, host, from string, to func(n int64) string) *source {
	e.Helper()
	s, at := e.servers[host], e.addr+":5061"
	if strings.HasPrefix(host, "fe") {
		at = e.addr + ":5062"
	}
	conn, err := tls.Dial("tcp", at, &tls.Config{Certificates: []tls.Certificate{s.cert}, InsecureSkipVerify: true})
	if err != nil {
		e.Fatal(err)
	}
	src := &source{tally: t, conn: conn, sentBy: host + ":5061", from: from, to: to, ended: make(chan struct{})}
	go src.read()
	e.Cleanup(func() {
		conn.Close()
		<-src.ended
	})
	return src
}

// read takes what the edge says, which is answers.
func (s *source) read() {
	defer close(s.ended)
	r := bufio.NewReaderSize(s.conn, 64<<10)
	for {
		h, err := readHead(r)
		if err != nil {
			if !errors.Is(err, io.EOF) && !errors.Is(err, net.ErrClosed) {
				s.tally.stray("the edge broke a connection: %v", err)
			}
			return
		}
		switch status := h.status(); {
		case h.start == "" || status/100 == 1:
		case status == 0:
			s.tally.stray("a request at a source: %s", h.start)
		default:
			f := s.tally.fate(h.callID)
			f.status.Store(int32(status))
			f.answered.Store(int64(time.Since(s.tally.start)))
			if f.finals.Add(1) == 1 {
				s.tally.due.Add(-1)
			}
		}
	}
}

// send sends so many messages in one write.
func (s *source) send(count int) error {
	s.buf = s.buf[:0]
	for range count {
		n := s.tally.next.Add(1) - 1
		if n >= int64(len(s.tally.fates)) {
			return errors.New("the tally is full")
		}
		s.tally.due.Add(1)
		s.tally.fates[n].sent.Store(int64(time.Since(s.tally.start)))
		to := s.to(n)
		s.buf = fmt.Appendf(s.buf, "MESSAGE sip:%s SIP/2.0\r\nVia: SIP/2.0/TLS %s;branch=z9hG4bKload%d\r\nMax-Forwards: 70\r\n"+
			"From: <sip:%s>;tag=t%d\r\nTo: <sip:%s>\r\nCall-ID: load-%d@%s\r\nCSeq: 1 MESSAGE\r\n"+
			"Content-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello", to, s.sentBy, n, s.from, n, to, n, s.from)
	}
	_, err := s.conn.Write(s.buf)
	return err
}

// window is how many requests are under way at most: a machine that is too slow
// for the rate gets fewer, not a pile of them.
const window = 4000

// flow has the sources send together at a rate for a while.
func (t *tally) flow(perSecond int, d time.Duration, sources ...*source) {
	t.Helper()
	var all sync.WaitGroup
	for _, s := range sources {
		all.Go(func() {
			begin, sent := time.Now(), 0
			for time.Since(begin) < d {
				due := int(time.Since(begin).Seconds()*float64(perSecond)/float64(len(sources))) - sent
				if room := window - int(t.due.Load()); due > 0 && room > 0 {
					if err := s.send(min(due, room, 50)); err != nil {
						t.stray("a source cannot send: %v", err)
						return
					}
					sent += min(due, room, 50)
					continue
				}
				pause(2 * time.Millisecond)
			}
		})
	}
	all.Wait()
}

// settle waits for the answers that are still due, and a moment more for those
// that are too much.
func (t *tally) settle() {
	t.Helper()
	for late := time.Now().Add(patience); t.due.Load() > 0 && time.Now().Before(late); {
		pause(20 * time.Millisecond)
	}
	pause(500 * time.Millisecond)
}

// judge wants exactly one final answer to each request, no status but those
// named, and every request at a server once, if it was answered with 200, and
// never twice. It returns how often each status was seen.
func (t *tally) judge(statuses ...int) map[int]int {
	t.Helper()
	seen := map[int]int{}
	var took []time.Duration
	for n := range t.fates[:t.next.Load()] {
		f := &t.fates[n]
		status, finals, arrivals := int(f.status.Load()), f.finals.Load(), f.arrivals.Load()
		seen[status]++
		took = append(took, time.Duration(f.answered.Load()-f.sent.Load()))
		if finals != 1 || arrivals > 1 || status == 200 && arrivals != 1 || !slices.Contains(statuses, status) {
			t.stray("request answered %d times, the last with %d, and delivered %d times", finals, status, arrivals)
		}
	}
	t.odd.Range(func(text, _ any) bool {
		t.Error(text)
		return true
	})
	slices.Sort(took)
	if len(took) > 0 {
		t.Logf("%d requests, by status %v; p50 %v, p99 %v, longest %v", len(took), seen,
			took[len(took)/2], took[len(took)*99/100], took[len(took)-1])
	}
	return seen
}
