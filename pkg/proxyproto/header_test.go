package proxyproto

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"
)

// header2 is one of version 2.
func header2(command, family byte, rest string) string {
	return signature + string([]byte{command, family, byte(len(rest) >> 8), byte(len(rest))}) + rest
}

const (
	four = "\xc0\x00\x02\x01" + "\xc6\x33\x64\x02" + "\x30\x39" + "\x13\xc5" // 192.0.2.1:12345 to 198.51.100.2:5061
	six  = "\x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01" + "\x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02" + "\x30\x39" + "\x13\xc5"
	tlv  = "\x04\x00\x03abc" // a NOOP of three bytes
)

var (
	source4 = netip.MustParseAddrPort("192.0.2.1:12345")
	source6 = netip.MustParseAddrPort("[2001:db8::1]:12345")
)

func TestRead(t *testing.T) {
	long := strings.Repeat("x", longest1-len("PROXY UNKNOWN \r\n"))
	tests := []struct {
		name, header string
		want         netip.AddrPort
		err          error
	}{
		{"TCP4", "PROXY TCP4 192.0.2.1 198.51.100.2 12345 5061\r\n", source4, nil},
		{"TCP6", "PROXY TCP6 2001:db8::1 2001:db8::2 12345 5061\r\n", source6, nil},
		{"TCP6 with IPv4 inside", "PROXY TCP6 ::ffff:192.0.2.1 ::ffff:198.51.100.2 12345 5061\r\n", source4, nil},
		{"UNKNOWN", "PROXY UNKNOWN\r\n", netip.AddrPort{}, nil},
		{"UNKNOWN with anything", "PROXY UNKNOWN ffff:f...f 1 2\r\n", netip.AddrPort{}, nil},
		{"as long as a line may be", "PROXY UNKNOWN " + long + "\r\n", netip.AddrPort{}, nil},
		{"longer", "PROXY UNKNOWN " + long + "x\r\n", netip.AddrPort{}, ErrHeader},
		{"no end", "PROXY UNKNOWN " + strings.Repeat("x", 1000), netip.AddrPort{}, ErrHeader},
		{"LF only", "PROXY TCP4 192.0.2.1 198.51.100.2 12345 5061\n" + strings.Repeat("x", 100), netip.AddrPort{}, ErrHeader},
		{"another protocol", "PROXY UDP4 192.0.2.1 198.51.100.2 12345 5061\r\n", netip.AddrPort{}, ErrHeader},
		{"a port too few", "PROXY TCP4 192.0.2.1 198.51.100.2 12345\r\n", netip.AddrPort{}, ErrHeader},
		{"a port too many", "PROXY TCP4 192.0.2.1 198.51.100.2 12345 5061 1\r\n", netip.AddrPort{}, ErrHeader},
		{"two spaces", "PROXY TCP4  192.0.2.1 198.51.100.2 12345 5061\r\n", netip.AddrPort{}, ErrHeader},
		{"a port beyond", "PROXY TCP4 192.0.2.1 198.51.100.2 65536 5061\r\n", netip.AddrPort{}, ErrHeader},
		{"a port with zeros", "PROXY TCP4 192.0.2.1 198.51.100.2 012 5061\r\n", netip.AddrPort{}, ErrHeader},
		{"a port with a sign", "PROXY TCP4 192.0.2.1 198.51.100.2 +12 5061\r\n", netip.AddrPort{}, ErrHeader},
		{"the other family", "PROXY TCP4 2001:db8::1 2001:db8::2 12345 5061\r\n", netip.AddrPort{}, ErrHeader},
		{"mixed families", "PROXY TCP6 2001:db8::1 198.51.100.2 12345 5061\r\n", netip.AddrPort{}, ErrHeader},
		{"a zone", "PROXY TCP6 fe80::1%eth0 2001:db8::2 12345 5061\r\n", netip.AddrPort{}, ErrHeader},
		{"a name", "PROXY TCP4 localhost 198.51.100.2 12345 5061\r\n", netip.AddrPort{}, ErrHeader},
		{"lower case", "proxy tcp4 192.0.2.1 198.51.100.2 12345 5061\r\n", netip.AddrPort{}, ErrHeader},

		{"2: TCP4", header2(0x21, 0x11, four), source4, nil},
		{"2: TCP6", header2(0x21, 0x21, six), source6, nil},
		{"2: with more behind", header2(0x21, 0x11, four+tlv+strings.Repeat(tlv, 100)), source4, nil},
		{"2: LOCAL", header2(0x20, 0x00, ""), netip.AddrPort{}, nil},
		{"2: LOCAL with addresses", header2(0x20, 0x11, four), netip.AddrPort{}, nil},
		{"2: unspecified", header2(0x21, 0x00, tlv), netip.AddrPort{}, nil},
		{"2: UNIX", header2(0x21, 0x31, strings.Repeat("x", 216)), netip.AddrPort{}, nil},
		{"2: UDP", header2(0x21, 0x12, four), netip.AddrPort{}, ErrHeader},
		{"2: no such family", header2(0x21, 0x41, six), netip.AddrPort{}, ErrHeader},
		{"2: no such command", header2(0x22, 0x11, four), netip.AddrPort{}, ErrHeader},
		{"2: another version", header2(0x31, 0x11, four), netip.AddrPort{}, ErrHeader},
		{"2: too short for TCP4", header2(0x21, 0x11, four[1:]), netip.AddrPort{}, ErrHeader},
		{"2: too short for TCP6", header2(0x21, 0x21, four), netip.AddrPort{}, ErrHeader},
		{"2: as long as it may be", header2(0x21, 0x11, four+strings.Repeat("x", longest2-len(four))), source4, nil},
		{"2: longer", header2(0x21, 0x11, four+strings.Repeat("x", longest2-len(four)+1)), netip.AddrPort{}, ErrHeader},

		{"TLS", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\x00\x00\x00\x00", netip.AddrPort{}, ErrHeader},
		{"XML", "<?xml version='1.0'?>", netip.AddrPort{}, ErrHeader},
		{"nothing", "", netip.AddrPort{}, io.EOF},
		{"broken off", "PROXY TCP4 192.0.2.1 198", netip.AddrPort{}, io.EOF},
		{"2: broken off", header2(0x21, 0x11, four)[:20], netip.AddrPort{}, io.ErrUnexpectedEOF},
		{"2: broken off early", signature[:5], netip.AddrPort{}, io.ErrUnexpectedEOF},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := strings.NewReader(tt.header + "behind it")
			if errors.Is(tt.err, io.EOF) || errors.Is(tt.err, io.ErrUnexpectedEOF) {
				r = strings.NewReader(tt.header)
			}
			got, err := Read(iotest.OneByteReader(r))
			if got != tt.want || !errors.Is(err, tt.err) {
				t.Errorf("%v, %v; want %v, %v", got, err, tt.want, tt.err)
			}
			if rest, _ := io.ReadAll(r); err == nil && string(rest) != "behind it" {
				t.Errorf("left: %q", rest)
			}
		})
	}
}

// FuzzRead: nothing is read beyond a header, and what it announces is an address.
func FuzzRead(f *testing.F) {
	for _, seed := range []string{
		"PROXY TCP4 192.0.2.1 198.51.100.2 12345 5061\r\n", "PROXY TCP6 2001:db8::1 2001:db8::2 1 2\r\n", "PROXY UNKNOWN\r\n",
		header2(0x21, 0x11, four+tlv), header2(0x21, 0x21, six), header2(0x20, 0x00, ""), header2(0x21, 0x31, "x"),
	} {
		f.Add([]byte(seed + "behind"))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		r := bytes.NewReader(b)
		source, err := Read(r)
		used := len(b) - r.Len()
		if used > len(signature)+4+longest2 {
			t.Errorf("%d bytes were read", used)
		}
		if err != nil {
			if source.IsValid() {
				t.Errorf("%v beside %v", source, err)
			}
			return
		}
		if source.Addr().Is4In6() || source.Addr().Zone() != "" {
			t.Errorf("announced %v", source)
		}
		again, err := Read(bytes.NewReader(b[:used])) // the header alone is one
		if err != nil || again != source {
			t.Errorf("%v, %v; want %v", again, err, source)
		}
	})
}

func TestAnnounced(t *testing.T) {
	balancer := netip.MustParseAddrPort("10.0.0.1:4000")
	tests := []struct {
		name, sent string
		cancel     bool
		want       netip.AddrPort
		took       time.Duration
		bad        bool
	}{
		{"somebody", "PROXY TCP4 192.0.2.1 198.51.100.2 12345 5061\r\n", false, source4, 0, false},
		{"the balancer itself", header2(0x20, 0, ""), false, balancer, 0, false},
		{"nonsense", "GET / HTTP/1.1\r\n", false, balancer, 0, true},
		{"silence", "", false, balancer, time.Second, true},
		{"half a header", "PROXY TCP4", false, balancer, time.Second, true},
		{"the end comes first", "PROXY TCP4", true, balancer, 500 * time.Millisecond, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				near, far := net.Pipe()
				defer far.Close()
				defer near.Close()
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				if tt.cancel {
					time.AfterFunc(500*time.Millisecond, cancel)
				}
				go func() { _, _ = io.WriteString(far, tt.sent) }()
				start := time.Now()
				got, err := Announced(ctx, near, balancer, time.Second)
				if took := time.Since(start); got != tt.want || (err != nil) != tt.bad || took != tt.took {
					t.Errorf("%v, %v after %v", got, err, took)
				}
				if err != nil {
					return
				}
				go func() { <-time.After(time.Hour); _, _ = io.WriteString(far, "x") }()
				if _, err := near.Read(make([]byte, 1)); err != nil {
					t.Errorf("a deadline stayed: %v", err)
				}
			})
		})
	}
}

func TestBalanced(t *testing.T) {
	networks := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8")}
	for addr, want := range map[string]bool{"10.1.2.3": true, "::ffff:10.1.2.3": true, "fd00::1": true, "192.0.2.1": false, "2001:db8::1": false} {
		if got := Balanced(netip.MustParseAddr(addr), networks); got != want {
			t.Errorf("%s: %v", addr, got)
		}
	}
	if Balanced(netip.Addr{}, networks) || Balanced(netip.MustParseAddr("10.0.0.1"), nil) {
		t.Error("nobody is a balancer")
	}
}
