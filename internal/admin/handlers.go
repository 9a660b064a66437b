package admin

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Funcs are what the servers ask the daemon. Every function must be set unless it
// says otherwise, and may be called by many goroutines at once.
type Funcs struct {
	// Ready returns nil if the daemon serves, else what it waits for or why it
	// stops. The text is shown to whoever asks.
	Ready func() error
	// Reload reads the configuration again and returns when it is in force, or
	// with everything that is wrong with it. It must return soon after ctx ends.
	Reload func(ctx context.Context) error
	// Running tells what is in force.
	Running func() Running
	// Connections tells what is open, and Pools where it leads inside.
	Connections func() []Connection
	Pools       func() []Pool
	// Status tells what the status page shows.
	Status func() Status
	// Trace returns the messages that the filter picks, as they cross, until ctx ends
	// or the daemon stops; an error if nobody else may follow. What it returns has to be
	// ranged over.
	Trace func(ctx context.Context, f TraceFilter) (iter.Seq[TraceLine], error)
	// ListConsent and RemoveConsent are set if the daemon keeps consent, both or
	// none of them.
	//
	// ListConsent returns at most limit pairs, the newest first, of which one
	// address contains the filter; "" is in all.
	ListConsent func(filter string, limit int) []Consent
	// RemoveConsent forgets a pair of addresses as people write them, and reports
	// whether it was there. Its error says what is wrong with them.
	RemoveConsent func(local, remote string) (bool, error)
	// ListWatched returns the watch lists, those of SIP first, the longest watched
	// first.
	ListWatched func() []Watched
	// ReleaseWatched takes a partner off the watch list of a protocol, "" for all,
	// and reports whether it was there.
	ReleaseWatched func(proto, partner string) bool
}

// Running says which program and which configuration are in force.
type Running struct {
	Version  string    `json:"version"`     // of the program
	Config   string    `json:"config_hash"` // of edged.yaml
	Policy   string    `json:"policy_hash"` // of policy.yaml and the files it names
	LoadedAt time.Time `json:"loaded_at"`
}

// RunningPath is what to GET for what is in force, a JSON object of type Running.
const RunningPath = "/-/config"

// ServeMetrics answers GET /metrics, /-/healthy and /-/ready on the listener,
// which it owns from now on, until Close.
func ServeMetrics(ln net.Listener, metrics prometheus.Gatherer, f Funcs, log *slog.Logger) *Server {
	mux := http.NewServeMux()
	handleMetrics(mux, metrics, log)
	handleHealth(mux, f)
	return serve(ln, mux, log)
}

func handleMetrics(mux *http.ServeMux, metrics prometheus.Gatherer, log *slog.Logger) {
	mux.Handle("GET /metrics", promhttp.HandlerFor(metrics, promhttp.HandlerOpts{
		ErrorLog:            slog.NewLogLogger(log.Handler(), slog.LevelError),
		MaxRequestsInFlight: maxScrapes,
	}))
}

// ServeAdmin answers POST /-/reload, GET /-/config, /connections, /-/pools, /-/trace, /-/healthy
// and /-/ready, GET and DELETE /-/consent and /-/watch on the listener, which it owns from now on,
// until Close. Whoever can connect may steer: give it what ListenSocket returns.
func ServeAdmin(ln net.Listener, f Funcs, log *slog.Logger) *Server {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /-/reload", act(log, "reload", f.reload))
	mux.HandleFunc("GET "+RunningPath, func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, f.Running()) })
	mux.HandleFunc("GET "+ConnectionsPath, func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, f.Connections()) })
	mux.HandleFunc("GET "+PoolsPath, func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, f.Pools()) })
	mux.HandleFunc("GET "+tracePath, begins(log, "trace", f.trace))
	mux.HandleFunc("GET /-/consent", f.listConsent)
	mux.HandleFunc("DELETE /-/consent", act(log, "consent remove", f.removeConsent))
	mux.HandleFunc("GET /-/watch", func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, f.ListWatched()) })
	mux.HandleFunc("DELETE /-/watch", act(log, "watch release", f.releaseWatched))
	handleHealth(mux, f)
	return serve(ln, mux, log)
}

func handleHealth(mux *http.ServeMux, f Funcs) {
	mux.HandleFunc("GET /-/healthy", func(w http.ResponseWriter, _ *http.Request) {
		writeLine(w, http.StatusOK, "healthy")
	})
	mux.HandleFunc("GET /-/ready", func(w http.ResponseWriter, _ *http.Request) {
		if err := f.Ready(); err != nil {
			writeLine(w, http.StatusServiceUnavailable, "not ready: "+err.Error())
			return
		}
		writeLine(w, http.StatusOK, "ready")
	})
}

// reload answers with the whole error text: the caller is the operator who is
// about to mend the file.
func (f Funcs) reload(w http.ResponseWriter, r *http.Request) {
	if err := f.Reload(r.Context()); err != nil {
		writeLine(w, http.StatusUnprocessableEntity, err.Error())
		return
	}
	now := f.Running()
	writeLine(w, http.StatusOK, fmt.Sprintf("reloaded: config %s, policy %s", now.Config, now.Policy))
}

// writeLine and writeJSON ignore failing writes: the client is gone then, and
// nobody else waits for the answer.

func writeLine(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, text+"\n") //nolint:gosec // plain text, and nobody guesses otherwise
}

func writeJSON(w http.ResponseWriter, v any) {
	text, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		writeLine(w, http.StatusInternalServerError, err.Error())
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(append(text, '\n'))
}
