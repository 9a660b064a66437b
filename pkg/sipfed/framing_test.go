package sipfed

import (
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// TestFraming: where a message ends (RFC 3261 §18.3, §20.14), and that nothing gets
// in by an end that two readers could see differently. What the message layer alone
// makes of more such input is in sipmsg's TestFraming.
func TestFraming(t *testing.T) {
	world()
	good := func(branch, body string) string { return wire(request("MESSAGE", branch, body)) }
	smuggled := good("smuggled", "")
	lengths := func(rows, body string) string {
		return strings.Replace(good("1", body), fmt.Sprintf("Content-Length: %d\r\n", len(body)), rows, 1)
	}
	tests := []struct{ name, raw, want string }{
		{"no length", lengths("", smuggled), "400 close"},
		{"two lengths", lengths("Content-Length: 0\r\nContent-Length: 5\r\n", "hello"), "400 close"},
		{"two lengths, one compact", lengths("l: 0\r\nContent-Length: 400\r\n", smuggled), "400 close"},
		{"two equal lengths", lengths("Content-Length: 5\r\nl: 5\r\n", "hello"), "400 close"},
		{"negative", lengths("Content-Length: -1\r\n", smuggled), "400 close"},
		{"plus", lengths("Content-Length: +5\r\n", "hello"), "400 close"},
		{"hexadecimal", lengths("Content-Length: 0x5\r\n", "hello"), "400 close"},
		{"twenty digits", lengths("Content-Length: 18446744073709551616\r\n", smuggled), "400 close"},
		{"a parameter", lengths("Content-Length: 5 ; x\r\n", "hello"), "400 close"},
		{"a list", lengths("Content-Length: 5,5\r\n", "hello"), "400 close"},
		{"body beyond limits.body_bytes", lengths("Content-Length: 1048577\r\n", ""), "413 close"},
		{"endless line", strings.TrimSuffix(good("1", ""), "\r\n\r\n") + "\r\nX: " + strings.Repeat("x", 1<<20), "513 close"},
		{"endless rows", strings.TrimSuffix(good("1", ""), "\r\n") + strings.Repeat("X: y\r\n", 100_000), "513 close"},
		{"bare LF", strings.Replace(good("1", ""), "Max-Forwards", "X: y\nMax-Forwards", 1), "close"},
		{"bare LF before a hidden length", strings.Replace(good("1", smuggled), "CSeq", "X: y\nContent-Length: 0\r\nCSeq", 1), "close"},
		{"bare CR", strings.Replace(good("1", ""), "Content-Length", "X: y\rz\r\nContent-Length", 1), "400 close"},
		{"NUL", strings.Replace(good("1", ""), "Content-Length", "X: y\x00z\r\nContent-Length", 1), "400 close"},
		{"chunks are nothing of SIP's", strings.Replace(good("1", "5\r\nhello\r\n0\r\n\r\n"), "Content-Length", "Transfer-Encoding: chunked\r\nContent-Length", 1), "forward"},
		{"a message in a body", good("1", "\r\n\r\n"+smuggled), "forward"},
		{"HTTP", "GET / HTTP/1.1\r\nHost: contoso.com\r\n\r\n", "close"},
		{"XMPP", "<?xml version='1.0'?><stream:stream>", "close"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { torture(t, tormentInward, tt.raw, tt.want) })
	}
	t.Run("any segments", segments)
	t.Run("fifty in one", fiftyInOne)
}

// segments sends a message byte by byte, and in two parts cut where it hurts.
func segments(t *testing.T) {
	folded := strings.Replace(wire(request("MESSAGE", "1", "a\r\n\r\nb")), "To: ", "X-Folded: \"Ä\r\n\t예\"\r\n  , b\r\nTo: ", 1)
	cuts := [][]string{strings.Split(folded, "")}
	for _, at := range []string{"\"Ä\r", "\"Ä\r\n", "\"Ä\r\n\t\xec", "5061", "\r\n\r", "\r\n\r\na"} {
		head, tail, _ := strings.Cut(folded, at)
		cuts = append(cuts, []string{head + at, tail})
	}
	for i, cut := range cuts {
		synctest.Test(t, func(t *testing.T) {
			_, partner, pool := between(t)
			for _, segment := range cut {
				partner.write(segment)
				<-time.After(time.Millisecond)
			}
			got := pool.expect("MESSAGE")
			if diff := crossed(folded, got.raw); diff != "" {
				t.Errorf("cut %d: it crossed changed (-sent +arrived):\n%s", i, diff)
			}
			pool.send(got.reply("200 OK"))
			partner.expect("SIP/2.0 200")
			pool.silent(time.Minute)
		})
	}
}

func fiftyInOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, partner, pool := between(t)
		var all strings.Builder
		for i := range 50 {
			all.WriteString(strings.Repeat("\r\n", i%2)) // a lone line break is none of anybody's
			all.WriteString(wire(request("MESSAGE", fmt.Sprint(i), strings.Repeat("x", 100*i))))
		}
		go func() { _, _ = io.WriteString(partner.sock, all.String()) }()
		for i := range 50 {
			got := pool.expect("MESSAGE")
			if got.one("Call-ID") != fmt.Sprint("call-", i) || len(got.body) != 100*i {
				t.Fatalf("as number %d came\n%s", i, got)
			}
			pool.send(got.reply("200 OK"))
			if answer := partner.expect("SIP/2.0 200"); answer.one("Call-ID") != fmt.Sprint("call-", i) {
				t.Fatalf("number %d was answered by\n%s", i, answer)
			}
		}
		partner.quiet(time.Second)
		pool.silent(time.Second)
	})
}
