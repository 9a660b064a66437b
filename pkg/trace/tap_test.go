package trace

import (
	"errors"
	"fmt"
	"sync"
	"testing"

	"edged/pkg/verdict"
)

func TestFilter(t *testing.T) {
	e := &Event{
		From: "sip:Robin@fabrikam.com;tag=1", To: "<not an address", URI: "sips:alice@Kr.Contoso.com:5061;transport=tls", ID: "call-1",
	}
	stanza := &Event{From: "bob@jabber.example/desk", To: "xmpp:alice@contoso.com", ID: "s1"}
	for _, tt := range []struct {
		filter      Filter
		sip, stanza bool
	}{
		{Filter{}, true, true},
		{Filter{ID: "call-1"}, true, false},
		{Filter{ID: "call"}, false, false},
		{Filter{User: "robin"}, true, false},
		{Filter{User: "robin@fabrikam.com"}, true, false},
		{Filter{User: "robin@fabrikam.co"}, false, false},
		{Filter{User: "alice"}, true, true},
		{Filter{User: "alice@contoso.com"}, false, true},
		{Filter{User: "ali"}, false, false},
		{Filter{Domain: "contoso.com"}, true, true},
		{Filter{Domain: "CONTOSO.com"}, true, true},
		{Filter{Domain: "kr.contoso.com"}, true, false},
		{Filter{Domain: "ntoso.com"}, false, false},
		{Filter{Domain: "jabber.example", User: "bob"}, false, true},
		{Filter{Domain: "jabber.example", User: "robin"}, false, false},
		{Filter{Domain: "not a domain"}, false, false},
		{Filter{Domain: "contoso.com", ID: "s1"}, false, true},
	} {
		if got := tt.filter.picks(e); got != tt.sip {
			t.Errorf("%+v picks the request: %v", tt.filter, got)
		}
		if got := tt.filter.picks(stanza); got != tt.stanza {
			t.Errorf("%+v picks the stanza: %v", tt.filter, got)
		}
	}
}

func TestSplit(t *testing.T) {
	for address, want := range map[string]string{
		"sip:a@b.example": "a|b.example", "SIPS:a@b.example:5061;x=y": "a|b.example", "b.example": "|b.example",
		"sip:b.example": "|b.example", "a@b.example/r@c": "a|b.example", "sip:[2001:db8::1]": "|[2001:db8::1]",
		"sip:a@[2001:db8::1]:5061": "a|[2001:db8::1]", "": "|", "sip:a%40x@b.example?h=i@j": "a%40x|b.example",
	} {
		if user, host := split(address); user+"|"+host != want {
			t.Errorf("%q is %q at %q", address, user, host)
		}
	}
}

func TestNobodyFollows(t *testing.T) {
	var none *Tap
	if none.On() {
		t.Error("nil is on")
	}
	none.Tell(Event{})
	tap := new(Tap)
	if n := testing.AllocsPerRun(100, func() { _ = tap.On() }); n != 0 || tap.On() {
		t.Errorf("%v allocations, on %v", n, tap.On())
	}
}

func TestFollowersGetTheirOwn(t *testing.T) {
	tap := new(Tap)
	all, err := tap.Follow(Filter{})
	one, err2 := tap.Follow(Filter{ID: "2"})
	if err := errors.Join(err, err2); err != nil || !tap.On() {
		t.Fatal(err)
	}
	for i := range 3 {
		tap.Tell(Event{ID: fmt.Sprint(i)})
	}
	if len(all.Events) != 3 || len(one.Events) != 1 || (<-one.Events).ID != "2" {
		t.Errorf("%d and %d events", len(all.Events), len(one.Events))
	}
	all.Close()
	all.Close()
	tap.Tell(Event{ID: "2"})
	if len(all.Events) != 3 || len(one.Events) != 1 || !tap.On() {
		t.Error("who has gone still gets events, or others do not")
	}
	tap.Close()
	<-one.Events
	if _, open := <-one.Events; open || tap.On() {
		t.Error("the end of the tap is no end")
	}
	one.Close()
	if late, err := tap.Follow(Filter{}); err != nil {
		t.Error(err)
	} else if _, open := <-late.Events; open {
		t.Error("who comes after the end waits for ever")
	}
}

func TestWhoReadsSlowlyIsTold(t *testing.T) {
	tap := new(Tap)
	f, err := tap.Follow(Filter{})
	if err != nil {
		t.Fatal(err)
	}
	for range backlog + 7 {
		tap.Tell(Event{})
	}
	if n := f.Lost(); n != 7 || len(f.Events) != backlog {
		t.Errorf("%d lost, %d wait", n, len(f.Events))
	}
	if n := f.Lost(); n != 0 {
		t.Errorf("told twice of %d", n)
	}
}

func TestFollowersAreBounded(t *testing.T) {
	tap := new(Tap)
	var last *Follower
	for range maxFollowers {
		var err error
		if last, err = tap.Follow(Filter{}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := tap.Follow(Filter{}); !errors.Is(err, ErrCrowded) {
		t.Errorf("one too many: %v", err)
	}
	last.Close()
	if _, err := tap.Follow(Filter{}); err != nil {
		t.Error(err)
	}
}

func TestRefusalsAreKept(t *testing.T) {
	tap := new(Tap)
	tap.Tell(Event{ID: "fine"})
	for i := range kept + 50 {
		tap.Tell(Event{ID: fmt.Sprint(i), Reason: verdict.DomainBlocked})
		if all := tap.Refusals(); all[0].ID != fmt.Sprint(i) || len(all) != min(i+1, kept) {
			t.Fatalf("after %d: %d, the newest is %s", i, len(all), all[0].ID)
		}
	}
	if all := tap.Refusals(); all[kept-1].ID != "50" {
		t.Errorf("the oldest is %s", all[kept-1].ID)
	}
}

func TestManyTellAtOnce(t *testing.T) {
	tap := new(Tap)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 100 {
				if f, err := tap.Follow(Filter{}); err == nil {
					tap.Tell(Event{Reason: verdict.NotOurs})
					<-f.Events
					f.Close()
				}
			}
		})
	}
	all.Wait()
	if tap.On() || len(tap.Refusals()) != kept {
		t.Errorf("%v, %d kept", tap.On(), len(tap.Refusals()))
	}
}
