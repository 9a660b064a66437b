package daemon

import (
	"strings"

	"edged/internal/admin"
	"edged/pkg/consent"
	"edged/pkg/domain"
	"edged/pkg/policy"
)

// listConsent and removeConsent serve the admin socket.
func (d *Daemon) listConsent(filter string, limit int) (all []admin.Consent) {
	if d.current.Load() == nil { // consent is set before current
		return nil
	}
	for _, e := range d.xmpp.consent.List(filter, limit) {
		all = append(all, admin.Consent(e))
	}
	return all
}

func (d *Daemon) removeConsent(local, remote string) (bool, error) {
	l, err := parseParty(local)
	if err != nil {
		return false, err
	}
	r, err := parseParty(remote)
	if err != nil {
		return false, err
	}
	return d.current.Load() != nil && d.xmpp.consent.Remove(l, r), nil
}

// parseParty reads an address as people write it: a user's, or a domain.
func parseParty(s string) (consent.Party, error) {
	if !strings.Contains(s, "@") {
		n, err := domain.Parse(s)
		return consent.Party{Domain: n}, err
	}
	u, err := policy.ParseUser(s)
	return consent.Party(u), err
}
