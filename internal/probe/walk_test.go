package probe

import (
	"net"
	"net/netip"
	"os"
	"strings"
	"syscall"
	"testing"
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
