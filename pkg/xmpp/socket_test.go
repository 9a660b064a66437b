package xmpp

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// TestWritesHaveTheirTime: a batch has limits.write_timeout altogether, what is said
// beside one has it for itself, however long nothing was written before.
func TestWritesHaveTheirTime(t *testing.T) {
	const within = 10 * time.Second
	tests := []struct {
		name  string
		batch bool
		slow  time.Duration // how long the other end takes for each of three writes
		fails bool
	}{
		{"a batch", true, 3 * time.Second, false},
		{"a batch that takes too long, but none of its writes", true, 8 * time.Second, true},
		{"words beside", false, 8 * time.Second, false},
		{"words that nobody takes", false, time.Minute, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				near, far := net.Pipe()
				s := newSocket(near, func() time.Duration { return within })
				if err := s.begin(); err != nil {
					t.Fatal(err)
				}
				s.end()
				<-time.After(time.Minute) // the time of the last batch is over
				var reading sync.WaitGroup
				defer reading.Wait()
				defer far.Close()
				defer near.Close()
				reading.Go(func() {
					for range 3 {
						<-time.After(tt.slow)
						_, _ = io.ReadFull(far, make([]byte, 1))
					}
				})
				if tt.batch {
					if err := s.begin(); err != nil {
						t.Fatal(err)
					}
					defer s.end()
				}
				begin, err := time.Now(), error(nil)
				for range 3 {
					if _, err = s.Write([]byte("x")); err != nil {
						break
					}
				}
				if errors.Is(err, os.ErrDeadlineExceeded) != tt.fails || tt.batch && time.Since(begin) > within {
					t.Errorf("after %v: %v", time.Since(begin), err)
				}
			})
		})
	}
}
