package xmpp

import (
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"

	"edged/pkg/tlsid"
	"edged/pkg/verdict"
	"edged/pkg/xmpp/xmlstream"
)

// Metrics counts what an operator watches. All label values come from closed
// sets. A nil *Metrics counts nothing.
type Metrics struct {
	stanzas      *prometheus.CounterVec // direction, stanza, reason
	bounces      *prometheus.CounterVec // side, condition
	drops        *prometheus.CounterVec // side
	connections  *prometheus.GaugeVec   // side, opened
	auth         *prometheus.CounterVec // side, opened, result
	handshakes   *prometheus.CounterVec // side, opened, result
	dials        *prometheus.CounterVec // side, reason
	accepts      *prometheus.CounterVec // side
	streamErrors *prometheus.CounterVec // side, sent, condition
	queued       atomic.Int64
	allowed      [2][4]prometheus.Counter // of stanzas, by side and kind: the usual case
	stalls       *prometheus.CounterVec   // side
	unsure       *prometheus.CounterVec   // side
	unasked      *prometheus.CounterVec   // side
	memberStates *prometheus.GaugeVec     // pool, member
}

// NewMetrics makes the package's metrics and registers them.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		c := prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
		reg.MustRegister(c)
		return c
	}
	gauge := func(name, help string, labels ...string) *prometheus.GaugeVec {
		g := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: name, Help: help}, labels)
		reg.MustRegister(g)
		return g
	}
	m := &Metrics{
		stanzas:      counter("edged_xmpp_stanzas_total", "XMPP stanzas by what became of them: handed to the next hop's queue (allowed) or why not.", "direction", "stanza", "reason"),
		bounces:      counter("edged_xmpp_bounces_total", "Error stanzas that this edge has made, by the side that gets them.", "side", "condition"),
		drops:        counter("edged_xmpp_bounces_dropped_total", "Error stanzas that were not sent: over limits.bounce_rate, or no room.", "side"),
		connections:  gauge("edged_xmpp_streams", "Open XMPP connections.", "side", "opened"),
		auth:         counter("edged_xmpp_authentications_total", "Pairs of domains that were proven on an accepted stream, by proof, or why not.", "side", "opened", "result"),
		handshakes:   counter("edged_xmpp_handshakes_total", "TLS handshakes by result.", "side", "opened", "result"),
		dials:        counter("edged_xmpp_dials_total", "Attempts to open a stream, by outcome.", "side", "reason"),
		accepts:      counter("edged_xmpp_accept_errors_total", "Failures to accept a connection, such as out of descriptors.", "side"),
		streamErrors: counter("edged_xmpp_stream_errors_total", "Stream errors, sent and received.", "side", "way", "condition"),
		stalls:       counter("edged_xmpp_stalls_total", "Waits of a stream for room in the queue of the next hop.", "side"),
		unsure:       counter("edged_xmpp_uncertain_total", "Stanzas that were written to a stream which then broke, without word of their arrival.", "side"),
		unasked:      counter("edged_xmpp_dialback_unsolicited_total", "Dialback answers that nobody had asked for.", "side"),
		memberStates: gauge("edged_xmpp_pool_member_up", "1 if the pool's member could be reached when it was last tried.", "pool", "member"),
	}
	reg.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "edged_xmpp_queue_bytes", Help: "Bytes of stanzas that wait to be written.",
	}, func() float64 { return float64(m.queued.Load()) }))
	for _, side := range []Side{External, Internal} { // the first one is an increase too
		m.accepts.WithLabelValues(side.String())
		m.drops.WithLabelValues(side.String())
		m.stalls.WithLabelValues(side.String())
		m.unsure.WithLabelValues(side.String())
		m.unasked.WithLabelValues(side.String())
	}
	for side := range m.allowed {
		for i, kind := range stanzaKinds() {
			m.allowed[side][i] = m.stanzas.WithLabelValues(direction(Side(side)), kind, verdict.Allowed.String())
		}
	}
	return m
}

// stanzaKinds are the values of the label stanza.
func stanzaKinds() [4]string { return [4]string{"message", "presence", "iq", "other"} }

// direction names the way of a stanza by the side that it came from.
func direction(from Side) string {
	if from == External {
		return "inward"
	}
	return "outward"
}

// knownStanza keeps the stanza label closed.
func knownStanza(local []byte) int {
	switch string(local) {
	case "message":
		return 0
	case "presence":
		return 1
	case "iq":
		return 2
	}
	return 3
}

func (m *Metrics) stanza(from Side, local []byte, reason verdict.Reason) {
	switch {
	case m == nil:
	case reason == verdict.Allowed:
		m.allowed[from][knownStanza(local)].Inc()
	default:
		m.stanzas.WithLabelValues(direction(from), stanzaKinds()[knownStanza(local)], reason.String()).Inc()
	}
}

func (m *Metrics) bounced(to Side, condition string) {
	if m != nil {
		m.bounces.WithLabelValues(to.String(), condition).Inc()
	}
}

func (m *Metrics) dropped(to Side) {
	if m != nil {
		m.drops.WithLabelValues(to.String()).Inc()
	}
}

func opened(dialled bool) string {
	if dialled {
		return "dialled"
	}
	return "accepted"
}

func (m *Metrics) connection(side Side, dialled bool, delta float64) {
	if m != nil {
		m.connections.WithLabelValues(side.String(), opened(dialled)).Add(delta)
	}
}

// opened counts an authentication: result is a proof or a reason.
func (m *Metrics) opened(side Side, dialled bool, result string) {
	if m != nil {
		m.auth.WithLabelValues(side.String(), opened(dialled), result).Inc()
	}
}

func (m *Metrics) handshake(side Side, dialled bool, err error) {
	if m != nil {
		m.handshakes.WithLabelValues(side.String(), opened(dialled), tlsid.HandshakeResult(err)).Inc()
	}
}

func (m *Metrics) dial(side Side, reason verdict.Reason) {
	if m != nil {
		m.dials.WithLabelValues(side.String(), reason.String()).Inc()
	}
}

func (m *Metrics) acceptFailed(side Side) {
	if m != nil {
		m.accepts.WithLabelValues(side.String()).Inc()
	}
}

func (m *Metrics) streamError(side Side, condition xmlstream.Condition) {
	if m != nil && condition != "" {
		m.streamErrors.WithLabelValues(side.String(), "sent", string(condition)).Inc()
	}
}

func (m *Metrics) streamErrorReceived(side Side, condition string) {
	if m != nil {
		m.streamErrors.WithLabelValues(side.String(), "received", condition).Inc()
	}
}

func (m *Metrics) queueBytes(delta int) {
	if m != nil {
		m.queued.Add(int64(delta))
	}
}

func (m *Metrics) stalled(side Side) {
	if m != nil {
		m.stalls.WithLabelValues(side.String()).Inc()
	}
}

func (m *Metrics) uncertain(side Side, n int) {
	if m != nil {
		m.unsure.WithLabelValues(side.String()).Add(float64(n))
	}
}

func (m *Metrics) unsolicited(side Side) {
	if m != nil {
		m.unasked.WithLabelValues(side.String()).Inc()
	}
}

// forgetMembers starts the list of members anew: a reload may have taken some.
func (m *Metrics) forgetMembers() {
	if m != nil {
		m.memberStates.Reset()
	}
}

func (m *Metrics) member(pool, member string, up bool) {
	if m == nil {
		return
	}
	value := 0.0
	if up {
		value = 1
	}
	m.memberStates.WithLabelValues(pool, member).Set(value)
}
