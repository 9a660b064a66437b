package daemon

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"edged/internal/config"
	"edged/pkg/discovery"
	"edged/pkg/domain"
	"edged/pkg/policy"
	"edged/pkg/sipfed"
	"edged/pkg/tlsid"
)

// material is what a configuration names in files: certificates, roots, lists,
// the secret. Reading it is part of judging the configuration.
type material struct {
	external, internal *tlsid.Side
	pools              *tlsid.Trust     // who signs our XMPP pools
	authority          *tlsid.Authority // nil in mode dialback
	secret             sipfed.Secret
	warnings           []string // what keeps working, but not for long
}

// load reads a configuration and its material: everything that can be wrong
// before a socket is opened, in one error.
func load(path string) (*config.Loaded, *material, error) {
	m := &material{}
	l, err := config.Load(path, m.read)
	if err != nil {
		return nil, nil, err
	}
	return l, m, nil
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
	*m = material{external: &tlsid.Side{}}
	c := &l.Config
	var problems []config.Problem
	if err := m.readSecret(c); err != nil {
		problems = append(problems, config.Problem{Path: "secret_file", Text: err.Error()})
	}
	if r, err := discovery.New(ResolverConfig(c)); err != nil { // resolv.conf is read there
		problems = append(problems, config.Problem{Path: "dns.servers", Text: err.Error()})
	} else {
		m.warnings = append(m.warnings, daneWarning(l, r)...)
		r.Close()
	}
	problems = append(problems, m.readKeys(m.external, c.FQDN, outsidePairs(c))...)
	leadDomains(m.external.Keys, c)
	problems = append(problems, readTrust(m.external, tlsid.TrustConfig{
		Roots: c.TLS.Roots, Anchors: l.Policy.Anchors(),
		CRLs: c.TLS.CRLs, CRLRequired: c.TLS.CRL == config.CRLRequired,
	}, "tls", outsideTrust(l))...)
	problems = append(problems, m.readXMPP(c)...)
	if !c.SIP.Serves() {
		return problems
	}
	m.internal = &tlsid.Side{}
	problems = append(problems, m.readKeys(m.internal, c.SIP.Internal.FQDN, []keyFiles{{"sip.internal.certificate", c.SIP.Internal.Certificate}})...)
	return append(problems, readTrust(m.internal, tlsid.TrustConfig{Anchors: poolRoots(c.SIP.Pools)}, "sip.pools", insideTrust(c))...)
}

// oneLine is the text of an error that several were joined to.
func oneLine(err error) string { return strings.ReplaceAll(err.Error(), "\n", "; ") }

// daneWarning tells of XMPP entries that TLSA records are to prove, where nobody can
// say that they are authentic (RFC 7673 §3.1): then they prove nothing.
func daneWarning(l *config.Loaded, r *discovery.Resolver) []string {
	if !l.Config.XMPP.Serves() || r.TrustsAD() {
		return nil
	}
	wanted := func(p *policy.Partner) bool { return p.XMPP.DANE.On() }
	f, others := &l.Source.Federation, l.Source.XMPPDefault.DANE
	forOthers := f.XMPPDiscovery && (others.On() || f.DANE && others == 0)
	if !forOthers && !slices.ContainsFunc(l.Policy.Partners(), wanted) {
		return nil
	}
	return []string{"dane is on for XMPP, but no word of a name server counts that an answer is authentic, so that it proves nobody: " +
		"ask a validating resolver on this host, or list one in dns.trust_ad that only a network of yours leads to"}
}

func (m *material) readSecret(c *config.Config) error {
	current, previous, err := config.ReadSecret(c.SecretFile)
	m.secret = sipfed.Secret{Current: current, Previous: previous}
	return err
}

// readKeys loads one side's certificates. One that is not valid now is a
// warning: the others still serve, and renewal needs a running edge.
func (m *material) readKeys(side *tlsid.Side, dflt domain.Name, from []keyFiles) []config.Problem {
	ring, err := tlsid.LoadKeys(pairs(from...), dflt)
	side.Keys = ring
	if ring != nil {
		if err != nil {
			m.warnings = append(m.warnings, strings.Split(err.Error(), "\n")...)
		}
		return nil
	}
	var problems []config.Problem
	for _, f := range from { // one by one, to tell which
		if ring, err := tlsid.LoadKeys(pairs(f), dflt); ring == nil {
			problems = append(problems, config.Problem{Path: f.path, Text: err.Error()})
		}
	}
	return problems
}

// leadDomains lets the certificate for the host of each of our domains stand for the
// domain. ring may be nil.
func leadDomains(ring *tlsid.KeyRing, c *config.Config) {
	for i := range c.Domains {
		if d := &c.Domains[i]; ring != nil && d.Speaks(config.SIPProtocol) {
			ring.Lead(d.Name, d.SIP)
		}
	}
}

// readTrust loads whom one side trusts. Where that fails, every file is looked at
// once more, alone, so that each mistake is shown where the file is named; what
// no file alone can be blamed for is shown at path.
func readTrust(side *tlsid.Side, c tlsid.TrustConfig, path string, from []trustFile) []config.Problem {
	trust, err := tlsid.LoadTrust(c)
	side.Trust = trust
	if err == nil {
		return nil
	}
	var problems []config.Problem
	for _, f := range from {
		if _, err := tlsid.LoadTrust(f.alone); err != nil {
			problems = append(problems, config.Problem{File: f.in, Path: f.path, Text: err.Error()})
		}
	}
	if problems == nil {
		problems = []config.Problem{{Path: path, Text: oneLine(err)}}
	}
	return problems
}

// keyFiles is a certificate of ours, and where it is named.
type keyFiles struct {
	path string // as in config.Problem
	pair config.Pair
}

func outsidePairs(c *config.Config) []keyFiles {
	all := make([]keyFiles, len(c.TLS.Certificates))
	for i, p := range c.TLS.Certificates {
		all[i] = keyFiles{item("tls.certificates", i), p}
	}
	return all
}

func pairs(from ...keyFiles) []tlsid.Pair {
	out := make([]tlsid.Pair, len(from))
	for i, f := range from {
		out[i] = tlsid.Pair{Cert: f.pair.Cert, Key: f.pair.Key}
	}
	return out
}

// trustFile is a file with roots or revocation lists, and where it is named.
type trustFile struct {
	in, path string // as in config.Problem
	alone    tlsid.TrustConfig
}

func rootFiles(in, path string, files []string) []trustFile {
	all := make([]trustFile, len(files))
	for i, f := range files {
		all[i] = trustFile{in, item(path, i), tlsid.TrustConfig{Roots: []string{f}}}
	}
	return all
}

// outsideTrust lists the files that say who is trusted outside.
func outsideTrust(l *config.Loaded) []trustFile {
	c, s := &l.Config, &l.Source
	all := rootFiles("", "tls.roots", c.TLS.Roots)
	for i, f := range c.TLS.CRLs {
		all = append(all, trustFile{
			"", item("tls.crls", i),
			tlsid.TrustConfig{CRLs: []string{f}, CRLRequired: c.TLS.CRL == config.CRLRequired},
		})
	}
	for i := range s.AllowedDomains {
		all = append(all, rootFiles(c.Policy, item("allowed_domains", i)+".roots", s.AllowedDomains[i].Roots)...)
	}
	for i := range s.Providers {
		all = append(all, rootFiles(c.Policy, item("providers", i)+".roots", s.Providers[i].Roots)...)
	}
	for i := range s.XMPPPartners {
		all = append(all, rootFiles(c.Policy, item("xmpp_partners", i)+".roots", s.XMPPPartners[i].Roots)...)
	}
	return all
}

// insideTrust lists the files that say who signs our pools.
func insideTrust(c *config.Config) []trustFile {
	var all []trustFile
	for i := range c.SIP.Pools {
		all = append(all, rootFiles("", item("sip.pools", i)+".roots", c.SIP.Pools[i].Roots)...)
	}
	return all
}

// readXMPP loads what proves pools to us, and partners to pools.
func (m *material) readXMPP(c *config.Config) []config.Problem {
	if !c.XMPP.Serves() {
		return nil
	}
	var files []trustFile
	for i := range c.XMPP.Pools {
		files = append(files, rootFiles("", item("xmpp.pools", i)+".roots", c.XMPP.Pools[i].Roots)...)
	}
	inside := &tlsid.Side{}
	problems := readTrust(inside, tlsid.TrustConfig{Anchors: poolRoots(c.XMPP.Pools)}, "xmpp.pools", files)
	m.pools = inside.Trust
	a := &c.XMPP.Internal.Authority
	if a.Mode != config.Mint {
		return problems
	}
	var ours []domain.Name
	for i := range c.Domains {
		ours = append(ours, c.Domains[i].Name)
	}
	authority, err := tlsid.LoadAuthority(tlsid.AuthorityConfig{
		Cert: a.CACert, Key: a.CAKey, Ours: ours, CacheSize: c.Limits.Minted, Rate: c.Limits.MintRate,
	})
	if err != nil {
		return append(problems, config.Problem{Path: "xmpp.internal.authority", Text: oneLine(err)})
	}
	m.authority = authority
	return problems
}

// expiry is when each certificate of ours expires, by its side and its file.
func (m *material) expiry(c *config.Config) map[string]map[string]time.Time {
	inside := make(map[string]time.Time)
	if m.internal != nil {
		maps.Copy(inside, m.internal.Keys.Expiry())
	}
	if m.authority != nil {
		inside[c.XMPP.Internal.Authority.CACert] = m.authority.Expiry()
	}
	return map[string]map[string]time.Time{"external": m.external.Keys.Expiry(), "internal": inside}
}

// item is the path of the i-th value of a list.
func item(path string, i int) string { return path + "[" + strconv.Itoa(i) + "]" }

// poolAnchor names the root set of a pool in the internal trust.
func poolAnchor(name string) string { return "pool:" + name }

func poolRoots(pools []config.Pool) map[string][]string {
	roots := make(map[string][]string, len(pools))
	for _, p := range pools {
		roots[poolAnchor(p.Name)] = p.Roots
	}
	return roots
}
