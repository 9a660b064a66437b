package daemon

import (
	"context"
	"iter"

	"edged/internal/admin"
	"edged/pkg/policy"
	"edged/pkg/trace"
)

// trace serves the admin socket.
func (d *Daemon) trace(ctx context.Context, f admin.TraceFilter) (iter.Seq[admin.TraceLine], error) {
	follower, err := d.tap.Follow(trace.Filter(f))
	if err != nil {
		return nil, err
	}
	return func(yield func(admin.TraceLine) bool) {
		defer follower.Close()
		for {
			select {
			case e, ok := <-follower.Events:
				line := traceLine(&e)
				line.Lost = follower.Lost()
				if !ok || !yield(line) {
					return
				}
			case <-ctx.Done():
				return
			}
		}
	}, nil
}

func traceLine(e *trace.Event) admin.TraceLine {
	way := policy.Outward
	if e.Inward {
		way = policy.Inward
	}
	return admin.TraceLine{
		Time: e.Time, Proto: e.Proto, Side: e.Side, Direction: way.String(), Peer: e.Peer, What: e.What, Status: e.Status,
		From: e.From, To: e.To, URI: e.URI, ID: e.ID, Reason: e.Reason.String(), Rule: string(e.Rule), NextHop: e.NextHop, Detail: e.Detail,
		Took: float64(e.Took.Microseconds()) / 1000,
	}
}
