package limit

import (
	"fmt"
	"math"
	"strings"
	"time"
)

// Check returns one text for each value that is out of its range, in the order
// of the fields: "limits.connections: 0 is not in 1..1000000". What stands before
// the first colon is the path of the value in edged.yaml.
func (b Bounds) Check() []string {
	var c checker
	b.checkConnections(&c)
	b.checkMessages(&c)
	b.checkForwarding(&c)
	b.checkStreams(&c)
	b.checkDialback(&c)
	c.wait("drain_timeout", b.DrainTimeout, time.Second, 10*time.Minute)
	b.checkOrder(&c)
	return c.texts
}

func (b Bounds) checkConnections(c *checker) {
	c.count("connections", b.Connections, 1, 1_000_000)
	c.count("connections_per_address", b.ConnectionsPerAddress, 1, 1_000_000)
	c.count("handshakes", b.Handshakes, 0, 100_000)
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
	c.size("held_bytes", b.HeldBytes, MiB, 1024*GiB)
	c.count("partner_share", b.PartnerShare, 1, 100)
	c.count("transactions", b.Transactions, 1, 10_000_000)
	c.count("accepted_invites", b.AcceptedInvites, 1, 10_000_000)
	c.count("transactions_per_connection", b.TransactionsPerConnection, 1, 10_000_000)
	c.wait("connect_timeout", b.ConnectTimeout, 100*time.Millisecond, time.Minute)
	c.wait("connect_total", b.ConnectTotal, 100*time.Millisecond, 5*time.Minute)
	c.wait("invite_target_timeout", b.InviteTargetTimeout, 500*time.Millisecond, time.Minute)
	c.wait("transaction_timeout", b.TransactionTimeout, time.Second, 5*time.Minute)
	// RFC 3261 §16.6 step 11: timer C MUST be larger than 3 minutes.
	c.wait("invite_timeout", b.InviteTimeout, 3*time.Minute+time.Second, time.Hour)
	c.count("stranger_domains", b.StrangerDomains, 1, 100_000)
	c.rate("stranger_lookups", b.StrangerLookups)
	c.count("discovered_partners", b.DiscoveredPartners, 1, 1_000_000)
	c.count("dns_cache", b.DNSCache, 16, 10_000_000)
}

func (b Bounds) checkStreams(c *checker) {
	c.wait("stream_timeout", b.StreamTimeout, time.Second, 10*time.Minute)
	c.wait("stream_idle_timeout", b.StreamIdleTimeout, 10*time.Second, 24*time.Hour)
	c.wait("keepalive_interval", b.KeepaliveInterval, 10*time.Second, 24*time.Hour)
	c.count("streams", b.Streams, 1, 1_000_000)
	c.count("pool_streams", b.PoolStreams, 4, 1_000_000)
	c.count("links", b.Links, 16, 10_000_000)
	// RFC 6120 §13.12: the maximum MUST NOT be smaller than 10000 bytes.
	c.size("stanza_bytes", b.StanzaBytes, 10_000, 16*MiB)
	// Peers ask for acknowledgement, or give it, once in a few hundred stanzas: a
	// smaller window would stop them.
	c.count("unacknowledged", b.Unacknowledged, 300, 100_000)
}

func (b Bounds) checkDialback(c *checker) {
	c.wait("dialback_timeout", b.DialbackTimeout, time.Second, 10*time.Minute)
	c.count("verifications", b.Verifications, 1, 100_000)
	c.count("verifications_per_address", b.VerificationsPerAddress, 1, 100_000)
	c.rate("verification_rate", b.VerificationRate)
	c.count("consent_pairs", b.ConsentPairs, 1, 100_000_000)
	c.count("minted", b.Minted, 1, 1_000_000)
	c.rate("mint_rate", b.MintRate)
	c.rate("bounce_rate", b.BounceRate)
}

// checkOrder finds bounds that could never be reached because another one,
// which encloses them, is smaller.
func (b Bounds) checkOrder(c *checker) {
	within(c, "connections_per_address", b.ConnectionsPerAddress, "connections", b.Connections)
	within(c, "uri_bytes", b.URIBytes, "header_bytes", b.HeaderBytes)
	within(c, "queue_bytes", b.QueueBytes, "held_bytes", b.HeldBytes)
	within(c, "transactions_per_connection", b.TransactionsPerConnection, "transactions", b.Transactions)
	within(c, "connect_timeout", b.ConnectTimeout, "connect_total", b.ConnectTotal)
	within(c, "keepalive_interval", b.KeepaliveInterval, "stream_idle_timeout", b.StreamIdleTimeout)
	within(c, "stanza_bytes", b.StanzaBytes, "queue_bytes", b.QueueBytes)
	within(c, "dialback_timeout", b.DialbackTimeout, "stream_timeout", b.StreamTimeout)
	within(c, "verifications_per_address", b.VerificationsPerAddress, "verifications", b.Verifications)
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
func (c *checker) rate(name string, v float64) {
	const low, high = 0.01, 10_000.0
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
