package xmpppeer_test

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"edged/internal/lab/xmpppeer"

	"github.com/google/go-cmp/cmp"
)

// two servers, fabrikam.com and contoso.com, changed as wanted.
func two(t *testing.T, changeA, changeB func(*xmpppeer.Config)) (a, b *xmpppeer.Server) {
	t.Helper()
	w := newWorld(t)
	left, right := w.config("fabrikam.com"), w.config("contoso.com")
	changeA(&left)
	changeB(&right)
	a, b = w.start(left, false), w.start(right, false)
	t.Cleanup(a.Close)
	t.Cleanup(b.Close)
	return a, b
}

func asIs(*xmpppeer.Config) {}

func dialback(c *xmpppeer.Config) {
	c.Dialback, c.DialbackErrors, c.External = true, true, xmpppeer.ExternalNever
}

// more returns a change with another one behind it.
func more(first, second func(*xmpppeer.Config)) func(*xmpppeer.Config) {
	return func(c *xmpppeer.Config) { first(c); second(c) }
}

func TestBidi(t *testing.T) {
	for name, base := range map[string]func(*xmpppeer.Config){"EXTERNAL": asIs, "dialback": dialback} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				both := more(base, func(c *xmpppeer.Config) { c.Bidi, c.Management = true, true })
				a, b := two(t, both, both)
				talk(t, a.User(alice), b.User(bob))
				for _, e := range b.Events() {
					if e.Direction == xmpppeer.Out && e.What == xmpppeer.EventOpen && name == "EXTERNAL" {
						t.Errorf("a second stream: %v", e)
					}
				}
			})
		})
	}
}

func TestSendingFails(t *testing.T) {
	tests := map[string]struct {
		a, b func(*xmpppeer.Config)
		to   string
		want error  // compared if not nil
		text string // otherwise part of the error
	}{
		"unknown domain":    {asIs, asIs, "x@nowhere.example", nil, "no such domain"},
		"nothing in common": {asIs, func(c *xmpppeer.Config) { c.External = xmpppeer.ExternalNever }, bob, nil, "no way to authenticate"},
		"no TLS":            {asIs, func(c *xmpppeer.Config) { c.TLS = xmpppeer.WithoutTLS }, bob, nil, "offers no TLS"},
		"EXTERNAL refused": {
			asIs, func(c *xmpppeer.Config) { c.RefuseExternal = true }, bob,
			&xmpppeer.SASLError{Condition: "not-authorized", Text: "refused on purpose"}, "",
		},
		"certificate required": {
			func(c *xmpppeer.Config) { c.Certificates = nil },
			more(dialback, func(c *xmpppeer.Config) { c.RequireProof = true }), bob, nil, "not-authorized",
		},
		"key denied": {
			more(dialback, func(c *xmpppeer.Config) { c.Authority = xmpppeer.SayNo }), dialback, bob,
			&xmpppeer.DialbackError{Type: "invalid"}, "",
		},
		"key not known": {
			more(dialback, func(c *xmpppeer.Config) { c.Authority = xmpppeer.SayError }), dialback, bob,
			&xmpppeer.DialbackError{Type: "error", Condition: "remote-server-not-found"}, "",
		},
		"key unanswered": {
			more(dialback, func(c *xmpppeer.Config) { c.Authority = xmpppeer.SayNought }), dialback, bob,
			&xmpppeer.DialbackError{Type: "error", Condition: "remote-server-timeout"}, "",
		},
		"too long": {
			asIs, func(c *xmpppeer.Config) { c.MaxBytes = 4000 }, bob, nil, "takes 4000",
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a, b := two(t, tt.a, tt.b)
				b.User(bob)
				_, err := a.User(alice).Message(t.Context(), tt.to, strings.Repeat("x", 5000))
				switch {
				case err == nil:
					t.Fatal("sent")
				case tt.want != nil:
					if diff := cmp.Diff(tt.want, err); diff != "" {
						t.Errorf("(-want +got):\n%s", diff)
					}
				case !strings.Contains(err.Error(), tt.text):
					t.Errorf("got %v, want something with %q", err, tt.text)
				}
			})
		})
	}
}

func TestStrangersAreTurnedAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, _ := two(t, asIs, asIs)
		u := a.User(alice)
		for _, st := range []xmpppeer.Stanza{
			{Kind: "message", Type: "chat"},
			{Kind: "message", Type: "error"},
			{Kind: "presence"},
			{Kind: "presence", Type: "subscribe"},
			{Kind: "iq", Type: "result"},
			{Kind: "iq", Type: "set", Payload: "<x xmlns='urn:x'/>"},
		} {
			st.ID, st.To = st.Kind+" "+st.Type, "nobody@contoso.com/x"
			must(t, u.Send(t.Context(), st))
		}
		for _, want := range []string{"message chat", "presence subscribe", "iq set"} {
			e, err := u.Receive(t.Context())
			if err != nil || e.Attr("id") != want || e.Condition() != "service-unavailable" || e.Attr("from") != "nobody@contoso.com/x" {
				t.Errorf("want the error for %s, got %v, %v", want, e, err)
			}
		}
		synctest.Wait()
		if n := len(u.Inbox()); n != 0 {
			t.Errorf("%d more answers", n)
		}
	})
}

func TestWrongAddressesEndTheStream(t *testing.T) {
	for name, tt := range map[string]struct{ raw, want string }{
		"another domain":       {"<message from='eve@litware.com' to='bob@contoso.com'/>", "invalid-from"},
		"a subdomain":          {"<message from='eve@sub.fabrikam.com' to='bob@contoso.com'/>", "invalid-from"},
		"no from":              {"<message to='bob@contoso.com'/>", "improper-addressing"},
		"not for this server":  {"<message from='alice@fabrikam.com' to='bob@litware.com'/>", "host-unknown"},
		"undeclared prefix":    {"<message from='alice@fabrikam.com' to='bob@contoso.com'><x:a/></message>", "not-well-formed"},
		"longer than it takes": {"<message>" + strings.Repeat("x", 5000), "policy-violation"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				c := w.config("contoso.com")
				c.MaxBytes = 4096
				b := w.start(c, false)
				defer b.Close()
				s := w.dial("fabrikam.com", "contoso.com", xmpppeer.Ready)
				defer s.Close()
				must(t, s.Send(tt.raw))
				if se, err := s.AwaitError(t.Context()); err != nil || se.Condition != tt.want {
					t.Errorf("got %v, %v, want %s", se, err, tt.want)
				}
				if err := s.AwaitEnd(t.Context()); !errors.Is(err, xmpppeer.ErrEnd) {
					t.Errorf("then %v", err)
				}
			})
		})
	}
}

// dial opens a stream by hand to a server of the world.
func (w *world) dial(from, to string, until xmpppeer.Step) *xmpppeer.Stream {
	w.t.Helper()
	conn, err := w.net.DialContext(w.t.Context(), "tcp", w.hops[to].Addr)
	if err != nil {
		w.t.Fatal(err)
	}
	s, err := xmpppeer.Dial(w.t.Context(), conn, xmpppeer.DialOptions{From: from, To: to, Certificate: w.cert(from), Until: until})
	if err != nil {
		w.t.Fatal(err)
	}
	return s
}

func TestServerRefusesEarlyOnes(t *testing.T) {
	for name, tt := range map[string]struct{ to, raw, want string }{
		"stanza before authentication": {"contoso.com", "<message from='a@fabrikam.com' to='bob@contoso.com'/>", "not-authorized"},
		"unasked answer":               {"contoso.com", "<db:result from='fabrikam.com' to='contoso.com' type='valid'/><message from='a@fabrikam.com' to='bob@contoso.com'/>", "not-authorized"},
		"unknown domain":               {"litware.com", "", "host-unknown"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				c := w.config("contoso.com")
				dialback(&c)
				b := w.start(c, false)
				defer b.Close()
				s := w.dial("fabrikam.com", "contoso.com", xmpppeer.Secured)
				defer s.Close()
				_, err := s.Open(t.Context(), xmpppeer.Header{From: "fabrikam.com", To: tt.to})
				must(t, err)
				must(t, s.Send(tt.raw))
				if se, err := s.AwaitError(t.Context()); err != nil || se.Condition != tt.want {
					t.Errorf("got %v, %v, want %s", se, err, tt.want)
				}
			})
		})
	}
}

func TestGoesOnAfterTheStreamIsLost(t *testing.T) {
	for name, lose := range map[string]func(*xmpppeer.Server){
		"ended": (*xmpppeer.Server).EndStreams,
		"cut":   (*xmpppeer.Server).Cut,
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a, b := two(t, asIs, asIs)
				from, to := a.User(alice), b.User(bob)
				for range 2 { // the one who ends the stream can send at once
					_, err := to.Message(t.Context(), alice, "hello")
					must(t, err)
					lose(b)
				}
				for range 2 {
					_, err := from.Message(t.Context(), bob, "hello")
					must(t, err)
					_, err = to.Receive(t.Context())
					must(t, err)
					lose(b)
					synctest.Wait()
				}
			})
		})
	}
}

func TestUnacknowledged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		managed := func(c *xmpppeer.Config) { c.Management = true }
		a, b := two(t, managed, more(managed, func(c *xmpppeer.Config) { c.WithholdAcks = true }))
		_, err := a.User(alice).Message(t.Context(), bob, "hello")
		must(t, err)
		synctest.Wait()
		b.Cut()
		err = a.Settled(t.Context(), "fabrikam.com", "contoso.com")
		if err == nil {
			t.Error("settled")
		}
	})
}

func TestCloseEndsWhatWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := two(t, asIs, func(c *xmpppeer.Config) { c.InboxSize = 1 })
		b.User(bob)
		sent := make(chan error)
		go func() {
			for {
				if _, err := a.User(alice).Message(t.Context(), bob, strings.Repeat("x", 10_000)); err != nil {
					sent <- err
					return
				}
			}
		}()
		synctest.Wait() // everything is full
		select {
		case err := <-sent:
			t.Fatal(err)
		default:
		}
		a.Close()
		if err := <-sent; err == nil {
			t.Error("the end of the server was no error")
		}
		if _, err := a.User(alice).Message(t.Context(), bob, "late"); err == nil {
			t.Error("sent by a closed server")
		}
	})
}

func TestSilenceIsNoted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := two(t, asIs, asIs)
		start := time.Now()
		got := make(chan xmpppeer.Event, 1)
		go func() {
			e, err := b.AwaitEvent(t.Context(), func(e xmpppeer.Event) bool { return e.What == xmpppeer.EventStanza })
			if err != nil {
				t.Error(err)
			}
			got <- e
		}()
		_, err := a.User(alice).Message(t.Context(), "nobody@contoso.com", "hello")
		must(t, err)
		if e := <-got; e.Remote != "fabrikam.com" || e.Local != "contoso.com" || time.Since(start) > time.Second {
			t.Errorf("%v after %v", e, time.Since(start))
		}
	})
}
