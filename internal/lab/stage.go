package lab

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"edged/internal/lab/sippeer"
	"edged/pkg/verdict"
)

// playTimeout bounds one scenario, logTimeout the wait for its log line.
const (
	playTimeout = 15 * time.Second
	logTimeout  = 5 * time.Second
)

// show plays turns one after the other in one world.
type show struct {
	w       *World
	conns   map[string]*sippeer.Conn // by player
	dialogs map[string]*sippeer.Dialog
	streams map[string]kept  // by server
	last    *sippeer.Outcome // of the scenario before
	hidden  string           // the answer to the exchange before, without what differs between any two
}

func newShow(w *World) *show {
	return &show{w: w, conns: map[string]*sippeer.Conn{}, dialogs: map[string]*sippeer.Dialog{}, streams: map[string]kept{}}
}

// stage is what one scenario is played on. play fills in what it learns.
type stage struct {
	*show
	*scenario
	id string // Call-ID

	sent    *sippeer.Message
	outcome *sippeer.Outcome
	local   string // the sender's address, by which the edge logs what befalls a connection
	since   uint64 // what was logged before about another connection from there
	faults  []string
}

// result is what a scenario came to.
type result struct {
	From, To, Method, Kind string
	Allowed                bool
	Reason, Rule           string // as the edge logged them
	Wire                   string // what the sender saw
	Took                   time.Duration
	Wrong                  []string // how it differs from what the lab expects
}

// run plays one scenario and judges it.
func (sc *scenario) run(ctx context.Context, h *show) result {
	ctx, cancel := context.WithTimeout(ctx, playTimeout)
	defer cancel()
	s := &stage{show: h, scenario: sc, id: sippeer.NewCallID("lab")}
	begin := time.Now()
	sc.play(ctx, s)
	took := time.Since(begin)
	r := result{From: sc.from, To: sc.to, Method: sc.method, Kind: sc.kind, Wire: s.wire(), Took: took}
	s.readVerdict(ctx, &r)
	r.Wrong = s.judge(r)
	h.last = s.outcome
	return r
}

// fault notes something that is not as it should be.
func (s *stage) fault(format string, args ...any) {
	s.faults = append(s.faults, fmt.Sprintf(format, args...))
}

// send is how most scenarios are played: one request on the sender's connection.
func send(ctx context.Context, s *stage) {
	s.arrange()
	s.exchange(ctx, s.compose())
}

// arrange gives the destination its script.
func (s *stage) arrange() {
	if d := s.w.desks[s.desk()]; d != nil {
		d.Script(s.id, s.answer)
	}
}

// compose writes the scenario's request, outside any dialog.
func (s *stage) compose() *sippeer.Message {
	m := s.w.Peer(s.sender).Compose(sippeer.Request{
		Method: s.method, URI: "sip:" + s.to, CallID: s.id,
		From: "<sip:" + s.from + ">", To: "<sip:" + s.to + ">",
		Body: bodyOf(s.method), Type: typeOf(s.method),
	})
	if s.edit != nil {
		s.edit(m)
	}
	return m
}

// exchange sends a request on the sender's connection and waits for the end.
func (s *stage) exchange(ctx context.Context, m *sippeer.Message) {
	s.sent = m
	conn := s.line(ctx)
	if conn == nil {
		return
	}
	s.outcome = conn.Do(ctx, m)
	if conn.Err() == nil || len(s.outcome.Responses) > 0 {
		return
	}
	// A reload may have closed the connection under our hands: once more.
	if conn = s.line(ctx); conn != nil {
		s.outcome = conn.Do(ctx, m)
	}
}

// line returns the sender's connection to the edge, a new one if the old one has
// ended. If it cannot be had, line returns nil and that is the outcome.
func (s *stage) line(ctx context.Context) *sippeer.Conn {
	if c := s.conns[s.sender]; c != nil && c.Err() == nil {
		return c
	}
	c, err := s.w.Dial(ctx, s.sender)
	if err != nil {
		s.outcome = &sippeer.Outcome{Sent: s.sent, Err: err}
		return nil
	}
	s.conns[s.sender] = c
	return c
}

// readVerdict fills in what the edge logged.
func (s *stage) readVerdict(ctx context.Context, r *result) {
	ctx, cancel := context.WithTimeout(ctx, logTimeout)
	defer cancel()
	rec, ok := s.w.log.await(ctx, s.concerns)
	if !ok {
		r.Reason = "not logged"
		return
	}
	r.Reason, r.Rule = rec.Attrs["reason"], rec.Attrs["rule"]+rec.Attrs["result"]
	r.Allowed = r.Reason == verdict.Allowed.String()
}

// concerns picks the edge's log line about the scenario: by Call-ID, or by the
// sender's address where a connection ends.
func (s *stage) concerns(r Record) bool {
	if r.Attrs["reason"] == "" || r.seq <= s.since {
		return false
	}
	if s.want.conn != "" {
		return r.Attrs["peer_addr"] == s.local && r.Attrs["call_id"] == ""
	}
	return r.Attrs["call_id"] == s.id && r.Attrs["method"] == s.method
}

// noAnswer is what is shown where none came.
const noAnswer = "no answer"

// wire says what the sender saw.
func (s *stage) wire() string {
	switch o := s.outcome; {
	case o == nil:
		return "nothing sent"
	case o.Final() != nil:
		return answerText(o.Final())
	case errors.Is(o.Err, context.DeadlineExceeded), errors.Is(o.Err, context.Canceled):
		return noAnswer
	default:
		return endText(o.Err)
	}
}

func answerText(m *sippeer.Message) string {
	text := fmt.Sprint(m.Status())
	if id := diagnosticsID(m); id != 0 {
		text += fmt.Sprintf(" (inside %d)", id)
	}
	return text
}

// endText says how a connection ended.
func endText(err error) string {
	text := err.Error()
	if i := strings.LastIndex(text, "tls: "); i >= 0 {
		return "alert: " + text[i+len("tls: "):]
	}
	if errors.Is(err, io.EOF) || strings.Contains(text, "reset") || strings.Contains(text, "broken pipe") {
		return "closed"
	}
	return text
}

// diagnosticsID is the number in ms-diagnostics, or 0.
func diagnosticsID(m *sippeer.Message) int {
	var id int
	_, _ = fmt.Sscanf(m.Get("ms-diagnostics"), "%d", &id) // 0 is what an absent one reads as
	return id
}

// reached returns the names of the desks at which the scenario's request arrived.
func (s *stage) reached() []string {
	var names []string
	for name, d := range s.w.desks {
		if slices.ContainsFunc(d.Arrived(s.id), func(m *sippeer.Message) bool { return m.Method() == s.method }) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// The bodies that requests carry.
const (
	audio = "v=0\r\no=- 0 0 IN IP4 192.0.2.1\r\ns=call\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\nm=audio 49170 RTP/AVP 0\r\n"
	im    = "v=0\r\no=- 0 0 IN IP4 192.0.2.1\r\ns=session\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\nm=message 5060 sip null\r\n"
)

func bodyOf(method string) string {
	switch method {
	case "MESSAGE":
		return "hello"
	case "INVITE":
		return im
	}
	return ""
}

func typeOf(method string) string {
	if method == "INVITE" {
		return "application/sdp"
	}
	return "text/plain"
}
