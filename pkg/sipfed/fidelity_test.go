package sipfed

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"
)

// parts is a message taken apart without loss: a row has its continuation lines
// and its line end.
type parts struct {
	start string
	rows  []string
	body  string
}

func takeApart(raw string) parts {
	head, body, _ := strings.Cut(raw, "\r\n\r\n")
	lines := strings.SplitAfter(head+"\r\n", "\r\n")
	p := parts{start: lines[0], body: body}
	for _, line := range lines[1 : len(lines)-1] {
		if line[0] == ' ' || line[0] == '\t' {
			p.rows[len(p.rows)-1] += line
			continue
		}
		p.rows = append(p.rows, line)
	}
	return p
}

// rowName is a row's name in lower case, the compact Via spelt out.
func rowName(row string) string {
	name, _, _ := strings.Cut(row, ":")
	if name = strings.ToLower(strings.TrimSpace(name)); name == "v" {
		return "via"
	}
	return name
}

var (
	ourVia         = regexp.MustCompile(`^Via: SIP/2\.0/TLS (sip|edge\.corp)\.contoso\.com:5061;branch=z9hG4bKed-[\w-]+\r\n$`)
	ourRecordRoute = regexp.MustCompile(`^Record-Route: <sips?:(sip|edge\.corp)\.contoso\.com:5061;transport=tls;lr;edged=[\w-]+>\r\n$`)
	ourRoute       = regexp.MustCompile(`<sips?:(sip|edge\.corp)\.contoso\.com[:;>]`)
	ourAdditions   = regexp.MustCompile(`^(Max-Breadth: \d+|Max-Forwards: 70|ms-edge-proxy-message-trust: .*|ms-asserted-verification-level: .*)\r\n$`)
	source         = regexp.MustCompile(`(?i);\s*received\s*=\s*[^;,\s]+|(;rport)=\d+`)
	hops           = regexp.MustCompile(`(:\s*)(\d+)(\s*)$`)
)

// crossed says what of a request has changed on its way through the edge that may
// not: everything but our Via and Record-Route on top, received and rport in the
// sender's Via (RFC 3261 §18.2.1, RFC 3581 §4), our own Route rows, Max-Forwards
// less one, and what policy adds at the end of the header section.
func crossed(sent, got string) string {
	was, is := takeApart(sent), takeApart(got)
	var want []string
	vias := 0
	for _, row := range was.rows {
		switch rowName(row) {
		case "via":
			if vias++; vias == 1 {
				row = source.ReplaceAllString(row, "$1")
			}
		case "route":
			if ourRoute.MatchString(row) {
				continue
			}
		case "max-forwards":
			m := hops.FindStringSubmatch(row)
			n, _ := strconv.Atoi(m[2])
			row = row[:len(row)-len(m[0])] + m[1] + strconv.Itoa(n-1) + m[3]
		}
		want = append(want, row)
	}
	return cmp.Diff(append([]string{was.start, was.body}, want...), append([]string{is.start, is.body}, foreign(is.rows)...))
}

// foreign is the rows of a request that has crossed without what the edge adds.
func foreign(rows []string) []string {
	if len(rows) == 0 || !ourVia.MatchString(rows[0]) {
		return append([]string{"no Via of the edge on top\r\n"}, rows...)
	}
	rows = rows[1:]
	for i := 0; i < 2 && len(rows) > 0 && ourRecordRoute.MatchString(rows[0]); i++ {
		rows = rows[1:]
	}
	for len(rows) > 0 && ourAdditions.MatchString(rows[len(rows)-1]) {
		rows = rows[:len(rows)-1]
	}
	var left []string
	vias := 0
	for _, row := range rows {
		if rowName(row) == "via" {
			if vias++; vias == 1 {
				row = source.ReplaceAllString(row, "$1")
			}
		}
		left = append(left, row)
	}
	return left
}

// TestHeaderFidelity sends a message with everything that a proxy is tempted to
// change, both ways, and has an answer of the same kind come back.
func TestHeaderFidelity(t *testing.T) {
	world()
	t.Run("inward", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			_, partner, pool := between(t)
			fidelity(t, partner, pool, golden(t, "fabrikam.com", "contoso.com"))
		})
	})
	t.Run("outward", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			_, member, partner := outward(t)
			own := "Route: <sip:edge.corp.contoso.com:5061;transport=tls;lr>\r\n"
			next := "ROUTE:<sip:" + partnerAddr + ":5061;lr>;x , \"c\" <sip:p9.fabrikam.com;lr;x=\",\">\r\n"
			fidelity(t, member, partner, strings.Replace(golden(t, "contoso.com", "fabrikam.com"), "X-First: one\r\n", "X-First: one\r\n"+own+next, 1))
		})
	})
}

// golden is the message from one domain to another.
func golden(t *testing.T, from, to string) string {
	t.Helper()
	raw, _ := readMessage(t, "testdata/golden-invite.sip", map[string]any{"From": from, "To": to, "Host": "edge." + from})
	return raw
}

func fidelity(t *testing.T, near, far *peer, raw string) {
	t.Helper()
	if n := len(takeApart(raw).rows); n < 60 {
		t.Fatalf("the message has %d fields", n)
	}
	near.write(raw)
	near.expect("SIP/2.0 100")
	got := far.expect("INVITE ")
	if diff := crossed(raw, got.raw); diff != "" {
		t.Errorf("the request crossed changed (-sent +arrived):\n%s", diff)
	}
	for _, status := range []string{"183 ", "200 = 2**3 * 5**2; да, 예 \"OK\"", "299 \xff\xfe"} { // RFC 4475 §3.1.1.12, §3.1.1.13
		answer := oddAnswer(got.raw, status)
		far.write(answer)
		back := near.expect("SIP/2.0 " + strings.TrimRight(status, " "))
		if diff := returned(answer, back.raw); diff != "" {
			t.Errorf("the response came back changed (-sent +arrived):\n%s", diff)
		}
	}
}

// oddAnswer is a response to a request as it arrived, with fields of its own.
func oddAnswer(request, status string) string {
	p := takeApart(request)
	answer := "SIP/2.0 " + status + "\r\n"
	for _, row := range p.rows {
		switch rowName(row) {
		case "via", "record-route", "f", "from", "i", "call-id", "cseq":
			answer += row
		case "to":
			answer += strings.TrimRight(row, "\r\n") + "\r\n\t; tag = there\r\n"
		}
	}
	body := "v=0\r\n\x00\xff\r\n\r\nSIP/2.0 200 OK\r\n"
	return answer + "x-Odd:\r\n  one ,two\r\nWWW-Authenticate: A realm=\"x\", b\r\nX-ODD: three\r\nWWW-Authenticate: C d,,e\r\n" +
		"m:<sip:bob@192.0.2.9>;x, sip:carol@192.0.2.9\r\nk: a ,, b\r\nRetry-After: 5 (\"soon\");duration=3600\r\nc: x/y ; z\r\n" +
		fmt.Sprintf("L : %d\r\n\r\n%s", len(body), body)
}

// returned says what of a response has changed on its way back that may not:
// everything but our Via on top and what policy adds at the end.
func returned(sent, got string) string {
	was, is := takeApart(sent), takeApart(got)
	if !ourVia.MatchString(was.rows[0]) {
		return "no Via of the edge on top"
	}
	rows := is.rows
	for len(rows) > 0 && ourAdditions.MatchString(rows[len(rows)-1]) {
		rows = rows[:len(rows)-1]
	}
	return cmp.Diff(slices.Concat([]string{was.start, was.body}, was.rows[1:]), slices.Concat([]string{is.start, is.body}, rows))
}
