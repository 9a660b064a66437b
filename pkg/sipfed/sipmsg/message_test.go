package sipmsg_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"edged/pkg/sipfed/sipmsg"
)

var syntaxTests = []struct {
	name   string // starts with the row of the conformance list
	input  *draft
	status int // 0: the message is good
	field  string
}{
	{"plain", newDraft(), 0, ""},
	{"H1 broken Date, Warning, Contact and Expires", newDraft().add("Date: never", "Warning: \"", "Contact: <sip:;;;,", "Expires: x", "Content-Type: //"), 0, ""},
	{"H1 broken Via below the top", newDraft().add("Via: nonsense"), 0, ""},
	{"H1 row without a name", newDraft().add(": value"), 400, "header"},
	{"H1 row without a colon", newDraft().add("Subject"), 400, "header"},
	{"H1 row whose name is no token", newDraft().add("Sub ject: x"), 400, "header"},
	{"H1 fold before the colon", newDraft().add("Subject\r\n : x"), 400, "header"},
	{"H1 continuation of the start line", newDraft().start("MESSAGE sip:bob@contoso.com SIP/2.0\r\n x: y"), 400, "header"},
	{"H2 unknown fields, parameters, method, body", newDraft().start("NegOtiate2 sip:bob@contoso.com;x=1;y SIP/2.0").with("CSeq: 1 NegOtiate2").add("X!: ;;,,", "Content-Type: x/y").text("\x00"), 0, ""},
	{"H5 compact forms in any case", newDraft().without("Via").without("To").without("From").without("Call-ID").add("v: SIP/2.0/TLS h;branch=z9hG4bK1", "T: <sip:b@c>", "f: <sip:a@b>;tag=1", "I: 1"), 0, ""},
	{"H5 names in any case", newDraft().without("CSeq").without("Via").add("cSEQ: 1 MESSAGE", "vIA: SIP/2.0/TLS h;branch=z9hG4bK1"), 0, ""},
	{"H6 folds and white space before the colon", newDraft().with("CSeq  \t:\r\n 1 \r\n\t MESSAGE"), 0, ""},
	{"H7 comma and escapes in a display name", newDraft().with("From: \"Bell, \\\"A\\\" Ä\" <sip:a@b>;tag=1"), 0, ""},
	{"H8 bare URI with comma", newDraft().with("From: sip:a,b@c;tag=1"), 400, "From"},
	{"H8 bare URI with question mark", newDraft().with("To: sip:a@c?x=y"), 400, "To"},
	{"H11 headers in the Request-URI", newDraft().start("MESSAGE sip:bob@contoso.com?Subject=x SIP/2.0"), 400, "Request-Line"},
	{"H11 empty headers in the Request-URI", newDraft().start("MESSAGE sip:bob@contoso.com? SIP/2.0"), 400, "Request-Line"},
	{"H12 method in lower case is another method", newDraft().start("message sip:bob@contoso.com SIP/2.0"), 400, "CSeq"},
	{"H13 version 7.0", newDraft().start("MESSAGE sip:bob@contoso.com SIP/7.0"), 505, "Request-Line"},
	{"H13 version 2.00", newDraft().start("MESSAGE sip:bob@contoso.com SIP/2.00"), 505, "Request-Line"},
	{"H13 version in lower case", newDraft().start("MESSAGE sip:bob@contoso.com sip/2.0"), 0, ""},
	{"H13 version without number", newDraft().start("MESSAGE sip:bob@contoso.com SIP/x"), 400, "Request-Line"},
	{"H14 two spaces before the URI", newDraft().start("MESSAGE  sip:bob@contoso.com SIP/2.0"), 400, "Request-Line"},
	{"H14 two spaces before the version", newDraft().start("MESSAGE sip:bob@contoso.com  SIP/2.0"), 400, "Request-Line"},
	{"H14 leading space", newDraft().start(" MESSAGE sip:bob@contoso.com SIP/2.0"), 400, "Request-Line"},
	{"H14 trailing space", newDraft().start("MESSAGE sip:bob@contoso.com SIP/2.0 "), 400, "Request-Line"},
	{"H14 tabs", newDraft().start("MESSAGE\tsip:bob@contoso.com\tSIP/2.0"), 400, "Request-Line"},
	{"H14 space in the URI", newDraft().start("MESSAGE sip:bob@contoso.com; lr SIP/2.0"), 400, "Request-Line"},
	{"H14 URI in brackets", newDraft().start("MESSAGE <sip:bob@contoso.com> SIP/2.0"), 400, "Request-Line"},
	{"H14 URI without scheme", newDraft().start("MESSAGE bob SIP/2.0"), 400, "Request-Line"},
	{"H14 IPv6 without brackets", newDraft().start("MESSAGE sip:2001:db8::10 SIP/2.0"), 400, "Request-Line"},
	{"unknown scheme", newDraft().start("MESSAGE soap.beep://192.0.2.103:3002 SIP/2.0"), 0, ""},
	{"H15 CSeq 2147483647", newDraft().with("CSeq: 2147483647 MESSAGE"), 0, ""},
	{"H15 CSeq 2147483648", newDraft().with("CSeq: 2147483648 MESSAGE"), 400, "CSeq"},
	{"H15 CSeq of 40 digits", newDraft().with("CSeq: " + strings.Repeat("9", 40) + " MESSAGE"), 400, "CSeq"},
	{"H15 CSeq negative", newDraft().with("CSeq: -1 MESSAGE"), 400, "CSeq"},
	{"H15 CSeq without white space", newDraft().with("CSeq: 1MESSAGE"), 400, "CSeq"},
	{"H15 CSeq without method", newDraft().with("CSeq: 1"), 400, "CSeq"},
	{"H15 CSeq of another method", newDraft().with("CSeq: 1 INVITE"), 400, "CSeq"},
	{"H15 CSeq method in another case", newDraft().with("CSeq: 1 Message"), 400, "CSeq"},
	{"H15 Max-Forwards 255", newDraft().with("Max-Forwards: 0255"), 0, ""},
	{"H15 Max-Forwards 256", newDraft().with("Max-Forwards: 256"), 400, "Max-Forwards"},
	{"H15 Max-Forwards -1", newDraft().with("Max-Forwards: -1"), 400, "Max-Forwards"},
	{"H15 Max-Forwards x", newDraft().with("Max-Forwards: x"), 400, "Max-Forwards"},
	{"H15 Max-Forwards empty", newDraft().with("Max-Forwards:"), 400, "Max-Forwards"},
	{"H16 response fields in a request", newDraft().add("WWW-Authenticate: x", "Retry-After: y"), 0, ""},
	{"H17 no To", newDraft().without("To"), 400, "To"},
	{"H17 no From", newDraft().without("From"), 400, "From"},
	{"H17 no CSeq", newDraft().without("CSeq"), 400, "CSeq"},
	{"H17 no Call-ID", newDraft().without("Call-ID"), 400, "Call-ID"},
	{"H17 no Via", newDraft().without("Via"), 400, "Via"},
	{"H17 no Max-Forwards", newDraft().without("Max-Forwards"), 0, ""},
	{"H17 two To", newDraft().add("t: <sip:x@y>"), 400, "To"},
	{"H17 two From", newDraft().add("From: <sip:x@y>"), 400, "From"},
	{"H17 two CSeq", newDraft().add("CSeq: 1 MESSAGE"), 400, "CSeq"},
	{"H17 two Call-ID", newDraft().add("i: 1"), 400, "Call-ID"},
	{"H17 two Max-Forwards", newDraft().add("Max-Forwards: 70"), 400, "Max-Forwards"},
	{"H17 two From in one row", newDraft().with("From: <sip:a@b>;tag=1, <sip:c@d>;tag=2"), 400, "From"},
	{"H17 empty Call-ID", newDraft().with("Call-ID:"), 400, "Call-ID"},
	{"H17 Call-ID of two words", newDraft().with("Call-ID: a b"), 400, "Call-ID"},
	{"H17 odd Call-ID", newDraft().with(`Call-ID: w%Z-!.*_+'@word` + "`" + `~)(><:\/"][?}{`), 0, ""},
	{"H17 two tags", newDraft().with("From: <sip:a@b>;tag=1;tag=2"), 400, "From"},
	{"H17 empty tag", newDraft().with("From: <sip:a@b>;tag="), 400, "From"},
	{"H17 two branches", newDraft().with("Via: SIP/2.0/TLS h;branch=z9hG4bK1;Branch=z9hG4bK2"), 400, "Via"},
	{"H17 branch of the cookie alone", newDraft().with("Via: SIP/2.0/TLS h;branch=z9hG4bK"), 400, "Via"},
	{"H17 top Via with empty parameters", newDraft().with("Via: SIP/2.0/TLS h;;,;,,"), 400, "Via"},
	{"H17 empty Via", newDraft().with("Via:"), 400, "Via"},
	{"H17 To with an open quote", newDraft().with("To: \"Bob <sip:bob@contoso.com>"), 400, "To"},
	{"H17 white space in brackets", newDraft().with("To: < sip:bob@contoso.com >"), 400, "To"},
	{"H17 other scheme in From", newDraft().with("From: <tel:+15551234>;tag=1"), 0, ""},
	{"H19 fields of later RFCs", newDraft().add("Geolocation: <cid:x>", "Identity: x;info=<y>", "History-Info: <sip:x>;index=1", "Session-Expires: 1800"), 0, ""},
	{"H20 URI at the limit", newDraft().start("MESSAGE sip:" + strings.Repeat("x", 8<<10-4) + " SIP/2.0"), 0, ""},
	{"H20 URI over the limit", newDraft().start("MESSAGE sip:" + strings.Repeat("x", 8<<10) + " SIP/2.0"), 414, "Request-Line"},
	{"H20 URI over the limit of a line", newDraft().start("MESSAGE sip:" + strings.Repeat("x", 32<<10) + " SIP/2.0"), 414, "Request-Line"},
}

// TestSyntax parses each message alone, then with a Reader and a good message
// behind it: a broken one never costs the connection.
func TestSyntax(t *testing.T) {
	for _, test := range syntaxTests {
		t.Run(test.name, func(t *testing.T) {
			text := test.input.String()
			m, err := sipmsg.Parse([]byte(text), sipmsg.DefaultLimits())
			checkSyntax(t, err, test.status, test.field)
			if string(m.Raw) != text {
				t.Errorf("Raw is\n%s\nwant\n%s", m.Raw, text)
			}
			events, _ := readAll(strings.NewReader(text+newDraft().String()), sipmsg.DefaultLimits())
			if diff := cmp.Diff(describe(m, err), events[0]); diff != "" {
				t.Errorf("Reader differs from Parse:\n%s", diff)
			}
			if len(events) != 3 || events[1].Err != "" {
				t.Errorf("the message behind was lost: %+v", events[1:])
			}
		})
	}
}

func checkSyntax(t *testing.T, err error, status int, field string) {
	t.Helper()
	var syntax *sipmsg.SyntaxError
	switch {
	case field == "" && err != nil:
		t.Errorf("refused: %v", err)
	case field != "" && !errors.As(err, &syntax):
		t.Errorf("got %v, want a SyntaxError", err)
	case field != "" && (syntax.Status != status || syntax.Field != field):
		t.Errorf("got %d %q (%v), want %d %q", syntax.Status, syntax.Field, err, status, field)
	}
}

func TestResponseSyntax(t *testing.T) {
	tests := []struct {
		name  string
		input *draft
		code  int
		field string
	}{
		{"200", response("200 OK"), 200, ""},
		{"empty reason", response("100 "), 100, ""},
		{"UTF-8 reason", response("604 = 2**3 * 19 \xd0\xb0 \xff"), 604, ""},
		{"lower-case version", newDraft().start("sip/2.0 200 OK"), 200, ""},
		{"no space after the code", response("200"), 0, "Status-Line"},
		{"two spaces before the code", response(" 200 OK"), 0, "Status-Line"},
		{"leading space", newDraft().start(" SIP/2.0 200 OK"), 0, "Status-Line"},
		{"four digits", response("2000 OK"), 0, "Status-Line"},
		{"ten digits", response("4294967301 Better not break the receiver"), 0, "Status-Line"},
		{"two digits", response("99 OK"), 0, "Status-Line"},
		{"099", response("099 OK"), 0, "Status-Line"},
		{"700", response("700 OK"), 0, "Status-Line"},
		{"letters", response("2x0 OK"), 0, "Status-Line"},
		{"version 7.0", newDraft().start("SIP/7.0 200 OK"), 200, "Status-Line"},
		{"CSeq too large", response("200 OK").with("CSeq: 36893488147419103232 OPTIONS"), 200, "CSeq"},
		{"no Via", response("200 OK").without("Via"), 200, "Via"},
		{"two To", response("200 OK").add("To: <sip:x@y>"), 200, "To"},
		{"any CSeq method", response("200 OK").with("CSeq: 5 X"), 200, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			m, err := sipmsg.Parse([]byte(test.input.String()), sipmsg.DefaultLimits())
			checkSyntax(t, err, 0, test.field)
			if m.IsRequest() || m.Answerable() || m.Status != test.code || m.Method != "" || m.RequestURI() != nil {
				t.Errorf("request %v, answerable %v, status %d", m.IsRequest(), m.Answerable(), m.Status)
			}
		})
	}
}

// TestAnswerable is H18: a sender finds its request by Via and CSeq.
func TestAnswerable(t *testing.T) {
	for name, want := range map[string]bool{"Via": false, "From": true, "To": true, "Call-ID": true, "CSeq": false} {
		m, err := sipmsg.Parse([]byte(newDraft().without(name).String()), sipmsg.DefaultLimits())
		if err == nil || m.Answerable() != want {
			t.Errorf("without %s: answerable %v, error %v", name, m.Answerable(), err)
		}
	}
	m, err := sipmsg.Parse([]byte(newDraft().with("To: \"").with("CSeq: x").String()), sipmsg.DefaultLimits())
	if err == nil || !m.Answerable() {
		t.Errorf("broken rows are rows: %v", err)
	}
}

// TestMethodSurvives: even a broken request line tells that nothing may be
// answered.
func TestMethodSurvives(t *testing.T) {
	for _, line := range []string{"ACK  sip:x SIP/2.0", " ACK sip:x SIP/2.0", "ACK sip:x y SIP/2.0", "ACK sip:x SIP/3.0", "ACK sip: SIP/2.0"} {
		m, err := sipmsg.Parse([]byte(newDraft().start(line).String()), sipmsg.DefaultLimits())
		if err == nil || m.Method != "ACK" {
			t.Errorf("%q: method %q, error %v", line, m.Method, err)
		}
	}
}

func TestExactlyOneMessage(t *testing.T) {
	text := newDraft().text("hello").String()
	for _, input := range []string{"", "\r\n", text + "x", text[:len(text)-1], text[:40], text + text} {
		_, err := sipmsg.Parse([]byte(input), sipmsg.DefaultLimits())
		if _, ok := errors.AsType[*sipmsg.FramingError](err); !ok {
			t.Errorf("%q: %v", input, err)
		}
	}
}

func TestAccessors(t *testing.T) {
	m := parse(t, newDraft().start("INVITE sips:bob:pw@contoso.com:5061;transport=tls SIP/2.0").
		with("CSeq: 0042\r\n INVITE").
		with("To  :  Bob <sip:bob@contoso.com>;tag=x").
		add("Route:", "k: a,b", "Supported: c").text("v=0").String())
	number, method := m.CSeq()
	hops, ok := m.MaxForwards()
	to, _ := m.Row(sipmsg.To)
	got := []string{
		m.Method, method, fmt.Sprint(number, hops, ok, m.Status, m.IsRequest(), m.Count(sipmsg.Supported), m.Count(sipmsg.Route), m.Count(sipmsg.Via), m.Count(sipmsg.Path)),
		string(m.RequestURI()), m.URI().Scheme, string(m.URI().Host), string(m.CallID()), string(m.From().Tag()), string(m.To().Display),
		string(m.Name(to)), string(m.Value(to)), string(m.Via().Transport), string(m.Body), string(m.Raw[m.HeadersStart() : m.HeadersStart()+4]),
		string(m.Raw[m.HeadersEnd():]),
	}
	want := []string{
		"INVITE", "INVITE", "42 70 true 0 true 2 1 1 0",
		"sips:bob:pw@contoso.com:5061;transport=tls", "sips", "contoso.com", "asd88asd77a@fabrikam.com", "49583", "Bob",
		"To", "Bob <sip:bob@contoso.com>;tag=x", "TLS", "v=0", "Via:", "\r\nv=0",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if v, ok := m.Get(sipmsg.Route); !ok || len(v) != 0 {
		t.Errorf("Route is %q, %v", v, ok)
	}
	if _, ok := m.Get(sipmsg.Path); ok {
		t.Error("Path appeared")
	}
	if got := parse(t, response("486 Busy  Here").String()); got.Status != 486 || got.RequestURI() != nil {
		t.Errorf("status %d, Request-URI %q", got.Status, got.RequestURI())
	}
}

// TestRowsCoverSection: H3, H5. The rows are the header section, in order, byte for
// byte.
func TestRowsCoverSection(t *testing.T) {
	m := parse(t, newDraft().add("X-A: 1", "x-b:\t2 ", "X-A  : 3\r\n  4", "X-A:").String())
	var rows strings.Builder
	for _, f := range m.Fields() {
		rows.Write(m.Raw[f.Start():f.End()])
	}
	if got, want := rows.String(), string(m.Raw[m.HeadersStart():m.HeadersEnd()]); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
