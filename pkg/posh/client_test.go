package posh_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"edged/internal/lab/ca"
	"edged/pkg/posh"
)

// TestRemembered runs on a clock of its own: look up at 0, then tell when the web
// server is asked again.
func TestRemembered(t *testing.T) {
	leaf := ca.New("Host").Issue(ca.Leaf{DNS: []string{"host.example"}}).X509
	other := "https://host.example/posh.json"
	tests := map[string]struct {
		site, referred http.HandlerFunc
		want           time.Duration
	}{
		"fingerprints":             {says(listing(leaf, 3600)), nil, time.Hour},
		"one second":               {says(listing(leaf, 1)), nil, time.Second},
		"fingerprints for ever":    {says(listing(leaf, 1e9)), nil, 24 * time.Hour},
		"a shorter reference":      {says(reference(other, 600)), says(listing(leaf, 3600)), 10 * time.Minute},
		"a longer reference":       {says(reference(other, 7200)), says(listing(leaf, 3600)), time.Hour},
		"nothing":                  {status(http.StatusNotFound), nil, 15 * time.Minute},
		"nothing behind reference": {says(reference(other, 7200)), status(http.StatusNotFound), 15 * time.Minute},
		"nonsense":                 {says("{"), nil, 15 * time.Minute},
		"out of order":             {status(http.StatusInternalServerError), nil, time.Minute},
	}
	for what, tt := range tests {
		t.Run(what, func(t *testing.T) {
			w, now := newWeb(t), new(clock)
			w.site("chat.example"+place, tt.site)
			if tt.referred != nil {
				w.site("host.example/posh.json", tt.referred)
			}
			config := w.config()
			config.Now = now.now
			c, begin := client(t, config), now.now()
			set, err := c.Lookup(t.Context(), name("chat.example"))
			if err == nil && !set.Expires.Equal(begin.Add(tt.want)) {
				t.Errorf("expires after %v, want %v", set.Expires.Sub(begin), tt.want)
			}
			now.advance(tt.want - time.Second/2)
			again, againErr := c.Lookup(t.Context(), name("chat.example"))
			if got := w.queries("chat.example" + place); got != 1 {
				t.Errorf("asked again before %v", tt.want)
			}
			if again.Matches(leaf) != set.Matches(leaf) || !errors.Is(againErr, err) {
				t.Errorf("remembered %v, want %v", againErr, err)
			}
			now.advance(time.Second / 2)
			_, _ = c.Lookup(t.Context(), name("chat.example"))
			if got := w.queries("chat.example" + place); got != 2 {
				t.Errorf("not asked again after %v", tt.want)
			}
		})
	}
}

// TestCacheIsBounded: what strangers make us look up in vain does not push out a
// domain with fingerprints.
func TestCacheIsBounded(t *testing.T) {
	w := newWeb(t)
	leaf := ca.New("Host").Issue(ca.Leaf{DNS: []string{"host.example"}}).X509
	w.document("chat.example", listing(leaf, 3600))
	config := w.config()
	config.CacheSize = 3
	c := client(t, config)
	_, _ = c.Lookup(t.Context(), name("chat.example"))
	strangers := func() (asked int) {
		for i := range 10 {
			d := fmt.Sprintf("d%d.example", i)
			_, _ = c.Lookup(t.Context(), name(d))
			asked += w.queries(d + place)
		}
		return asked
	}
	if first, second := strangers(), strangers(); first != 10 || second < 18 {
		t.Errorf("%d, then %d requests: more is remembered than there may be", first, second)
	}
	set, err := c.Lookup(t.Context(), name("chat.example"))
	if err != nil || !set.Matches(leaf) || w.queries("chat.example"+place) != 1 {
		t.Errorf("error %v after %d requests, want the remembered set", err, w.queries("chat.example"+place))
	}
}

// held is a web site that answers when told.
func held(w *web, host, body string) (arrived, release chan struct{}) {
	arrived, release = make(chan struct{}, 100), make(chan struct{})
	w.site(host+place, func(rw http.ResponseWriter, req *http.Request) {
		arrived <- struct{}{}
		select {
		case <-release:
			says(body)(rw, req)
		case <-req.Context().Done():
		}
	})
	return arrived, release
}

func TestOneRequestForMany(t *testing.T) {
	w := newWeb(t)
	leaf := ca.New("Host").Issue(ca.Leaf{DNS: []string{"host.example"}}).X509
	arrived, release := held(w, "chat.example", listing(leaf, 60))
	c := client(t, w.config())
	results := make(chan error)
	ask := func(ctx context.Context) {
		_, err := c.Lookup(ctx, name("chat.example"))
		results <- err
	}
	ctx, cancel := context.WithCancel(t.Context())
	go ask(ctx)
	<-arrived
	const others = 20
	for range others {
		go ask(t.Context())
	}
	cancel() // the one who asked first gives up
	if err := <-results; !errors.Is(err, context.Canceled) || kind(t, err) != posh.Failed {
		t.Errorf("the one who gave up got %v", err)
	}
	close(release)
	for range others {
		if err := <-results; err != nil {
			t.Errorf("another waiter got %v", err)
		}
	}
	if got := w.queries("chat.example" + place); got != 1 {
		t.Errorf("%d requests, want 1", got)
	}
}

func TestClose(t *testing.T) {
	w := newWeb(t)
	leaf := ca.New("Host").Issue(ca.Leaf{DNS: []string{"host.example"}}).X509
	arrived, _ := held(w, "slow.example", "")
	w.document("chat.example", listing(leaf, 60))
	c := client(t, w.config())
	if _, err := c.Lookup(t.Context(), name("chat.example")); err != nil {
		t.Fatal(err)
	}
	waiting := make(chan error)
	go func() {
		_, err := c.Lookup(context.Background(), name("slow.example"))
		waiting <- err
	}()
	<-arrived
	c.Close()
	if err := <-waiting; kind(t, err) != posh.Failed {
		t.Errorf("the waiter got %v", err)
	}
	if _, err := c.Lookup(t.Context(), name("new.example")); !errors.Is(err, net.ErrClosed) {
		t.Errorf("after Close: %v, want net.ErrClosed", err)
	}
	if set, err := c.Lookup(t.Context(), name("chat.example")); err != nil || !set.Matches(leaf) {
		t.Errorf("what is remembered fails after Close: %v", err)
	}
}

func TestBusy(t *testing.T) {
	var dials atomic.Int32
	c := client(t, posh.Config{Timeout: time.Hour, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		dials.Add(1)
		<-ctx.Done()
		return nil, ctx.Err()
	}})
	gone, cancel := context.WithCancel(t.Context())
	cancel() // the look-ups go on although nobody waits
	const flights = 64
	for i := range flights {
		if _, err := c.Lookup(gone, name(fmt.Sprintf("d%d.example", i))); kind(t, err) != posh.Failed {
			t.Fatalf("look-up %d: %v", i, err)
		}
	}
	_, err := c.Lookup(t.Context(), name("onemore.example"))
	var e *posh.Error
	if !errors.As(err, &e) || e.Kind != posh.Busy || !e.Temporary() {
		t.Errorf("look-up %d: %v, want busy", flights+1, err)
	}
}

func TestErrorKindTexts(t *testing.T) {
	var seen []string
	for k := posh.NotPublished; k <= posh.Busy; k++ {
		s := k.String()
		if s == "unknown" || slices.Contains(seen, s) || strings.ToLower(s) != s || strings.Contains(s, " ") {
			t.Errorf("kind %d has the text %q", k, s)
		}
		seen = append(seen, s)
	}
}
