package daemon

import (
	"errors"
	"strings"

	"edged/internal/config"
	"edged/pkg/domain"
	"edged/pkg/sipfed"
	"edged/pkg/tlsid"
)

// material is what a configuration names in files: certificates, roots, lists,
// the secret. Reading it is part of judging the configuration.
type material struct {
	external, internal *tlsid.Side
	secret             sipfed.Secret
	warnings           []string // what keeps working, but not for long
}

// load reads a configuration and its material: everything that can be wrong
// before a socket is opened, in one error.
func load(path string) (*config.Loaded, *material, error) {
	m := &material{}
	l, err := config.Load(path, m.read)
	return l, m, err
}

// Check judges a configuration as Start would. It returns warnings, one a line,
// and an error that holds every mistake.
func Check(path string) (l *config.Loaded, warnings []string, err error) {
	l, m, err := load(path)
	if err != nil {
		return nil, nil, err
	}
	for _, w := range l.Warnings {
		warnings = append(warnings, w.String())
	}
	return l, append(warnings, m.warnings...), nil
}

// read loads the material that l names. It serves as a config.Check.
func (m *material) read(l *config.Loaded) []config.Problem {
	*m = material{}
	var problems []config.Problem
	report := func(path string, err error) {
		if err == nil {
			return
		}
		for line := range strings.SplitSeq(err.Error(), "\n") {
			problems = append(problems, config.Problem{Path: path, Text: line})
		}
	}
	c := &l.Config
	report("secret_file", m.readSecret(c))
	external := &tlsid.Side{}
	report("tls.certificates", m.readKeys(external, pairs(c.TLS.Certificates...), c.FQDN))
	report("tls", readTrust(external, tlsid.TrustConfig{Roots: c.TLS.Roots, Anchors: l.Policy.Anchors(),
		CRLs: c.TLS.CRLs, CRLRequired: c.TLS.CRL == config.CRLRequired}))
	m.external = external
	if !c.SIP.Serves() {
		return problems
	}
	internal := &tlsid.Side{}
	report("sip.internal.certificate", m.readKeys(internal, pairs(c.SIP.Internal.Certificate), c.SIP.Internal.FQDN))
	report("sip.pools", readTrust(internal, tlsid.TrustConfig{Anchors: poolRoots(c.SIP.Pools)}))
	m.internal = internal
	return problems
}

func (m *material) readSecret(c *config.Config) error {
	current, previous, err := config.ReadSecret(c.SecretFile)
	m.secret = sipfed.Secret{Current: current, Previous: previous}
	return err
}

// readKeys loads one side's certificates. One that is not valid now is a
// warning: the others still serve, and renewal needs a running edge.
func (m *material) readKeys(side *tlsid.Side, from []tlsid.Pair, dflt domain.Name) error {
	ring, err := tlsid.LoadKeys(from, dflt)
	side.Keys = ring
	var invalid *tlsid.ValidityError
	if ring != nil && errors.As(err, &invalid) {
		m.warnings = append(m.warnings, strings.Split(err.Error(), "\n")...)
		return nil
	}
	return err
}

func readTrust(side *tlsid.Side, c tlsid.TrustConfig) error {
	trust, err := tlsid.LoadTrust(c)
	side.Trust = trust
	return err
}

func pairs(from ...config.Pair) []tlsid.Pair {
	out := make([]tlsid.Pair, len(from))
	for i, p := range from {
		out[i] = tlsid.Pair{Cert: p.Cert, Key: p.Key}
	}
	return out
}

// poolAnchor names the root set of a pool in the internal trust.
func poolAnchor(name string) string { return "pool:" + name }

func poolRoots(pools []config.Pool) map[string][]string {
	roots := make(map[string][]string, len(pools))
	for _, p := range pools {
		roots[poolAnchor(p.Name)] = p.Roots
	}
	return roots
}
