package consent_test

import (
	"fmt"
	"log/slog"
	"runtime"
	"testing"
	"time"

	"edged/pkg/consent"
	"edged/pkg/store"
)

// people are pairs of addresses with 20 characters each.
func people(t testing.TB, n int) (local, remote []consent.Party) {
	t.Helper()
	ours, theirs := party(t, "contoso.com").Domain, party(t, "jabber.example").Domain
	for i := range n {
		local = append(local, consent.Party{Local: fmt.Sprintf("u%07d", i), Domain: ours})
		remote = append(remote, consent.Party{Local: fmt.Sprintf("%05d", i%50_000), Domain: theirs})
	}
	return local, remote
}

func benchBook(b *testing.B, local, remote []consent.Party) *consent.Book {
	b.Helper()
	s, err := store.Open(b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	book, err := consent.Open(s, consent.Config{Max: 1_000_000, Log: slog.New(slog.DiscardHandler), Now: time.Now})
	if err != nil {
		b.Fatal(err)
	}
	for i := range local {
		book.Grant(local[i], remote[i])
	}
	b.Cleanup(func() {
		if err := book.Close(); err != nil {
			b.Error(err)
		}
		if err := s.Close(); err != nil {
			b.Error(err)
		}
	})
	return book
}

func BenchmarkHas(b *testing.B) {
	for _, n := range []int{1000, 100_000} {
		local, remote := people(b, n)
		book := benchBook(b, local, remote)
		for i := range local { // once per generation a pair is moved to the front
			book.Has(local[i], remote[i])
		}
		book.Remove(local[0], remote[0]) // returns when all is written
		b.Run(fmt.Sprintf("pairs=%d", n), func(b *testing.B) {
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				if i++; i == n {
					i = 0
				}
				book.Has(local[i], remote[i])
			}
		})
		b.Run(fmt.Sprintf("pairs=%d/parallel", n), func(b *testing.B) {
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for i := 0; pb.Next(); i++ {
					book.Has(local[i%n], remote[i%n])
				}
			})
		})
	}
}

// BenchmarkMemory reports what a pair takes on the heap when the Book is full.
func BenchmarkMemory(b *testing.B) {
	local, remote := people(b, 1_000_000)
	for b.Loop() {
		before := heap()
		book := benchBook(b, local, remote)
		book.Remove(local[0], remote[0]) // returns when all is written
		b.ReportMetric(float64(heap()-before)/1e6, "B/pair")
	}
}

func heap() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
