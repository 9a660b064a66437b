package admin

import (
	"fmt"
	"net/http"
	"net/url"
	"time"
)

// Watched is a partner on the watch list: nothing lists it, and it did what makes it
// suspicious.
type Watched struct {
	Proto   string    `json:"proto"`   // sip or xmpp
	Partner string    `json:"partner"` // a registered domain; * for all that have no place in the table
	Why     string    `json:"why"`
	Since   time.Time `json:"since"`
	// Throttled says that federation.discovered.suspicious_rate applies now, and
	// NoNewUsers that it reaches only users whom it has addressed before.
	Throttled  bool `json:"throttled"`
	NoNewUsers bool `json:"no_new_users"`
	// Domains are the names that it used; MoreDomains says that there were others.
	Domains     []string `json:"domains"`
	MoreDomains bool     `json:"more_domains,omitempty"`
	// Issuer and Serial name the certificate that it showed when it was put there;
	// "" if there was none.
	Issuer string `json:"cert_issuer,omitempty"`
	Serial string `json:"cert_serial,omitempty"`
	// Requests, Failed and Contacts are of the current report period; Refused is all
	// that was refused.
	Requests int `json:"requests"`
	Failed   int `json:"failed"`
	Contacts int `json:"contacts"`
	Refused  int `json:"refused"`
}

// WatchPath is what to GET for the watch list, a JSON array of Watched.
const WatchPath = "/-/watch"

// ReleasePath is what to DELETE to take a partner off the watch list of a protocol,
// "" for both. The answer is a line of text.
func ReleasePath(proto, partner string) string {
	return WatchPath + "?" + url.Values{"proto": {proto}, "partner": {partner}}.Encode()
}

func (f Funcs) releaseWatched(w http.ResponseWriter, r *http.Request) {
	asked := r.URL.Query()
	proto, partner := asked.Get("proto"), asked.Get("partner")
	switch {
	case proto != "" && proto != "sip" && proto != "xmpp":
		writeLine(w, http.StatusBadRequest, fmt.Sprintf("%q is no protocol; write sip or xmpp", proto))
	case !f.ReleaseWatched(proto, partner):
		writeLine(w, http.StatusNotFound, partner+" is not on the watch list; the list has registered domains, as the partner column shows them")
	default:
		writeLine(w, http.StatusOK, "released: "+partner+" has full budgets again, until it is suspicious again")
	}
}
