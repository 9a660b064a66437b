package lab

import (
	"context"
	"log/slog"
	"maps"
	"sync"
)

// maxRecords bounds how many log records are kept; the oldest go first.
const maxRecords = 4096

// Record is one line of the edge's log, its attributes as text.
type Record struct {
	Message string
	Attrs   map[string]string

	seq uint64 // its number in the log, from 1
}

// capture is a slog.Handler that keeps what the edge logs and passes it on.
type capture struct {
	next  slog.Handler // nil passes nothing on
	attrs map[string]string
	group string // prefix of the keys, with its dot
	log   *logStore
}

// logStore is what all handlers derived from one capture share.
type logStore struct {
	mu      sync.Mutex
	records []Record
	count   uint64        // of all records there ever were
	more    chan struct{} // closed and replaced at every record
}

func newCapture(next slog.Handler) *capture {
	return &capture{next: next, attrs: map[string]string{}, log: &logStore{more: make(chan struct{})}}
}

// Enabled is part of slog.Handler: the lab reads every level.
func (c *capture) Enabled(context.Context, slog.Level) bool { return true }

// Handle is part of slog.Handler.
func (c *capture) Handle(ctx context.Context, r slog.Record) error {
	rec := Record{Message: r.Message, Attrs: maps.Clone(c.attrs)}
	r.Attrs(func(a slog.Attr) bool {
		put(rec.Attrs, c.group, a)
		return true
	})
	c.log.add(rec)
	if c.next == nil || !c.next.Enabled(ctx, r.Level) {
		return nil
	}
	return c.next.Handle(ctx, r)
}

// WithAttrs is part of slog.Handler.
func (c *capture) WithAttrs(attrs []slog.Attr) slog.Handler {
	d := *c
	d.attrs = maps.Clone(c.attrs)
	for _, a := range attrs {
		put(d.attrs, c.group, a)
	}
	if c.next != nil {
		d.next = c.next.WithAttrs(attrs)
	}
	return &d
}

// WithGroup is part of slog.Handler.
func (c *capture) WithGroup(name string) slog.Handler {
	d := *c
	d.group = c.group + name + "."
	if c.next != nil {
		d.next = c.next.WithGroup(name)
	}
	return &d
}

func put(m map[string]string, group string, a slog.Attr) {
	if a.Equal(slog.Attr{}) {
		return
	}
	v := a.Value.Resolve()
	if v.Kind() != slog.KindGroup {
		m[group+a.Key] = v.String()
		return
	}
	for _, inner := range v.Group() {
		put(m, group+a.Key+".", inner)
	}
}

func (s *logStore) add(r Record) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.records) == maxRecords {
		s.records = append(s.records[:0], s.records[maxRecords/2:]...)
	}
	s.count++
	r.seq = s.count
	s.records = append(s.records, r)
	close(s.more)
	s.more = make(chan struct{})
}

// mark is the number of the latest record.
func (s *logStore) mark() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.count
}

// await returns the first record that fits, waiting for it if need be.
func (s *logStore) await(ctx context.Context, fits func(Record) bool) (Record, bool) {
	for {
		r, ok, more := s.find(fits)
		if ok {
			return r, true
		}
		select {
		case <-more:
		case <-ctx.Done():
			return Record{}, false
		}
	}
}

func (s *logStore) find(fits func(Record) bool) (Record, bool, <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.records {
		if fits(r) {
			return r, true, s.more
		}
	}
	return Record{}, false, s.more
}
