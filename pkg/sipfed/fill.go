package sipfed

// QueueFill tells how full the fullest queue of a side is, 1 at its bound: of bytes to
// be written to one connection (limits.queue_bytes), or of requests that wait for a
// connection to one next hop (limits.queue_messages).
func (s *Server) QueueFill(side Side) float64 {
	b, fullest := &s.state.Load().Bounds, 0.0
	for _, c := range s.group.All() {
		if c.side == side {
			fullest = max(fullest, float64(c.toWrite())/float64(b.QueueBytes))
		}
	}
	for _, l := range s.links.all() {
		fullest = max(fullest, float64(l.toDial(side))/float64(b.QueueMessages))
	}
	return fullest
}

// toWrite is how many bytes the writer has not taken yet.
func (c *conn) toWrite() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.out == nil {
		return 0
	}
	return len(c.out.b)
}

// toDial is how many requests wait for a connection, if the link is of that side.
func (l *link) toDial(side Side) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.hop.key.side != side {
		return 0
	}
	return l.waiting
}

// all returns the links there are.
func (ls *links) all() []*link {
	ls.mu.RLock()
	defer ls.mu.RUnlock()
	all := make([]*link, 0, len(ls.m))
	for _, l := range ls.m {
		all = append(all, l)
	}
	return all
}
