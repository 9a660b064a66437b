package policy_test

import (
	"bufio"
	"encoding"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"edged/pkg/domain"
	"edged/pkg/policy"
	"edged/pkg/verdict"
)

// The files in testdata hold worlds and rows. A world is a policy, one entry a
// line; a row is a question and, behind =>, the answer. testdata/README says how
// to write both.

// world is one policy of a file, with its rows.
type world struct {
	name  string
	src   policy.Source
	local []policy.Local
	rows  []row
}

// row is one line that asks or expects something.
type row struct {
	line       int
	text       string
	left, want string // around =>
}

func readWorlds(t testing.TB, file string) []*world {
	t.Helper()
	f, err := os.Open(filepath.Join("testdata", file))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var all []*world
	lines := bufio.NewScanner(f)
	for n := 1; lines.Scan(); n++ {
		text, _, _ := strings.Cut(lines.Text(), "#")
		text = strings.TrimSpace(text)
		name, isWorld := strings.CutPrefix(text, "world ")
		left, want, isRow := strings.Cut(text, "=>")
		switch {
		case text == "":
		case isWorld:
			all = append(all, &world{name: name, src: policy.Default()})
		case len(all) == 0:
			t.Fatalf("%s:%d: stands before the first world", file, n)
		case isRow:
			w := all[len(all)-1]
			w.rows = append(w.rows, row{n, text, strings.TrimSpace(left), strings.TrimSpace(want)})
		default:
			if err := all[len(all)-1].add(strings.Fields(text)); err != nil {
				t.Fatalf("%s:%d: %v", file, n, err)
			}
		}
	}
	return all
}

// fields are the words of one line: positions, flags and key=value.
type fields struct {
	words []string
	err   error
}

func (f *fields) has(flag string) bool {
	return slices.Contains(f.words, flag)
}

func (f *fields) list(key string) []string {
	for _, w := range f.words {
		if v, ok := strings.CutPrefix(w, key+"="); ok {
			return strings.Split(v, ",")
		}
	}
	return nil
}

func (f *fields) text(key string, v encoding.TextUnmarshaler) {
	for _, s := range f.list(key) {
		f.parse(s, v)
	}
}

func (f *fields) parse(s string, v encoding.TextUnmarshaler) {
	if err := v.UnmarshalText([]byte(s)); err != nil {
		f.err = err
	}
}

// name reads the i-th word; "-" leaves it out.
func (f *fields) name(i int) (n domain.Name) {
	if f.words[i] != "-" {
		f.parse(f.words[i], &n)
	}
	return n
}

func (f *fields) names(key string) []domain.Name {
	var all []domain.Name
	for _, s := range f.list(key) {
		var n domain.Name
		f.parse(s, &n)
		all = append(all, n)
	}
	return all
}

func (f *fields) users(key string) []policy.User {
	var all []policy.User
	for _, s := range f.list(key) {
		var u policy.User
		f.parse(s, &u)
		all = append(all, u)
	}
	return all
}

func (f *fields) access() policy.AccessPolicy {
	return policy.AccessPolicy{
		Federation: f.has("federation"), XMPP: f.has("xmpp"), Public: f.has("public"), PublicAV: f.has("public_av"),
	}
}

func (f *fields) accessOrNil() *policy.AccessPolicy {
	if f.has("nopolicy") {
		return nil
	}
	p := f.access()
	return &p
}

func (f *fields) settings() (x policy.XMPPSettings) {
	f.text("type", &x.Type)
	f.text("tls", &x.TLS)
	f.text("sasl", &x.SASL)
	f.text("dialback", &x.Dialback)
	f.text("dane", &x.DANE)
	f.text("posh", &x.POSH)
	return x
}

func (f *fields) plain(i int) string {
	if f.words[i] == "-" {
		return ""
	}
	return f.words[i]
}

// add puts one line into the policy.
func (w *world) add(words []string) error {
	f := &fields{words: words}
	switch words[0] {
	case "ours":
		w.local = append(w.local, policy.Local{Domain: f.name(1), SIP: f.has("sip"), XMPP: f.has("xmpp")})
	case "federation":
		fed := &w.src.Federation
		fed.Enabled, fed.PartnerDiscovery, fed.XMPPDiscovery = f.has("enabled"), f.has("discovery"), f.has("xmpp_discovery")
		fed.OneTypePerConnection = f.has("one_type")
		fed.DANE, fed.POSH = f.has("dane"), f.has("posh")
	case "allowed":
		w.addAllowed(f)
	case "blocked":
		w.src.BlockedDomains = append(w.src.BlockedDomains, policy.BlockedDomain{Domain: f.name(1)})
	case "provider":
		w.addProvider(f)
	case "xmpp":
		w.src.XMPPPartners = append(w.src.XMPPPartners, policy.XMPPPartner{
			Domain: f.name(1), AdditionalDomains: f.names("also"), Roots: f.list("roots"), XMPPSettings: f.settings(),
		})
	case "xmpp_default":
		w.src.XMPPDefault = f.settings()
	case "global", "site", "user", "grant":
		w.addAccess(f)
	default:
		return fmt.Errorf("%q begins no line of a world", words[0])
	}
	return f.err
}

func (w *world) addAllowed(f *fields) {
	a := policy.AllowedDomain{Roots: f.list("roots"), Anonymous: f.has("anonymous")}
	if f.words[1] != "-" {
		f.parse(f.words[1], &a.Domain)
	}
	f.text("proxy", &a.Proxy)
	f.text("record", &a.SRV)
	for _, n := range f.list("connections") {
		_, f.err = fmt.Sscan(n, &a.Connections)
	}
	for _, port := range f.list("port") {
		_, f.err = fmt.Sscan(port, &a.Port)
	}
	w.src.AllowedDomains = append(w.src.AllowedDomains, a)
}

func (w *world) addProvider(f *fields) {
	p := policy.Provider{
		Name: f.plain(1), Enabled: f.has("enabled"), SharedAddressSpace: f.has("shared"), Roots: f.list("roots"),
	}
	if f.words[2] != "-" {
		f.parse(f.words[2], &p.Kind)
	}
	p.Proxy = f.name(3)
	for _, port := range f.list("port") {
		_, f.err = fmt.Sscan(port, &p.Port)
	}
	w.src.Providers = append(w.src.Providers, p)
}

func (w *world) addAccess(f *fields) {
	a := &w.src.AccessPolicies
	switch f.words[0] {
	case "global":
		a.Global = f.access()
	case "site":
		a.Sites = append(a.Sites, policy.Site{
			Name: f.plain(1), Domains: f.names("domains"), Users: f.users("users"), Policy: f.accessOrNil(),
		})
	case "user":
		a.Users = append(a.Users, policy.UserPolicy{Name: f.plain(1), Grant: f.users("grant"), Policy: f.accessOrNil()})
	case "grant":
		var u policy.User
		f.parse(f.words[1], &u)
		w.src.Grants = append(w.src.Grants, policy.Grant{User: u, Policy: f.words[2], Line: len(w.src.Grants) + 2})
	}
}

func (w *world) compile(t testing.TB) *policy.Set {
	t.Helper()
	set, problems := policy.Compile(w.src, w.local)
	for _, p := range problems {
		t.Errorf("world %s: %s: %s", w.name, p.Path, p.Text)
	}
	if set == nil {
		t.FailNow()
	}
	return set
}

// question reads a row: direction, protocol, local, remote, facts.
func question(t testing.TB, r row) policy.Question {
	t.Helper()
	f := &fields{words: strings.Fields(r.left)}
	q := policy.Question{Remote: f.name(3)}
	if f.words[0] == "out" {
		q.Direction = policy.Outward
	}
	if f.words[1] == "xmpp" {
		q.Protocol = policy.XMPP
	}
	if strings.Contains(f.words[2], "@") {
		f.parse(f.words[2], &q.Local)
	} else {
		q.Local.Domain = f.name(2)
	}
	q.Facts = facts(f)
	if f.err != nil {
		t.Fatalf("line %d: %v", r.line, f.err)
	}
	return q
}

// facts reads the rest of a row. A certificate without anchors= is signed under
// tls.roots; srv=none is a look-up that found nothing.
func facts(f *fields) policy.Facts {
	facts := policy.Facts{
		Names: f.names("names"), Anchors: f.list("anchors"),
		Proven: f.has("proven") || f.list("proven") != nil,
		Passed: f.has("passed"), Foreign: f.has("foreign"),
		Consent: f.has("consent"), Answer: f.has("answer"), Media: f.has("media"), Anonymous: f.has("anonymous"), Exhausted: f.has("exhausted"),
	}
	f.text("proven", &facts.Proof)
	for _, kind := range f.list("carried") {
		for k := range policy.XMPPListed {
			if k.String() == kind {
				facts.Carried = &policy.Partner{Kind: k}
			}
		}
	}
	if facts.Anchors == nil && facts.Names != nil {
		facts.Anchors = []string{""}
	}
	for i, a := range facts.Anchors {
		if a == "tls.roots" {
			facts.Anchors[i] = ""
		}
	}
	if srv := f.list("srv"); srv != nil {
		facts.SRVKnown = true
		if srv[0] != "none" {
			facts.SRV = f.names("srv")
		}
	}
	return facts
}

// answer writes a decision as the rows do.
func answer(v verdict.Verdict) string {
	return strings.TrimSpace(v.Reason.String() + " | " + string(v.Rule))
}
