package sipfed

import (
	"context"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"time"

	"edged/pkg/discovery"
	"edged/pkg/domain"
	"edged/pkg/limit"
	"edged/pkg/nexthop"
	"edged/pkg/policy"
	"edged/pkg/tlsid"
	"edged/pkg/trace"
)

// Side is one of the edge's two faces. It is a property of the listener a
// connection came in on, or of whom we dialled; never of what a message claims.
type Side uint8

// The two sides.
const (
	External Side = iota // partners on the Internet
	Internal             // our own pools
)

// String returns the label used in logs and metrics.
func (s Side) String() string {
	if s == Internal {
		return "internal"
	}
	return "external"
}

// other returns the side across the edge.
func (s Side) other() Side { return 1 - s }

// Config is what a Server keeps for its whole life.
type Config struct {
	Log     *slog.Logger
	Metrics *Metrics   // nil counts nothing
	Tap     *trace.Tap // who follows messages; nil tells nobody

	// Dial opens a TCP connection to a next hop on the given side. Nil means
	// an ordinary dialler.
	Dial func(ctx context.Context, side Side, addr netip.AddrPort) (net.Conn, error)
}

// State is everything that a reload replaces, as one value. It is immutable
// once it has been given to Apply, and a request is finished under the State
// that it was judged by.
type State struct {
	Policy   *policy.Set
	Resolver *discovery.Resolver
	Faces    [2]Face // by Side
	Pools    []*Pool
	Bounds   limit.Bounds
	Secret   Secret
	// Realms are those of authentication inside, apart from our domains and what is
	// below them: credentials for them never leave.
	Realms []string
	// Dialled bounds the connections that are dialled outside; 0: as many as may be
	// accepted (limits.connections).
	Dialled int
	// Hygiene takes off what leaves the names of our software, and the hosts in
	// Warning.
	Hygiene bool
	// Discovered bounds partners that nothing lists; it outlives reloads. Nil bounds
	// nobody.
	Discovered *limit.Discovered

	seq     uint64 // grows with each Apply
	pools   map[domain.Name]*Pool
	hops    map[*Pool]hop
	hosts   map[*Pool]map[domain.Name]string // of the members, and which
	prints  [2]map[domain.Name]string        // of the certificate we show, by side and our domain
	tokens  *tokenBox
	spirals bool // a request may cross this edge twice
}

// mayDial is how many connections may be dialled outside.
func (st *State) mayDial() int {
	if st.Dialled == 0 {
		return st.Bounds.Connections
	}
	return st.Dialled
}

// Face is how the edge appears on one side.
type Face struct {
	TLS  *tlsid.Side
	Host domain.Name // Via sent-by and Record-Route host; covered by the side's certificate
	Port uint16      // where the side listens, as peers reach it
	// Names are all hosts that mean this edge in a Route or a Request-URI, Host
	// among them.
	Names map[string]bool
}

// Secret is the content of secret_file: keys for route tokens derive from it.
// Previous may be nil.
type Secret struct {
	Current, Previous []byte
}

// Pool is a set of equal servers inside.
type Pool struct {
	Name    string
	Domains []domain.Name // a pool speaks only for these
	Anchor  string        // the root set that signs its members: an anchor of the internal tlsid.Trust
	Names   []domain.Name // what a member's certificate must cover: one of these
	Ping    time.Duration // after how much silence a connection is asked whether it is alive; 0: never
	Members *nexthop.Pool // host:port each
}

// prepare builds the tables that a State is looked up by.
func (st *State) prepare() error {
	st.pools = make(map[domain.Name]*Pool)
	st.hosts, st.hops = make(map[*Pool]map[domain.Name]string), make(map[*Pool]hop)
	for _, p := range st.Pools {
		st.hops[p] = p.hop(st)
		for _, d := range p.Domains {
			st.pools[d] = p
			st.spirals = st.spirals || st.Policy.Shares(d)
		}
		st.hosts[p] = make(map[domain.Name]string)
		for _, status := range p.Members.Status() {
			host, _, _ := net.SplitHostPort(status.Member)
			if name, err := domain.ParseWire(host); err == nil {
				st.hosts[p][name] = status.Member
			}
		}
	}
	for side := range st.Faces {
		st.prints[side] = make(map[domain.Name]string)
		for d := range st.pools {
			if cert := st.Faces[side].TLS.Keys.For(d); cert != nil {
				st.prints[side][d] = sum(cert.Certificate[0])
			}
		}
	}
	box, err := newTokenBox(st.Secret)
	st.tokens = box
	return err
}

// Proves reports whether an identity is one of the pool's members.
func (p *Pool) Proves(id tlsid.Identity) bool {
	return slices.Contains(id.Anchors, p.Anchor) && coversAny(id, p.Names)
}

func coversAny(id tlsid.Identity, names []domain.Name) bool {
	return slices.ContainsFunc(names, id.Covers)
}

// keyFingerprint names the certificate that we show on a side for one of our
// domains; prepare has computed it.
func (st *State) keyFingerprint(side Side, ours domain.Name) string {
	return st.prints[side][ours]
}
