package limit

import (
	"fmt"
	"math"
	"strings"
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
	// all. Each side, external and internal, has its own count; connections that
	// edged has dialled do not count.
	Connections int `yaml:"connections"`
	// ConnectionsPerAddress is how many of them one remote address may hold on the
	// external side; an IPv6 address stands for its /64. Inside, one address may be
	// a whole pool.
	ConnectionsPerAddress int `yaml:"connections_per_address"`
	// Handshakes is how many TLS handshakes of accepted connections run at the
	// same time, on each side. Further connections wait for a place, as long as
	// HandshakeTimeout allows.
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

	// Transactions bounds the transactions under way, in all.
	Transactions int `yaml:"transactions"`
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
	// DNSCache is how many names the DNS cache holds.
	DNSCache int `yaml:"dns_cache"`

	// DrainTimeout is how long stopping waits for what is under way.
	DrainTimeout time.Duration `yaml:"drain_timeout"`
}

// DefaultBounds returns the bounds of a configuration without `limits:`.
func DefaultBounds() Bounds {
	return Bounds{
		Connections: 4096, ConnectionsPerAddress: 64, Handshakes: 64,
		HandshakeTimeout: 10 * time.Second, FirstMessageTimeout: 30 * time.Second,
		MessageTimeout: 15 * time.Second, IdleTimeout: 10 * time.Minute, WriteTimeout: 10 * time.Second,
		HeaderBytes: 64 * KiB, BodyBytes: MiB, URIBytes: 8 * KiB, HeaderFields: 512,
		QueueBytes: 4 * MiB, QueueMessages: 1024,
		Transactions: 100_000, TransactionsPerConnection: 20_000,
		ConnectTimeout: 5 * time.Second, ConnectTotal: 12 * time.Second,
		InviteTargetTimeout: 4 * time.Second,
		TransactionTimeout:  32 * time.Second, InviteTimeout: 190 * time.Second,
		StrangerDomains: 16, StrangerLookups: 5, DNSCache: 10_000,
		DrainTimeout: 30 * time.Second,
	}
}

// Check returns one text for each value that is out of its range, in the order
// of the fields: "limits.handshakes: 0 is not in 1..100000". What stands before
// the first colon is the path of the value in edged.yaml.
func (b Bounds) Check() []string {
	var c checker
	b.checkConnections(&c)
	b.checkMessages(&c)
	b.checkForwarding(&c)
	b.checkOrder(&c)
	return c.texts
}

func (b Bounds) checkConnections(c *checker) {
	c.count("connections", b.Connections, 1, 1_000_000)
	c.count("connections_per_address", b.ConnectionsPerAddress, 1, 1_000_000)
	c.count("handshakes", b.Handshakes, 1, 100_000)
	c.wait("handshake_timeout", b.HandshakeTimeout, time.Second, 5*time.Minute)
	c.wait("first_message_timeout", b.FirstMessageTimeout, time.Second, time.Hour)
	c.wait("message_timeout", b.MessageTimeout, time.Second, time.Hour)
	c.wait("idle_timeout", b.IdleTimeout, 10*time.Second, 24*time.Hour)
	c.wait("write_timeout", b.WriteTimeout, time.Second, 10*time.Minute)
}

func (b Bounds) checkMessages(c *checker) {
	c.size("header_bytes", b.HeaderBytes, 4*KiB, 16*MiB)
	c.size("body_bytes", b.BodyBytes, KiB, 64*MiB)
	c.size("uri_bytes", b.URIBytes, 256, MiB)
	c.count("header_fields", b.HeaderFields, 16, 65_535)
	c.size("queue_bytes", b.QueueBytes, 64*KiB, GiB)
	c.count("queue_messages", b.QueueMessages, 1, 1_000_000)
}

func (b Bounds) checkForwarding(c *checker) {
	c.count("transactions", b.Transactions, 1, 10_000_000)
	c.count("transactions_per_connection", b.TransactionsPerConnection, 1, 10_000_000)
	c.wait("connect_timeout", b.ConnectTimeout, 100*time.Millisecond, time.Minute)
	c.wait("connect_total", b.ConnectTotal, 100*time.Millisecond, 5*time.Minute)
	c.wait("invite_target_timeout", b.InviteTargetTimeout, 500*time.Millisecond, time.Minute)
	c.wait("transaction_timeout", b.TransactionTimeout, time.Second, 5*time.Minute)
	// RFC 3261 §16.6 step 11: timer C MUST be larger than 3 minutes.
	c.wait("invite_timeout", b.InviteTimeout, 3*time.Minute+time.Second, time.Hour)
	c.count("stranger_domains", b.StrangerDomains, 1, 100_000)
	c.rate("stranger_lookups", b.StrangerLookups, 0.01, 10_000)
	c.count("dns_cache", b.DNSCache, 16, 10_000_000)
	c.wait("drain_timeout", b.DrainTimeout, time.Second, 10*time.Minute)
}

// checkOrder finds bounds that could never be reached because another one,
// which encloses them, is smaller.
func (b Bounds) checkOrder(c *checker) {
	within(c, "connections_per_address", b.ConnectionsPerAddress, "connections", b.Connections)
	within(c, "uri_bytes", b.URIBytes, "header_bytes", b.HeaderBytes)
	within(c, "transactions_per_connection", b.TransactionsPerConnection, "transactions", b.Transactions)
	within(c, "connect_timeout", b.ConnectTimeout, "connect_total", b.ConnectTotal)
	if b.QueueBytes < b.HeaderBytes+b.BodyBytes && c.good("queue_bytes", "header_bytes", "body_bytes") {
		c.bad("queue_bytes", "%v does not hold one message of header_bytes and body_bytes (%v)",
			b.QueueBytes, b.HeaderBytes+b.BodyBytes)
	}
}

// checker collects what is out of range.
type checker struct {
	texts []string
	names map[string]bool
}

func (c *checker) bad(name, format string, args ...any) {
	if c.names == nil {
		c.names = make(map[string]bool)
	}
	c.names[name] = true
	c.texts = append(c.texts, "limits."+name+": "+fmt.Sprintf(format, args...))
}

// good says that none of the names has been reported yet.
func (c *checker) good(names ...string) bool {
	for _, n := range names {
		if c.names[n] {
			return false
		}
	}
	return true
}

func (c *checker) count(name string, v, low, high int) {
	if v < low || v > high {
		c.bad(name, "%d is not in %d..%d", v, low, high)
	}
}

func (c *checker) size(name string, v, low, high Size) {
	if v < low || v > high {
		c.bad(name, "%v is not in %v..%v", v, low, high)
	}
}

func (c *checker) wait(name string, v, low, high time.Duration) {
	if v < low || v > high {
		c.bad(name, "%s is not in %s..%s", duration(v), duration(low), duration(high))
	}
}

// duration prints d as people write it: 10m, not 10m0s.
func duration(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// rate also refuses what is no number at all: YAML can write .nan and .inf.
func (c *checker) rate(name string, v, low, high float64) {
	if math.IsNaN(v) || v < low || v > high {
		c.bad(name, "%v is not in %v..%v per second", v, low, high)
	}
}

// within reports inner if it exceeds outer; nothing if one of them has been
// reported already, since that has to be mended first.
func within[T int | Size | time.Duration](c *checker, inner string, i T, outer string, o T) {
	if i > o && c.good(inner, outer) {
		c.bad(inner, "%s is more than limits.%s (%s), which encloses it", text(i), outer, text(o))
	}
}

func text(v any) string {
	if d, ok := v.(time.Duration); ok {
		return duration(d)
	}
	return fmt.Sprint(v)
}
