package load

import (
	"context"
	"net"
	"strings"
	"testing"
	"time"

	"edged/bench/wire"
)

func TestEverythingArrives(t *testing.T) {
	f := NewFlow(wire.NewForm("alice@partner.example", "bob@pool.example"), 100)
	near, far := net.Pipe()
	go f.Receive(far)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := f.Flat(ctx, near); err != nil {
		t.Fatal(err)
	}
	if err := f.Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	before := f.Received()
	if before == 0 {
		t.Error("nothing arrived at full speed")
	}
	f.Keep(1)
	if err := f.Paced(t.Context(), near, 1000, 20); err != nil {
		t.Fatal(err)
	}
	if err := f.Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := len(f.Latencies()); n != 20 || f.Received()-before != 20 {
		t.Errorf("%d latencies of %d messages, want 20 of both", n, f.Received()-before)
	}
}

func TestLossIsAnError(t *testing.T) {
	form := wire.NewForm("alice@partner.example", "bob@pool.example")
	f := NewFlow(form, 100)
	near, far := net.Pipe()
	go f.Receive(far)
	f.sent.Store(2)
	if _, err := near.Write(form.Append(nil, 1)); err != nil {
		t.Fatal(err)
	}
	near.Close()
	if err := f.Drain(t.Context()); err == nil || !strings.Contains(err.Error(), "message 1 arrived instead of 0") {
		t.Errorf("error %v, want one about the lost message", err)
	}
}
