package probe

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"strings"
	"syscall"
	"testing"

	"edged/pkg/limit"
	"edged/pkg/policy"
	"edged/pkg/sipfed"
)

// TestNoIPv6: a partner with an IPv6 address alone, and a host without any.
func TestNoIPv6(t *testing.T) {
	w := &walk{Prober: New(Config{}), Report: &Report{}}
	err := &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("connect", syscall.ENETUNREACH)}
	w.unconnected("sip.fabrikam.com:5061", netip.MustParseAddrPort("[2001:db8::1]:5061"), err)
	f := w.Findings[0]
	if !strings.Contains(f.Cause, "no way to IPv6") || !strings.Contains(strings.Join(f.Cure, "; "), "the partner has to publish an IPv4 address as well") {
		t.Errorf("%+v", f)
	}
}

// TestTimeIsOver: what was not tried any more is no finding.
func TestTimeIsOver(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	dialled := 0
	w := &walk{Report: &Report{}, inside: true, Prober: New(Config{
		SIP: &sipfed.State{Bounds: limit.DefaultBounds()},
		Dial: func(context.Context, policy.Protocol, bool, netip.AddrPort) (net.Conn, error) {
			dialled++
			cancel()
			return nil, errors.New("nobody")
		},
	})}
	for _, target := range []string{"127.0.0.1:1", "127.0.0.1:2"} {
		w.each(ctx, target, nil)
	}
	last := w.Steps[len(w.Steps)-1]
	if dialled != 1 || len(w.Findings) != 1 || last.Outcome != Note || !strings.HasPrefix(last.Text, "127.0.0.1:2 is not tried") {
		t.Errorf("dialled %d, found %+v, last %+v", dialled, w.Findings, last)
	}
}
