package discovery

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"sync/atomic"
	"time"

	"github.com/miekg/dns"
)

// server is one recursive resolver.
type server struct {
	addr    string // host:port
	trusted bool   // its AD bit counts

	until atomic.Pointer[time.Time] // it rests until then
}

// rest has the server asked last until t.
func (s *server) rest(t time.Time) { s.until.Store(&t) }

func (s *server) resting(now time.Time) bool {
	until := s.until.Load()
	return until != nil && now.Before(*until)
}

// resolvConf is where the system names its resolvers (resolv.conf(5)).
const resolvConf = "/etc/resolv.conf"

// systemServers returns the resolvers named in the file; without any it is the
// local host, as resolv.conf(5) says.
func systemServers(file string) ([]string, error) {
	c, err := dns.ClientConfigFromFile(file)
	if os.IsNotExist(err) {
		c, err = new(dns.ClientConfig), nil
	}
	if err != nil {
		return nil, fmt.Errorf("discovery: %w", err)
	}
	if len(c.Servers) == 0 {
		return []string{"127.0.0.1"}, nil
	}
	return c.Servers, nil
}

// SystemServers returns the resolvers of /etc/resolv.conf; without any it is the
// local host, as resolv.conf(5) says.
func SystemServers() ([]netip.AddrPort, error) {
	names, err := systemServers(resolvConf)
	if err != nil {
		return nil, err
	}
	all := make([]netip.AddrPort, len(names))
	for i, name := range names {
		if all[i], err = parseServer(name); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// newServers reads the list of Config.Servers; systemFile is resolvConf.
func newServers(list []string, trustAD []netip.Addr, systemFile string) ([]*server, error) {
	var servers []*server
	for _, item := range list {
		names := []string{item}
		if item == "system" {
			var err error
			if names, err = systemServers(systemFile); err != nil {
				return nil, err
			}
		}
		for _, name := range names {
			ap, err := parseServer(name)
			if err != nil {
				return nil, err
			}
			servers = append(servers, &server{addr: ap.String(), trusted: trusts(trustAD, ap.Addr())})
		}
	}
	return servers, nil
}

func parseServer(s string) (netip.AddrPort, error) {
	if a, err := netip.ParseAddr(s); err == nil {
		return netip.AddrPortFrom(a.Unmap(), 53), nil
	}
	ap, err := netip.ParseAddrPort(s)
	if err != nil || ap.Port() == 0 {
		return netip.AddrPort{}, fmt.Errorf(`discovery: DNS server %q: want "system", an IP address such as "192.0.2.53", or address and port such as %q`, s, net.JoinHostPort("2001:db8::53", "53"))
	}
	return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port()), nil
}

// trusts tells whether the AD bit of a server means something: nobody in between
// could have set it, or the operator says so.
func trusts(trustAD []netip.Addr, a netip.Addr) bool {
	if a.IsLoopback() {
		return true
	}
	for _, t := range trustAD {
		if t.Unmap() == a {
			return true
		}
	}
	return false
}
