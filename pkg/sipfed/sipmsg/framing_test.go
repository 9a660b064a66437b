package sipmsg_test

import (
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"

	"edged/pkg/sipfed/sipmsg"
)

// smallLimits make the limits reachable by short tests.
var smallLimits = sipmsg.Limits{Line: 200, Headers: 1000, Body: 100, Fields: 20, URI: 100}

func lengths(values ...string) *draft {
	d := newDraft()
	for _, v := range values {
		d.add("Content-Length: " + v)
	}
	return d
}

var framingTests = []struct {
	name   string // starts with the row of the conformance list
	input  string
	class  string // of the first event: "", syntax, framing or io
	answer int
	reply  bool // a message comes with the error
}{
	{"F3 no Content-Length", newDraft().raw(), "framing", 400, true},
	{"F3 no Content-Length in a response", response("200 OK").raw(), "framing", 0, false},
	{"F3 no Content-Length and no From", newDraft().without("From").raw(), "framing", 400, true},
	{"F3 no Content-Length and no CSeq", newDraft().without("CSeq").raw(), "framing", 400, false},
	{"F4 two lengths that differ", lengths("5", "6").text("hello").raw(), "framing", 400, true},
	{"F4 compact and long form", newDraft().add("l: 5", "Content-Length: 0").text("hello").raw(), "framing", 400, true},
	{"F4 two equal lengths", lengths("5", "5").text("hello").raw(), "framing", 400, true},
	{"F5 minus", lengths("-1").raw(), "framing", 400, true},
	{"F5 plus", lengths("+5").text("hello").raw(), "framing", 400, true},
	{"F5 hexadecimal", lengths("0x5").text("hello").raw(), "framing", 400, true},
	{"F5 twenty digits", lengths("18446744073709551621").text("hello").raw(), "framing", 400, true},
	{"F5 eleven digits, small value", lengths("00000000005").text("hello").raw(), "framing", 400, true},
	{"F5 ten digits, small value", lengths("0000000005").text("hello").raw(), "", 0, true},
	{"F5 parameter", lengths("5 ; x").text("hello").raw(), "framing", 400, true},
	{"F5 list", lengths("5,5").text("hello").raw(), "framing", 400, true},
	{"F5 empty", lengths("").raw(), "framing", 400, true},
	{"F5 space between digits", lengths("1 0").raw(), "framing", 400, true},
	{"F5 fold between digits", lengths("1\r\n 0").raw(), "framing", 400, true},
	{"F5 folded before the value", lengths("\r\n 5").text("hello").raw(), "", 0, true},
	{"F5 white space before the colon", newDraft().add("Content-Length \t: 5").text("hello").raw(), "", 0, true},
	{"F6 body at the limit", newDraft().text(strings.Repeat("x", 100)).String(), "", 0, true},
	{"F6 body over the limit, none of it sent", lengths("101").raw(), "framing", 413, true},
	{"F6 body of 9999999999", lengths("9999999999").raw(), "framing", 413, true},
	{"F6 response over the limit", response("200 OK").add("Content-Length: 101").raw(), "framing", 0, false},
	{"F7 endless line", strings.TrimSuffix(newDraft().raw(), "\r\n") + "Subject: " + strings.Repeat("x", 250), "framing", 513, true},
	{"F7 line over the limit", newDraft().add("Subject: " + strings.Repeat("x", 200)).String(), "framing", 513, true},
	{"F7 endless start line", "MESSAGE sip:" + strings.Repeat("x", 1000), "framing", 0, false},
	{"F7 headers over the limit", newDraft().add(strings.Split(strings.Repeat("Subject: "+strings.Repeat("x", 150)+"\n", 6), "\n")[:6]...).String(), "framing", 513, true},
	{"F7 too many fields", newDraft().add(strings.Split(strings.Repeat("a:\n", 30), "\n")[:30]...).String(), "framing", 513, true},
	{"F7 endless folds", strings.TrimSuffix(newDraft().add("Subject: x").raw(), "\r\n\r\n") + strings.Repeat("\r\n x", 300), "framing", 513, true},
	{"F8 bare LF everywhere", strings.ReplaceAll(newDraft().String(), "\r\n", "\n"), "framing", 0, false},
	{"F8 bare LF in a row", newDraft().add("Subject: a\nb").String(), "framing", 400, true},
	{"F8 bare LF ends the headers", strings.Replace(newDraft().String(), "\r\n\r\n", "\r\n\n", 1), "framing", 400, true},
	{"F8 bare CR in a row", newDraft().add("Subject: a\rb").String(), "framing", 400, true},
	{"F8 CR CR LF", newDraft().add("Subject: a\r").String(), "framing", 400, true},
	{"F8 NUL in a row", newDraft().add("Subject: a\x00b").String(), "framing", 400, true},
	{"F8 NUL after an escaped backslash", newDraft().add("Subject: \\\\\x00b").String(), "framing", 400, true},
	{"F8 NUL as a quoted-pair", newDraft().with("To: \"a\\\x00b\" <sip:bob@contoso.com>").String(), "", 0, true},
	{"F8 NUL in a response", response("200 OK").add("Subject: a\x00b").String(), "framing", 0, false},
	{"F8 NUL in the body", newDraft().text("a\x00\n\rb").String(), "", 0, true},
	{"F9 Transfer-Encoding", newDraft().add("Transfer-Encoding: chunked").text("5\r\nhello\r\n0\r\n\r\n").String(), "", 0, true},
	{"F12 HTTP request", "GET / HTTP/1.1\r\nHost: contoso.com\r\n\r\n", "framing", 0, false},
	{"F12 HTTP/2 preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "framing", 0, false},
	{"F12 XML at its first byte", "<", "framing", 0, false},
	{"F12 TLS in TLS at its first byte", "\x16", "framing", 0, false},
	{"F12 slash after another word", "HTTP/", "framing", 0, false},
	{"F12 one word", "MESSAGE\r\n", "framing", 0, false},
	{"F12 colon instead of a method", "Via:", "framing", 0, false},
	{"F12 no version", "MESSAGE sip:bob@contoso.com\r\n\r\n", "framing", 0, false},
	{"F12 bare CR in a line that starts nothing", "MESSAGE \rx\r\n", "framing", 0, false},
	{"F8 bare CR in a fold of the last row needed", newDraft().with("CSeq: 1\r\n MESS\rAGE").String(), "framing", 400, false},
	{"F8 NUL in the start line", "MESSAGE sip:\x00 SIP/2.0\r\nTo: x\r\n\r\n", "framing", 0, false},
	{"F12 bad byte after an endless word", strings.Repeat("x", 1001) + "\x01", "framing", 0, false},
	{"F12 CR without LF before a message", "\r" + newDraft().String(), "framing", 0, false},
	{"F12 LF before a message", "\n" + newDraft().String(), "framing", 0, false},
	{"stream ends in the headers", newDraft().String()[:60], "io", 0, false},
	{"stream ends in the body", lengths("9").text("hello").raw(), "io", 0, false},
}

func TestFraming(t *testing.T) {
	for _, test := range framingTests {
		t.Run(test.name, func(t *testing.T) {
			events, _ := readAll(strings.NewReader(test.input), smallLimits)
			first := events[0]
			if first.ErrClass != test.class || first.Answer != test.answer || (first.Raw != "") != test.reply {
				t.Errorf("got %+v", first)
			}
		})
	}
}

// TestEndOfStream tells an end between messages from one inside.
func TestEndOfStream(t *testing.T) {
	text := newDraft().text("hello").String()
	for n := range len(text) {
		r := sipmsg.NewReader(strings.NewReader(text[:n]), smallLimits)
		want := io.ErrUnexpectedEOF
		if n == 0 {
			want = io.EOF
		}
		if _, err := r.Next(); !errors.Is(err, want) {
			t.Fatalf("after %d bytes: %v", n, err)
		}
	}
}

// TestSegments is F1, F2, F10 and F11: no cut of the stream changes what is read,
// neither of good messages nor of bad ones.
func TestSegments(t *testing.T) {
	streams := map[string]string{
		"F2 pipelined": newDraft().text("hello").String() + "\r\n" + response("200 OK").String() + "\r\n\r\n" + newDraft().String(),
		"F10 message in a body": newDraft().text("\r\n\r\nINVITE sip:x@y SIP/2.0\r\n\r\n").String() +
			response("180 Ringing").String(),
		"F11 folds": newDraft().with("From: \"Ä\"\r\n\t<sip:alice@fabrikam.com>\r\n ;tag=1").add("Subject:\r\n \r\n x").String(),
		"syntax":    newDraft().with("CSeq: x").String() + newDraft().String(),
	}
	for _, test := range framingTests {
		streams[test.name] = newDraft().String() + test.input
	}
	for name, stream := range streams {
		t.Run(name, func(t *testing.T) {
			want, wantPings := readAll(strings.NewReader(stream), smallLimits)
			got, pings := readAll(iotest.OneByteReader(strings.NewReader(stream)), smallLimits)
			if diff := cmp.Diff(want, got); diff != "" || pings != wantPings {
				t.Errorf("bytewise: %d pings, want %d (-whole +bytewise):\n%s", pings, wantPings, diff)
			}
			for cut := range stream {
				got, pings := readAll(&segments{stream[:cut], stream[cut:]}, smallLimits)
				if diff := cmp.Diff(want, got); diff != "" || pings != wantPings {
					t.Fatalf("cut at %d: %d pings, want %d (-whole +cut):\n%s", cut, pings, wantPings, diff)
				}
			}
		})
	}
}
