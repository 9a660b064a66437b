package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"

	"edged/bench/relay"
	"edged/bench/sip"
	"edged/bench/stage"
	"edged/bench/wire"
)

const roleNames = "run, edged, cut, copy, drop, sip-copy, sip-answer, sip-drop, sip-crowd or sip-crowd-raw"

// headerMost is how much of a stream header edged reads before it hangs up: the sink
// beside it does the same, so that the crowd comes back as often.
const headerMost = 8 << 10

// role is a process of a run: args are its name and the run's directory.
func role(ctx context.Context, args []string) error {
	if args[0] == "edged" {
		return profiled(ctx, args[1:])
	}
	if len(args) != 2 {
		return fmt.Errorf("%s: give the directory of a run", args[0])
	}
	in, out, err := ends(args[1])
	if err != nil {
		return err
	}
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	switch args[0] {
	case "cut":
		return listen(ctx, stage.Cutter, relay.Cut{In: in, Out: out, To: stage.Sink, Log: log}.Serve)
	case "copy":
		raw, err := new(net.ListenConfig).Listen(ctx, "tcp", stage.CopierRaw)
		if err != nil {
			return err
		}
		go func() { _ = relay.Drop(raw, nil, headerMost) }() // until the process ends
		return listen(ctx, stage.Copier, relay.Bytes{In: in.Config(), Out: out, To: stage.SinkBare, Log: log}.Serve)
	case "drop":
		return listen(ctx, stage.Dropper, func(_ context.Context, l net.Listener) error { return relay.Drop(l, in.Config(), 0) })
	case "sip-crowd":
		return gather(ctx, args[1], stage.SIPEdge)
	case "sip-crowd-raw":
		return gather(ctx, args[1], stage.SIPRaw)
	case "sip-copy":
		raw, err := new(net.ListenConfig).Listen(ctx, "tcp", stage.SIPRaw)
		if err != nil {
			return err
		}
		go func() { _ = relay.Drop(raw, in.Mutual(), 0) }() // until the process ends
		return listen(ctx, stage.SIPCopier, relay.Bytes{In: in.Mutual(), Out: out, To: stage.SIPSink, Log: log}.Serve)
	case "sip-answer":
		sink := sip.NewSink(sip.NewLedger(), stage.SIPAnswerer)
		return listen(ctx, stage.SIPAnswerer, func(_ context.Context, l net.Listener) error {
			return relay.Serve(l, log, func(c net.Conn) error {
				sink.Serve(tls.Server(c, in.Mutual()))
				return nil
			})
		})
	case "sip-drop":
		return listen(ctx, stage.SIPDropper, func(_ context.Context, l net.Listener) error { return relay.Drop(l, in.Mutual(), 0) })
	}
	return fmt.Errorf("%s is no subcommand: %s", args[0], roleNames)
}

// ends are both sides of a relay between the sender and the sink.
func ends(dir string) (in wire.Acceptor, out wire.Dialer, err error) {
	ours, err := dialer(dir, "edge", "")
	if err != nil {
		return in, out, err
	}
	out, err = dialer(dir, "partner", cutDomain)
	return wire.Acceptor{Domain: stage.Pool, Cert: ours.Cert, Roots: ours.Roots}, out, err
}

// dialer has a certificate of the run's directory.
func dialer(dir, base, domain string) (wire.Dialer, error) {
	cert, err := tls.LoadX509KeyPair(filepath.Join(dir, base+".crt"), filepath.Join(dir, base+".key"))
	if err != nil {
		return wire.Dialer{}, err
	}
	text, err := os.ReadFile(filepath.Join(dir, "public-ca.crt"))
	if err != nil {
		return wire.Dialer{}, err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(text) {
		return wire.Dialer{}, errors.New("public-ca.crt: no certificate")
	}
	return wire.Dialer{From: domain, To: stage.Pool, Cert: cert, Roots: roots}, nil
}

// gather is the crowd.
func gather(ctx context.Context, dir, to string) error {
	stranger, err := dialer(dir, stage.Stranger, stage.Stranger)
	if err != nil {
		return err
	}
	staller, err := dialer(dir, stage.Staller, stage.Staller)
	if err != nil {
		return err
	}
	c := sip.Crowd{
		To: to, Stranger: stranger, Staller: staller, Users: partiesOf(stage.Staller),
		Idle: crowdIdle, HalfOpen: crowdHalfOpen, Slow: crowdSlow, Stalled: crowdStalled,
	}
	c.Run(ctx, func() { err = stage.Gathered(dir) })
	return err
}

// listen serves until the context ends.
func listen(ctx context.Context, addr string, serve func(context.Context, net.Listener) error) error {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", addr)
	if err != nil {
		return err
	}
	context.AfterFunc(ctx, func() { l.Close() })
	return serve(ctx, l)
}
