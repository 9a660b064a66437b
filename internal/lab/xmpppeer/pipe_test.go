package xmpppeer_test

import (
	"errors"
	"io"
	"net"
	"syscall"
	"testing"

	"edged/internal/lab/xmpppeer"

	"golang.org/x/net/nettest"
)

func TestPipeIsAConnection(t *testing.T) {
	nettest.TestConn(t, func() (net.Conn, net.Conn, func(), error) {
		a, b := xmpppeer.Pipe()
		return a, b, func() { a.Close(); b.Close() }, nil
	})
}

func TestPipeEnds(t *testing.T) {
	tests := map[string]struct {
		end  func(*xmpppeer.Stream) error
		want error
	}{
		"closed": {(*xmpppeer.Stream).Close, io.EOF},
		"half":   {(*xmpppeer.Stream).CloseWrite, io.EOF},
		"reset":  {(*xmpppeer.Stream).Reset, syscall.ECONNRESET},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			a, b := xmpppeer.Pipe()
			defer b.Close()
			if err := tt.end(xmpppeer.NewStream(a)); err != nil {
				t.Fatal(err)
			}
			if _, err := b.Read(make([]byte, 1)); !errors.Is(err, tt.want) {
				t.Errorf("the other end reads %v, want %v", err, tt.want)
			}
		})
	}
}

func TestNetworkRefuses(t *testing.T) {
	var n xmpppeer.Network
	if _, err := n.DialContext(t.Context(), "tcp", "192.0.2.1:1"); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("nobody listens: %v", err)
	}
	ln, err := n.Listen("192.0.2.1:1")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := n.Listen("192.0.2.1:1"); !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("second listener: %v", err)
	}
	ln.Close()
	if _, err := ln.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Accept after Close: %v", err)
	}
}
