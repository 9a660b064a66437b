package daemon_test

import (
	"context"
	"encoding/json"
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"edged/internal/admin"
	"edged/internal/lab/sippeer"
)

// follower is somebody who follows messages through the admin socket.
type follower struct {
	lines chan admin.TraceLine
	raw   chan string
	done  chan error
}

// follow begins to follow, and returns when the gateway has taken notice.
func (b *bed) follow(ctx context.Context, f admin.TraceFilter) *follower {
	b.Helper()
	fo := &follower{lines: make(chan admin.TraceLine, 100), raw: make(chan string, 100), done: make(chan error, 1)}
	socket, before := filepath.Join(b.Dir, "s"), b.edge.Followers()
	go func() {
		fo.done <- admin.Stream(ctx, socket, admin.TracePath(f), patience, func(line []byte) error {
			var l admin.TraceLine
			if err := json.Unmarshal(line, &l); err != nil {
				return err
			}
			fo.raw <- string(line)
			fo.lines <- l
			return nil
		})
	}()
	b.eventually(func() bool { return b.edge.Followers() > before })
	return fo
}

func (fo *follower) next(b *bed) admin.TraceLine {
	b.Helper()
	select {
	case l := <-fo.lines:
		return l
	case <-b.Soon().Done():
		b.Fatal("no line")
	}
	return admin.TraceLine{}
}

func TestTraceFollowsMessages(t *testing.T) {
	b := start(t, func(s *setup) { s.Blocked = []string{"spam.example"} })
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	all, one := b.follow(ctx, admin.TraceFilter{}), b.follow(ctx, admin.TraceFilter{User: "bob"})
	conn := b.dial(fabrikam)
	if got := b.say(conn, fabrikam, "robin@fabrikam.com", alice); got != 200 {
		t.Fatalf("answered %d", got)
	}
	asked, answered := all.next(b), all.next(b)
	if asked.What != "MESSAGE" || asked.Reason != "allowed" || asked.Rule != "allowed_domains: fabrikam.com" || asked.Direction != "inward" ||
		asked.Side != "external" || !strings.Contains(asked.From, "robin@fabrikam.com") || asked.URI != "sip:"+alice || asked.ID == "" ||
		!strings.HasPrefix(asked.NextHop, "fe") && !strings.HasPrefix(asked.NextHop, "127.") {
		t.Errorf("the request: %+v", asked)
	}
	if answered.What != "MESSAGE" || answered.Status != 200 || answered.ID != asked.ID || answered.Side != "internal" || answered.Direction != "inward" {
		t.Errorf("the response: %+v", answered)
	}
	if got := b.say(conn, fabrikam, "eve@spam.example", "bob@contoso.com"); got != 403 {
		t.Fatalf("answered %d", got)
	}
	for name, l := range map[string]admin.TraceLine{"all": all.next(b), "bob's": one.next(b)} {
		if l.Reason != "domain-blocked" || l.Status != 403 || l.Rule != "blocked_domains: spam.example" || l.NextHop != "" {
			t.Errorf("%s refusal: %+v", name, l)
		}
	}
	for range 3 {
		if raw := <-all.raw; strings.Contains(raw, "hello") {
			t.Errorf("a body in %s", raw)
		}
	}
	cancel()
	if err := errors.Join(<-all.done, <-one.done); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	b.eventually(func() bool { return b.edge.Followers() == 0 })
}

func TestTraceEndsWithTheGateway(t *testing.T) {
	b := start(t)
	f := b.follow(t.Context(), admin.TraceFilter{})
	b.stop()
	if err := <-f.done; err != nil {
		t.Error(err)
	}
}

func TestTraceIsBounded(t *testing.T) {
	b := start(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var all []*follower
	for range 16 {
		all = append(all, b.follow(ctx, admin.TraceFilter{}))
	}
	_, err := admin.Call(b.Soon(), filepath.Join(b.Dir, "s"), "GET", admin.TracePath(admin.TraceFilter{}))
	var status *admin.StatusError
	if !errors.As(err, &status) || status.Status != 503 {
		t.Errorf("one too many: %v", err)
	}
	cancel()
	for _, f := range all {
		if err := <-f.done; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	}
}

// TestTraceNamesCalls: what is said of a call can be told apart by its Call-ID.
func TestTraceNamesCalls(t *testing.T) {
	b := start(t)
	f := b.follow(t.Context(), admin.TraceFilter{ID: "this-one"})
	conn := b.dial(fabrikam)
	for _, id := range []string{"another", "this-one"} {
		m := b.peers[fabrikam].Compose(sippeer.Request{
			Method: "MESSAGE", URI: "sip:" + alice, CallID: id, From: "<sip:robin@fabrikam.com>", To: "<sip:" + alice + ">",
		})
		if got := status(conn.Do(b.Soon(), m)); got != 200 {
			t.Errorf("%s: %d", id, got)
		}
	}
	for range 2 {
		if l := f.next(b); l.ID != "this-one" {
			t.Errorf("got %+v", l)
		}
	}
}
