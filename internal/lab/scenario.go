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
	kind     string // federation type, or what is special about the request

	sender string                                  // the player who sends
	edit   func(*sippeer.Message)                  // changes the request before it is sent
	answer sippeer.Answer                          // what the destination answers
	play   func(context.Context, *stage)           // how it is played
	check  func(sent, got *sippeer.Message) string // what is wrong with the request as it arrived; may be nil

	goal string // the desk where it should arrive, where the addresses do not say so

	want want
}

// want is what the lab expects.
type want struct {
	reason verdict.Reason
	rule   string // as the edge logs it
	status int    // of the final answer; 0 = none
	inside int    // ms-diagnostics id in the answer, for senders inside; 0 = none

	conn string // how the connection ends that is not let in, instead of an answer
	why  string // reason of that, where it is none of a request
}

// act is a run of scenarios under the same settings.
type act struct {
	title    string
	settings Settings
	turns    []turn
}

// turn is what an act is made of: a scenario of SIP or an exchange of XMPP.
type turn interface {
	expected() result
	run(ctx context.Context, h *show) result
}

// sip makes scenarios the turns of an act.
func sip(scenarios ...[]scenario) []turn {
	var turns []turn
	for _, list := range scenarios {
		for i := range list {
			turns = append(turns, &list[i])
		}
	}
	return turns
}

// expected is how the lab wants the scenario to end.
func (sc *scenario) expected() result {
	return result{
		From: sc.from, To: sc.to, Method: sc.method, Kind: sc.kind,
		Allowed: sc.want.allowed(), Reason: sc.want.reasonText(), Rule: sc.want.rule, Wire: wantedWire(sc.want),
	}
}

// request begins a scenario: whoever speaks for from's domain sends it.
func request(method, from, to, kind string) scenario {
	return scenario{from: from, to: to, method: method, kind: kind, sender: speaker(domainOf(from)), play: send}
}

// message begins the scenario of a MESSAGE.
func message(from, to, kind string) scenario { return request("MESSAGE", from, to, kind) }

// as has another player send it.
func (sc scenario) as(player string) scenario {
	sc.sender = player
	return sc
}

// with changes the request before it is sent.
func (sc scenario) with(edit func(*sippeer.Message)) scenario {
	sc.edit = edit
	return sc
}

// answered is what the destination answers.
func (sc scenario) answered(a sippeer.Answer) scenario {
	sc.answer = a
	return sc
}

// by is how the scenario is played.
func (sc scenario) by(play func(context.Context, *stage)) scenario {
	sc.play = play
	return sc
}

// checked looks at the request as it arrived.
func (sc scenario) checked(check func(sent, got *sippeer.Message) string) scenario {
	sc.check = check
	return sc
}

// arriving says where the request should arrive.
func (sc scenario) arriving(desk string) scenario {
	sc.goal = desk
	return sc
}

// passes expects the request to be allowed and answered 200.
func (sc scenario) passes(rule string) scenario {
	sc.want = want{rule: rule, status: 200}
	return sc
}

// unanswered expects the request to be allowed, and no answer.
func (sc scenario) unanswered(rule string) scenario {
	sc.want = want{rule: rule}
	return sc
}

// refused expects a final answer and its reason.
func (sc scenario) refused(status int, reason verdict.Reason, rule string) scenario {
	sc.want = want{status: status, reason: reason, rule: rule}
	return sc
}

// diagnosed adds the ms-diagnostics id that a sender inside gets.
func (sc scenario) diagnosed(id int) scenario {
	sc.want.inside = id
	return sc
}

// relayed expects the request to be allowed, and this final answer of others.
func (sc scenario) relayed(status int, rule string) scenario {
	sc.want = want{rule: rule, status: status}
	return sc
}

// notLetIn expects the peer's certificate to be refused; result is what is wrong
// with it, and alert what the peer learns.
func (sc scenario) notLetIn(result, alert string) scenario {
	sc.want = want{reason: verdict.CertificateRefused, rule: result, conn: "alert: " + alert}
	return sc
}

// cut expects an open connection to be closed by a reload.
func (sc scenario) cut(reason verdict.Reason, rule string) scenario {
	sc.want = want{why: reason.String(), rule: rule, conn: "closed"}
	return sc
}

// outward tells whether the request comes from inside.
func (sc *scenario) outward() bool { return isPool(sc.sender) }

// desk is where the request should arrive.
func (sc *scenario) desk() string {
	if sc.goal != "" {
		return sc.goal
	}
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

// reasonText is the reason in the edge's log.
func (w want) reasonText() string {
	if w.why != "" {
		return w.why
	}
	return w.reason.String()
}

// allowed tells whether the edge should say yes.
func (w want) allowed() bool { return w.why == "" && w.reason == verdict.Allowed }

// arrives tells whether a request with this reason was passed on.
func (w want) arrives() bool {
	switch w.reason {
	case verdict.Allowed, verdict.PeerRefused, verdict.NoAnswer, verdict.ConnectionLost, verdict.Cancelled:
		return w.conn == ""
	default:
		return false
	}
}
