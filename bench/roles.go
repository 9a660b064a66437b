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

const roleNames = "run, edged, cut, copy, drop, sip-copy, sip-answer or sip-drop"

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
		go func() { _ = relay.Drop(raw, nil) }() // until the process ends
		return listen(ctx, stage.Copier, relay.Bytes{In: in.Config(), Out: out, To: stage.SinkBare, Log: log}.Serve)
	case "drop":
		return listen(ctx, stage.Dropper, func(_ context.Context, l net.Listener) error { return relay.Drop(l, in.Config()) })
	case "sip-copy":
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
		return listen(ctx, stage.SIPDropper, func(_ context.Context, l net.Listener) error { return relay.Drop(l, in.Mutual()) })
	}
	return fmt.Errorf("%s is no subcommand: %s", args[0], roleNames)
}

// ends are both sides of a relay between the sender and the sink.
func ends(dir string) (in wire.Acceptor, out wire.Dialer, err error) {
	ours, err := tls.LoadX509KeyPair(filepath.Join(dir, "edge.crt"), filepath.Join(dir, "edge.key"))
	if err != nil {
		return in, out, err
	}
	partner, err := tls.LoadX509KeyPair(filepath.Join(dir, "partner.crt"), filepath.Join(dir, "partner.key"))
	if err != nil {
		return in, out, err
	}
	text, err := os.ReadFile(filepath.Join(dir, "public-ca.crt"))
	if err != nil {
		return in, out, err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(text) {
		return in, out, errors.New("public-ca.crt: no certificate")
	}
	in = wire.Acceptor{Domain: stage.Pool, Cert: ours, Roots: roots}
	return in, wire.Dialer{From: cutDomain, To: stage.Pool, Cert: partner, Roots: roots}, nil
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
