package config

import (
	"net/netip"
	"slices"
	"time"

	"edged/pkg/domain"
	"edged/pkg/limit"
	"edged/pkg/policy"
)

// Config is edged.yaml: the process. Paths are relative to the file; Load has
// resolved them.
type Config struct {
	// FQDN is the edge's own name on the outside: in Via and Record-Route, and in
	// its certificate. Required.
	FQDN domain.Name `yaml:"fqdn"`
	// Domains are what this edge speaks for. Required.
	Domains []Domain `yaml:"domains"`
	// PublicAddresses are what our DNS records say, which behind NAT differs from
	// the addresses we listen on.
	PublicAddresses []netip.Addr `yaml:"public_addresses"`
	// TLS is our identity outside, and whom we trust there.
	TLS TLS `yaml:"tls"`
	// SecretFile holds the secret from which the keys of route tokens and dialback
	// are derived: a line that stands for 32 bytes at least, such as openssl rand -hex
	// 32 prints, and perhaps a second one with the previous secret, which is still
	// accepted. Every host of an edge pool has the same one. Nobody else may read it.
	// Required.
	SecretFile string `yaml:"secret_file"`
	// StateDir is the home of what has to survive a restart: consent, which is who
	// of our users wrote to whom. One process holds it at a time.
	StateDir string `yaml:"state_dir"`
	// DNS is how partners are looked up.
	DNS DNS `yaml:"dns"`
	// SIP is SIP federation. Left out, the edge does not speak SIP.
	SIP SIP `yaml:"sip"`
	// XMPP is XMPP federation. Left out, the edge does not speak XMPP.
	XMPP XMPP `yaml:"xmpp"`
	// Limits are all bounds by name.
	Limits limit.Bounds `yaml:"limits"`
	// Log is what the process writes to standard error.
	Log Log `yaml:"log"`
	// Metrics serves Prometheus and health checks.
	Metrics Metrics `yaml:"metrics"`
	// Admin serves the operators of this host.
	Admin Admin `yaml:"admin"`
	// Policy is the file that says who may talk with whom.
	Policy string `yaml:"policy"`
}

// Default returns what an empty edged.yaml would mean. It is no configuration
// that runs: the required fields are empty.
func Default() Config {
	return Config{
		TLS:      TLS{Roots: []string{System}, CRL: CRLOptional},
		StateDir: "/var/lib/edged",
		DNS:      DNS{Servers: []string{System}, Timeout: 3 * time.Second},
		SIP:      SIP{Internal: SIPInternal{Realms: []string{"SIP Communications Service"}}},
		XMPP:     XMPP{Internal: XMPPInternal{Authority: Authority{Mode: Mint}}},
		Limits:   limit.DefaultBounds(),
		Log:      Log{Level: "info", Format: "text", AuditUsers: HashUsers},
		Policy:   "policy.yaml",
	}
}

// System stands for what the host provides: its root certificates, or the name
// servers of its resolv.conf.
const System = "system"

// Stdout stands for standard output in place of a file.
const Stdout = "stdout"

// Domain is one of our domains. A plain name means both protocols and the
// default hosts.
type Domain struct {
	// Name is the domain of our users' addresses.
	Name domain.Name `yaml:"name"`
	// Protocols are what is federated for it. Default: both.
	Protocols []Protocol `yaml:"protocols"`
	// SIP is the host that its SIP records point to. Default: sip. before the name.
	SIP domain.Name `yaml:"sip"`
	// XMPP is the same for XMPP. Default: xmpp. before the name.
	XMPP domain.Name `yaml:"xmpp"`
}

// Speaks tells whether p is federated for the domain.
func (d *Domain) Speaks(p Protocol) bool {
	return d.Protocols == nil || slices.Contains(d.Protocols, p)
}

// Local is what policy has to know about our domains.
func (c *Config) Local() []policy.Local {
	local := make([]policy.Local, 0, len(c.Domains))
	for i := range c.Domains {
		d := &c.Domains[i]
		local = append(local, policy.Local{Domain: d.Name, SIP: d.Speaks(SIPProtocol), XMPP: d.Speaks(XMPPProtocol)})
	}
	return local
}

// TLS is our identity on the external side, and whom we trust there.
type TLS struct {
	// Certificates are chosen by SNI, then by domain; the first one is used if
	// nothing fits. Required. Read again on reload and every hour.
	Certificates []Pair `yaml:"certificates"`
	// Roots say who may sign partners: system, for those that the host trusts, or PEM
	// files.
	Roots []string `yaml:"roots"`
	// CRLs are files, PEM or DER; read again on reload and every hour.
	CRLs []string `yaml:"crls"`
	// CRL says what follows from a stale or missing list: it is reported, and peers are
	// let in (optional), or those whom it would cover are refused.
	CRL CRLMode `yaml:"crl"`
}

// Pair is a certificate with its key, two PEM files.
type Pair struct {
	// Cert is our certificate, followed by the intermediate ones.
	Cert string `yaml:"cert"`
	// Key is its private key.
	Key string `yaml:"key"`
}

// DNS is how partners are looked up.
type DNS struct {
	// Servers are address:port, or system for those of resolv.conf.
	Servers []string `yaml:"servers"`
	// Timeout is for one question to one server.
	Timeout time.Duration `yaml:"timeout"`
	// AllowPrivate are networks that partners may be dialled in although they are
	// private, such as a test network.
	AllowPrivate []Network `yaml:"allow_private"`
	// TrustAD are name servers, apart from those on this host, whose word that an
	// answer is authentic (DNSSEC) counts.
	TrustAD []netip.Addr `yaml:"trust_ad"`
}

// SIP is SIP federation.
type SIP struct {
	// External is the side of partners.
	External SIPExternal `yaml:"external"`
	// Internal is the side of pools.
	Internal SIPInternal `yaml:"internal"`
	// Pools are our own servers.
	Pools []Pool `yaml:"pools"`
}

// Serves tells whether the edge speaks SIP at all.
func (s *SIP) Serves() bool { return len(s.External.Listen) > 0 }

// SIPExternal is where SIP partners reach us, and where we dial them from.
type SIPExternal struct {
	// Listen is usually port 5061.
	Listen []Listen `yaml:"listen"`
	// DialFrom are source addresses, at most one of each family; the system
	// chooses if there is none.
	DialFrom []netip.Addr `yaml:"dial_from"`
	// Hygiene takes off what leaves the fields Server and User-Agent, and puts this
	// edge in place of the hosts in Warning.
	Hygiene bool `yaml:"hygiene"`
}

// SIPInternal is where our pools reach us.
type SIPInternal struct {
	// Listen is where pools connect to.
	Listen []Listen `yaml:"listen"`
	// FQDN is the edge's name inside, which pools route to.
	FQDN domain.Name `yaml:"fqdn"`
	// Certificate proves that name to the pools.
	Certificate Pair `yaml:"certificate"`
	// Realms are those by which users prove themselves to our own servers, apart
	// from our domains and whatever lies below one: credentials for them never
	// leave. Letter case does not count.
	Realms []string `yaml:"realms"`
}

// Pool is a group of our own servers, any of which can serve its domains.
type Pool struct {
	// Name is what logs and metrics call it.
	Name string `yaml:"name"`
	// Domains are those of our domains that the pool serves, and the only ones it
	// may speak for.
	Domains []domain.Name `yaml:"domains"`
	// Members are host:port. Required, unless there is srv.
	Members []string `yaml:"members"`
	// SRV is, in place of members, a service name whose targets they are, such as
	// _sipinternaltls._tcp.contoso.com.
	SRV string `yaml:"srv"`
	// Roots say who signs the members' certificates: PEM files, or system. They
	// count for this pool only. Required.
	Roots []string `yaml:"roots"`
	// Names are what a member's certificate has to cover, one of them at least. Of a
	// SIP pool, if left out: the members' host names. To an XMPP pool they are an
	// addition: its member proves the very domain that it speaks for, or has one of
	// them, and then speaks for all domains of the pool.
	Names []domain.Name `yaml:"names"`
	// Ping is for SIP: after how much silence a connection to a member is
	// asked whether it is alive (RFC 5626 §4.4.1), 10s to 1h. A member that does not
	// answer within 10s loses the connection. Default 0: never.
	Ping time.Duration `yaml:"ping"`
}

// Log is what the process writes to standard error.
type Log struct {
	// Level is debug, info, warn or error.
	Level string `yaml:"level"`
	// Format is text, json, or journald: systemd's journal, with a field for each
	// attribute, and text where there is none.
	Format string `yaml:"format"`
	// Audit is a file, or stdout: what was decided about each message, and every act of
	// an operator, in JSON. The file is opened again on reload. Default: none.
	Audit string `yaml:"audit"`
	// AuditUsers is how users are shown there: hash, the same for one user on every
	// host with the same secret; cut, not at all; or show.
	AuditUsers AuditUsers `yaml:"audit_users"`
}

// Metrics serves Prometheus and health checks, nothing else.
type Metrics struct {
	// Listen may be a routable address. Left out, there is no such page.
	Listen Address `yaml:"listen"`
}

// Admin serves the operators of this host.
type Admin struct {
	// Socket is a Unix socket that serves reload, what is in force and the open
	// connections; its file mode says who may. Left out, there is none.
	Socket string `yaml:"socket"`
	// Listen serves the status page and the pages of metrics.listen, on a loopback address;
	// nothing can be changed there. Left out, there is none.
	Listen Address `yaml:"listen"`
}
