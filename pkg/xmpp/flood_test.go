package xmpp

import (
	"log/slog"
	"strings"
	"testing"
	"time"

	"edged/internal/lab/xmpppeer"
	"edged/pkg/limit"

	"github.com/prometheus/client_golang/prometheus"
)

// TestManyKeys: keys that are refused end the stream in the end, and answers that nobody
// has asked for, which may be any number, do not fill the log.
func TestManyKeys(t *testing.T) {
	log, reg := &record{}, prometheus.NewRegistry()
	b := newBed(t, counted(reg), func(c *setup) { c.config.Log = slog.New(slog.NewTextHandler(log, nil)) })
	s := b.dial(theirs, nil, xmpppeer.Reoffered)
	if err := s.Send(strings.Repeat("<db:result from='jabber.example' to='contoso.com' type='valid'/>", 1000)); err != nil {
		t.Fatal(err)
	}
	key := "<db:result from='unlisted.example' to='contoso.com'>key</db:result>"
	if err := s.Send(strings.Repeat(key, maxPairs)); err != nil {
		t.Fatal(err)
	}
	for range maxPairs {
		if e, err := s.Await(b.ctx, "result", xmpppeer.NSDialback); err != nil || e.Condition() != "forbidden" {
			t.Fatalf("got %v, %v", e, err)
		}
	}
	if n, counted := strings.Count(log.String(), "nobody awaits"), total(t, reg, "edged_xmpp_dialback_unsolicited_total"); n != 1 || counted != 1000 {
		t.Errorf("%d lines about %d answers", n, counted)
	}
	_ = s.Send(key)
	b.ended(s, "policy-violation")
}

// TestFloodBeyondBudget: who goes on beyond a budget is read slowly.
func TestFloodBeyondBudget(t *testing.T) {
	t.Parallel()
	b := newBed(t, open)
	b.reload(func(st *State) {
		st.Discovered = limit.NewDiscovered(limit.DiscoveredConfig{Rate: 1, SuspiciousRate: 1, Contacts: 2, ReportPeriod: time.Hour, Partners: 10}, time.Now)
	})
	s := b.dial("one.example", b.cert("one.example"), xmpppeer.Ready)
	begun := time.Now()
	for i := range 30 {
		_ = s.Send(numbered("eve@one.example", bob, i, 1))
	}
	_ = s.Send("<db:verify from='one.example' to='contoso.com' id='1'>00</db:verify>")
	if _, err := s.Await(b.ctx, "verify", xmpppeer.NSDialback); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(begun); took < time.Second {
		t.Errorf("30 stanzas are read within %v", took)
	}
}
