package sipfed

import "testing"

// TestPhases is RFC 3261 §17 and RFC 6026 over a reliable transport, a row an edge.
func TestPhases(t *testing.T) {
	tests := []struct {
		from   phase
		on     event
		invite bool
		to     phase
	}{
		{connecting, sent, true, calling},
		{connecting, sent, false, calling},
		{connecting, failure, true, completed},
		{connecting, failure, false, terminated},
		{calling, provisional, true, proceeding},
		{calling, success, true, accepted},    // RFC 6026 §7.1
		{calling, success, false, terminated}, // timers J and K are zero
		{calling, failure, true, completed},   // waits for the sender's ACK
		{calling, retried, true, connecting},  // the next target
		{calling, retried, false, connecting}, // never fully written, or 503
		{calling, expired, false, terminated}, // timer F: RFC 4320 §4.2
		{proceeding, provisional, true, proceeding},
		{proceeding, success, true, accepted},
		{proceeding, failure, true, completed},
		{accepted, success, true, accepted}, // every 2xx passes
		{accepted, failure, true, accepted},
		{accepted, expired, true, terminated}, // timers L and M
		{accepted, retried, true, accepted},
		{completed, acknowledged, true, terminated},
		{completed, success, true, accepted}, // a late 2xx of another attempt
		{completed, provisional, true, completed},
		{completed, expired, true, terminated}, // timer H
		{terminated, success, true, terminated},
		{terminated, sent, false, terminated},
	}
	for _, tt := range tests {
		if got := tt.from.next(tt.on, tt.invite); got != tt.to {
			t.Errorf("%v on event %d (invite %v): %v, want %v", tt.from, tt.on, tt.invite, got, tt.to)
		}
	}
}
