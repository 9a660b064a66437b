package admin

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// TraceFilter picks messages. Empty fields pick all.
type TraceFilter struct {
	ID     string // Call-ID, or the id of a stanza; exactly
	User   string // user@domain, or the part before the @
	Domain string // of either side, or above it
}

// TraceLine is one message that was sent on or refused, or a response on its way back.
// Bodies are no part of it.
type TraceLine struct {
	Time      time.Time `json:"time"`
	Proto     string    `json:"proto"`
	Side      string    `json:"side"`      // where it came from
	Direction string    `json:"direction"` // of the request or stanza
	Peer      string    `json:"peer,omitempty"`
	What      string    `json:"what"` // method or stanza
	Status    int       `json:"status,omitempty"`
	From      string    `json:"from,omitempty"`
	To        string    `json:"to,omitempty"`
	URI       string    `json:"uri,omitempty"`
	ID        string    `json:"id,omitempty"`
	Reason    string    `json:"reason"`
	Rule      string    `json:"rule,omitempty"`
	NextHop   string    `json:"next_hop,omitempty"`
	Detail    string    `json:"detail,omitempty"`
	Took      float64   `json:"took_ms,omitempty"` // since the request came
	// Lost is how many messages before this one there was no room for, because they were
	// not read fast enough.
	Lost uint64 `json:"lost,omitempty"`
}

// Bare is an address of a TraceLine without scheme and parameters.
func Bare(address string) string {
	address, _, _ = strings.Cut(address, ";")
	return strings.TrimPrefix(strings.TrimPrefix(address, "sip:"), "sips:")
}

const (
	tracePath = "/-/trace"
	// traceWriteTimeout is how long a reader may take no line before it is given up.
	traceWriteTimeout = 30 * time.Second
)

// TracePath is what to GET for messages as they cross: a JSON object of type TraceLine a
// line, until the connection is closed.
func TracePath(f TraceFilter) string {
	return tracePath + "?" + url.Values{"id": {f.ID}, "user": {f.User}, "domain": {f.Domain}}.Encode()
}

func (f Funcs) trace(w http.ResponseWriter, r *http.Request) {
	asked := r.URL.Query()
	lines, err := f.Trace(r.Context(), TraceFilter{ID: asked.Get("id"), User: asked.Get("user"), Domain: asked.Get("domain")})
	if err != nil {
		writeLine(w, http.StatusServiceUnavailable, err.Error())
		return
	}
	w.Header().Set("Content-Type", "application/x-ndjson")
	control := http.NewResponseController(w)
	// The deadline for reading the request would else end up as one for the client.
	err = errors.Join(control.SetReadDeadline(time.Time{}), control.Flush())
	for line := range lines {
		if err != nil {
			return
		}
		err = writeTraceLine(w, control, &line)
	}
}

func writeTraceLine(w http.ResponseWriter, control *http.ResponseController, line *TraceLine) error {
	if err := control.SetWriteDeadline(time.Now().Add(traceWriteTimeout)); err != nil {
		return err
	}
	if err := json.NewEncoder(w).Encode(line); err != nil {
		return err
	}
	return control.Flush()
}
