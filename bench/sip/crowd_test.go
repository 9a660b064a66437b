package sip

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"edged/bench/wire"
	"edged/internal/lab/ca"
)

func TestCrowdIsThereAndLeaves(t *testing.T) {
	root := ca.New("root")
	roots := x509.NewCertPool()
	roots.AddCert(root.Cert().X509)
	as := func(name string) wire.Dialer {
		return wire.Dialer{From: name, To: "pool.example", Cert: root.Issue(ca.Leaf{DNS: []string{name}}).TLS, Roots: roots}
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	config := wire.Acceptor{Cert: as("pool.example").Cert, Roots: roots}.Mutual()
	said := map[string]int{} // bytes, by certificate; "" where there was none
	var mu sync.Mutex
	var all sync.WaitGroup
	accepted, asked := make(chan struct{}, 10), make(chan struct{}, 10)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() {
				defer c.Close()
				accepted <- struct{}{}
				secured := tls.Server(c, config)
				n, _ := io.CopyN(io.Discard, secured, 1000) // the slow one never gets there
				name := ""
				if chain := secured.ConnectionState().PeerCertificates; len(chain) > 0 {
					name = chain[0].DNSNames[0]
				}
				mu.Lock()
				said[name] += int(n)
				mu.Unlock()
				if n == 1000 {
					asked <- struct{}{}
				}
			})
		}
	}()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	Crowd{
		To: l.Addr().String(), Stranger: as("stranger.example"), Staller: as("staller.example"), Users: partner(),
		Idle: 3, HalfOpen: 2, Slow: 1, Stalled: 1,
	}.Run(ctx, func() {
		for range 7 { // the half-open ones are on their way
			<-accepted
		}
		select {
		case <-asked:
		case <-ctx.Done():
		}
		cancel()
	})
	all.Wait()
	if said[""] != 0 || said["staller.example"] != 1000 || said["stranger.example"] < 1 || said["stranger.example"] > 30 {
		t.Errorf("bytes by certificate: %v; want few of the slow one and 1000 of the one that reads nothing", said)
	}
}
