package sipfed

import (
	"fmt"
	"io"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"edged/pkg/domain"
	"edged/pkg/limit"
	"edged/pkg/policy"
	"edged/pkg/sipfed/sipmsg"
)

// TestTorture sends odd and broken messages to the edge. testdata/torture has one
// of ours for each trick of RFC 4475 and RFC 5118; the RFCs' own messages are read
// where they are kept beside the repository, or in EDGED_CORPUS.
//
// What becomes of a message is one of
//
//	forward    it arrives at the far side, crossed finds no fault with it, and what
//	           the far side answers comes back
//	arrive     the same, but an answer would find nobody
//	NNN        it is answered so, and the connection goes on
//	drop       nothing follows, and the connection goes on
//	NNN close  it is answered so, and the connection ends
//	stall      nothing follows until limits.message_timeout, and the connection ends
//
// and of several messages in one file, several of these.
func TestTorture(t *testing.T) {
	world()
	t.Run("ours", func(t *testing.T) {
		files, err := filepath.Glob("testdata/torture/*.sip")
		if err != nil || len(files) < 61 {
			t.Fatalf("%d messages, %v; the RFCs have 61", len(files), err)
		}
		for _, file := range files {
			raw, want := readMessage(t, file, nil)
			t.Run(strings.TrimSuffix(filepath.Base(file), ".sip"), func(t *testing.T) { torture(t, tormentInward, raw, want) })
		}
	})
	t.Run("of the RFCs", func(t *testing.T) {
		dir := corpusDir(t)
		inward, outward := corpusWants()
		checkComplete(t, dir, inward, outward)
		for _, name := range slices.Sorted(maps.Keys(inward)) {
			raw := corpusMessage(t, dir, name, "contoso.com")
			t.Run(name, func(t *testing.T) { torture(t, tormentInward, raw, inward[name]) })
		}
		for _, name := range slices.Sorted(maps.Keys(outward)) {
			raw := corpusMessage(t, dir, name, "fabrikam.com")
			t.Run(name, func(t *testing.T) { torture(t, tormentOutward, raw, outward[name]) })
		}
	})
}

// torment is a connection to send a message on, and one where it should arrive.
type torment struct {
	near, far *peer
	edge      string // the edge's name on this side
}

// tormentInward is a partner who speaks for everybody in the RFCs' messages.
func tormentInward(t *testing.T) torment {
	t.Helper()
	b := newBed(t, func(src *policy.Source, _ *limit.Bounds) {
		for _, name := range exampleDomains() {
			src.AllowedDomains = append(src.AllowedDomains, policy.AllowedDomain{Domain: pattern(name)})
		}
	})
	return torment{b.partner(b.world.many), b.poolServer(), "sip.contoso.com"}
}

// tormentOutward is a member of a pool that serves everybody in them.
func tormentOutward(t *testing.T) torment {
	t.Helper()
	b, member, partner := outward(t)
	for _, name := range exampleDomains() {
		b.ours = append(b.ours, domain.MustParse(name))
	}
	b.put(b.newState())
	return torment{member, partner, "edge.corp.contoso.com"}
}

func exampleDomains() []string {
	return []string{"example.com", "example.net", "example.org", "east.example.com"}
}

// torture sends one message, or what looks like one, and checks what becomes of it.
func torture(t *testing.T, open func(*testing.T) torment, raw, want string) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		x := open(t)
		go func() { _, _ = io.WriteString(x.near.sock, raw) }() // the edge may close before it has all
		synctest.Wait()
		words := strings.Fields(want)
		for i, word := range words {
			switch word {
			case "forward":
				x.answered(t, x.arrives(t, messageAt(raw, i)))
			case "arrive":
				x.arrives(t, messageAt(raw, i))
			case "close":
				x.near.gone(0)
				return
			case "stall":
				x.near.gone(15 * time.Second)
				return
			case "drop":
			default:
				x.near.expect("SIP/2.0 " + word)
			}
		}
		x.near.send(probe(x.edge))
		if got := x.near.expect("SIP/2.0 200"); got.one("Call-ID") != "probe" {
			t.Errorf("after it came\n%s", got)
		}
		x.far.silent(time.Minute)
	})
}

// probe asks the edge itself for a sign of life.
func probe(edge string) string {
	return "OPTIONS sip:" + edge + ` SIP/2.0
Via: SIP/2.0/TLS edge.fabrikam.com;branch=z9hG4bKprobe
Max-Forwards: 70
From: <sip:probe@fabrikam.com>;tag=probe
To: <sip:` + edge + `>
Call-ID: probe
CSeq: 1 OPTIONS

`
}

// messageAt returns the i-th message of those that look like one.
func messageAt(raw string, i int) string {
	at := regexp.MustCompile(`(?m)^[A-Z]+ \S+ SIP/2\.0\r$`).FindAllStringIndex(raw, -1)
	if len(at) <= 1 {
		return raw
	}
	return raw[at[i][0]:]
}

// arrives checks that a message gets to the far side as it was, and returns it.
func (x torment) arrives(t *testing.T, raw string) msg {
	t.Helper()
	method, _, _ := strings.Cut(raw, " ")
	got := x.far.expect(method + " ")
	head, body, _ := strings.Cut(raw, "\r\n\r\n")
	if diff := crossed(head+"\r\n\r\n"+body[:min(len(body), len(got.body))], got.raw); diff != "" {
		t.Errorf("it crossed changed (-sent +arrived):\n%s", diff)
	}
	if method == "INVITE" {
		x.near.expect("SIP/2.0 100")
	}
	return got
}

// answered lets the far side answer what has arrived.
func (x torment) answered(t *testing.T, got msg) {
	t.Helper()
	m, err := sipmsg.Parse([]byte(got.raw), sipmsg.DefaultLimits())
	if err != nil {
		t.Fatal(err)
	}
	status := 200
	if m.Method == "INVITE" {
		status = 486
	}
	x.far.write(string(sipmsg.AppendResponse(nil, m, status, "Answer", "there")))
	if m.Method == "INVITE" {
		x.far.expect("ACK ")
	}
	x.near.expect(fmt.Sprintf("SIP/2.0 %d Answer", status))
}
