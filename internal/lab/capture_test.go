package lab

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestCaptureKeepsAndPassesOn(t *testing.T) {
	var passed bytes.Buffer
	c := newCapture(slog.NewTextHandler(&passed, nil))
	log := slog.New(c).With(slog.String("side", "external")).WithGroup("peer").With(slog.String("addr", "192.0.2.1"))
	log.Debug("seen by the lab alone", slog.Group("cert", slog.String("name", "a")))
	log.Info("seen by both", slog.Int("n", 7))

	want := []Record{
		{"seen by the lab alone", map[string]string{"side": "external", "peer.addr": "192.0.2.1", "peer.cert.name": "a"}, 1},
		{"seen by both", map[string]string{"side": "external", "peer.addr": "192.0.2.1", "peer.n": "7"}, 2},
	}
	if diff := cmp.Diff(want, c.log.records, cmp.AllowUnexported(Record{})); diff != "" {
		t.Errorf("kept (-want +got):\n%s", diff)
	}
	if got := passed.String(); strings.Count(got, "\n") != 1 || !strings.Contains(got, "side=external peer.addr=192.0.2.1 peer.n=7") {
		t.Errorf("passed on:\n%s", got)
	}
}

func TestCaptureAwaitsAndForgets(t *testing.T) {
	c := newCapture(nil)
	log := slog.New(c)
	go func() {
		for range maxRecords + 10 {
			log.Info("noise")
		}
		log.Info("signal", slog.String("call_id", "x"))
	}()
	if _, ok := c.log.await(t.Context(), func(r Record) bool { return r.Attrs["call_id"] == "x" }); !ok {
		t.Error("the awaited record did not come")
	}
	if n := len(c.log.records); n > maxRecords {
		t.Errorf("%d records are kept, more than %d", n, maxRecords)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if r, ok := c.log.await(ctx, func(Record) bool { return false }); ok {
		t.Errorf("got %v", r)
	}
}
