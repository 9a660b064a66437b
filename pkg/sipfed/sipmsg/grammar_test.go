package sipmsg_test

import (
	"fmt"
	"testing"

	"edged/pkg/sipfed/sipmsg"
)

// showURI prints the parts of a URI so that a table can hold them.
func showURI(u sipmsg.URI) string {
	s := u.Scheme
	if u.Opaque != nil {
		return fmt.Sprintf("%s opaque=%s", s, u.Opaque)
	}
	if u.User != nil {
		s += fmt.Sprintf(" user=%s", u.User)
	}
	if u.Password != nil {
		s += fmt.Sprintf(" password=%s", u.Password)
	}
	s += fmt.Sprintf(" host=%s", u.Host)
	if u.Port != 0 {
		s += fmt.Sprintf(" port=%d", u.Port)
	}
	if len(u.Params) > 0 {
		s += fmt.Sprintf(" params=%s", u.Params)
	}
	if u.Headers != nil {
		s += fmt.Sprintf(" headers=%s", u.Headers)
	}
	if ip, ok := u.HostIP(); ok {
		s += fmt.Sprintf(" ip=%s", ip)
	}
	return s
}

func TestParseURI(t *testing.T) {
	tests := []struct{ in, want string }{ // want "" means an error
		{"sip:contoso.com", "sip host=contoso.com"},
		{"SIPS:Bob@Contoso.COM", "sips user=Bob host=Contoso.COM"},
		{"sip:bob:secret@h:5061", "sip user=bob password=secret host=h port=5061"},
		{"sip:bob:@h", "sip user=bob password= host=h"},
		{"sip:b;x=1?y&z,/:p@h;transport=tls;lr?Subject=a&b=c", "sip user=b;x=1?y&z,/ password=p host=h params=;transport=tls;lr headers=Subject=a&b=c"},
		{"sip:sips%3Auser%40x@example.net", "sip user=sips%3Auser%40x host=example.net"},
		{"sip:null-%00-null@h", "sip user=null-%00-null host=h"},
		{"sip:*21#{}|^@h", "sip user=*21#{}|^ host=h"},
		{"sip:h;maddr=10.0.0.1", "sip host=h params=;maddr=10.0.0.1"},
		{"sip:h?", "sip host=h headers="},
		{"sip:under_score.corp", "sip host=under_score.corp"},
		{"sip:192.0.2.1:5061", "sip host=192.0.2.1 port=5061 ip=192.0.2.1"},
		{"sip:1.2.3.4.5", "sip host=1.2.3.4.5"},
		{"sip:[2001:db8::10]", "sip host=2001:db8::10 ip=2001:db8::10"},
		{"sip:a@[2001:db8::10:5070]", "sip user=a host=2001:db8::10:5070 ip=2001:db8::10:5070"},
		{"sip:[2001:db8::10]:5070;lr", "sip host=2001:db8::10 port=5070 params=;lr ip=2001:db8::10"},
		{"sip:[::ffff:192.0.2.1]", "sip host=::ffff:192.0.2.1 ip=::ffff:192.0.2.1"},
		{"sip:[2001:db8:::192.0.2.1]", "sip host=2001:db8:::192.0.2.1 ip=2001:db8::c000:201"},
		{"tel:+1-201-555-0123;phone-context=x", "tel opaque=+1-201-555-0123;phone-context=x"},
		{"Soap.Beep://h:3002", "soap.beep opaque=//h:3002"},
		{"", ""},
		{"sip", ""},
		{"sip:", ""},
		{":x", ""},
		{"1sip:x", ""},
		{"<sip:x>", ""},
		{"tel:", ""},
		{"tel:1 2", ""},
		{"sip:@h", ""},
		{"sip::p@h", ""},
		{"sip:a@", ""},
		{"sip:a@b@c", ""},
		{"sip:a b@c", ""},
		{"sip:a\"b@c", ""},
		{"sip:a%4@c", ""},
		{"sip:a%zz@c", ""},
		{"sip:\xc3\xa4@c", ""},
		{"sip:b\xc3\xa4r", ""},
		{"sip:h:", ""},
		{"sip:h:0", ""},
		{"sip:h:65536", ""},
		{"sip:h:x", ""},
		{"sip:2001:db8::10", ""},
		{"sip:[2001:db8::10", ""},
		{"sip:[10.0.0.1]", ""},
		{"sip:[fe80::1%25eth0]", ""},
		{"sip:[]", ""},
		{"sip:h/path", ""},
		{"sip:h; lr", ""},
		{"sip:h;lr>", ""},
	}
	for _, test := range tests {
		u, err := sipmsg.ParseURI([]byte(test.in))
		got := ""
		if err == nil {
			got = showURI(u)
		}
		if got != test.want {
			t.Errorf("%q: got %q, %v; want %q", test.in, got, err, test.want)
		}
	}
}

func TestURIParam(t *testing.T) {
	u, err := sipmsg.ParseURI([]byte("sip:h;Transport=TLS;lr;;x=;Maddr=a=b"))
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"transport": "TLS true", "lr": " true", "x": " true", "maddr": "a=b true", "l": " false", "": " true"} {
		value, ok := u.Param(name)
		if got := fmt.Sprintf("%s %v", value, ok); got != want {
			t.Errorf("%q: got %q, want %q", name, got, want)
		}
	}
}

func TestParseAddress(t *testing.T) {
	tests := []struct{ in, display, uri, params string }{ // uri "" means an error
		{"<sip:a@b>", "", "sip:a@b", ""},
		{"sip:a@b", "", "sip:a@b", ""},
		{"sip:a@b;tag=1;x", "", "sip:a@b", ";tag=1;x"},
		{"<sip:a@b;lr>;tag=1", "", "sip:a@b;lr", ";tag=1"},
		{"Bob <sip:a@b>", "Bob", "sip:a@b", ""},
		{"caller<sip:a@b>", "caller", "sip:a@b", ""},
		{"a.b  -\r\n c\t<sip:a@b> ; tag = 1 ", "a.b  -\r\n c", "sip:a@b", "; tag = 1"},
		{"\"\" <sip:a@b>", "\"\"", "sip:a@b", ""},
		{"\"B, \\\"o\\\\\" <sip:a,c?@b>", "\"B, \\\"o\\\\\"", "sip:a,c?@b", ""},
		{"\"\xc3\xa4\r\n \t\"<sip:a@b>", "\"\xc3\xa4\r\n \t\"", "sip:a@b", ""},
		{"\"\\\x00\\\x07\\\x7f\" <sip:a@b>", "\"\\\x00\\\x07\\\x7f\"", "sip:a@b", ""},
		{"sip:a@b ;\r\n tag=1", "", "sip:a@b", ";\r\n tag=1"},
		{"<sip:a@b>;p=\"x;y\\\"\";q=[::1]:5", "", "sip:a@b", ";p=\"x;y\\\"\";q=[::1]:5"},
		{"<http://www.example.com>;tag=3", "", "http://www.example.com", ";tag=3"},
		{"isbn:2983792873", "", "isbn:2983792873", ""},
		{"sip:a;b@c", "", "", ""}, // the URI ends at the semicolon, b@c is no parameter
		{"", "", "", ""},
		{"<>", "", "", ""},
		{"<sip:a@b", "", "", ""},
		{"<sip:a@b>x", "", "", ""},
		{"<sip:a@b>;", "", "", ""},
		{"<sip:a@b>;;tag=1", "", "", ""},
		{"<sip:a@b>;=1", "", "", ""},
		{"<sip:a@b>;x=\"", "", "", ""},
		{"<sip:a@b>;x=a b", "", "", ""},
		{"<sip:a@b>,<sip:c@d>", "", "", ""},
		{"< sip:a@b>", "", "", ""},
		{"<sip:a@b >", "", "", ""},
		{"<sip:a\"@b>", "", "", ""},
		{"<<sip:a@b>>", "", "", ""},
		{"Bell, A <sip:a@b>", "", "", ""},
		{"B\xc3\xa4r <sip:a@b>", "", "", ""},
		{"\"Bob\" sip:a@b", "", "", ""},
		{"\"Bob\"x<sip:a@b>", "", "", ""},
		{"\"Bob <sip:a@b>", "", "", ""},
		{"\"a\x07\" <sip:a@b>", "", "", ""},
		{"\"a\r\nb\" <sip:a@b>", "", "", ""},
		{"\"a\\\r\n b\" <sip:a@b>", "", "", ""},
		{"Bob sip:a@b", "", "", ""},
		{"sip:a@b c", "", "", ""},
		{"sip:a@b?x=y", "", "", ""},
		{"sip:a@b,c", "", "", ""},
		{"<sip:a@b>;tag=1;TAG=2", "", "", ""},
		{"<sip:a@b>;tag", "", "", ""},
	}
	for _, test := range tests {
		a, err := sipmsg.ParseAddress([]byte(test.in))
		if (err == nil) != (test.uri != "") || string(a.URI) != test.uri || string(a.Display) != test.display || string(a.Params) != test.params {
			t.Errorf("%q: got display %q, URI %q, params %q, %v", test.in, a.Display, a.URI, a.Params, err)
		}
	}
}

func TestAddressParam(t *testing.T) {
	a, err := sipmsg.ParseAddress([]byte("<sip:a@b;tag=no>;Epid = 1f\r\n ;q=\"a;b\";x;tag=T1"))
	if err != nil || string(a.Tag()) != "T1" {
		t.Fatalf("tag %q, %v", a.Tag(), err)
	}
	for name, want := range map[string]string{"epid": "1f true", "q": `"a;b" true`, "x": " true", "b": " false"} {
		value, ok := a.Param(name)
		if got := fmt.Sprintf("%s %v", value, ok); got != want {
			t.Errorf("%q: got %q, want %q", name, got, want)
		}
	}
}

func TestParseVia(t *testing.T) {
	tests := []struct{ in, want string }{ // want "" means an error
		{"SIP/2.0/TLS sip.contoso.com:5061;branch=z9hG4bK1;alias", "TLS sip.contoso.com 5061 z9hG4bK1 [;branch=z9hG4bK1;alias]"},
		{"SIP/2.0/UDP 192.0.2.1", "UDP 192.0.2.1 0  []"},
		{"sip/2.0/tls [2001:db8::9:1]:6050;received=[2001:db8::9:255]", "tls 2001:db8::9:1 6050  [;received=[2001:db8::9:255]]"},
		{"SIP/2.0/TCP [::ffff:192.0.2.10];received=2001:db8::1;branch=x", "TCP ::ffff:192.0.2.10 0 x [;received=2001:db8::1;branch=x]"},
		{"SIP  / 2.0\r\n / UNKNOWN\t h : 5060 ;\r\n branch = z9hG4bK1 ", "UNKNOWN h 5060 z9hG4bK1 [;\r\n branch = z9hG4bK1]"},
		{"SIP/2.0/TLS h;ms-received-port=49;ms-received-cid=2600;rport;oc-algo=\"loss,x\"", "TLS h 0  [;ms-received-port=49;ms-received-cid=2600;rport;oc-algo=\"loss,x\"]"},
		{"SIP/2.0/TLS h;branch=z9hG4bK==", "TLS h 0 z9hG4bK== [;branch=z9hG4bK==]"},
		{"", ""},
		{"SIP/2.0", ""},
		{"SIP/2.0/TLS", ""},
		{"SIP/2.0/TLS ", ""},
		{"SIP/2.0/ h", ""},
		{"SIP/3.0/TLS h", ""},
		{"HTTP/2.0/TLS h", ""},
		{"SIP 2.0/TLS h", ""},
		{"SIP/2.0/TLS[::1]", ""},
		{"SIP/2.0/TLS h x", ""},
		{"SIP/2.0/TLS h:", ""},
		{"SIP/2.0/TLS h:70000", ""},
		{"SIP/2.0/TLS 2001:db8::1", ""},
		{"SIP/2.0/TLS [2001:db8::1", ""},
		{"SIP/2.0/TLS h;", ""},
		{"SIP/2.0/TLS h;;branch=1", ""},
		{"SIP/2.0/TLS h;branch", ""},
		{"SIP/2.0/TLS h;branch=", ""},
		{"SIP/2.0/TLS h;branch=z9hG4bK", ""},
		{"SIP/2.0/TLS h;branch=1;branch=1", ""},
		{"SIP/2.0/TLS h, SIP/2.0/TLS i", ""},
	}
	for _, test := range tests {
		via, err := sipmsg.ParseVia([]byte(test.in))
		got := ""
		if err == nil {
			host, port := via.SentBy()
			got = fmt.Sprintf("%s %s %d %s [%s]", via.Transport, host, port, via.Branch(), via.Params)
		}
		if got != test.want {
			t.Errorf("%q: got %q, %v; want %q", test.in, got, err, test.want)
		}
	}
	via, _ := sipmsg.ParseVia([]byte("SIP/2.0/TLS [2001:db8::1];Received=1"))
	ip, ok := via.HostIP()
	if received, found := via.Param("received"); !ok || ip.String() != "2001:db8::1" || !found || string(received) != "1" {
		t.Errorf("IPv6 sent-by: %v %v %q", ip, ok, received)
	}
}
