package admin

import "time"

// Connection is a connection that is open, of either protocol.
type Connection struct {
	Proto   string `json:"proto"` // sip or xmpp
	ID      uint64 `json:"id"`    // as in the log, for its protocol
	Side    string `json:"side"`  // external or internal
	Dialled bool   `json:"dialled"`
	Peer    string `json:"peer_addr"`
	Member  string `json:"member,omitempty"` // of a pool, if it can be told
	TLS     string `json:"tls"`              // version, or none
	// Names are what the other end's certificate names, Roots who vouches for it, and
	// NotAfter when it expires.
	Names    []string  `json:"certificate_names"`
	Roots    []string  `json:"roots"`
	NotAfter time.Time `json:"certificate_not_after,omitzero"`
	// Talks are whom it carries messages for.
	Talks    []Talk    `json:"talks"`
	Acks     bool      `json:"acknowledged,omitempty"` // by XEP-0198
	LastUsed time.Time `json:"last_used"`
}

// Talk is whom a connection carries messages for, and how the other end has proven it.
type Talk struct {
	Ours   string `json:"ours,omitempty"` // XMPP: our domain
	Theirs string `json:"theirs"`
	Proof  string `json:"proof"`
}

// ConnectionsPath is what to GET for what is open, a JSON array of Connection.
const ConnectionsPath = "/connections"

// Pool is a pool of ours, and how it does.
type Pool struct {
	Proto   string   `json:"proto"`
	Name    string   `json:"name"`
	Domains []string `json:"domains"`
	Members []Member `json:"members"`
}

// Up tells whether a member can be reached, as far as is known.
func (p *Pool) Up() bool {
	for _, m := range p.Members {
		if m.Up && !m.Drained {
			return true
		}
	}
	return false
}

// Member is one server of a pool.
type Member struct {
	Name     string    `json:"name"`
	Up       bool      `json:"up"`
	Since    time.Time `json:"since"`              // when Up last changed
	Failures int       `json:"failures,omitempty"` // since the last success
	Drained  bool      `json:"drained,omitempty"`
}

// PoolsPath is what to GET for the pools, a JSON array of Pool.
const PoolsPath = "/-/pools"
