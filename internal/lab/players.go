package lab

import (
	"context"
	"crypto/x509"
	"fmt"
	"time"

	"edged/internal/lab/ca"
	"edged/internal/lab/sippeer"
)

func (w *World) startPeers(ctx context.Context) error {
	for _, p := range cast() {
		peer, err := w.startPeer(ctx, p)
		if err != nil {
			return fmt.Errorf("lab: %s: %w", p.name, err)
		}
		w.peers[p.name] = peer
		w.undo = append(w.undo, peer.Close)
	}
	return nil
}

func (w *World) startPeer(ctx context.Context, p player) (*sippeer.Peer, error) {
	cfg := sippeer.Config{Host: p.host, Listen: "127.0.0.1:0", Refuse: p.hangup, Desk: w.desk(p)}
	cfg.Roots = x509.NewCertPool()
	trusted := p.trusts
	if trusted == "" {
		trusted = public
	}
	cfg.Roots.AddCert(w.authorities[trusted].Cert().X509)
	if p.signer != "" {
		cert := w.authorities[p.signer].Issue(p.leaf())
		if p.state == revoked {
			w.revoked = append(w.revoked, cert)
		}
		cfg.Certificate = &cert.TLS
	}
	if p.mute {
		cfg.Listen = ""
	}
	return sippeer.New(ctx, cfg)
}

// desk returns the desk of a player, which it may share.
func (w *World) desk(p player) *sippeer.Desk {
	name := p.desk
	if name == "" {
		name = p.name
	}
	if w.desks[name] == nil {
		w.desks[name] = sippeer.NewDesk()
	}
	return w.desks[name]
}

// leaf is the player's certificate.
func (p player) leaf() ca.Leaf {
	name := p.shows
	if name == "" {
		name = p.host
	}
	l := ca.Leaf{CN: name, DNS: []string{name}}
	switch p.state {
	case expired:
		l.NotBefore = time.Now().AddDate(-1, 0, 0)
		l.NotAfter = time.Now().AddDate(0, 0, -1)
	case early:
		l.NotBefore = time.Now().AddDate(0, 0, 1)
	case good, revoked:
	}
	return l
}
