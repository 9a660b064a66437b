package sipfed

import (
	"bytes"
	"errors"
	"slices"

	"edged/pkg/domain"
	"edged/pkg/policy"
	"edged/pkg/sipfed/sipmsg"
	"edged/pkg/verdict"
)

// inwardTarget reads whom an outsider wants to reach into the question. It
// reports whether the user's spelling can be read; if not, the question is about
// the domain alone.
//
// Nothing but the domain of the Request-URI may choose the way in, and inside a
// dialog its token.
func inwardTarget(st *State, uri sipmsg.URI, adm *admission) (readable bool, refused *refusal) {
	if _, ok := uri.Param("maddr"); ok {
		return false, refuse(verdict.NotOurs, "maddr in the Request-URI of an outsider")
	}
	ours, err := hostDomain(uri)
	if adm.dialog {
		return dialogTarget(st, uri, ours, adm), nil
	}
	if adm.next.text != nil {
		return false, refuse(verdict.NotOurs, "Route of an outsider leads elsewhere: %s", adm.next.text)
	}
	if err != nil || !st.Policy.IsLocal(ours, policy.SIP) {
		return false, refuse(verdict.NotOurs, "Request-URI %s is not in one of our domains", uri.Host)
	}
	adm.question.Local = policy.User{Domain: ours}
	return readUser(uri, &adm.question), nil
}

var errAddress = errors.New("an IP address")

// hostDomain is the domain name in a URI. In dialogs it is often an address, which
// costs nothing here.
func hostDomain(uri sipmsg.URI) (domain.Name, error) {
	if isAddress(uri.Host) {
		return domain.Name{}, errAddress
	}
	return domain.ParseWire(string(uri.Host))
}

// isAddress tells addresses by their characters: no domain name is of these alone.
func isAddress(host []byte) bool {
	for _, b := range host {
		if (b < '0' || '9' < b) && b != '.' && b != ':' {
			return bytes.IndexByte(host, ':') >= 0
		}
	}
	return true
}

// dialogTarget is the local user that a request in a dialog is for. A route
// opens the way to a pool, not to another user of it: where the Request-URI is
// in one of our domains (an address of record or a GRUU) or names a host of the
// pool or of this edge, its user is judged; anything else is the address of a
// device, which the dialog's user has given out.
func dialogTarget(st *State, uri sipmsg.URI, host domain.Name, adm *admission) (readable bool) {
	adm.question.Local = adm.token.local
	switch {
	case len(uri.User) == 0 || host.IsZero():
		return true
	case st.Policy.IsLocal(host, policy.SIP):
		adm.question.Local = policy.User{Domain: host}
	case st.inside(host, adm.token.pool):
		adm.question.Local = policy.User{Domain: adm.token.local.Domain}
	default:
		return true
	}
	return readUser(uri, &adm.question)
}

// readUser fills in the local user; its domain is there already.
func readUser(uri sipmsg.URI, q *policy.Question) bool {
	user, err := policy.CanonicalUser(string(uri.User), q.Local.Domain)
	if err == nil {
		q.Local = user
	}
	return err == nil
}

// inside reports whether a host is the edge itself or a server of the pool.
func (st *State) inside(host domain.Name, pool string) bool {
	for side := range st.Faces {
		if st.Faces[side].named([]byte(host.String())) {
			return true
		}
	}
	p := st.poolNamed(pool)
	return p != nil && (slices.Contains(p.Names, host) || st.hosts[p][host] != "")
}
