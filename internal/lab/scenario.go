package lab

import (
	"context"
	"strings"

	"edged/internal/lab/sippeer"
	"edged/pkg/verdict"
)

// scenario is one thing that happens in the lab, and what the lab expects of it.
type scenario struct {
	from, to string // addresses without scheme
	method   string
	kind     string // federation type, in the words of DESIGN §1

	by     string                        // the player who sends; "" = whoever speaks for from's domain
	edit   func(*sippeer.Message)        // changes the request before it is sent
	answer sippeer.Answer                // what the destination answers
	play   func(context.Context, *stage) // how it is played; nil = sent, and answered or refused

	want want
}

// want is what the lab expects.
type want struct {
	reason verdict.Reason
	rule   string // as the edge logs it
	status int    // of the final answer; 0 = none
	inside int    // ms-diagnostics id in the answer, for senders inside; 0 = none
	alert  string // part of the TLS error that ends the connection
}

// act is a run of scenarios under one policy.
type act struct {
	title     string
	policy    PolicyFile
	scenarios []scenario
}

// sender is the player who sends the scenario's request.
func (sc *scenario) sender() string {
	if sc.by != "" {
		return sc.by
	}
	return speaker(domainOf(sc.from))
}

// outward tells whether the request comes from inside.
func (sc *scenario) outward() bool { return isPool(sc.sender()) }

// desk is where the request should arrive.
func (sc *scenario) desk() string {
	if !sc.outward() {
		return "front"
	}
	return speaker(domainOf(sc.to))
}

// speaker is the player who speaks for a domain: our pool, whom the SRV record
// names, or a player of the domain's name.
func speaker(domain string) string {
	if domain == "contoso.com" {
		return "fe1"
	}
	for _, s := range services() {
		if s.domain == domain {
			return s.player
		}
	}
	return domain
}

func domainOf(address string) string {
	_, domain, _ := strings.Cut(address, "@")
	return domain
}

// arrives tells whether a request with this reason was passed on.
func (w want) arrives() bool {
	switch w.reason {
	case verdict.Allowed, verdict.PeerRefused, verdict.NoAnswer, verdict.ConnectionLost, verdict.Cancelled:
		return true
	default:
		return false
	}
}
