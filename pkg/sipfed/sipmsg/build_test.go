package sipmsg_test

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"edged/pkg/sipfed/sipmsg"
)

func TestAppendResponse(t *testing.T) {
	tests := []struct {
		name   string
		req    *draft
		status int
		phrase string
		tag    string
		extra  []string
		want   string
	}{
		{
			"refusal", newDraft().text("hello"), 403, "Forbidden", "e1", nil,
			"SIP/2.0 403 Forbidden\r\n" +
				"Via: SIP/2.0/TLS sip.fabrikam.com:5061;branch=z9hG4bK77ef4c23\r\n" +
				"From: \"Alice\" <sip:alice@fabrikam.com>;tag=49583\r\n" +
				"To: <sip:bob@contoso.com>;tag=e1\r\n" +
				"Call-ID: asd88asd77a@fabrikam.com\r\n" +
				"CSeq: 1 MESSAGE\r\n" +
				"Content-Length: 0\r\n\r\n",
		},
		{
			"rows as written, in one order", odd().without("To").add("t:\tsip:bob@contoso.com \r\n "), 480, "Temporarily Unavailable", "e1",
			[]string{"Retry-After: 5\r\n", "X: 1"},
			"SIP/2.0 480 Temporarily Unavailable\r\n" +
				"Via: SIP/2.0/TLS sip.fabrikam.com:5061;branch=z9hG4bK77ef4c23\r\n" +
				"v :SIP / 2.0/TLS  h2;branch=1 ,SIP/2.0/TCP h3 \r\n" +
				"From: \"Alice\" <sip:alice@fabrikam.com>;tag=49583\r\n" +
				"t:\tsip:bob@contoso.com;tag=e1 \r\n \r\n" +
				"Call-ID: asd88asd77a@fabrikam.com\r\n" +
				"CSeq: 0001\r\n\tINVITE\r\n" +
				"Retry-After: 5\r\nX: 1\r\n" +
				"Content-Length: 0\r\n\r\n",
		},
		{
			"100 takes the Timestamp and no tag", newDraft().add("Timestamp: 54"), 100, "Trying", "", nil,
			"SIP/2.0 100 Trying\r\n" +
				"Via: SIP/2.0/TLS sip.fabrikam.com:5061;branch=z9hG4bK77ef4c23\r\n" +
				"From: \"Alice\" <sip:alice@fabrikam.com>;tag=49583\r\n" +
				"To: <sip:bob@contoso.com>\r\n" +
				"Call-ID: asd88asd77a@fabrikam.com\r\n" +
				"CSeq: 1 MESSAGE\r\n" +
				"Timestamp: 54\r\n" +
				"Content-Length: 0\r\n\r\n",
		},
		{
			"a broken request: tag kept, first of each", newDraft().start("MESSAGE  sip:x SIP/2.0").
				with("To: <sip:bob@contoso.com>;tag=b").with("CSeq: x").add("CSeq: y", "To: z"), 400, "Bad Request", "e1", nil,
			"SIP/2.0 400 Bad Request\r\n" +
				"Via: SIP/2.0/TLS sip.fabrikam.com:5061;branch=z9hG4bK77ef4c23\r\n" +
				"From: \"Alice\" <sip:alice@fabrikam.com>;tag=49583\r\n" +
				"To: <sip:bob@contoso.com>;tag=b\r\n" +
				"Call-ID: asd88asd77a@fabrikam.com\r\n" +
				"CSeq: x\r\n" +
				"Content-Length: 0\r\n\r\n",
		},
		{
			"what is there of a request that lacks most", newDraft().without("From").without("To").without("Call-ID"), 400, "Bad Request", "e1", nil,
			"SIP/2.0 400 Bad Request\r\n" +
				"Via: SIP/2.0/TLS sip.fabrikam.com:5061;branch=z9hG4bK77ef4c23\r\n" +
				"CSeq: 1 MESSAGE\r\n" +
				"Content-Length: 0\r\n\r\n",
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			req, _ := sipmsg.Parse([]byte(test.req.String()), sipmsg.DefaultLimits())
			got := sipmsg.AppendResponse([]byte("x"), req, test.status, test.phrase, test.tag, test.extra...)
			if diff := cmp.Diff("x"+test.want, string(got)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestAnswerToFramingError: what a lost stream leaves is enough for the last
// answer.
func TestAnswerToFramingError(t *testing.T) {
	req, err := sipmsg.Parse([]byte(lengths("5", "6").text("hello").raw()), sipmsg.DefaultLimits())
	if err == nil || req == nil {
		t.Fatalf("got %v, %v", req, err)
	}
	parse(t, string(sipmsg.AppendResponse(nil, req, 400, "Bad Content-Length", "e1")))
}

func TestAckAndCancel(t *testing.T) {
	sent := parse(t, newDraft().start("INVITE sip:bob@10.0.0.9;x=%41 SIP/2.0").with("CSeq: 0314 INVITE").
		with("Via: SIP/2.0/TLS edge;branch=z9hG4bKe1\r\n ;x, SIP/2.0/TLS b;branch=z9hG4bKb1").
		add("v: SIP/2.0/TLS c", "Route: <sip:p1;lr>,\r\n <sip:p2;lr>", "Contact: <sip:a@b>", "Route: <sip:p3>", "Proxy-Require: x").text("v=0").String())
	resp := parse(t, response("486 Busy Here").with("CSeq: 314 INVITE").with("To: <sip:bob@contoso.com> ;tag=r1").String())
	tail := "Call-ID: asd88asd77a@fabrikam.com\r\n"
	head := " sip:bob@10.0.0.9;x=%41 SIP/2.0\r\n" +
		"Via: SIP/2.0/TLS edge;branch=z9hG4bKe1\r\n ;x\r\n" +
		"Max-Forwards: 70\r\n" +
		"Route: <sip:p1;lr>,\r\n <sip:p2;lr>\r\nRoute: <sip:p3>\r\n" +
		"From: \"Alice\" <sip:alice@fabrikam.com>;tag=49583\r\n"
	tests := []struct {
		name, got, want string
	}{
		{"ACK", string(sipmsg.AppendACK(nil, sent, resp)), "ACK" + head + "To: <sip:bob@contoso.com> ;tag=r1\r\n" + tail +
			"CSeq: 314 ACK\r\nContent-Length: 0\r\n\r\n"},
		{"CANCEL", string(sipmsg.AppendCancel(nil, sent)), "CANCEL" + head + "To: <sip:bob@contoso.com>\r\n" + tail +
			"CSeq: 314 CANCEL\r\nContent-Length: 0\r\n\r\n"},
	}
	for _, test := range tests {
		if diff := cmp.Diff(test.want, test.got); diff != "" {
			t.Errorf("%s: %s", test.name, diff)
		}
		parse(t, test.got)
	}
}

// TestReceived: what the transport says about the sender, in answers of ours and
// in the message that goes on.
func TestReceived(t *testing.T) { // RFC 3261 §18.2.1, RFC 3581 §4
	tests := []struct{ source, sent, want string }{
		{"192.0.2.7:4000", "host.example;branch=z9hG4bK1", "host.example;branch=z9hG4bK1;received=192.0.2.7"},
		{"192.0.2.7:4000", "192.0.2.7;branch=z9hG4bK1", "192.0.2.7;branch=z9hG4bK1"},
		{"192.0.2.7:4000", "192.0.2.8;branch=z9hG4bK1", "192.0.2.8;branch=z9hG4bK1;received=192.0.2.7"},
		{"[::ffff:192.0.2.7]:4000", "192.0.2.7;branch=z9hG4bK1", "192.0.2.7;branch=z9hG4bK1"},
		{"[2001:db8::1]:4000", "[2001:DB8:0::1]:5061;branch=z9hG4bK1", "[2001:DB8:0::1]:5061;branch=z9hG4bK1"},
		{"[2001:db8::1%eth0]:4000", "h;branch=z9hG4bK1", "h;branch=z9hG4bK1;received=2001:db8::1"}, // RFC 5118 §4.5: no brackets
		{"192.0.2.7:4000", "h ; Received = 192.0.2.66 ;branch=z9hG4bK1", "h ; received=192.0.2.7 ;branch=z9hG4bK1"},
		{"192.0.2.7:4000", "192.0.2.7;received=192.0.2.66;branch=z9hG4bK1", "192.0.2.7;received=192.0.2.7;branch=z9hG4bK1"},
		{"192.0.2.7:4000", "h;received;branch=z9hG4bK1", "h;received=192.0.2.7;branch=z9hG4bK1"},
		{"192.0.2.7:4000", "h;received=192.0.2.7;branch=z9hG4bK1", "h;received=192.0.2.7;branch=z9hG4bK1"},
		{"192.0.2.7:4000", "192.0.2.7;rport;branch=z9hG4bK1", "192.0.2.7;rport=4000;branch=z9hG4bK1;received=192.0.2.7"},
		{"192.0.2.7:4000", "h;received=192.0.2.66;RPORT\r\n ;branch=z9hG4bK1", "h;received=192.0.2.7;rport=4000\r\n ;branch=z9hG4bK1"},
		{"192.0.2.7:4000", "h;rport=9;branch=z9hG4bK1", "h;rport=9;branch=z9hG4bK1;received=192.0.2.7"},
		{"192.0.2.7:4000", "h;branch=z9hG4bK1 , SIP/2.0/UDP b;rport", "h;branch=z9hG4bK1;received=192.0.2.7 , SIP/2.0/UDP b;rport"},
		{"", "h;rport;branch=z9hG4bK1", "h;rport;branch=z9hG4bK1"},
	}
	for _, test := range tests {
		m := parse(t, newDraft().with("Via: SIP/2.0/TLS "+test.sent).add("v: SIP/2.0/TLS other;rport").String())
		if test.source != "" {
			m.Source = sipmsg.NewSource(netip.MustParseAddrPort(test.source))
		}
		for what, text := range map[string]string{
			"answer":  string(sipmsg.AppendResponse(nil, m, 400, "Bad Request", "e1")),
			"message": splice(m, m.NoteSource),
		} {
			if !strings.Contains(text, "\r\nVia: SIP/2.0/TLS "+test.want+"\r\n") || !strings.Contains(text, "\r\nv: SIP/2.0/TLS other;rport\r\n") {
				t.Errorf("%s from %s, %s: got\n%s", test.sent, test.source, what, text)
			}
		}
	}
}
