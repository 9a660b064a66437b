package discovery_test

import (
	"errors"
	"net/netip"
	"strings"
	"testing"

	"edged/pkg/discovery"
)

func TestCheckAddr(t *testing.T) {
	tests := []struct {
		addr string
		want string // part of the error's text; "" = may be dialled
	}{
		{"8.8.8.8", ""},
		{"203.0.113.10", ""}, // documentation addresses lead nowhere and harm nobody
		{"100.63.255.255", ""},
		{"100.128.0.0", ""},
		{"172.15.255.255", ""},
		{"172.32.0.0", ""},
		{"11.0.0.0", ""},
		{"2001:db8::10", ""},
		{"2606:4700::1111", ""},
		{"0.0.0.0", "unspecified"},
		{"0.1.2.3", "unspecified"},
		{"10.1.2.3", "RFC 1918"},
		{"172.16.0.1", "RFC 1918"},
		{"172.31.255.255", "RFC 1918"},
		{"192.168.0.1", "RFC 1918"},
		{"100.64.0.1", "carrier-grade"},
		{"127.0.0.1", "loopback"},
		{"127.255.255.254", "loopback"},
		{"169.254.169.254", "link-local"},
		{"192.0.0.8", "reserved"},
		{"224.0.0.1", "multicast"},
		{"239.255.255.255", "multicast"},
		{"240.0.0.1", "reserved"},
		{"255.255.255.255", "reserved"},
		{"::", "unspecified"},
		{"::1", "loopback"},
		{"fc00::1", "unique local"},
		{"fdff::1", "unique local"},
		{"fe80::1", "link-local"},
		{"fe80::1%eth0", "link-local"},
		{"febf::1", "link-local"},
		{"fec0::1", "site-local"},
		{"ff02::1", "multicast"},
		// IPv6 addresses that carry an IPv4 address.
		{"::ffff:10.1.2.3", "RFC 1918"},
		{"::ffff:127.0.0.1", "loopback"},
		{"::ffff:8.8.8.8", ""},
		{"::10.1.2.3", "v4-compatible form of 10.1.2.3"},
		{"::8.8.8.8", ""},
		{"64:ff9b::10.1.2.3", "NAT64 form of 10.1.2.3"},
		{"64:ff9b::127.0.0.1", "NAT64 form of 127.0.0.1"},
		{"64:ff9b::a9fe:a9fe", "NAT64 form of 169.254.169.254"},
		{"64:ff9b::8.8.8.8", ""},
		{"64:ff9b:0:0:1::a01:203", ""}, // outside the /96
		{"64:ff9b:1::1", "local NAT64"},
		{"64:ff9b:1:ffff::8.8.8.8", "local NAT64"},
		{"64:ff9b:2::10.0.0.1", ""},
		{"2002:a01:203::1", "6to4 form of 10.1.2.3"},
		{"2002:7f00:1::", "6to4 form of 127.0.0.1"},
		{"2002:808:808::1", ""},
		{"2001:0:808:808::f5fe:fdfc", "Teredo form of 10.1.2.3"},
		{"2001:0:808:808::f7f7:f7f7", ""},
		// Allowed by configuration.
		{"10.9.0.1", ""},
		{"::ffff:10.9.0.1", ""},
		{"64:ff9b::10.9.0.1", "NAT64 form of 10.9.0.1"}, // another network's 10.9.0.1
		{"2002:a09:1::1", "6to4 form of 10.9.0.1"},
		{"fd00:1::7", ""},
		{"fd00:2::7", "unique local"},
		{"192.168.7.7", ""}, // allowed as ::ffff:192.168.7.0/120
		{"64:ff9b:1:7::a01:203", ""},
	}
	r := resolver(t, discovery.Config{Servers: []string{"127.0.0.1:9"}, AllowPrivate: []netip.Prefix{
		netip.MustParsePrefix("10.9.0.1/16"), netip.MustParsePrefix("fd00:1::/32"),
		netip.MustParsePrefix("::ffff:192.168.7.0/120"), netip.MustParsePrefix("64:ff9b:1:7::/64"),
	}})
	for _, tt := range tests {
		err := r.CheckAddr(netip.MustParseAddr(tt.addr))
		if tt.want == "" {
			if err != nil {
				t.Errorf("%s: %v, want no error", tt.addr, err)
			}
			continue
		}
		var e *discovery.Error
		if !errors.As(err, &e) || e.Kind != discovery.Private || e.Temporary() {
			t.Errorf("%s: %v, want a lasting error of kind private", tt.addr, err)
			continue
		}
		if !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), netip.MustParseAddr(tt.addr).String()) {
			t.Errorf("%s: %q does not name the address and say %q", tt.addr, err, tt.want)
		}
	}
	if err := r.CheckAddr(netip.Addr{}); err == nil {
		t.Error("no address at all passes")
	}
}

func BenchmarkCheckAddr(b *testing.B) {
	r := resolver(b, discovery.Config{Servers: []string{"127.0.0.1:9"}})
	a := netip.MustParseAddr("2606:4700::1111")
	for b.Loop() {
		if err := r.CheckAddr(a); err != nil {
			b.Fatal(err)
		}
	}
}
