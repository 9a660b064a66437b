package sipfed

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"edged/pkg/limit"
	"edged/pkg/policy"
)

// dialogWith sets up a dialog of bob with alice and returns what its later
// requests look like.
func (b *bed) dialogWith(partner, pool *peer) func(method, uri, seq string, lines ...string) string {
	partner.send(request("INVITE", "dialog", ""))
	partner.expect("SIP/2.0 100")
	pool.send(pool.expect("INVITE").reply("200 OK", "Contact: <sip:alice@10.0.0.9>"))
	rr := partner.expect("SIP/2.0 200").all("Record-Route")
	return func(method, uri, seq string, lines ...string) string {
		text := strings.NewReplacer("branch=z9hG4bKdialog", "branch=z9hG4bK"+seq, "sip:alice@contoso.com SIP", uri+" SIP",
			"To: <sip:alice@contoso.com>", "To: <sip:alice@contoso.com>;tag=there", "CSeq: 1", "CSeq: "+seq).
			Replace(request(method, "dialog", ""))
		return with(text, append([]string{"Route: " + rr[1], "Route: " + rr[0]}, lines...)...)
	}
}

func TestByeOutsideDialogIsJudged(t *testing.T) {
	world()
	synctest.Test(t, func(t *testing.T) {
		_, partner, pool := between(t)
		partner.send(strings.Replace(request("BYE", "1", ""), "alice", "mallory", 1))
		partner.expect("SIP/2.0 404")
		pool.silent(time.Second)
	})
}

// TestLargestInviteCanBeTakenBack: what we add must not make a message too large
// for ourselves.
func TestLargestInviteCanBeTakenBack(t *testing.T) {
	world()
	synctest.Test(t, func(t *testing.T) {
		_, partner, pool := between(t)
		rows := make([]string, limit.DefaultBounds().HeaderFields-7)
		for i := range rows {
			rows[i] = fmt.Sprintf("X-%d: y", i)
		}
		partner.send(with(request("INVITE", "1", ""), rows...))
		partner.expect("SIP/2.0 100")
		invite := pool.expect("INVITE")
		pool.send(invite.reply("180 Ringing"))
		partner.expect("SIP/2.0 180")
		partner.send(request("CANCEL", "1", ""))
		partner.expect("SIP/2.0 200")
		pool.expect("CANCEL")
		pool.send(invite.reply("487 Request Terminated"))
		pool.expect("ACK")
		partner.expect("SIP/2.0 487")
	})
}

func TestUnacknowledgedInvitesCount(t *testing.T) {
	world()
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t, func(_ *policy.Source, l *limit.Bounds) { l.TransactionsPerConnection, l.Transactions = 2, 10 })
		partner := b.partner(b.world.partner)
		pool := b.poolServer()
		for i := range 5 {
			partner.send(request("INVITE", fmt.Sprint(i), ""))
			if i >= 2 {
				partner.expect("SIP/2.0 480") // and no 503, which would be the whole edge's
				continue
			}
			partner.expect("SIP/2.0 100")
			pool.send(pool.expect("INVITE").reply("486 Busy Here"))
			pool.expect("ACK")
			partner.expect("SIP/2.0 486")
		}
		other := b.partner(b.world.other)
		other.send(strings.ReplaceAll(request("MESSAGE", "other", ""), "fabrikam.com", "adatum.com"))
		pool.send(pool.expect("MESSAGE").reply("200 OK"))
		other.expect("SIP/2.0 200")
	})
}

func TestNobodyRingsOn(t *testing.T) {
	world()
	synctest.Test(t, func(t *testing.T) {
		_, partner, first, second := twoMembers(t, "1")
		partner.send(request("INVITE", "1", ""))
		partner.expect("SIP/2.0 100")
		early := first.expect("INVITE")
		later := second.expect("INVITE")
		second.send(later.reply("180 Ringing"))
		partner.expect("SIP/2.0 180")
		second.send(later.reply("200 OK"))
		partner.expect("SIP/2.0 200")
		first.send(early.reply("180 Ringing")) // after the call was answered elsewhere
		cancel := first.expect("CANCEL")
		first.send(cancel.reply("200 OK"))
		first.send(early.reply("487 Request Terminated"))
		first.expect("ACK")
		partner.silent(time.Second)
	})
}

// TestForgedResponses: a response that does not belong to the request is nobody's.
func TestForgedResponses(t *testing.T) {
	world()
	synctest.Test(t, func(t *testing.T) {
		_, partner, pool := between(t)
		partner.send(with(request("SUBSCRIBE", "1", ""), "Record-Route: <sip:p1.fabrikam.com;lr>"))
		good := pool.expect("SUBSCRIBE").reply("200 OK")
		for name, forged := range map[string]string{
			"Call-ID":        strings.Replace(good, "call-1", "call-2", 1),
			"From tag":       strings.Replace(good, "tag=here", "tag=other", 1),
			"CSeq":           strings.Replace(good, "CSeq: 1", "CSeq: 2", 1),
			"Via below ours": strings.Replace(good, "z9hG4bK1", "z9hG4bK2", 1),
			"sender's host":  strings.Replace(good, "TLS edge.fabrikam.com", "TLS edge.adatum.com", 1),
			"route set":      strings.Replace(good, "<sip:p1.fabrikam.com;lr>", "<sip:victim.example:22;lr>", 1),
			"our own route":  strings.Replace(good, "Record-Route: <sip:sip.contoso.com", "Record-Route: <sip:victim.example", 1),
		} {
			if forged == good {
				t.Fatalf("%s: nothing was forged in\n%s", name, good)
			}
			pool.send(forged)
		}
		partner.silent(100 * time.Millisecond)
		pool.send(good)
		partner.expect("SIP/2.0 200")
	})
}

func TestStrangersDoNotStay(t *testing.T) {
	world()
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t)
		stranger := b.partner(b.world.partner)
		start := time.Now()
		stranger.send(strings.Replace(request("MESSAGE", "1", ""), "bob@fabrikam.com", "bob@adatum.com", 1))
		stranger.expect("SIP/2.0 403")
		go func() { // pings alone keep nothing open
			for {
				if _, err := stranger.sock.Write([]byte("\r\n\r\n")); err != nil {
					return
				}
				<-time.After(5 * time.Second)
			}
		}()
		if m, err := stranger.read(time.Hour); err == nil {
			t.Fatalf("got\n%s", m)
		}
		if took := time.Since(start); took > 31*time.Second {
			t.Errorf("a stranger stayed for %v", took)
		}
		_ = stranger.raw.Close()
		<-time.After(10 * time.Second)
	})
}

// TestSilentHandshakesHoldUpNobody: however many there are, and whatever they have
// sent of a handshake.
func TestSilentHandshakesHoldUpNobody(t *testing.T) {
	world()
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t, func(_ *policy.Source, l *limit.Bounds) { l.Handshakes, l.HandshakeTimeout = 1, time.Minute })
		pool := b.poolServer()
		for i := range 30 {
			ours, theirs := net.Pipe()
			defer ours.Close()
			b.outside.conns <- theirs
			switch i % 3 {
			case 1: // the beginning of a ClientHello
				if _, err := io.WriteString(ours, "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"); err != nil {
					t.Fatal(err)
				}
			case 2: // all of it, and the answer is not read
				hello := tls.Client(oneWay{ours}, &tls.Config{InsecureSkipVerify: true})
				go func() { _ = hello.Handshake() }()
			}
		}
		synctest.Wait()
		start := time.Now()
		partner := b.partner(b.world.partner)
		partner.send(request("MESSAGE", "1", ""))
		pool.send(pool.expect("MESSAGE").reply("200 OK"))
		partner.expect("SIP/2.0 200")
		if took := time.Since(start); took > 0 {
			t.Errorf("held up for %v", took)
		}
		<-time.After(2 * time.Minute)
	})
}

// oneWay is a connection that nothing comes on until it is closed.
type oneWay struct{ net.Conn }

func (o oneWay) Read([]byte) (int, error) {
	<-time.After(time.Minute)
	return 0, io.EOF
}

// TestResponsesLeadNowhereElse: what a partner's response says of the way back must be
// what the request said, all of it: servers inside may go by it.
func TestResponsesLeadNowhereElse(t *testing.T) {
	world()
	synctest.Test(t, func(t *testing.T) {
		_, member, partner := outward(t)
		member.send(strings.Replace(outgoing("MESSAGE", "1", ""), "Max-Forwards",
			"Via: SIP/2.0/TCP client.corp.contoso.com;branch=z9hG4bKc, SIP/2.0/UDP phone;branch=z9hG4bKp\nMax-Forwards", 1))
		ok := partner.expect("MESSAGE").reply("200 OK")
		for _, change := range [][2]string{
			{"client.corp.contoso.com", "10.0.0.99"},
			{"z9hG4bKp", "z9hG4bKother"},
			{"UDP phone;", "UDP phone:25;"},
			{", SIP/2.0/UDP phone;branch=z9hG4bKp", ""},
			{"Via: SIP/2.0/TCP", "Via: SIP/2.0/TCP 10.0.0.99;branch=z9hG4bKmore\nVia: SIP/2.0/TCP"},
		} {
			partner.send(strings.Replace(ok, change[0], change[1], 1))
		}
		member.silent(time.Second)
		partner.send(strings.NewReplacer("client.corp", "CLIENT.corp", ", SIP/2.0/UDP phone", "\nv: SIP / 2.0 / UDP phone;received=10.0.0.7").Replace(ok))
		member.expect("SIP/2.0 200")
	})
}
