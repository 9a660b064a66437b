package sipfed

import (
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"edged/pkg/verdict"
)

// Metrics counts what an operator watches. All label values come from closed
// sets. A nil *Metrics counts nothing.
type Metrics struct {
	requests     *prometheus.CounterVec   // direction, method, reason
	responses    *prometheus.CounterVec   // direction, class
	relay        *prometheus.HistogramVec // direction
	answered     *prometheus.HistogramVec // direction
	connections  *prometheus.GaugeVec     // side, opened
	handshakes   *prometheus.CounterVec   // side, opened, result
	dials        *prometheus.CounterVec   // side, reason
	accepts      *prometheus.CounterVec   // side
	active       prometheus.Gauge
	queued       prometheus.Gauge
	held         prometheus.Gauge
	full         *prometheus.CounterVec // side
	strays       *prometheus.CounterVec // side
	undeliver    *prometheus.CounterVec // side
	unsure       prometheus.Counter
	memberStates *prometheus.GaugeVec // pool, member

	// What every message touches, found once; by direction, inward first.
	allowed [2]map[string]prometheus.Counter // requests relayed, by method
	classes [2][10]prometheus.Counter        // responses, by their first digit
	relays  [2]prometheus.Observer
	answers [2]prometheus.Observer
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
	histogram := func(name, help string, buckets []float64) *prometheus.HistogramVec {
		h := prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: name, Help: help, Buckets: buckets}, []string{"direction"})
		reg.MustRegister(h)
		return h
	}
	m := &Metrics{
		requests:     counter("edged_sip_requests_total", "SIP requests by how they ended here: relayed (allowed) or why not.", "direction", "method", "reason"),
		responses:    counter("edged_sip_responses_total", "SIP responses received from next hops, by class.", "direction", "class"),
		relay:        histogram("edged_sip_relay_seconds", "Time from reading a request to handing it to the next hop's writer.", prometheus.ExponentialBuckets(0.00002, 4, 10)),
		answered:     histogram("edged_sip_answer_seconds", "Time from reading a request to its final response.", prometheus.ExponentialBuckets(0.0005, 4, 10)),
		connections:  gauge("edged_sip_connections", "Open SIP connections.", "side", "opened"),
		handshakes:   counter("edged_sip_handshakes_total", "TLS handshakes by result.", "side", "opened", "result"),
		dials:        counter("edged_sip_dials_total", "Attempts to reach a target, by outcome.", "side", "reason"),
		accepts:      counter("edged_sip_accept_errors_total", "Failures to accept a connection, such as out of descriptors.", "side"),
		active:       gauge("edged_sip_transactions", "SIP transactions under way.").WithLabelValues(),
		queued:       gauge("edged_sip_queue_bytes", "Bytes waiting in the writers of all SIP connections.").WithLabelValues(),
		held:         gauge("edged_sip_held_bytes", "Bytes of SIP messages held for others, a second ago at most: limits.held_bytes bounds them.").WithLabelValues(),
		full:         counter("edged_sip_queue_full_total", "Messages that a connection's full queue did not take.", "side"),
		strays:       counter("edged_sip_stray_responses_total", "Responses that no transaction awaited.", "side"),
		undeliver:    counter("edged_sip_undeliverable_responses_total", "Responses whose connection was gone.", "side"),
		unsure:       counter("edged_sip_uncertain_total", "Requests lost with their connection after they were written: the peer may have had them.").WithLabelValues(),
		memberStates: gauge("edged_pool_member_up", "1 if the pool's member can be reached.", "pool", "member"),
	}
	m.findUsual()
	return m
}

// findUsual looks the counters of the usual cases up, and begins those of which an
// operator hears when they are no longer 0.
func (m *Metrics) findUsual() {
	for _, side := range []Side{External, Internal} { // the first one is an increase too
		m.accepts.WithLabelValues(side.String())
		m.full.WithLabelValues(side.String())
		m.strays.WithLabelValues(side.String())
		m.undeliver.WithLabelValues(side.String())
	}
	for i, way := range []string{direction(true), direction(false)} {
		m.allowed[i] = make(map[string]prometheus.Counter)
		for _, method := range methods() {
			m.allowed[i][method] = m.requests.WithLabelValues(way, method, verdict.Allowed.String())
		}
		for class := 1; class <= 6; class++ {
			m.classes[i][class] = m.responses.WithLabelValues(way, strconv.Itoa(class)+"xx")
		}
		m.relays[i], m.answers[i] = m.relay.WithLabelValues(way), m.answered.WithLabelValues(way)
	}
}

func wayIndex(inward bool) int {
	if inward {
		return 0
	}
	return 1
}

// direction names the way of a request: inward or outward.
func direction(inward bool) string {
	if inward {
		return "inward"
	}
	return "outward"
}

// methods are the values of the method label.
func methods() []string {
	return []string{
		"ACK", "BENOTIFY", "BYE", "CANCEL", "INFO", "INVITE", "MESSAGE", "NEGOTIATE", "NOTIFY", "OPTIONS",
		"PRACK", "PUBLISH", "REFER", "REGISTER", "SERVICE", "SUBSCRIBE", "UPDATE", otherMethod,
	}
}

const otherMethod = "other"

// methodLabel keeps the label closed.
func (m *Metrics) methodLabel(method string) string {
	if _, known := m.allowed[0][method]; known {
		return method
	}
	return otherMethod
}

// request counts the end of a transaction; the edge answered with r, or nil.
func (m *Metrics) request(tx *transaction, r *refusal, status int) {
	if m == nil {
		return
	}
	way, method := wayIndex(tx.adm.inward), m.methodLabel(tx.method)
	if r != nil {
		m.requests.WithLabelValues(direction(tx.adm.inward), method, r.reason.String()).Inc()
	} else {
		m.allowed[way][method].Inc()
	}
	if status > 0 {
		m.answers[way].Observe(time.Since(tx.born).Seconds())
	}
}

// refused counts a request that never became a transaction.
func (m *Metrics) refused(side Side, method string, reason verdict.Reason) {
	if m != nil {
		m.requests.WithLabelValues(direction(side == External), m.methodLabel(method), reason.String()).Inc()
	}
}

func (m *Metrics) relayed(inward bool, took time.Duration) {
	if m != nil {
		m.relays[wayIndex(inward)].Observe(took.Seconds())
	}
}

func (m *Metrics) response(inward bool, status int) {
	if m != nil {
		m.classes[wayIndex(inward)][status/100].Inc()
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

func (m *Metrics) handshake(side Side, opened, result string) {
	if m != nil {
		m.handshakes.WithLabelValues(side.String(), opened, result).Inc()
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

func (m *Metrics) transactions(delta float64) {
	if m != nil {
		m.active.Add(delta)
	}
}

func (m *Metrics) queueBytes(delta int) {
	if m != nil {
		m.queued.Add(float64(delta))
	}
}

func (m *Metrics) heldBytes(n int64) {
	if m != nil {
		m.held.Set(float64(n))
	}
}

func (m *Metrics) queueFull(side Side) {
	if m != nil {
		m.full.WithLabelValues(side.String()).Inc()
	}
}

func (m *Metrics) stray(side Side) {
	if m != nil {
		m.strays.WithLabelValues(side.String()).Inc()
	}
}

func (m *Metrics) undelivered(side Side) {
	if m != nil {
		m.undeliver.WithLabelValues(side.String()).Inc()
	}
}

func (m *Metrics) uncertain() {
	if m != nil {
		m.unsure.Inc()
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
