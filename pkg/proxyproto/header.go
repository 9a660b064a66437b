package proxyproto

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strconv"
	"strings"
)

const (
	// signature begins a header of version 2 (§2.2). Its twelve bytes are fewer than
	// any header of version 1 has.
	signature = "\r\n\r\n\x00\r\nQUIT\n"
	begin1    = "PROXY "
	// longest1 is a whole line of version 1 (§2.1).
	longest1 = 107
	// longest2 bounds what follows the fixed part of version 2: addresses, and what
	// balancers add. The protocol has no bound below 64 KiB.
	longest2 = 4096
)

// ErrHeader says that what arrived is no header.
var ErrHeader = errors.New("no PROXY header")

// Read reads one header, and returns the address that it announces as the source;
// the zero value if it announces none, because the balancer speaks for itself (LOCAL)
// or does not know (UNKNOWN). What else is announced is read and ignored. The error
// is that of r, or wraps ErrHeader.
func Read(r io.Reader) (netip.AddrPort, error) {
	var b [16]byte
	if _, err := io.ReadFull(r, b[:len(signature)]); err != nil {
		return netip.AddrPort{}, err
	}
	switch {
	case string(b[:len(signature)]) == signature:
		if _, err := io.ReadFull(r, b[len(signature):]); err != nil {
			return netip.AddrPort{}, err
		}
		return read2(r, b[len(signature):])
	case bytes.HasPrefix(b[:], []byte(begin1)):
		return read1(r, b[:len(signature)])
	}
	return netip.AddrPort{}, ErrHeader
}

// read1 reads the rest of a line that has begun.
func read1(r io.Reader, begun []byte) (netip.AddrPort, error) {
	line := append(make([]byte, 0, longest1), begun...)
	for !bytes.HasSuffix(line, []byte("\r\n")) {
		if len(line) == longest1 {
			return netip.AddrPort{}, fmt.Errorf("%w: a line of more than %d bytes", ErrHeader, longest1)
		}
		line = line[:len(line)+1]
		if _, err := io.ReadFull(r, line[len(line)-1:]); err != nil {
			return netip.AddrPort{}, err
		}
	}
	return parse1(strings.TrimSuffix(string(line[len(begin1):]), "\r\n"))
}

// parse1 reads what stands between PROXY and the end of the line: protocol, source
// and destination, source port and destination port.
func parse1(text string) (netip.AddrPort, error) {
	fields := strings.Split(text, " ")
	if fields[0] == "UNKNOWN" {
		return netip.AddrPort{}, nil
	}
	if len(fields) != 5 || fields[0] != "TCP4" && fields[0] != "TCP6" {
		return netip.AddrPort{}, fmt.Errorf("%w: not TCP4, TCP6 or UNKNOWN with two addresses and two ports", ErrHeader)
	}
	source, ok := join1(fields[0], fields[1], fields[3])
	_, alsoOK := join1(fields[0], fields[2], fields[4])
	if !ok || !alsoOK {
		return netip.AddrPort{}, fmt.Errorf("%w: addresses or ports that cannot be", ErrHeader)
	}
	return source, nil
}

func join1(family, address, port string) (netip.AddrPort, bool) {
	a, err := netip.ParseAddr(address)
	n, portErr := strconv.ParseUint(port, 10, 16)
	good := err == nil && portErr == nil && a.Zone() == "" && a.Is4() == (family == "TCP4") && strconv.FormatUint(n, 10) == port
	return netip.AddrPortFrom(a.Unmap(), uint16(n)), good
}

// read2 reads what follows the signature: version and command, family and protocol,
// and the length of the rest.
func read2(r io.Reader, fixed []byte) (netip.AddrPort, error) {
	const local, proxy = 0x20, 0x21
	const unspecified, tcp4, tcp6, unix = 0x00, 0x11, 0x21, 0x31
	command, family, length := fixed[0], fixed[1], int(binary.BigEndian.Uint16(fixed[2:]))
	switch {
	case command != local && command != proxy:
		return netip.AddrPort{}, fmt.Errorf("%w: version and command %#x", ErrHeader, command)
	case length > longest2:
		return netip.AddrPort{}, fmt.Errorf("%w: %d bytes behind the fixed part", ErrHeader, length)
	}
	rest := make([]byte, length)
	if _, err := io.ReadFull(r, rest); err != nil {
		return netip.AddrPort{}, err
	}
	switch {
	case command == local, family == unspecified, family == unix:
		return netip.AddrPort{}, nil
	case family == tcp4:
		return source2(rest, 4)
	case family == tcp6:
		return source2(rest, 16)
	}
	return netip.AddrPort{}, fmt.Errorf("%w: family and protocol %#x", ErrHeader, family)
}

// source2 takes the source out of two addresses of that size, which two ports
// follow.
func source2(b []byte, size int) (netip.AddrPort, error) {
	if len(b) < 2*size+4 {
		return netip.AddrPort{}, fmt.Errorf("%w: %d bytes of addresses", ErrHeader, len(b))
	}
	a, _ := netip.AddrFromSlice(b[:size])
	return netip.AddrPortFrom(a.Unmap(), binary.BigEndian.Uint16(b[2*size:])), nil
}
