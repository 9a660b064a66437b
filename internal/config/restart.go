package config

import (
	"reflect"
	"strings"
)

// change says what becomes of a field whose value a reload finds changed.
type change bool

const (
	// reloads: the new value counts from the reload on.
	reloads change = false
	// restarts: the reload is refused by the name of the field.
	restarts change = true
)

// changes has a row for every field of edged.yaml, in the order of the struct. A
// list is one field; so are the limits, all of which reload. What cannot be reloaded
// is what the process holds open from its start: sockets (whose ports may need
// rights it has given up since) and the store.
func changes() []struct {
	path string
	change
} {
	return []struct {
		path string
		change
	}{
		{"fqdn", reloads},
		{"domains", reloads},
		{"public_addresses", reloads},
		{"tls.certificates", reloads},
		{"tls.roots", reloads},
		{"tls.crls", reloads},
		{"tls.crl", reloads},
		{"secret_file", reloads},
		{"state_dir", restarts},
		{"dns.servers", reloads},
		{"dns.timeout", reloads},
		{"dns.allow_private", reloads},
		{"dns.trust_ad", reloads},
		{"sip.external.listen", restarts},
		{"sip.external.dial_from", reloads},
		{"sip.external.hygiene", reloads},
		{"sip.internal.listen", restarts},
		{"sip.internal.fqdn", reloads},
		{"sip.internal.certificate.cert", reloads},
		{"sip.internal.certificate.key", reloads},
		{"sip.internal.realms", reloads},
		{"sip.pools", reloads},
		{"xmpp.external.listen", restarts},
		{"xmpp.external.direct_tls", restarts},
		{"xmpp.external.dial_from", reloads},
		{"xmpp.internal.listen", restarts},
		{"xmpp.internal.authority.mode", reloads},
		{"xmpp.internal.authority.ca_cert", reloads},
		{"xmpp.internal.authority.ca_key", reloads},
		{"xmpp.internal.authority.sources", reloads},
		{"xmpp.internal.dns.listen", restarts},
		{"xmpp.internal.dns.forward", reloads},
		{"xmpp.internal.dns.clients", reloads},
		{"xmpp.internal.dns.catch_all", reloads},
		{"xmpp.pools", reloads},
		{"limits", reloads},
		{"log.level", reloads},
		{"log.format", reloads},
		{"log.audit", reloads},
		{"log.audit_users", reloads},
		{"metrics.listen", restarts},
		{"admin.socket", restarts},
		{"admin.listen", restarts},
		{"policy", reloads},
	}
}

// RestartNeeded returns the names of the fields that differ between the running
// configuration and a new one although a reload cannot change them; none if the
// new one can be reloaded. Both have to come from Load.
func RestartNeeded(old, new *Config) []string {
	var names []string
	for _, c := range changes() {
		if c.change == restarts && !reflect.DeepEqual(fieldAt(old, c.path), fieldAt(new, c.path)) {
			names = append(names, c.path)
		}
	}
	return names
}

// fieldAt returns the value of the field that path names. A list that is empty is
// the same as one that is not there.
func fieldAt(c *Config, path string) any {
	v := reflect.ValueOf(c).Elem()
	for step := range strings.SplitSeq(path, ".") {
		known := fieldsOf(v.Type())
		v = v.FieldByIndex(known[find(known, step)].index)
	}
	if v.Kind() == reflect.Slice && v.Len() == 0 {
		return nil
	}
	return v.Interface()
}
