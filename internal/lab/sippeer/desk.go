package sippeer

import (
	"context"
	"crypto/rand"
	"maps"
	"slices"
	"sync"
)

// Answer is what a peer does with the requests of one Call-ID. The zero value
// answers 200 OK. ACK and BENOTIFY are never answered, whatever it says.
type Answer struct {
	Provisional []int   // sent before the final answer, in this order
	Status      int     // of the final answer; 0 means 200
	Silent      bool    // no final answer: only a CANCEL brings one
	Hangup      bool    // closes the connection instead of answering
	Headers     []Field // further rows of the final answer
	Type, Body  string  // body of the final answer
}

// Desk holds the scripts of one or several peers and the record of what they
// received. It is safe for concurrent use.
type Desk struct {
	mu      sync.Mutex
	answers map[string]Answer     // by Call-ID
	arrived map[string][]*Message // requests by Call-ID, in order
	tags    map[string]string     // To tags by Call-ID
	more    chan struct{}         // closed and replaced at every arrival
}

// NewDesk returns an empty desk.
func NewDesk() *Desk {
	return &Desk{
		answers: map[string]Answer{}, arrived: map[string][]*Message{},
		tags: map[string]string{}, more: make(chan struct{}),
	}
}

// Script sets what the requests of a Call-ID are answered.
func (d *Desk) Script(callID string, a Answer) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.answers[callID] = a
}

// Arrived returns the requests received with a Call-ID so far.
func (d *Desk) Arrived(callID string) []*Message {
	d.mu.Lock()
	defer d.mu.Unlock()
	return append([]*Message(nil), d.arrived[callID]...)
}

// All returns every request received so far.
func (d *Desk) All() []*Message {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Concat(slices.Collect(maps.Values(d.arrived))...)
}

// Await waits until a request with the Call-ID and method has arrived and returns
// the first one.
func (d *Desk) Await(ctx context.Context, callID, method string) (*Message, error) {
	for {
		m, more := d.find(callID, method)
		if m != nil {
			return m, nil
		}
		select {
		case <-more:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func (d *Desk) find(callID, method string) (*Message, <-chan struct{}) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, m := range d.arrived[callID] {
		if m.Method() == method {
			return m, d.more
		}
	}
	return nil, d.more
}

// receive records a request and returns the script for it.
func (d *Desk) receive(m *Message) Answer {
	d.mu.Lock()
	defer d.mu.Unlock()
	id := m.Get("Call-ID")
	d.arrived[id] = append(d.arrived[id], m)
	close(d.more)
	d.more = make(chan struct{})
	return d.answers[id]
}

// tag is the To tag of every answer to a Call-ID.
func (d *Desk) tag(callID string) string {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.tags[callID] == "" {
		d.tags[callID] = rand.Text()
	}
	return d.tags[callID]
}
