package admin

import (
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

const (
	defaultConsentLimit = 100
	// maxConsentLimit keeps an answer far below what Call reads.
	maxConsentLimit = 100_000
)

// Consent is a local user who wrote to a contact first.
type Consent struct {
	Local  string    `json:"local"`  // bare address
	Remote string    `json:"remote"` // the same
	Since  time.Time `json:"since"`
}

// ListConsentPath is what to GET for the newest pairs, at most limit (1 to
// 100000), of which one address contains the filter. The answer is a JSON array
// of Consent.
func ListConsentPath(filter string, limit int) string {
	return "/-/consent?" + url.Values{"filter": {filter}, "limit": {strconv.Itoa(limit)}}.Encode()
}

// RemoveConsentPath is what to DELETE for a pair. The answer is a line of text.
func RemoveConsentPath(local, remote string) string {
	return "/-/consent?" + url.Values{"local": {local}, "remote": {remote}}.Encode()
}

func (f Funcs) listConsent(w http.ResponseWriter, r *http.Request) {
	if f.ListConsent == nil {
		writeNoConsent(w)
		return
	}
	limit, asked := defaultConsentLimit, r.URL.Query()
	if text := asked.Get("limit"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > maxConsentLimit {
			writeLine(w, http.StatusBadRequest, fmt.Sprintf("limit %q is not a number from 1 to %d", text, maxConsentLimit))
			return
		}
		limit = n
	}
	pairs := f.ListConsent(asked.Get("filter"), limit)
	if pairs == nil {
		pairs = []Consent{} // no null for those who read JSON
	}
	writeJSON(w, pairs)
}

func (f Funcs) removeConsent(w http.ResponseWriter, r *http.Request) {
	if f.RemoveConsent == nil {
		writeNoConsent(w)
		return
	}
	asked := r.URL.Query()
	local, remote := asked.Get("local"), asked.Get("remote")
	removed, err := f.RemoveConsent(local, remote)
	switch {
	case err != nil:
		writeLine(w, http.StatusBadRequest, err.Error())
	case !removed:
		writeLine(w, http.StatusNotFound, fmt.Sprintf("%s has given no consent to %s; the list has the pairs there are", local, remote))
	default:
		writeLine(w, http.StatusOK, fmt.Sprintf("removed: %s has to write to %s again before being written to", local, remote))
	}
}

func writeNoConsent(w http.ResponseWriter) {
	writeLine(w, http.StatusNotFound, "this edge keeps no consent, because it does not serve XMPP")
}
