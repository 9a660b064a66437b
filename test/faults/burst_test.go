package faults

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"edged/internal/lab/sippeer"
)

// TestColdLinkBurst: many requests at once for a next hop that the edge has no
// connection to. None is lost, each has its answer, and those of one sender
// arrive in their order.
func TestColdLinkBurst(t *testing.T) {
	t.Parallel()
	const senders, each = 8, 16
	b := newBed(t)
	e := b.edge()
	for _, at := range []struct{ from, to, sender, receiver string }{{fe1, first, alice, bob}, {north, fe1, nina, alice}} {
		conns := make([]*sippeer.Conn, senders)
		for i := range conns {
			conns[i] = e.dial(at.from)
		}
		if at.to == fe1 { // the edge is connected to its pool; now it is not
			e.servers[fe1].cable.reset()
			e.servers[fe2].cable.cut()
		}
		e.burst(conns, each, func(i, n int) *sippeer.Message {
			m := e.compose(at.from, "MESSAGE", at.sender, at.receiver)
			m.Set("Call-ID", fmt.Sprintf("burst-%d-to-%s", i, at.to))
			m.Set("CSeq", fmt.Sprintf("%d MESSAGE", n+1))
			return m
		})
		for i := range conns {
			e.inOrder(at.to, fmt.Sprintf("burst-%d-to-%s", i, at.to), each)
		}
	}
}

// burst has every connection send its messages at the same time as the others.
func (e *edge) burst(conns []*sippeer.Conn, each int, compose func(i, n int) *sippeer.Message) {
	e.Helper()
	texts, all := make([]string, len(conns)), make([][]*ask, len(conns))
	for i := range conns {
		for n := range each {
			m := compose(i, n)
			all[i] = append(all[i], e.expect(conns[i], m))
			texts[i] += m.String()
		}
	}
	var start, done sync.WaitGroup
	start.Add(1)
	for i, conn := range conns {
		done.Go(func() {
			start.Wait()
			if err := conn.Write(texts[i]); err != nil {
				e.Error(err)
			}
		})
	}
	start.Done()
	done.Wait()
	for _, asks := range all {
		for _, a := range asks {
			a.want(200, patience)
		}
	}
}

// inOrder checks that a server was sent so many requests of a Call-ID, each once,
// by their numbers.
func (e *edge) inOrder(host, id string, count int) {
	e.Helper()
	var numbers []string
	for _, m := range e.servers[host].Desk.Arrived(id) {
		n, _, _ := strings.Cut(m.Get("CSeq"), " ")
		numbers = append(numbers, n)
	}
	for i := range max(count, len(numbers)) {
		if i >= len(numbers) || i >= count || numbers[i] != fmt.Sprint(i+1) {
			e.Errorf("%s: %v arrived, want 1 to %d in order", id, numbers, count)
			return
		}
	}
}
