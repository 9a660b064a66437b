package proxyproto

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"time"
)

// Balanced reports whether a connection comes from a balancer: who connects from one
// of these networks has to begin with a header.
func Balanced(from netip.Addr, balancers []netip.Prefix) bool {
	return slices.ContainsFunc(balancers, func(p netip.Prefix) bool { return p.Contains(from.Unmap()) })
}

// Announced reads the header of a balancer's connection within that time, unless ctx
// ends before, and returns whom it announces; if it announces nobody, the balancer.
// Whether the connection may go on is for the caller to say.
func Announced(ctx context.Context, conn net.Conn, balancer netip.AddrPort, within time.Duration) (netip.AddrPort, error) {
	if err := conn.SetReadDeadline(time.Now().Add(within)); err != nil {
		return balancer, err
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.SetReadDeadline(time.Unix(1, 0)) })
	source, err := Read(conn)
	if !stop() && err == nil {
		err = ctx.Err()
	}
	if err != nil {
		return balancer, fmt.Errorf("from balancer %s: %w", balancer, err)
	}
	if !source.IsValid() {
		source = balancer
	}
	return source, conn.SetReadDeadline(time.Time{})
}
