package limit

import (
	"runtime"
	"time"
)

// Bounds are the bounds an operator may move: the `limits:` section of
// edged.yaml. Every queue, table, wait and retry of edged that is not a constant
// of a protocol has its name here. All of them can be changed by a reload.
//
// Timeouts are written as durations with a unit ("10s", "1m30s"), sizes as bytes
// with an optional binary unit ("64KiB"). Where no source is named, the default
// is edged's own.
type Bounds struct {
	// Connections is how many accepted connections one side holds at once, in
	// all. Each side, external and internal, has its own count. As many may be
	// dialled to SIP partners, but a sixteenth of what the process may open at most
	// (RLIMIT_NOFILE): there the one ends that was used longest ago. Where three
	// quarters of that, less what may be dialled and shared by all sides, are fewer,
	// that is the bound.
	Connections int `yaml:"connections"`
	// ConnectionsPerAddress is how many of them one remote address may hold on the
	// external side; an IPv6 address stands for its /64. Inside, one address may be
	// a whole pool.
	ConnectionsPerAddress int `yaml:"connections_per_address"`
	// Handshakes is how many TLS handshakes of accepted connections compute at the
	// same time, on each side; 0 is one for each processor. More would only keep the
	// processors from the messages of those who are connected already. A handshake
	// that waits for its peer computes nothing and counts as no handshake here:
	// connections, connections_per_address and handshake_timeout bound those.
	Handshakes int `yaml:"handshakes"`

	// HandshakeTimeout is the time from accepting a connection to the end of its
	// TLS handshake.
	HandshakeTimeout time.Duration `yaml:"handshake_timeout"`
	// FirstMessageTimeout is the time that an accepted connection outside has from
	// the end of its handshake to the first request that policy allows: messages
	// that are refused do not hold a connection open. Inside it does not apply.
	FirstMessageTimeout time.Duration `yaml:"first_message_timeout"`
	// MessageTimeout is the time from the first byte of a message to its last.
	MessageTimeout time.Duration `yaml:"message_timeout"`
	// IdleTimeout closes a connection on which nothing arrives and nothing is
	// under way.
	IdleTimeout time.Duration `yaml:"idle_timeout"`
	// WriteTimeout is how long a peer may refuse to take bytes before its
	// connection is given up.
	WriteTimeout time.Duration `yaml:"write_timeout"`

	// HeaderBytes bounds a SIP header section, start line included.
	HeaderBytes Size `yaml:"header_bytes"`
	// BodyBytes bounds a SIP body.
	BodyBytes Size `yaml:"body_bytes"`
	// URIBytes bounds a Request-URI.
	URIBytes Size `yaml:"uri_bytes"`
	// HeaderFields bounds the number of rows in a header section.
	HeaderFields int `yaml:"header_fields"`

	// QueueBytes bounds what waits in one connection's writer.
	QueueBytes Size `yaml:"queue_bytes"`
	// QueueMessages bounds what waits for one link that is being dialled.
	QueueMessages int `yaml:"queue_messages"`

	// HeldBytes bounds the bytes of messages that one protocol holds at once, all
	// peers together: requests under way, large messages that are arriving, and what
	// waits to be written. The last tenth is for what belongs to something that was
	// begun before, such as a BYE.
	HeldBytes Size `yaml:"held_bytes"`
	// PartnerShare is how much of these bytes and of transactions one partner may have,
	// in percent: everything below one registered domain, whichever way it goes. The
	// last tenth of it is kept in the same way.
	PartnerShare int `yaml:"partner_share"`

	// Transactions bounds the transactions under way, in all.
	Transactions int `yaml:"transactions"`
	// AcceptedInvites bounds the INVITEs that are remembered for transaction_timeout
	// after a 2xx has answered them; the oldest is forgotten first.
	AcceptedInvites int `yaml:"accepted_invites"`
	// TransactionsPerConnection bounds those that one connection started.
	TransactionsPerConnection int `yaml:"transactions_per_connection"`

	// ConnectTimeout is for one target: look-up, TCP and TLS.
	ConnectTimeout time.Duration `yaml:"connect_timeout"`
	// ConnectTotal is for all targets of one next hop together.
	ConnectTotal time.Duration `yaml:"connect_total"`
	// InviteTargetTimeout is how long an INVITE waits for a provisional response
	// before it is offered to the next target.
	InviteTargetTimeout time.Duration `yaml:"invite_target_timeout"`
	// TransactionTimeout is timer B and timer F of RFC 3261 §17.1: 64*T1.
	TransactionTimeout time.Duration `yaml:"transaction_timeout"`
	// InviteTimeout is timer C of RFC 3261 §16.6 step 11: more than 3 minutes.
	InviteTimeout time.Duration `yaml:"invite_timeout"`

	// StrangerDomains is how many new domains one connection may make us look up.
	StrangerDomains int `yaml:"stranger_domains"`
	// StrangerLookups is how many such look-ups per second one certificate
	// identity may cause.
	StrangerLookups float64 `yaml:"stranger_lookups"`
	// DiscoveredPartners is how many partners that nothing lists are remembered one
	// by one, for their budgets in federation.discovered of policy.yaml. Those on
	// the watch list stay; of the others, the one heard of longest ago goes first.
	DiscoveredPartners int `yaml:"discovered_partners"`
	// DNSCache is how many names the DNS cache holds.
	DNSCache int `yaml:"dns_cache"`

	// StreamTimeout is the time that an XMPP stream has from its connection to the
	// end of its negotiation: TLS, and the proof of who is there. Lync Server 2013:
	// StreamEstablishmentTimeout.
	StreamTimeout time.Duration `yaml:"stream_timeout"`
	// StreamIdleTimeout closes an XMPP stream that carries no stanza in either
	// direction, however much white space it carries. Lync Server 2013:
	// StreamInactivityTimeout.
	StreamIdleTimeout time.Duration `yaml:"stream_idle_timeout"`
	// KeepaliveInterval closes an XMPP stream on which the partner sends nothing at
	// all for so long, not even white space (RFC 6120 §4.6.1), unless its entry has
	// keepalive: false. Lync Server 2013: KeepAliveInterval.
	KeepaliveInterval time.Duration `yaml:"keepalive_interval"`
	// Streams is how many XMPP streams all partners together have on the external
	// side, accepted and dialled. Lync Server 2013: ConnectionLimit. What one
	// partner may have is connection_limit in policy.yaml; one that nothing lists is
	// everything below one registered domain. A quarter is kept for listed partners.
	Streams int `yaml:"streams"`
	// PoolStreams is how many XMPP streams edged has open to pools: one for each pair
	// of a domain of ours and one of a partner. A quarter is kept for listed partners.
	PoolStreams int `yaml:"pool_streams"`
	// Links is how many such pairs have a queue, on both sides together, with or
	// without a stream. A quarter is kept for listed partners.
	Links int `yaml:"links"`
	// StanzaBytes bounds one stanza, and whatever else stands alone in an XMPP
	// stream. RFC 6120 §13.12: at least 10000 bytes.
	StanzaBytes Size `yaml:"stanza_bytes"`
	// Unacknowledged is how many stanzas one XMPP stream keeps until the peer has
	// acknowledged them (XEP-0198): what is still to be bounced or sent again when
	// the stream breaks.
	Unacknowledged int `yaml:"unacknowledged"`

	// DialbackTimeout is how long a partner's dialback key is being verified, from
	// the look-up of its authoritative server to that one's answer (XEP-0220).
	DialbackTimeout time.Duration `yaml:"dialback_timeout"`
	// Verifications is how many such verifications are under way, in all.
	Verifications int `yaml:"verifications"`
	// VerificationsPerAddress is how many of them one remote address may cause; an
	// IPv6 address stands for its /64.
	VerificationsPerAddress int `yaml:"verifications_per_address"`
	// VerificationRate is how many keys per second one address may have verified that
	// are for listed partners; stranger_lookups is for all others.
	VerificationRate float64 `yaml:"verification_rate"`
	// ConsentPairs is how many pairs of a local and a remote user are remembered
	// as having consented. The pair that was used longest ago goes first.
	ConsentPairs int `yaml:"consent_pairs"`
	// Minted is how many certificates for partner domains are kept, of those made
	// for XMPP pools.
	Minted int `yaml:"minted"`
	// MintRate is how many of them per second are made new.
	MintRate float64 `yaml:"mint_rate"`
	// BounceRate is how many error stanzas per second edged makes for one partner.
	BounceRate float64 `yaml:"bounce_rate"`

	// DrainTimeout is how long stopping waits for what is under way.
	DrainTimeout time.Duration `yaml:"drain_timeout"`
}

// Accepting are the bounds of one side's listeners. Inside, one address may be a whole
// pool behind a balancer: only the number in all counts.
func (b Bounds) Accepting(inside bool) AcceptConfig {
	c := AcceptConfig{Connections: b.Connections, PerAddress: b.ConnectionsPerAddress, Handshakes: b.Handshakes}
	if c.Handshakes == 0 {
		c.Handshakes = runtime.GOMAXPROCS(0)
	}
	if inside {
		c.PerAddress = c.Connections
	}
	return c
}

// DefaultBounds returns the bounds of a configuration without `limits:`.
func DefaultBounds() Bounds {
	return Bounds{
		Connections: 4096, ConnectionsPerAddress: 64,
		HandshakeTimeout: 10 * time.Second, FirstMessageTimeout: 30 * time.Second,
		MessageTimeout: 15 * time.Second, IdleTimeout: 10 * time.Minute, WriteTimeout: 10 * time.Second,
		HeaderBytes: 64 * KiB, BodyBytes: MiB, URIBytes: 8 * KiB, HeaderFields: 512,
		QueueBytes: 4 * MiB, QueueMessages: 1024, HeldBytes: 512 * MiB, PartnerShare: 50,
		Transactions: 100_000, TransactionsPerConnection: 20_000, AcceptedInvites: 10_000,
		ConnectTimeout: 5 * time.Second, ConnectTotal: 12 * time.Second,
		InviteTargetTimeout: 4 * time.Second,
		TransactionTimeout:  32 * time.Second, InviteTimeout: 190 * time.Second,
		StrangerDomains: 16, StrangerLookups: 5, DiscoveredPartners: 4096, DNSCache: 10_000,
		StreamTimeout: time.Minute, StreamIdleTimeout: 10 * time.Minute, KeepaliveInterval: 5 * time.Minute,
		Streams: 1000, PoolStreams: 4000, Links: 20_000, StanzaBytes: 512 * KiB, Unacknowledged: 1000,
		DialbackTimeout: 30 * time.Second, Verifications: 256, VerificationsPerAddress: 8, VerificationRate: 50,
		ConsentPairs: 1_000_000, Minted: 4096, MintRate: 20, BounceRate: 20,
		DrainTimeout: 30 * time.Second,
	}
}
