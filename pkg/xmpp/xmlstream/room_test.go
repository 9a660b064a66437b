package xmlstream

import (
	"errors"
	"strings"
	"testing"
)

// TestGrow: what a long element takes is asked for before, and given back after it.
func TestGrow(t *testing.T) {
	long := "<a>" + strings.Repeat("b", 100_000) + "</a>"
	r := NewReader(inPieces(head+long+"<c/>"+long+"<c/><c/>"), DefaultLimits())
	held, most := 0, 0
	r.Grow = func(bytes int) error {
		held += bytes
		most = max(most, held)
		if held < 0 || len(r.buf)+max(bytes, 0) < held {
			t.Errorf("%d bytes with a buffer of %d", held, len(r.buf))
		}
		return nil
	}
	for {
		if _, err := r.Next(); err != nil {
			break
		}
	}
	if most < 80_000 || most > 200_000 || held != 0 {
		t.Errorf("at most %d bytes, %d in the end", most, held)
	}

	r = NewReader(inPieces(head+long), DefaultLimits())
	full := errors.New("full")
	r.Grow = func(int) error { return full }
	_, _ = r.Next()
	if _, err := r.Next(); !errors.Is(err, full) {
		t.Errorf("got %v", err)
	}
	r.Grow = nil
	if e, err := r.Next(); err != nil || string(e.Raw) != long {
		t.Errorf("afterwards: %v", err)
	}
}

// inPieces gives at most 1000 bytes at a time.
func inPieces(text string) *pieces { return &pieces{*strings.NewReader(text)} }

type pieces struct{ r strings.Reader }

func (p *pieces) Read(b []byte) (int, error) { return p.r.Read(b[:min(len(b), 1000)]) }
