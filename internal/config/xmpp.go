package config

import "net/netip"

// XMPP is XMPP federation, server to server.
type XMPP struct {
	// External is the side of partners.
	External XMPPExternal `yaml:"external"`
	// Internal is the side of pools.
	Internal XMPPInternal `yaml:"internal"`
	// Pools are our own servers. A member listens with STARTTLS. What names mean
	// differs from SIP.
	Pools []Pool `yaml:"pools"`
}

// Serves tells whether the edge speaks XMPP at all.
func (x *XMPP) Serves() bool {
	return len(x.External.Listen) > 0 || len(x.External.DirectTLS) > 0
}

// XMPPExternal is where XMPP partners reach us, and where we dial them from.
type XMPPExternal struct {
	// Listen begins in the clear, for STARTTLS; usually port 5269.
	Listen []Listen `yaml:"listen"`
	// DirectTLS begins with TLS (XEP-0368); usually port 5270.
	DirectTLS []Listen `yaml:"direct_tls"`
	// DialFrom are source addresses, at most one of each family; the system
	// chooses if there is none.
	DialFrom []netip.Addr `yaml:"dial_from"`
}

// XMPPInternal is where our pools reach us.
type XMPPInternal struct {
	// Listen takes STARTTLS and direct TLS on one port.
	Listen []Listen `yaml:"listen"`
	// Authority is how the edge proves partner domains to the pool.
	Authority Authority `yaml:"authority"`
	// DNS is the answerer that steers a pool to the edge if the pool cannot be told
	// where that is. Left out, there is none.
	DNS InsideDNS `yaml:"dns"`
}

// Authority is how the edge proves partner domains to the pool.
type Authority struct {
	// Mode is mint, certificates from a private authority, or dialback, answers to
	// questions about keys (XEP-0220). Default mint.
	Mode AuthorityMode `yaml:"mode"`
	// CACert is the certificate of the private authority that only pools trust, a PEM
	// file. Required for mint, not read otherwise. Name constraints in it must exclude
	// our own domains.
	CACert string `yaml:"ca_cert"`
	// CAKey is its private key, a PEM file.
	CAKey string `yaml:"ca_key"`
	// Sources are the networks that pools connect from; nobody else may connect.
	// Required for mint. With dialback none means anybody who reaches the listener.
	Sources []Network `yaml:"sources"`
}

// InsideDNS is the DNS answerer for pools that find their way by SRV records.
type InsideDNS struct {
	// Listen is an address with a port, for UDP and TCP.
	Listen Address `yaml:"listen"`
	// Forward are the name servers, address:port, that everything else goes to.
	Forward []string `yaml:"forward"`
	// Clients are the networks that may ask.
	Clients []Network `yaml:"clients"`
	// CatchAll answers with the edge's addresses for every name that is not ours, for
	// servers that look further than SRV records. Default false.
	CatchAll bool `yaml:"catch_all"`
}
