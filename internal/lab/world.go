package lab

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"time"

	"edged/internal/daemon"
	"edged/internal/lab/ca"
	"edged/internal/lab/sippeer"
	"edged/internal/lab/zone"
	"edged/internal/records"
)

// The edge's names, outside and inside.
const (
	outsideName = "sip.contoso.com"
	insideName  = "edge.corp.contoso.com"
)

// closedPort is a port of 127.0.0.1 on which nobody listens (tcpmux).
const closedPort = 1

// stopTimeout bounds the end of the edge.
const stopTimeout = 5 * time.Second

// World is a running federation on loopback: DNS, partners, pools and the edge.
// Stop it when done.
type World struct {
	Dir  string       // where edged.yaml, policy.yaml and tls/ are
	Zone *zone.Server // what the edge looks up

	authorities map[authority]*ca.Authority
	revoked     []ca.Cert // what the public authority's list names
	peers       map[string]*sippeer.Peer
	desks       map[string]*sippeer.Desk
	chats       map[string]*chatServer // XMPP servers
	ports       map[string]uint16      // where they listen
	mintCert    []byte                 // PEM: the authority that proves partners to the XMPP pool
	mintKey     []byte
	doors       atomic.Pointer[doors]
	log         *logStore
	edge        *daemon.Daemon
	undo        []func() // in the order of starting
}

// Options say how a world is started and played. The zero value is a world that
// says nothing.
type Options struct {
	Out  io.Writer    // where Run prints; nil prints nothing
	Once bool         // Run returns after the last scenario
	Log  slog.Handler // receives the edge's own log, at the handler's level; nil drops it

	acts []act // what Run plays; nil = everything
}

// Start starts a world with federation and partner discovery on. The edge reads
// its files as `edged serve` does, and listens when Start returns.
func Start(ctx context.Context, o Options) (*World, error) {
	w := &World{
		authorities: map[authority]*ca.Authority{}, peers: map[string]*sippeer.Peer{}, desks: map[string]*sippeer.Desk{},
		chats: map[string]*chatServer{}, ports: map[string]uint16{},
	}
	if err := w.start(ctx, o); err != nil {
		return nil, errors.Join(err, w.Stop(context.WithoutCancel(ctx)))
	}
	return w, nil
}

func (w *World) start(ctx context.Context, o Options) error {
	for _, a := range []authority{public, litware, inside, rogue} {
		w.authorities[a] = ca.New("Lab " + string(a) + " authority")
	}
	if err := w.startPeers(ctx); err != nil {
		return err
	}
	if err := w.startChats(ctx); err != nil {
		return err
	}
	if err := w.startZone(); err != nil {
		return err
	}
	if err := w.makeDir(); err != nil {
		return err
	}
	if err := w.writeFiles(everything()); err != nil {
		return err
	}
	return w.startEdge(ctx, o.Log)
}

func (w *World) makeDir() error {
	dir, err := os.MkdirTemp("", "edged-lab-")
	if err != nil {
		return fmt.Errorf("lab: %w", err)
	}
	w.Dir = dir
	w.undo = append(w.undo, func() { _ = os.RemoveAll(dir) })
	return nil
}

func (w *World) startEdge(ctx context.Context, log slog.Handler) error {
	captured := newCapture(log)
	w.log = captured.log
	e, err := daemon.Start(ctx, daemon.Options{ConfigPath: w.Config(), Version: "lab", Log: slog.New(captured), SelfCheck: records.SelfCheck})
	if err != nil {
		return fmt.Errorf("lab: starting the edge: %w", err)
	}
	w.edge = e
	w.doors.Store(&doors{
		outside: e.Addr("xmpp.external").String(), direct: e.Addr("xmpp.direct_tls").String(), inside: e.Addr("xmpp.internal").String(),
	})
	return nil
}

// Stop stops the edge and everybody else, and removes the files.
func (w *World) Stop(ctx context.Context) error {
	var err error
	if w.edge != nil {
		ctx, cancel := context.WithTimeout(ctx, stopTimeout)
		defer cancel()
		err = w.edge.Stop(ctx)
		w.edge = nil
	}
	for _, f := range slices.Backward(w.undo) {
		f()
	}
	w.undo = nil
	return err
}

// Config is the path of edged.yaml.
func (w *World) Config() string { return filepath.Join(w.Dir, "edged.yaml") }

// Addr returns where the edge listens: "sip.external", "sip.internal", "xmpp.external", "xmpp.direct_tls", "xmpp.internal", "metrics".
func (w *World) Addr(listener string) net.Addr { return w.edge.Addr(listener) }

// Peer returns a player by its name, or nil.
func (w *World) Peer(name string) *sippeer.Peer { return w.peers[name] }

// Set writes the edge's files anew and has it reload them.
func (w *World) Set(ctx context.Context, s Settings) error {
	if err := w.writeSettings(s); err != nil {
		return err
	}
	return w.Reload(ctx)
}

// Reload has the edge read its files again.
func (w *World) Reload(ctx context.Context) error { return w.edge.Reload(ctx) }

// Dial opens a connection from a player to the edge: a pool's to the inside, a
// partner's to the outside.
func (w *World) Dial(ctx context.Context, name string) (*sippeer.Conn, error) {
	if isPool(name) {
		return w.peers[name].Dial(ctx, w.Addr("sip.internal").String(), insideName)
	}
	return w.peers[name].Dial(ctx, w.Addr("sip.external").String(), outsideName)
}

// AwaitLog waits for the edge's log line about a request: the first with its
// Call-ID and method that carries a reason.
func (w *World) AwaitLog(ctx context.Context, callID, method string) (Record, bool) {
	return w.log.await(ctx, func(r Record) bool {
		return r.Attrs["call_id"] == callID && r.Attrs["method"] == method && r.Attrs["reason"] != ""
	})
}

func isPool(name string) bool {
	return slices.ContainsFunc(pools(), func(p player) bool { return p.name == name })
}
