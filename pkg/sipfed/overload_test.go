package sipfed

import (
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"edged/pkg/limit"
	"edged/pkg/policy"
)

// silentPool takes requests and answers those of dialogs only: INVITE, NOTIFY and BYE.
func (b *bed) silentPool() {
	b.t.Helper()
	pool := b.poolServer()
	go func() {
		for {
			m, err := pool.read(time.Hour)
			if err != nil {
				return
			}
			switch method, _, _ := strings.Cut(m.first, " "); method {
			case "INVITE", "NOTIFY", "BYE":
				pool.send(m.reply("200 OK", "Contact: <sip:alice@10.0.0.9>"))
			}
		}
	}()
}

// dialog sets one up with alice and returns what its later requests look like.
func (p *peer) dialog(from string) func(method string, seq int) string {
	p.t.Helper()
	renamed := strings.NewReplacer("fabrikam.com", from, "kdialog", "kdialog-"+from)
	p.send(renamed.Replace(request("INVITE", "dialog", "")))
	p.expect("SIP/2.0 100")
	rr := p.expect("SIP/2.0 200").all("Record-Route")
	return func(method string, seq int) string {
		text := strings.NewReplacer("branch=z9hG4bKdialog", fmt.Sprint("branch=z9hG4bK", from, seq), "sip:alice@contoso.com SIP", "sip:alice@10.0.0.9 SIP",
			"To: <sip:alice@contoso.com>", "To: <sip:alice@contoso.com>;tag=there", "CSeq: 1", fmt.Sprint("CSeq: ", seq)).
			Replace(request(method, "dialog", ""))
		return with(strings.NewReplacer("fabrikam.com", from).Replace(text), "Route: "+rr[1], "Route: "+rr[0])
	}
}

// fill sends so many MESSAGEs that nobody answers, and returns how many of them the
// edge refused with the status.
func (p *peer) fill(from string, n int, body, status string) (refused int) {
	p.t.Helper()
	for i := range n {
		p.send(strings.ReplaceAll(request("MESSAGE", fmt.Sprint(from, "-fill-", i), body), "fabrikam.com", from))
		synctest.Wait() // until it is written
	}
	for {
		m, err := p.read(10 * time.Millisecond)
		if err != nil {
			return refused
		}
		if !strings.HasPrefix(m.first, "SIP/2.0 "+status) || m.one("Retry-After") == "" {
			p.t.Fatalf("want %s with Retry-After, got\n%s", status, m)
		}
		refused++
	}
}

// TestOverload: where the whole edge is full, new requests get 503; where it is one
// partner's share, that partner gets 480 and nobody else notices. What belongs to a
// dialog goes on for longer, and all is well again when there is room.
func TestOverload(t *testing.T) {
	body := strings.Repeat("x", 20_000)
	tests := []struct {
		name            string
		change          func(*limit.Bounds)
		body            string
		sent, refused   int
		status, another string // of the other partner's request
	}{
		{
			"transactions", func(l *limit.Bounds) { l.Transactions, l.TransactionsPerConnection, l.PartnerShare = 20, 20, 100 },
			"", 30, 12, "503", "503", // 18 of 20
		},
		{
			"bytes", func(l *limit.Bounds) { l.HeldBytes, l.PartnerShare = 1<<20, 100 },
			body, 60, 16, "503", "503", // 44 of 21.3 KB are 0.9 MiB
		},
		{
			"a share of transactions", func(l *limit.Bounds) { l.Transactions, l.TransactionsPerConnection, l.PartnerShare = 40, 40, 50 },
			"", 30, 12, "480", "",
		},
		{
			"a share of bytes", func(l *limit.Bounds) { l.HeldBytes, l.PartnerShare = 2<<20, 50 },
			body, 60, 16, "480", "",
		},
		{
			"a connection", func(l *limit.Bounds) { l.TransactionsPerConnection = 18 },
			"", 30, 12, "480", "",
		},
	}
	world()
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBed(t, func(_ *policy.Source, l *limit.Bounds) { tt.change(l) })
				b.silentPool()
				partner, other := b.partner(b.world.partner), b.partner(b.world.other)
				later, others := partner.dialog("fabrikam.com"), other.dialog("adatum.com")
				if got := partner.fill("fabrikam.com", tt.sent, tt.body, tt.status); got != tt.refused {
					t.Errorf("%d of %d were refused, want %d", got, tt.sent, tt.refused)
				}
				if got := other.fill("adatum.com", 1, tt.body, tt.another); got > 0 != (tt.another != "") {
					t.Errorf("%d of the other partner's were refused", got)
				}
				if tt.name != "a connection" {
					partner.send(later("NOTIFY", 2))
					partner.expect("SIP/2.0 200")
					partner.send(later("BYE", 3))
					partner.expect("SIP/2.0 200")
				}
				other.send(others("BYE", 2))
				other.expect("SIP/2.0 200")
				<-time.After(time.Minute) // what nobody answered is over
				partner = b.partner(b.world.partner)
				again := partner.dialog("fabrikam.com")
				partner.send(again("BYE", 5))
				partner.expect("SIP/2.0 200")
			})
		})
	}
}

// TestSilentPartner holds only its share of what our own servers send.
func TestSilentPartner(t *testing.T) {
	world()
	synctest.Test(t, func(t *testing.T) {
		b, member, partner := outward(t, func(_ *policy.Source, l *limit.Bounds) {
			l.Transactions, l.TransactionsPerConnection, l.PartnerShare = 40, 40, 50
		})
		_, _ = b, partner
		refused := 0
		for i := range 30 {
			member.send(outgoing("MESSAGE", fmt.Sprint("s", i), ""))
		}
		for {
			m, err := member.read(10 * time.Millisecond)
			if err != nil {
				break
			}
			if !strings.HasPrefix(m.first, "SIP/2.0 480") || !strings.Contains(m.one("ms-diagnostics"), "limits.partner_share reached") {
				t.Fatalf("got\n%s", m)
			}
			refused++
		}
		if refused < 12 || refused > 13 {
			t.Errorf("%d of 30 were refused", refused)
		}
	})
}

// TestArrivingMessages take memory only while there is some: of the partner's share, or
// of everybody's.
func TestArrivingMessages(t *testing.T) {
	world()
	for percent, status := range map[int]string{30: "480", 100: "503"} {
		t.Run(status, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBed(t, func(_ *policy.Source, l *limit.Bounds) { l.HeldBytes, l.PartnerShare = 1<<20, percent })
				b.silentPool()
				start := func(p *peer, bytes int) {
					text := strings.Replace(wire(request("MESSAGE", "large", "")), "Content-Length: 0", "Content-Length: 900000", 1)
					_, _ = io.WriteString(p.sock, text+strings.Repeat("x", bytes))
				}
				start(b.partner(b.world.partner), 200_000)
				synctest.Wait()
				if held := b.s.held.Bytes(); held < 200_000 || held > 400_000 {
					t.Errorf("%d bytes are held", held)
				}
				late := b.partner(b.world.partner)
				go start(late, 899_999)
				late.expect("SIP/2.0 " + status)
				if _, err := late.read(time.Second); err == nil {
					t.Error("its connection stays open")
				}
				synctest.Wait()
				if held := b.s.held.Bytes(); held > 400_000 {
					t.Errorf("%d bytes are held afterwards", held)
				}
				other := b.partner(b.world.other)
				go start(other, 200_000)
				other.silent(time.Second)
			})
		})
	}
}

// TestSlowReaders: who does not read keeps no long queue where the edge is full.
func TestSlowReaders(t *testing.T) {
	world()
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t, func(_ *policy.Source, l *limit.Bounds) {
			l.HeldBytes, l.PartnerShare, l.WriteTimeout = 1<<20, 100, time.Minute
		})
		pool := b.poolServer()
		deaf := b.partner(b.world.partner)
		body := strings.Repeat("y", 200_000)
		arrived := 0
		for i := range 40 { // with all of them before one is answered
			deaf.send(request("MESSAGE", fmt.Sprint(i), ""))
		}
		for {
			m, err := pool.read(time.Second)
			if err != nil {
				break
			}
			arrived++
			text := strings.Replace(m.reply("200 OK"), "\n\n", "\n\n"+body, 1)
			pool.send(text)
		}
		synctest.Wait()
		if held := b.s.held.Bytes(); arrived != 40 || held < 1<<20 || held > 3<<20/2 {
			t.Errorf("%d bytes are held with %d answers", held, arrived)
		}
	})
}
