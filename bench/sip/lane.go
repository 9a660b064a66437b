package sip

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// lane is one connection of a Load, with the requests under way on it.
type lane struct {
	load     *Load
	conn     net.Conn
	to       string
	first    form // MESSAGE or INVITE
	ack, bye form
	calls    bool
	got      atomic.Uint32

	mu        sync.Mutex
	waiting   map[uint32]state
	buf       []byte
	latencies []time.Duration // the reader's, but between phases
}

// state of a request, or of a call.
type state struct {
	since    time.Duration
	answered bool // a call: its INVITE was, and BYE is under way
}

func newLane(l *Load, c net.Conn, p Parties, calls bool) *lane {
	one := &lane{load: l, conn: c, to: p.To, first: p.message(), calls: calls, waiting: map[uint32]state{}}
	if calls {
		one.first, one.ack, one.bye = p.invite(), p.inDialog("ACK", 1), p.inDialog("BYE", 2)
	}
	return one
}

// open sends a new request.
func (l *lane) open() error {
	n, err := l.load.ledger.take()
	if err != nil {
		return err
	}
	l.load.under.Add(1)
	now := time.Since(l.load.begin)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.waiting[n] = state{since: now}
	return l.write(l.first.append(l.buf[:0], n))
}

// write sends one message in a record of its own, under the lock.
func (l *lane) write(b []byte) error {
	l.buf = b
	_, err := l.conn.Write(b)
	return err
}

// receive takes answers until the connection ends.
func (l *lane) receive() {
	in := newScanner(l.conn, func() error {
		l.mu.Lock()
		defer l.mu.Unlock()
		_, err := io.WriteString(l.conn, "\r\n")
		return err
	})
	for {
		m, err := in.next()
		if err == nil {
			err = l.answered(m)
		}
		if err == nil {
			continue
		}
		if !l.load.closing.Load() {
			l.load.fail(fmt.Errorf("connection to %v: %w", l.conn.RemoteAddr(), err))
		}
		return
	}
}

// answered takes one response. Every request gets one that is final, and it is 200
// unless the load tolerates others.
func (l *lane) answered(m []byte) error {
	code, err := status(m)
	if err != nil {
		return err
	}
	if code < 200 {
		return nil
	}
	n, err := number(m)
	if err != nil {
		return err
	}
	if code != 200 && !l.load.tolerant.Load() {
		return fmt.Errorf("%.300s", m)
	}
	more, err := l.settle(n, m)
	if errors.Is(err, errSurplus) && l.load.tolerant.Load() {
		l.load.surplus.Add(1)
		return nil
	}
	if err != nil || more {
		return err
	}
	if code != 200 {
		l.load.refused.Add(1)
	}
	l.got.Add(1)
	l.load.finished()
	if l.load.flat.Load() {
		return l.open()
	}
	return nil
}

// errSurplus is an answer too many.
var errSurplus = errors.New("a final answer to what has had one or was never sent here")

// settle notes the answer to request n; a call goes on after that of its INVITE.
func (l *lane) settle(n uint32, m []byte) (more bool, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s, ok := l.waiting[n]
	if !ok {
		return false, fmt.Errorf("%w: to %d", errSurplus, n)
	}
	if l.load.keeping.Load() && !s.answered {
		l.latencies = append(l.latencies, time.Since(l.load.begin)-s.since)
	}
	if !l.calls || s.answered {
		if s.answered && method(m)[0] != 'B' {
			return false, fmt.Errorf("call %d: a second answer to INVITE", n)
		}
		delete(l.waiting, n)
		return false, nil
	}
	s.answered = true
	l.waiting[n] = s
	return true, l.complete(n, m)
}

// complete sends ACK and BYE along the route that the 200 of an INVITE has
// recorded (RFC 3261 §12.1.2: its Record-Route values in reverse order).
func (l *lane) complete(n uint32, m []byte) error {
	target := value(m, "\r\nContact: <")
	end := bytes.IndexByte(target, '>')
	to := value(m, "\r\nTo: ")
	if end < 0 || to == nil {
		return fmt.Errorf("no Contact or To in %.1000q", m)
	}
	var route [][]byte
	for line := range lines(m) {
		if rest, ok := bytes.CutPrefix(line, []byte("Record-Route: ")); ok {
			route = append(route, rest) // one or more values, with the end of the line
		}
	}
	for _, r := range []struct {
		method string
		form   form
	}{{"ACK", l.ack}, {"BYE", l.bye}} {
		b := append(append(append(append(l.buf[:0], r.method...), " "...), target[:end]...), " SIP/2.0\r\n"...)
		b = append(append(append(r.form.append(b, n), "To: "...), to...), "\r\n"...)
		b = appendRoute(b, route)
		if err := l.write(append(b, "\r\n"...)); err != nil {
			return err
		}
	}
	return nil
}

// appendRoute appends the values of Record-Route rows as Route, last first.
func appendRoute(dst []byte, rows [][]byte) []byte {
	for _, row := range slices.Backward(rows) {
		row = bytes.TrimSuffix(row, []byte("\r\n"))
		for len(row) > 0 {
			comma := bytes.LastIndexByte(row, ',')
			dst = append(append(append(dst, "Route: "...), bytes.TrimSpace(row[comma+1:])...), "\r\n"...)
			row = row[:max(comma, 0)]
		}
	}
	return dst
}
