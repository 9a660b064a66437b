package sipfed

import (
	"fmt"
	"testing"
	"testing/synctest"

	"edged/pkg/limit"
	"edged/pkg/policy"
)

// TestQueueFill: requests that wait for a connection fill the queue of their side.
func TestQueueFill(t *testing.T) {
	world()
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t, func(_ *policy.Source, bounds *limit.Bounds) {
			bounds.QueueMessages, bounds.QueueBytes = 8, 64<<10
		})
		check := func(when string, external, internal float64) {
			t.Helper()
			synctest.Wait()
			if e, i := b.s.QueueFill(External), b.s.QueueFill(Internal); e != external || i != internal {
				t.Errorf("%s: %.3f outside and %.3f inside, want %.3f and %.3f", when, e, i, external, internal)
			}
		}
		check("at first", 0, 0)
		partner := b.partner(b.world.partner)
		for i := range 2 {
			partner.send(request("MESSAGE", fmt.Sprint(i), ""))
		}
		check("while the pool is dialled", 0, 0.25)
		pool := b.poolServer()
		for range 2 {
			pool.expect("MESSAGE")
		}
		check("when the pool has them", 0, 0)
	})
}
