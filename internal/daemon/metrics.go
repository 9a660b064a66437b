package daemon

import (
	"runtime"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"edged/pkg/consent"
	"edged/pkg/limit"
)

// metrics is what only the process knows. The registry is the daemon's own; the
// protocol servers register theirs in it.
type metrics struct {
	registry    *prometheus.Registry
	reloadGood  prometheus.Gauge
	reloadTime  prometheus.Gauge
	reloads     *prometheus.CounterVec   // result
	config      *prometheus.GaugeVec     // config_hash, policy_hash
	certificate *prometheus.GaugeVec     // side, file
	lookups     *prometheus.CounterVec   // kind, outcome
	lookupTime  *prometheus.HistogramVec // kind
	insideDNS   *prometheus.CounterVec   // kind, outcome
	watchMoves  *prometheus.CounterVec   // proto, change
	limits      *prometheus.GaugeVec     // limit
	auditLost   prometheus.Counter
}

func newMetrics(version string) *metrics {
	m := &metrics{
		registry: prometheus.NewRegistry(),
		reloadGood: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "edged_config_last_reload_successful",
			Help: "1 if the last attempt to load the configuration, and the certificates that it names, succeeded.",
		}),
		reloadTime: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "edged_config_last_reload_success_timestamp_seconds",
			Help: "When the configuration in force was loaded.",
		}),
		reloads: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "edged_config_reloads_total",
			Help: "Reloads by result.",
		}, []string{"result"}),
		config: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "edged_config_info",
			Help: "The configuration in force, by the hashes of its files.",
		}, []string{"config_hash", "policy_hash"}),
		certificate: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "edged_certificate_not_after_timestamp_seconds",
			Help: "When our certificates expire.",
		}, []string{"side", "file"}),
		lookups: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "edged_dns_lookups_total",
			Help: "DNS look-ups by kind and outcome.",
		}, []string{"kind", "outcome"}),
		lookupTime: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "edged_dns_lookup_seconds",
			Help: "Time of DNS look-ups.", Buckets: prometheus.ExponentialBuckets(0.0005, 4, 8),
		}, []string{"kind"}),
		insideDNS: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "edged_inside_dns_questions_total",
			Help: "Questions of pools to the inside DNS answerer, by kind and outcome.",
		}, []string{"kind", "outcome"}),
	}
	m.watchMoves = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "edged_watch_list_changes_total",
		Help: "Partners that entered the watch list or left it.",
	}, []string{"proto", "change"})
	for _, result := range []string{"done", "refused"} {
		m.reloads.WithLabelValues(result)
	}
	m.limits = prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "edged_limit",
		Help: "The bounds in force that are counts or bytes, by their names in limits of edged.yaml.",
	}, []string{"limit"})
	m.auditLost = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "edged_audit_write_errors_total",
		Help: "Lines of the audit stream that could not be written.",
	})
	info := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "edged_build_info", Help: "The program that runs."}, []string{"version", "goversion"})
	info.WithLabelValues(version, runtime.Version()).Set(1)
	m.registry.MustRegister(m.reloadGood, m.reloadTime, m.reloads, m.config, m.certificate, m.lookups, m.lookupTime, m.insideDNS, m.watchMoves, m.limits, m.auditLost, info,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// watchState shows whether what has to outlast a restart would.
func (m *metrics) watchState(usable func() bool) {
	m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "edged_state_usable",
		Help: "1 if the state file takes what has to outlast a restart; 0 if it could not be opened, or the last attempt to write failed.",
	}, func() float64 { return number(usable()) }))
}

// watchCRLs shows the revocation lists that are of no use at the moment of a scrape.
func (m *metrics) watchCRLs(stale func() int) {
	m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "edged_crls_stale",
		Help: "Revocation lists that are missing or past their next update.",
	}, func() float64 { return float64(stale()) }))
}

// lookup counts one DNS question; it is discovery.Config.Observe.
func (m *metrics) lookup(kind, outcome string, took time.Duration) {
	m.lookups.WithLabelValues(kind, outcome).Inc()
	m.lookupTime.WithLabelValues(kind).Observe(took.Seconds())
}

// answered counts one question of a pool; it is insidedns.Config.Observe.
func (m *metrics) answered(kind, outcome string) { m.insideDNS.WithLabelValues(kind, outcome).Inc() }

// watchConsent shows what the consent book holds.
func (m *metrics) watchConsent(b *consent.Book) {
	gauge := func(name, help string, read func(consent.Stats) int) {
		m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help},
			func() float64 { return float64(read(b.Stats())) }))
	}
	counter := func(name, help string, read func(consent.Stats) uint64) {
		m.registry.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{Name: name, Help: help},
			func() float64 { return float64(read(b.Stats())) }))
	}
	gauge("edged_consent_pairs", "Pairs of a local user and a contact who may write back.", func(s consent.Stats) int { return s.Pairs })
	gauge("edged_consent_unwritten", "Changes of consent that are not on disk yet.", func(s consent.Stats) int { return s.Unwritten })
	counter("edged_consent_evicted_total", "Pairs given up because limits.consent_pairs was reached.", func(s consent.Stats) uint64 { return s.Evicted })
	counter("edged_consent_write_errors_total", "Failures to write consent to disk.", func(s consent.Stats) uint64 { return s.WriteErrors })
}

// watchList shows a protocol's watch list.
func (m *metrics) watchList(proto string, read func() limit.WatchStats) {
	labels := prometheus.Labels{"proto": proto}
	m.registry.MustRegister(
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "edged_watch_list_partners", Help: "Partners on the watch list.", ConstLabels: labels,
		}, func() float64 { return float64(read().Watched) }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "edged_watch_list_unwritten", Help: "Changes of the watch list that are not on disk yet.", ConstLabels: labels,
		}, func() float64 { return float64(read().Unwritten) }),
		prometheus.NewCounterFunc(prometheus.CounterOpts{
			Name: "edged_watch_list_write_errors_total", Help: "Failures to write the watch list to disk.", ConstLabels: labels,
		}, func() float64 { return float64(read().WriteErrors) }),
	)
	for _, change := range []limit.Change{limit.Entered, limit.Released, limit.Listed} {
		m.watchMoves.WithLabelValues(proto, change.String()) // the first is an increase too
	}
}

// watchQueues shows how full the queues of a protocol are.
func (m *metrics) watchQueues(proto string, external, internal func() float64) {
	for side, fill := range map[string]func() float64{"external": external, "internal": internal} {
		m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "edged_queue_fill_ratio", Help: "How full the fullest queue towards a next hop is, 1 at its bound.",
			ConstLabels: prometheus.Labels{"proto": proto, "side": side},
		}, fill))
	}
}

// reloaded counts an attempt to reload, and shows whether everything is in force by now.
func (m *metrics) reloaded(err error, good bool) {
	m.reloads.WithLabelValues(map[bool]string{true: "done", false: "refused"}[err == nil]).Inc()
	m.good(good)
}

// good shows whether what the files hold is in force.
func (m *metrics) good(is bool) { m.reloadGood.Set(number(is)) }

func number(is bool) float64 {
	if is {
		return 1
	}
	return 0
}

// inForce shows a build.
func (m *metrics) inForce(b *build) {
	m.reloadTime.Set(float64(b.loadedAt.Unix()))
	m.config.Reset()
	m.config.WithLabelValues(b.loaded.Hash, b.loaded.PolicyHash).Set(1)
	m.certificate.Reset()
	for side, files := range b.material.expiry(&b.loaded.Config) {
		for file, at := range files {
			m.certificate.WithLabelValues(side, file).Set(float64(at.Unix()))
		}
	}
	m.limits.Reset()
	for name, value := range b.bounds.Counts() {
		m.limits.WithLabelValues(name).Set(value)
	}
}
