package limit_test

import (
	"strings"
	"sync"
	"testing"

	"edged/pkg/limit"
)

// TestRoom plays what two partners and our own servers hold. Words: who, pieces and
// bytes; then one letter for each of a, b and own, asked for something new, and one
// asked for what continues: y, p for the partner's share, a for everybody's.
func TestRoom(t *testing.T) {
	type held struct {
		who           string
		pieces, bytes int64
	}
	tests := []struct {
		name       string
		held       []held
		fresh, old string
	}{
		{"nothing", nil, "yyy", "yyy"},
		{"below everything", []held{{"a", 44, 440}, {"b", 44, 440}}, "yyy", "yyy"},
		{"a share of pieces, but for the reserve", []held{{"a", 45, 0}}, "pyy", "yyy"},
		{"a share of pieces", []held{{"a", 50, 0}}, "pyy", "pyy"},
		{"a share of bytes, but for the reserve", []held{{"a", 0, 450}}, "pyy", "yyy"},
		{"a share of bytes", []held{{"a", 0, 500}}, "pyy", "pyy"},
		{"all bytes, but for the reserve", []held{{"a", 1, 450}, {"b", 1, 450}}, "aaa", "yyy"},
		{"all bytes", []held{{"a", 1, 400}, {"own", 1, 600}}, "aaa", "aaa"},
		{"our own have no share", []held{{"own", 1000, 899}}, "yyy", "yyy"},
		{"more than there is, where nothing is held", []held{{"a", 0, 0}}, "yyy", "yyy"},
		{"let go again", []held{{"a", 50, 500}, {"a", -50, -500}}, "yyy", "yyy"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := limit.NewHeld(limit.HeldConfig{Bytes: 1000, Pieces: 100, Percent: 50})
			shares := map[string]*limit.Share{"a": h.Share("a.example"), "b": h.Share("b.example"), "own": h.Share("")}
			for _, x := range tt.held {
				shares[x.who].Add(x.pieces, x.bytes)
			}
			for want, continues := range map[string]bool{"new " + tt.fresh: false, "old " + tt.old: true} {
				got := strings.Builder{}
				for _, who := range []string{"a", "b", "own"} {
					got.WriteByte("ypa"[shares[who].Room(continues, 1)])
				}
				if !strings.HasSuffix(want, got.String()) {
					t.Errorf("%s, want %s", got.String(), want)
				}
			}
		})
	}
}

// TestShareOutlivesItsConnections: who comes again finds what it still holds.
func TestShareOutlivesItsConnections(t *testing.T) {
	h := limit.NewHeld(limit.HeldConfig{Bytes: 1000, Pieces: 10, Percent: 50})
	s := h.Share("a.example")
	s.Add(5, 10)
	s.Close()
	h.Sweep()
	again := h.Share("a.example")
	if again.Room(true, 1) != limit.PartnerFull || h.Bytes() != 10 {
		t.Error("a new connection has a new share")
	}
	s.Add(-5, -10)
	again.Close()
	h.Sweep()
	if h.Share("a.example") == again || h.Bytes() != 0 {
		t.Error("what nobody uses was not forgotten")
	}
}

// TestCount: what is held for two partners is there once.
func TestCount(t *testing.T) {
	h := limit.NewHeld(limit.HeldConfig{Bytes: 1000, Pieces: 10, Percent: 50})
	h.Share("").Add(1, 400)
	h.Share("a.example").Count(5, 400)
	if h.Bytes() != 400 || h.Full() || h.Share("a.example").Room(true, 1) != limit.PartnerFull {
		t.Errorf("%d bytes", h.Bytes())
	}
	h.SetLimits(limit.HeldConfig{Bytes: 400, Pieces: 100, Percent: 100})
	if !h.Full() || h.Share("").Room(true, 1) != limit.AllFull {
		t.Error("a lowered bound does not hold")
	}
}

func TestHeldAtOnce(t *testing.T) {
	h := limit.NewHeld(limit.HeldConfig{Bytes: 1 << 20, Pieces: 100, Percent: 50})
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			for range 500 {
				s := h.Share(string(rune('a' + i%3)))
				s.Add(1, 10)
				s.Room(false, 1)
				s.Add(-1, -10)
				s.Close()
				h.Sweep()
			}
		})
	}
	all.Wait()
	if h.Bytes() != 0 {
		t.Errorf("%d bytes are left", h.Bytes())
	}
}

func BenchmarkShareAdd(b *testing.B) {
	h := limit.NewHeld(limit.HeldConfig{Bytes: 1 << 40, Pieces: 1 << 30, Percent: 50})
	b.RunParallel(func(pb *testing.PB) {
		s := h.Share("a.example")
		for pb.Next() {
			s.Add(1, 100)
			s.Room(false, 1)
			s.Add(-1, -100)
		}
	})
}
