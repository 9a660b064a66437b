package lab

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"edged/internal/lab/sippeer"
	"edged/pkg/verdict"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestEveryVerdictIsTheExpectedOne(t *testing.T) {
	var out bytes.Buffer
	if err := Run(t.Context(), Options{Out: &out, Once: true}); err != nil {
		t.Errorf("%v\n%s", err, &out)
	}
}

func TestAWrongExpectationIsAnError(t *testing.T) {
	hello := inward()[0]
	hello.want = want{reason: verdict.DomainBlocked, rule: ruleSpam, status: 403}
	var out bytes.Buffer
	err := Run(t.Context(), Options{Out: &out, Once: true, acts: []act{{"One", everything(), sip([]scenario{hello})}}})
	if !errors.Is(err, ErrDiffers) {
		t.Errorf("got %v, want ErrDiffers", err)
	}
	for _, line := range []string{
		`reason: expected "domain-blocked", got "allowed"`, `answer: expected "403", got "200"`,
		"1 verdicts", "1 not as expected",
	} {
		if !strings.Contains(out.String(), line) {
			t.Errorf("nothing says %q:\n%s", line, &out)
		}
	}
}

func TestAWrongExpectationOfAnExchangeIsAnError(t *testing.T) {
	hello := talks()[0].refused("not-allowed", verdict.DomainBlocked, ruleSpam)
	early := brokenStreams()[2].refused("stream error reset", verdict.IdentityMismatch, "")
	var out bytes.Buffer
	err := Run(t.Context(), Options{Out: &out, Once: true, acts: []act{{"Two", everything(), xmpp([]exchange{hello, early})}}})
	if !errors.Is(err, ErrDiffers) {
		t.Errorf("got %v, want ErrDiffers", err)
	}
	for _, line := range []string{
		`reason: expected "domain-blocked", got "allowed"`, `answer: expected "not-allowed", got "delivered"`,
		`answer: expected "stream error reset", got "stream error invalid-from"`, "2 not as expected",
	} {
		if !strings.Contains(out.String(), line) {
			t.Errorf("nothing says %q:\n%s", line, &out)
		}
	}
}

func TestStaysUpUntilInterrupted(t *testing.T) {
	ctx, interrupt := context.WithCancel(t.Context())
	r, w := io.Pipe()
	done := make(chan error, 1)
	go func() {
		done <- Run(ctx, Options{Out: w, acts: []act{{"One", everything(), sip(inward()[:1])}}})
		w.Close()
	}()
	shown := map[string]string{} // what is listed at the end: label -> value
	lines := bufio.NewScanner(r)
	for shown["files"] == "" && lines.Scan() {
		label, value, _ := strings.Cut(strings.TrimSpace(lines.Text()), " ")
		shown[label] = strings.TrimSpace(value)
	}
	get(t, shown["metrics"])
	interrupt()
	_, _ = io.Copy(io.Discard, r)
	if err := <-done; err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(shown["files"]); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%s is still there (%v)", shown["files"], err)
	}
}

func get(t *testing.T, url string) {
	t.Helper()
	client := http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Get(url)
	if err != nil {
		t.Fatalf("GET %s: %v", url, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Errorf("GET %s: %s", url, resp.Status)
	}
}

// TestWorldAsABed shows how tests use a world: a player says something, another
// one received it, the edge logged why, and a reload reaches what is open.
func TestWorldAsABed(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	w, err := Start(ctx, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := w.Stop(context.WithoutCancel(ctx)); err != nil {
			t.Error(err)
		}
	}()
	conn := dial(ctx, t, w)
	if status, reason := ask(ctx, w, conn); status != 200 || reason != "allowed" {
		t.Errorf("with discovery: %d, %s; want 200, allowed", status, reason)
	}
	if err := w.Set(ctx, withoutDiscovery()); err != nil {
		t.Fatal(err)
	}
	select {
	case <-conn.Finished():
	case <-ctx.Done():
		t.Fatal("the connection of a partner that is no longer discovered stays open")
	}
	if status, reason := ask(ctx, w, dial(ctx, t, w)); status != 403 || reason != "domain-unlisted" {
		t.Errorf("without discovery: %d, %s; want 403, domain-unlisted", status, reason)
	}
}

const discovered = "northwind.example"

func dial(ctx context.Context, t *testing.T, w *World) *sippeer.Conn {
	t.Helper()
	conn, err := w.Dial(ctx, discovered)
	if err != nil {
		t.Fatal(err)
	}
	return conn
}

// ask sends a message from the discovered partner and returns what became of it.
func ask(ctx context.Context, w *World, conn *sippeer.Conn) (status int, reason string) {
	id := sippeer.NewCallID(discovered)
	o := conn.Do(ctx, w.Peer(discovered).Compose(sippeer.Request{
		Method: "MESSAGE", URI: "sip:" + alice, CallID: id, From: "<sip:" + nina + ">", To: "<sip:" + alice + ">",
	}))
	if o.Final() == nil {
		return 0, o.Err.Error()
	}
	rec, _ := w.AwaitLog(ctx, id, "MESSAGE")
	return o.Final().Status(), rec.Attrs["reason"]
}
