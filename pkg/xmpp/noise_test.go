package xmpp

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"edged/internal/lab/xmpppeer"
	"edged/pkg/policy"
)

// noise is what servers say between stanzas, and what they get for it.
type noise struct {
	text      string
	answer    string // the element that comes back, "" for none
	attr      string // name=value in it
	condition string // of the stream error that it ends in
}

func noises() map[string]noise {
	sm := func(name string) string { return "<" + name + " xmlns='" + nsAck + "'/>" }
	return map[string]noise{
		"enable":              {text: sm("enable"), answer: "enabled"},
		"enable with resume":  {text: "<enable xmlns='urn:xmpp:sm:3' resume='true' max='600'/>", answer: "enabled", attr: "resume="},
		"enable and r":        {text: sm("enable") + sm("r"), answer: "a", attr: "h=0"},
		"r without enable":    {text: sm("r")},
		"a without enable":    {text: "<a xmlns='urn:xmpp:sm:3' h='7'/>"},
		"enable twice":        {text: sm("enable") + sm("enable"), condition: "undefined-condition"},
		"bidi":                {text: "<bidi xmlns='urn:xmpp:bidi'/>"},
		"bidi, the feature":   {text: "<bidi xmlns='urn:xmpp:features:bidi'/>"},
		"limits":              {text: "<limits xmlns='urn:xmpp:stream-limits:0'><max-bytes>10000</max-bytes></limits>"},
		"features":            {text: "<stream:features><a xmlns='b'/></stream:features>"},
		"unknown":             {text: "<a xmlns='urn:a'><b><c/></b>text</a>"},
		"many unknown":        {text: strings.Repeat("<a xmlns='urn:a'/>", 5000)},
		"white space":         {text: strings.Repeat(" \n\t\r", 10_000)},
		"compress":            {text: "<compress xmlns='http://jabber.org/protocol/compress'><method>zlib</method></compress>"},
		"stanza in disguise":  {text: "<message xmlns='urn:a' from='alice@jabber.example' to='bob@contoso.com'/>", condition: "unsupported-stanza-type"},
		"a word on nothing":   {text: "<stream:odd/>"},
		"their stream error":  {text: "<stream:error><reset xmlns='" + nsStreamErrors + "'/></stream:error>", condition: "none"},
		"result nobody wants": {text: "<db:result from='other.example' to='contoso.com' type='valid'/>"},
		"verify nobody wants": {text: "<db:verify from='other.example' to='contoso.com' id='1' type='valid'/>"},
		"key, unlisted":       {text: "<db:result from='unlisted.example' to='contoso.com'>key</db:result>", answer: "result", attr: "type=error"},
		"key, blocked":        {text: "<db:result from='blocked.example' to='contoso.com'>key</db:result>", answer: "result", attr: "type=error"},
		"key, no server":      {text: "<db:result from='other.example' to='contoso.com'>key</db:result>", answer: "result", attr: "type=error"},
		"key, for nobody":     {text: "<db:result from='other.example' to='third.example'>key</db:result>", answer: "result", attr: "type=error"},
		"key, again":          {text: "<db:result from='jabber.example' to='contoso.com'>key</db:result>", answer: "result", attr: "type=valid"},
		"empty key":           {text: "<db:result from='other.example' to='contoso.com'/>", answer: "result", attr: "type=error"},
		"question about one":  {text: "<db:verify from='jabber.example' to='contoso.com' id='1'>00</db:verify>", answer: "verify", attr: "type=invalid"},
	}
}

// TestStreamNoise: what is no stanza is answered or passed over, and never relayed.
func TestStreamNoise(t *testing.T) {
	b := newBed(t)
	user := b.pool.User(bob)
	for name, n := range noises() {
		t.Run(name, func(t *testing.T) {
			b := b.in(t)
			s := b.dial(theirs, b.cert(theirs), xmpppeer.Ready)
			if err := s.Send(n.text); err != nil {
				t.Fatal(err)
			}
			switch {
			case n.condition == "none":
				if err := s.AwaitEnd(b.ctx); err == nil {
					t.Error("the stream goes on")
				}
				return
			case n.condition != "":
				b.ended(s, n.condition)
				return
			case n.answer != "":
				b.answered(s, n)
			}
			if err := s.Send(numbered(alice, bob, 1, 1)); err != nil {
				t.Fatal(err)
			}
			if e := b.receive(user); e.Name != "message" || e.Attr("id") != "1" {
				t.Errorf("the pool got %s", e)
			}
			if err := s.Send(numbered("eve@other.example", bob, 2, 1)); err != nil {
				t.Fatal(err)
			}
			b.ended(s, "invalid-from") // nothing of that has proven anything
		})
	}
	for name, request := range map[string]string{"bidi": nsBidi, "bidi, the feature": nsBidiFeature} {
		t.Run("before authentication: "+name, func(t *testing.T) {
			b := b.in(t)
			s := b.dial(theirs, b.cert(theirs), xmpppeer.Reoffered)
			if err := s.Send("<bidi xmlns='" + request + "'/>"); err != nil {
				t.Fatal(err)
			}
			b.finish(s)
			if err := s.Send(numbered(alice, bob, 1, 1)); err != nil {
				t.Fatal(err)
			}
			if e := b.receive(user); e.Attr("id") != "1" {
				t.Errorf("the pool got %s", e)
			}
		})
	}
}

// answered waits for what noise gets for an answer; without a value, the attribute
// must not be there.
func (b *bed) answered(s *xmpppeer.Stream, n noise) {
	b.t.Helper()
	for {
		e, err := s.Next(b.ctx)
		if err != nil {
			b.t.Fatalf("waiting for %s: %v", n.answer, err)
		}
		if e.Name != n.answer {
			continue
		}
		name, value, _ := strings.Cut(n.attr, "=")
		if name != "" && e.Attr(name) != value {
			b.t.Errorf("got %s, want %s", e, n.attr)
		}
		return
	}
}

// finish authenticates a stream after TLS.
func (b *bed) finish(s *xmpppeer.Stream) {
	b.t.Helper()
	if err := s.External(b.ctx, theirs); err != nil {
		b.t.Fatal(err)
	}
	if _, err := s.Open(b.ctx, xmpppeer.Header{From: theirs, To: ours}); err != nil {
		b.t.Fatal(err)
	}
	if _, err := s.Features(b.ctx); err != nil {
		b.t.Fatal(err)
	}
}

// TestUnknownUserOracle: a user who does not exist, one who may not federate and one
// who has not given consent look the same from outside, and take the same time (RFC
// 6120 §13.11).
func TestUnknownUserOracle(t *testing.T) {
	b := newBed(t, func(c *setup) { c.policy.XMPPPartners[1].Type = policy.PublicUnverified })
	p, o := b.partner(theirs), b.partner("other.example")
	b.pool.User(bob)
	b.pool.User("mallory@contoso.com")
	b.chat(p.User(alice), b.pool.User(bob), "streams are open")
	b.chat(b.pool.User(bob), p.User(alice), "both ways")
	cases := []struct {
		name string
		from *xmpppeer.User
		to   string
	}{
		{"unknown", p.User(alice), "nobody@contoso.com"},
		{"disabled", p.User(alice), "mallory@contoso.com"},
		{"disabled and unknown", p.User(alice), "mallory@contoso.com/none"},
		{"no consent", o.User("dave@other.example"), bob},
	}
	kinds := []xmpppeer.Stanza{
		{Type: "chat", Payload: xmpppeer.Body("hello")},
		{Payload: xmpppeer.Body("hello")},
		{Kind: "iq", Type: "get", Payload: "<query xmlns='jabber:iq:version'/>"},
		{Kind: "iq", Type: "set", Payload: "<query xmlns='jabber:iq:private'/>"},
	}
	took := make(map[string][]time.Duration)
	for round := range 40 {
		st := kinds[round%len(kinds)]
		want := ""
		for _, c := range cases {
			st.ID, st.To = fmt.Sprintf("%s %d", c.name, round), c.to
			begun := time.Now()
			b.send(c.from, st)
			e := b.receive(c.from)
			took[c.name] = append(took[c.name], time.Since(begun))
			got := strings.NewReplacer(st.ID, "ID", c.to, "TO", c.from.Address, "FROM").Replace(e.Raw)
			if want == "" {
				want = got
			}
			if got != want {
				t.Errorf("%s: got %s, want as for the unknown user %s", c.name, got, want)
			}
		}
	}
	usual := median(took["unknown"])
	for name, all := range took {
		got := median(all)
		t.Logf("%s: %v", name, got)
		if got > 3*usual+10*time.Millisecond || usual > 3*got+10*time.Millisecond {
			t.Errorf("%s takes %v, an unknown user %v", name, got, usual)
		}
	}
}

// median of the later half, when everybody knows how long it takes.
func median(all []time.Duration) time.Duration {
	late := slices.Sorted(slices.Values(all[len(all)/2:]))
	return late[len(late)/2]
}
