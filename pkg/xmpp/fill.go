package xmpp

import "edged/pkg/limit"

// QueueFill tells how full the fullest queue of a side is, 1 at its bound: of stanzas
// for one pair of domains, by limits.queue_messages and limits.queue_bytes.
func (s *Server) QueueFill(side Side) float64 {
	b, fullest := &s.state.Load().Bounds, 0.0
	for _, l := range s.links.all() {
		if l.key.side == side {
			fullest = max(fullest, l.fill(b))
		}
	}
	return fullest
}

func (l *link) fill(b *limit.Bounds) float64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return max(float64(l.queue.stanzas)/float64(b.QueueMessages), float64(l.queue.bytes)/float64(b.QueueBytes))
}
