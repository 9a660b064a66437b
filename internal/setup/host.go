package setup

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"time"

	"edged/pkg/discovery"
	"edged/pkg/domain"
)

// patience bounds each question to the network: an answer is convenient, not
// needed.
const patience = 3 * time.Second

// Host is what can be found out about the machine that the edge is to run on. All
// of it may be missing.
type Host struct {
	// Name is the machine's full name inside.
	Name domain.Name
	// Addresses are those that others can reach, with their networks.
	Addresses []netip.Prefix
	// Route are the addresses that the machine sends to the Internet from, one of
	// each family at most.
	Route []netip.Addr
	// Resolvers are the name servers of resolv.conf.
	Resolvers []netip.AddrPort
	// Pool are the servers that _sipinternaltls._tcp of our domain names, by which
	// clients find their pool inside: host:port.
	Pool []string
}

// Look measures this machine, as far as the options leave something to find out.
func Look(ctx context.Context, o *Options) Host {
	h := Host{Addresses: addresses()}
	if name, err := os.Hostname(); err == nil && o.speaksSIP() && o.InternalFQDN.IsZero() {
		h.Name = fullName(ctx, net.DefaultResolver, name)
	}
	if o.speaksSIP() && len(o.SIPPool) == 0 && len(o.Domains) > 0 {
		h.Pool = pool(ctx, net.DefaultResolver, o.Domains[0])
	}
	// Addresses set aside for documentation, so that nobody is bothered. Nothing is
	// sent: a datagram socket that connects only chooses its route.
	for _, far := range []string{"192.0.2.1:9", "[2001:db8::1]:9"} {
		if a, ok := sourceFor(ctx, far); ok {
			h.Route = append(h.Route, a)
		}
	}
	h.Resolvers, _ = discovery.SystemServers() // none is an answer
	return h
}

// fullName completes a host name with its domain, by the hosts file or DNS; zero if
// there is none.
func fullName(ctx context.Context, r *net.Resolver, name string) domain.Name {
	if !strings.Contains(name, ".") {
		ctx, cancel := context.WithTimeout(ctx, patience)
		defer cancel()
		var err error
		if name, err = r.LookupCNAME(ctx, name); err != nil {
			return domain.Name{}
		}
	}
	n, err := domain.Parse(strings.TrimSuffix(name, "."))
	if _, ok := n.Parent(); err != nil || !ok {
		return domain.Name{}
	}
	return n
}

// addresses lists this machine's, apart from those that lead nowhere else and
// those of networks between containers.
func addresses() []netip.Prefix {
	interfaces, err := net.Interfaces()
	if err != nil {
		return nil
	}
	var all []netip.Prefix
	for i := range interfaces {
		if interfaces[i].Flags&net.FlagUp == 0 || virtual(interfaces[i].Name) {
			continue
		}
		networks, err := interfaces[i].Addrs()
		if err != nil {
			continue
		}
		for _, n := range networks {
			p, err := netip.ParsePrefix(n.String())
			if err == nil && p.Addr().IsGlobalUnicast() {
				all = append(all, p)
			}
		}
	}
	return all
}

func virtual(name string) bool {
	return slices.ContainsFunc([]string{"docker", "br-", "veth", "virbr", "cni", "flannel"}, func(prefix string) bool {
		return strings.HasPrefix(name, prefix)
	})
}

// sourceFor returns the address that datagrams to far would leave from.
func sourceFor(ctx context.Context, far string) (netip.Addr, bool) {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "udp", far)
	if err != nil {
		return netip.Addr{}, false
	}
	defer conn.Close()
	local, ok := conn.LocalAddr().(*net.UDPAddr)
	if !ok || !local.AddrPort().Addr().IsGlobalUnicast() {
		return netip.Addr{}, false
	}
	return local.AddrPort().Addr().Unmap(), true
}

// pool looks up where clients inside sign in.
func pool(ctx context.Context, r *net.Resolver, d domain.Name) []string {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	_, records, err := r.LookupSRV(ctx, "sipinternaltls", "tcp", d.String())
	if err != nil {
		return nil
	}
	var members []string
	for _, r := range records {
		if host, err := domain.ParseWire(strings.TrimSuffix(r.Target, ".")); err == nil && r.Port != 0 {
			members = append(members, fmt.Sprintf("%s:%d", host, r.Port))
		}
	}
	return members
}
