package sipmsg_test

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"edged/pkg/sipfed/sipmsg"
)

// draft is a request under construction. Its rows can be changed, and its
// Content-Length follows the body unless a row says otherwise.
type draft struct {
	line string
	rows []string
	body string
}

func newDraft() *draft {
	return &draft{
		line: "MESSAGE sip:bob@contoso.com SIP/2.0",
		rows: []string{
			"Via: SIP/2.0/TLS sip.fabrikam.com:5061;branch=z9hG4bK77ef4c23",
			"Max-Forwards: 70",
			"From: \"Alice\" <sip:alice@fabrikam.com>;tag=49583",
			"To: <sip:bob@contoso.com>",
			"Call-ID: asd88asd77a@fabrikam.com",
			"CSeq: 1 MESSAGE",
		},
	}
}

// with replaces the row of that name, or adds one.
func (d *draft) with(row string) *draft {
	name, _, _ := strings.Cut(row, ":")
	name = strings.TrimSpace(name)
	for i, old := range d.rows {
		if strings.HasPrefix(old, name+":") {
			d.rows[i] = row
			return d
		}
	}
	return d.add(row)
}

func (d *draft) add(rows ...string) *draft {
	d.rows = append(d.rows, rows...)
	return d
}

func (d *draft) without(name string) *draft {
	kept := d.rows[:0]
	for _, row := range d.rows {
		if !strings.HasPrefix(row, name+":") {
			kept = append(kept, row)
		}
	}
	d.rows = kept
	return d
}

func (d *draft) start(line string) *draft {
	d.line = line
	return d
}

func (d *draft) text(body string) *draft {
	d.body = body
	return d
}

// raw prints the draft without adding a Content-Length.
func (d *draft) raw() string {
	return d.line + "\r\n" + strings.Join(d.rows, "\r\n") + "\r\n\r\n" + d.body
}

func (d *draft) String() string {
	if !strings.Contains(strings.Join(d.rows, "\n"), "Content-Length") {
		d.rows = append(d.rows, fmt.Sprintf("Content-Length: %d", len(d.body)))
	}
	return d.raw()
}

func response(status string) *draft {
	d := newDraft().start("SIP/2.0 " + status)
	return d.with("To: <sip:bob@contoso.com>;tag=9fxced76sl")
}

// event is one thing that a Reader reports, in a form that can be compared.
type event struct {
	Raw      string
	Method   string
	Status   int
	Body     string
	Fields   int
	Err      string
	ErrClass string
	Answer   int // status the error asks for
}

func describe(m *sipmsg.Message, err error) event {
	var e event
	if m != nil {
		e = event{Raw: string(m.Raw), Method: m.Method, Status: m.Status, Body: string(m.Body), Fields: len(m.Fields())}
	}
	if err != nil {
		e.Err = err.Error()
	}
	var syntax *sipmsg.SyntaxError
	var framing *sipmsg.FramingError
	switch {
	case errors.As(err, &syntax):
		e.ErrClass, e.Answer = "syntax", syntax.Status
	case errors.As(err, &framing):
		e.ErrClass, e.Answer = "framing", framing.Status
	case err != nil:
		e.ErrClass = "io"
	}
	return e
}

// readAll reads until the stream is lost or over.
func readAll(src io.Reader, lim sipmsg.Limits) (events []event, pings int) {
	r := sipmsg.NewReader(src, lim)
	r.OnPing = func() { pings++ }
	for {
		m, err := r.Next()
		e := describe(m, err)
		events = append(events, e)
		if e.ErrClass == "io" || e.ErrClass == "framing" {
			return events, pings
		}
	}
}

// segments delivers its strings one per read.
type segments []string

func (s *segments) Read(b []byte) (int, error) {
	for len(*s) > 0 && (*s)[0] == "" {
		*s = (*s)[1:]
	}
	if len(*s) == 0 {
		return 0, io.EOF
	}
	n := copy(b, (*s)[0])
	(*s)[0] = (*s)[0][n:]
	return n, nil
}

func parse(t *testing.T, text string) *sipmsg.Message {
	t.Helper()
	m, err := sipmsg.Parse([]byte(text), sipmsg.DefaultLimits())
	if err != nil {
		t.Fatalf("Parse: %v\n%s", err, text)
	}
	return m
}
