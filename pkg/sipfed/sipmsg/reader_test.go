package sipmsg_test

import (
	"errors"
	"io"
	"os"
	"strings"
	"testing"
	"testing/iotest"

	"edged/pkg/sipfed/sipmsg"
)

func TestPipelined(t *testing.T) { // F2
	one := newDraft().text("hello").String()
	events, _ := readAll(strings.NewReader(strings.Repeat(one, 100)), sipmsg.DefaultLimits())
	if len(events) != 101 {
		t.Fatalf("%d messages, want 100", len(events)-1)
	}
	for _, e := range events[:100] {
		if e.Raw != one || e.Err != "" {
			t.Fatalf("got %+v", e)
		}
	}
}

func TestPing(t *testing.T) { // T18
	one := newDraft().String()
	tests := []struct {
		name, input string
		pings       int
	}{
		{"none", one + one, 0},
		{"single CRLF", one + "\r\n" + one, 0},
		{"ping", one + "\r\n\r\n" + one, 1},
		{"ping and CRLF", "\r\n\r\n\r\n" + one, 1},
		{"two pings", "\r\n\r\n\r\n\r\n", 2},
		{"CRLF around a message", "\r\n" + one + "\r\n", 0},
		{"empty lines in a body", newDraft().text("\r\n\r\n\r\n\r\n").String(), 0},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			for _, src := range []io.Reader{strings.NewReader(test.input), iotest.OneByteReader(strings.NewReader(test.input))} {
				events, pings := readAll(src, smallLimits)
				if last := events[len(events)-1]; pings != test.pings || last.ErrClass != "io" {
					t.Errorf("%d pings, want %d; %+v", pings, test.pings, last)
				}
			}
		})
	}
}

// TestPong: the first CRLF after a ping of ours is its answer, and no half of
// somebody else's ping.
func TestPong(t *testing.T) {
	one := newDraft().String()
	tests := []struct {
		name, input  string
		asked, pings int // pings of ours, and of the peer
	}{
		{"two pongs", "\r\n\r\n", 2, 0},
		{"pong and ping", "\r\n\r\n\r\n", 1, 1},
		{"pong, message, ping", "\r\n" + one + "\r\n\r\n", 1, 1},
		{"message, pong", one + "\r\n", 1, 0},
		{"ping, nothing asked", "\r\n\r\n", 0, 1},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			asked, pings := test.asked, 0
			r := sipmsg.NewReader(strings.NewReader(test.input), smallLimits)
			r.OnPing = func() { pings++ }
			r.Pong = func() bool { asked--; return asked >= 0 }
			for {
				if _, err := r.Next(); err != nil {
					break
				}
			}
			if pings != test.pings || asked > 0 {
				t.Errorf("%d pings, want %d; %d without an answer", pings, test.pings, asked)
			}
		})
	}
}

func TestOnStart(t *testing.T) {
	one := newDraft().text("hello").String()
	tests := []struct {
		name   string
		input  segments
		starts int
	}{
		{"whole messages", segments{one, one}, 0},
		{"more than one read brings", segments{one + one, one}, 1},
		{"pings", segments{"\r\n", "\r\n\r", "\n"}, 0},
		{"headers in three parts", segments{one[:1], one[1:50], one[50:]}, 1},
		{"body in parts", segments{one[:len(one)-3], one[len(one)-3 : len(one)-1], one[len(one)-1:]}, 1},
		{"tail of a segment", segments{one + one[:9], one[9:]}, 1},
		{"each message", segments{one[:9], one[9:] + one[:9], one[9:]}, 2},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			starts := 0
			r := sipmsg.NewReader(&test.input, smallLimits)
			r.OnStart = func() { starts++ }
			for {
				if _, err := r.Next(); err != nil {
					break
				}
			}
			if starts != test.starts {
				t.Errorf("%d starts, want %d", starts, test.starts)
			}
		})
	}
}

// flaky fails once with a passed deadline before each read.
type flaky struct {
	src   io.Reader
	ready bool
}

func (f *flaky) Read(b []byte) (int, error) {
	if f.ready = !f.ready; f.ready {
		return 0, os.ErrDeadlineExceeded
	}
	return f.src.Read(b)
}

// TestResume reads on after errors that pass.
func TestResume(t *testing.T) {
	want := newDraft().text("hello").String()
	r := sipmsg.NewReader(&flaky{src: iotest.OneByteReader(strings.NewReader(want))}, smallLimits)
	for {
		m, err := r.Next()
		if errors.Is(err, os.ErrDeadlineExceeded) {
			continue
		}
		if err != nil || string(m.Raw) != want {
			t.Fatalf("got %v", err)
		}
		return
	}
}

// TestLostForGood: after a framing error nothing is read any more.
func TestLostForGood(t *testing.T) {
	r := sipmsg.NewReader(strings.NewReader(lengths("x").raw()+newDraft().String()), smallLimits)
	_, first := r.Next()
	m, second := r.Next()
	if m != nil || second == nil || !errors.Is(second, first) {
		t.Errorf("first %v, then %v %v", first, m, second)
	}
}

// hungry counts what a Reader asks for and takes.
type hungry struct {
	head string
	took int
}

func (h *hungry) Read(b []byte) (int, error) {
	n := copy(b, h.head)
	h.head = h.head[n:]
	for i := n; i < len(b); i++ {
		b[i] = 'x'
	}
	h.took += len(b)
	return len(b), nil
}

// TestBoundedBuffer is F7 with the default limits: an endless sender is cut off
// after little more than the limit.
func TestBoundedBuffer(t *testing.T) {
	lim := sipmsg.DefaultLimits()
	tests := map[string]struct {
		head  string
		bound int
	}{
		"endless start line": {"MESSAGE ", 2 * lim.Headers},
		"endless line":       {"MESSAGE sip:b@c SIP/2.0\r\nVia: ", 2 * lim.Line},
		"announced body":     {lengths("1048577").raw(), lim.Line},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			src := &hungry{head: test.head}
			_, err := sipmsg.NewReader(src, lim).Next()
			var framing *sipmsg.FramingError
			if !errors.As(err, &framing) || src.took > test.bound {
				t.Errorf("took %d bytes, want at most %d: %v", src.took, test.bound, err)
			}
		})
	}
}

// TestLargeBody grows with what arrives and needs no room for what is announced.
func TestLargeBody(t *testing.T) {
	body := strings.Repeat("0123456789abcdef", 1<<16)
	want := newDraft().text(body).String()
	m, err := sipmsg.NewReader(strings.NewReader(want), sipmsg.DefaultLimits()).Next()
	if err != nil || string(m.Raw) != want || string(m.Body) != body {
		t.Fatalf("got %v", err)
	}
}

func TestPool(t *testing.T) {
	first, second := newDraft().text("hello").String(), newDraft().start("OPTIONS sip:x SIP/2.0").with("CSeq: 2 OPTIONS").String()
	r := sipmsg.NewReader(strings.NewReader(first+second), sipmsg.DefaultLimits())
	r.Pool = new(sipmsg.Pool)
	for _, want := range []string{first, second} {
		m, err := r.Next()
		if err != nil || string(m.Raw) != want {
			t.Fatalf("got %v", err)
		}
		m.Release()
	}
	(*sipmsg.Message)(nil).Release()
	parse(t, first).Release()
}

// TestPoolWaitsForAllHolders: a message is somebody's until the last one lets it go.
func TestPoolWaitsForAllHolders(t *testing.T) {
	text := newDraft().text("hello").String()
	r := sipmsg.NewReader(strings.NewReader(text), sipmsg.DefaultLimits())
	r.Pool = &sipmsg.Pool{Poison: true}
	m, err := r.Next()
	if err != nil {
		t.Fatal(err)
	}
	raw := m.Raw
	m.Retain()
	m.Release()
	if string(raw) != text {
		t.Errorf("one holder is left, and reads %q", raw)
	}
	m.Release()
	if string(raw) == text {
		t.Error("nobody is left, and nothing was overwritten")
	}
}

// greedy records how much room each read offers.
type greedy struct {
	segments
	room []int
}

func (g *greedy) Read(b []byte) (int, error) {
	g.room = append(g.room, len(b))
	return g.segments.Read(b)
}

// TestMemoryFollowsArrival: neither an announced body nor a large header section
// of the past makes an idle or slow connection hold much.
func TestMemoryFollowsArrival(t *testing.T) {
	const idle, ahead = 512, 16 << 10
	large := newDraft()
	for range 40 {
		large.add("X: " + strings.Repeat("x", 1000))
	}
	src := &greedy{segments: segments{large.String(), lengths("1000000").raw(), strings.Repeat("x", 9<<10)}}
	r := sipmsg.NewReader(src, sipmsg.DefaultLimits())
	if _, err := r.Next(); err != nil {
		t.Fatal(err)
	}
	before := len(src.room)
	if _, err := r.Next(); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Fatal(err)
	}
	if after := src.room[before:]; after[0] != idle || after[1] != ahead {
		t.Errorf("room offered: %v", after)
	}
}

// TestAllocations holds the budget: the message and its bytes.
func TestAllocations(t *testing.T) {
	lim, text := sipmsg.DefaultLimits(), odd().String()
	raw, m := []byte(text), parse(t, text)
	r := sipmsg.NewReader(strings.NewReader(strings.Repeat(text, 200)), lim)
	var s sipmsg.Splice
	var out []byte
	var values []sipmsg.Value
	tests := []struct {
		name string
		max  float64
		run  func()
	}{
		{"Parse", 1, func() { _, _ = sipmsg.Parse(raw, lim) }},
		{"Reader", 2, func() { _, _ = r.Next() }},
		{"Splice", 0, func() {
			s.Reset(m)
			s.Insert(m.HeadersStart(), "Via: SIP/2.0/TLS edge;branch=z9hG4bK", "0123456789\r\n")
			values = m.Values(sipmsg.Route, values[:0])
			s.DropValue(values[0])
			out = s.AppendTo(out[:0])
		}},
		{"AppendResponse", 0, func() { out = sipmsg.AppendResponse(out[:0], m, 403, "Forbidden", "e1", "X: y") }},
	}
	for _, test := range tests {
		if got := testing.AllocsPerRun(100, test.run); got > test.max {
			t.Errorf("%s: %v allocations, want at most %v", test.name, got, test.max)
		}
	}
}
