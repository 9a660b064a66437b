package interop

import (
	"slices"
	"strings"
	"testing"

	"edged/internal/lab/sippeer"
)

// TestRouteToken uses the route of a dialog with fabrikam where it must not
// work. Each attack has its own Call-ID or method, so that anything that reached
// the pool is found.
func TestRouteToken(t *testing.T) {
	s := newStand(t)
	c := s.dialEdge(t, s.fabrikam)
	dialog := s.establish(t, c, invitation(s.fabrikam))
	if got := status(t, c, s.fabrikam.Compose(dialog.Next("INFO"))); got != 200 {
		t.Fatalf("an honest request in the dialog is answered with %d, want 200", got)
	}

	tailspin := s.caller(t, s.roots, "sip2.tailspintoys.com", "tailspintoys.com")
	tests := map[string]struct {
		peer   *sippeer.Peer
		change func(r *sippeer.Request)
		want   []int
	}{
		"another dialog":              {s.fabrikam, func(r *sippeer.Request) { r.CallID = sippeer.NewCallID("interop.test") }, []int{481}},
		"no route":                    {s.fabrikam, func(r *sippeer.Request) { r.Routes = nil }, []int{481}},
		"route without token":         {s.fabrikam, func(r *sippeer.Request) { r.Routes = []string{"<sip:sip.contoso.com;transport=tls;lr>"} }, []int{481}},
		"forged at its start":         {s.fabrikam, func(r *sippeer.Request) { r.Routes = forge(t, r.Routes, 0) }, []int{481}},
		"forged in its middle":        {s.fabrikam, func(r *sippeer.Request) { r.Routes = forge(t, r.Routes, 0.5) }, []int{481}},
		"forged at its end":           {s.fabrikam, func(r *sippeer.Request) { r.Routes = forge(t, r.Routes, 0.9) }, []int{481}},
		"the token of the inside":     {s.fabrikam, func(r *sippeer.Request) { r.Routes = r.Routes[1:] }, []int{481}},
		"another partner":             {tailspin, func(r *sippeer.Request) { r.From = "<sip:bob@tailspintoys.com>;tag=1" }, []int{403, 481}},
		"another partner, their From": {tailspin, func(*sippeer.Request) {}, []int{403}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			r := dialog.Next("INFO")
			tt.change(&r)
			m := tt.peer.Compose(r)
			m.Set("X-Attack", name)
			if got := status(t, s.dialEdge(t, tt.peer), m); !slices.Contains(tt.want, got) {
				t.Errorf("answered with %d, want one of %v", got, tt.want)
			}
			s.wantWorking(t, c)
			s.wantNoAttack(t, r.CallID)
		})
	}
}

// TestRouteTokenIsForItsUser uses the route of a dialog with one user to reach
// another, who may not federate, and who is named in the Request-URI.
func TestRouteTokenIsForItsUser(t *testing.T) {
	s := newStand(t)
	c := s.dialEdge(t, s.fabrikam)
	for name, change := range map[string]func(r *sippeer.Request){
		"in the dialog":    func(*sippeer.Request) {},
		"without a To tag": func(r *sippeer.Request) { r.To = "<sip:alice@contoso.com>" },
		"a new dialog":     func(r *sippeer.Request) { r.To, r.Method = "<sip:alice@contoso.com>", "INVITE" },
	} {
		t.Run(name, func(t *testing.T) {
			dialog := s.establish(t, c, invitation(s.fabrikam))
			r := dialog.Next("MESSAGE")
			r.URI = "sip:alice@contoso.com"
			change(&r)
			m := s.fabrikam.Compose(r)
			m.Set("X-Attack", name)
			if got := status(t, c, m); !slices.Contains([]int{403, 404, 481}, got) {
				t.Errorf("answered with %d, want a refusal", got)
			}
			s.wantNoAttack(t, r.CallID)
		})
	}
}

// TestRouteTokenIsForItsSender is the same the other way: within a dialog of one
// user, the pool sends for another (RFC 4916 lets From change), who may not
// federate.
func TestRouteTokenIsForItsSender(t *testing.T) {
	s := newStand(t)
	c := s.dialEdge(t, s.fabrikam)
	invite := invitation(s.fabrikam)
	s.establish(t, c, invite)
	dialog := s.front.Desk.DialogOfCallee(s.front.Desk.Arrived(invite.Get("Call-ID"))[0])
	inside := s.dialInside(t)
	if got := status(t, inside, s.front.Compose(dialog.Next("INFO"))); got != 200 {
		t.Fatalf("the dialog's own user is answered with %d, want 200", got)
	}
	r := dialog.Next("MESSAGE")
	r.From = strings.Replace(r.From, "carol@", "alice@", 1)
	if got := status(t, inside, s.front.Compose(r)); got != 403 {
		t.Errorf("answered with %d, want 403", got)
	}
	for _, m := range s.fabrikam.Desk.Arrived(r.CallID) {
		if m.Method() == "MESSAGE" {
			t.Errorf("the partner received:\n%s", m)
		}
	}
}

// TestForgedACK sends what is never answered.
func TestForgedACK(t *testing.T) {
	s := newStand(t)
	stranger := s.tripwire(t, "sip.unlisted.example")
	c := s.dialEdge(t, s.fabrikam)
	for name, change := range map[string]func(r *sippeer.Request){
		"no route":        func(r *sippeer.Request) { r.Routes = nil },
		"no route, ours":  func(r *sippeer.Request) { r.Routes, r.URI = nil, "sip:carol@contoso.com" },
		"a forged route":  func(r *sippeer.Request) { r.Routes = forge(t, r.Routes, 0.5) },
		"another dialog":  func(r *sippeer.Request) { r.CallID = sippeer.NewCallID("interop.test") },
		"a foreign route": func(r *sippeer.Request) { r.Routes = []string{"<sip:" + stranger.at.String() + ";lr>"} },
		"one of others":   func(r *sippeer.Request) { r.From = "<sip:bob@tailspintoys.com>" },
	} {
		t.Run(name, func(t *testing.T) {
			dialog := s.establish(t, c, invitation(s.fabrikam))
			r := dialog.Next("ACK")
			change(&r)
			m := s.fabrikam.Compose(r)
			m.Set("X-Attack", name)
			if err := c.Write(m.String()); err != nil {
				t.Fatal(err)
			}
			s.wantWorking(t, c)
			s.wantNoAttack(t, r.CallID)
			stranger.wantUntouched(t)
		})
	}
}

// TestRouteTokenReachesPoolOnly sends requests in a real dialog, with its real
// route, but on to a third party: at most the pool gets them.
func TestRouteTokenReachesPoolOnly(t *testing.T) {
	s := newStand(t)
	stranger := s.tripwire(t, "sip.unlisted.example")
	third := "sip:dan@" + stranger.at.String() + ";transport=tls"
	c := s.dialEdge(t, s.fabrikam)
	tests := map[string]func(r *sippeer.Request){
		"Request-URI": func(r *sippeer.Request) { r.URI = third },
		"Route":       func(r *sippeer.Request) { r.Routes = append(r.Routes, "<"+third+";lr>") },
		"maddr":       func(r *sippeer.Request) { r.URI += ";maddr=" + stranger.at.Addr().String() },
	}
	for name, change := range tests {
		t.Run(name, func(t *testing.T) {
			dialog := s.establish(t, c, invitation(s.fabrikam))
			r := dialog.Next("INFO")
			change(&r)
			status(t, c, s.fabrikam.Compose(r)) // 200 by the pool, or refused
			s.wantWorking(t, c)
			stranger.wantUntouched(t)
		})
	}
}

func (s stand) wantNoAttack(t testing.TB, callID string) {
	t.Helper()
	for _, m := range s.front.Desk.Arrived(callID) {
		if m.Has("X-Attack") {
			t.Errorf("the pool received:\n%s", m)
		}
	}
}

// forge changes one character of edged's first route value, part of the way
// (0 to 1) through its longest word. What that word is, is edged's business:
// the token is long, everything else in a route is short.
func forge(t testing.TB, routes []string, part float64) []string {
	t.Helper()
	forged := append([]string(nil), routes...)
	for i, route := range forged {
		words := strings.FieldsFunc(route, func(r rune) bool { return strings.ContainsRune("<>:;@=, ", r) })
		longest := ""
		for _, word := range words {
			if len(word) > len(longest) {
				longest = word
			}
		}
		if len(longest) < 16 {
			continue
		}
		at := strings.Index(route, longest) + int(part*float64(len(longest)))
		with := "A"
		if route[at] == 'A' {
			with = "B"
		}
		forged[i] = route[:at] + with + route[at+1:]
		return forged
	}
	t.Fatalf("no token in %q", routes)
	return nil
}
