package faults

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"edged/internal/lab/sippeer"
)

// TestColdLinkBurst: many requests at once for a next hop that the edge is not
// connected to, but about to be. None is lost, each has its answer, and those of one
// sender arrive in their order.
func TestColdLinkBurst(t *testing.T) {
	t.Parallel()
	const senders, each = 8, 16
	for name, at := range map[string]struct{ from, sender, receiver string }{
		"to a partner": {fe1, alice, bob}, "to a pool": {north, nina, alice},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBed(t)
			for _, host := range []string{first, second, fe1, fe2} {
				b.servers[host].cable.freeze()
			}
			e := b.edge()
			conns := make([]*sippeer.Conn, senders)
			for i := range conns {
				conns[i] = e.dial(at.from)
			}
			time.AfterFunc(500*time.Millisecond, func() {
				for _, s := range b.servers {
					s.cable.thaw()
				}
			})
			e.burst(conns, each, func(i, n int) *sippeer.Message {
				m := e.compose(at.from, "MESSAGE", at.sender, at.receiver)
				m.Set("Call-ID", fmt.Sprint("burst-", i))
				m.Set("CSeq", fmt.Sprintf("%d MESSAGE", n+1))
				return m
			})
			for i := range conns {
				e.inOrder(fmt.Sprint("burst-", i), each)
			}
		})
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

// inOrder checks that one server was sent so many requests of a Call-ID, each once,
// by their numbers.
func (e *edge) inOrder(id string, count int) {
	e.Helper()
	var numbers, want []string
	for _, s := range e.servers {
		for _, m := range s.Desk.Arrived(id) {
			n, _, _ := strings.Cut(m.Get("CSeq"), " ")
			numbers = append(numbers, n)
		}
	}
	for n := range count {
		want = append(want, fmt.Sprint(n+1))
	}
	if !slices.Equal(numbers, want) {
		e.Errorf("%s: %v arrived, want 1 to %d in order", id, numbers, count)
	}
}
