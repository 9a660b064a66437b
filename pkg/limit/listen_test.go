package limit

import (
	"errors"
	"net"
	"slices"
	"testing"
	"time"
)

// scripted is a listener whose answers are given.
type scripted struct {
	net.Listener
	answers []error // nil is a connection
}

func (s *scripted) Accept() (net.Conn, error) {
	err := s.answers[0]
	s.answers = s.answers[1:]
	if err != nil {
		return nil, err
	}
	near, far := net.Pipe()
	return near, far.Close()
}

// TestAcceptAll: failures are waited out, ever longer up to a bound, until a
// connection comes; a closed listener and an owner who stops are no failures.
func TestAcceptAll(t *testing.T) {
	broken := errors.New("too many open files")
	tests := []struct {
		name     string
		answers  []error
		stopping bool
		patience int // waits before there is no time left
		served   int
		waits    []time.Duration
	}{
		{"closed", []error{nil, nil, net.ErrClosed}, false, 9, 2, nil},
		{"begins small again", []error{broken, broken, nil, broken, net.ErrClosed}, false, 9, 1, []time.Duration{5, 10, 5}},
		{"no longer than a second", []error{broken, broken, broken, broken, broken, broken, broken, broken, broken, broken, net.ErrClosed}, false, 99, 0,
			[]time.Duration{5, 10, 20, 40, 80, 160, 320, 640, 1000, 1000}},
		{"no time left", []error{broken, broken, nil}, false, 1, 0, []time.Duration{5, 10}},
		{"stopping", []error{nil, broken}, true, 9, 1, nil},
	}
	for _, tt := range tests {
		served, failed := 0, 0
		var waits []time.Duration
		AcceptAll(&scripted{answers: tt.answers}, Acceptor{
			Serve:    func(c net.Conn) { served++; _ = c.Close() },
			Failed:   func(error) { failed++ },
			Stopping: func() bool { return tt.stopping },
			Wait: func(d time.Duration) bool {
				waits = append(waits, d/time.Millisecond)
				return len(waits) <= tt.patience
			},
		})
		if served != tt.served || failed != len(tt.waits) || !slices.Equal(waits, tt.waits) {
			t.Errorf("%s: served %d, failed %d, waited %v ms; want %d, %d, %v", tt.name, served, failed, waits, tt.served, len(tt.waits), tt.waits)
		}
	}
}
