package migrate

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"edged/pkg/domain"
	"edged/pkg/policy"
)

// Output is what an import makes: files by their names, to be put into one folder,
// the policy first.
type Output struct {
	Source policy.Source
	Files  []Made
	Report *Report
}

// Made is one file of an Output.
type Made struct {
	Name    string
	Content []byte
}

// Import reads the files and makes a policy of what is in them, whose file is to be
// called name. It fails if a file cannot be read or understood: a policy without it
// would be another one.
func Import(name string, paths []string) (*Output, error) {
	im := newImporter()
	var errs []error
	for _, path := range paths {
		errs = append(errs, im.read(path))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	im.carry()
	if err := im.compiles(); err != nil {
		return nil, err
	}
	return &Output{Source: im.out, Files: im.print(name, paths), Report: im.report}, nil
}

// carry takes everything in.
func (im *importer) carry() {
	for i := range im.kinds {
		for _, t := range im.things[i] {
			im.kinds[i].carry(im, t)
			im.remainder(t)
		}
	}
	im.finish()
}

// importer is one run.
type importer struct {
	kinds  []kind
	things [][]*thing // by the index of their kind
	out    policy.Source
	report *Report
	left   map[leftKey]int // index in report.Left

	// What is referred to.
	ours    map[domain.Name]int    // our own domains, and how many users they have
	blocked map[domain.Name]bool   // domains
	proxies map[domain.Name]string // of providers, by name
	listed  map[domain.Name]bool   // SIP partners
	xmpp    map[domain.Name]bool   // XMPP partners
	users   []*member
	known   map[policy.User]bool
	siteOf  map[string]string // a pool's name in lower case -> its site
	sites   []*sitePolicy
	edge    bool // there was an edge's configuration
	global  bool // there was a global access policy
}

// thing is an object with what it is.
type thing struct {
	object
	kind *kind
	name string // for the report
}

func newImporter() *importer {
	all := kinds()
	return &importer{
		kinds: all, things: make([][]*thing, len(all)), out: policy.Default(), report: &Report{},
		left: make(map[leftKey]int), ours: make(map[domain.Name]int), blocked: make(map[domain.Name]bool),
		proxies: make(map[domain.Name]string), listed: make(map[domain.Name]bool), xmpp: make(map[domain.Name]bool),
		known: make(map[policy.User]bool), siteOf: make(map[string]string),
	}
}

// read sorts what is in a file by what it is.
func (im *importer) read(path string) error {
	text, err := readText(path)
	if err != nil {
		return err
	}
	return im.take(path, text)
}

// take does so with the text of a file.
func (im *importer) take(path, text string) error {
	objects, err := read(text)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	file := File{Path: path, Holds: []string{}}
	for i := range objects {
		o := &objects[i]
		k := recognise(im.kinds, o)
		if k == nil {
			return fmt.Errorf("%s, object %d: %w", path, i+1, unrecognised(im.kinds, o))
		}
		if !slices.Contains(file.Holds, k.command) {
			file.Holds = append(file.Holds, k.command)
		}
		if !slices.ContainsFunc(o.values, func(v value) bool { return !v.empty() }) {
			continue // a row without anything, or columns without rows
		}
		file.Objects++
		at := slices.IndexFunc(im.kinds, func(other kind) bool { return other.command == k.command })
		im.things[at] = append(im.things[at], &thing{object: *o, kind: k, name: identity(o)})
	}
	im.report.Read = append(im.report.Read, file)
	return nil
}

// identity is what an object is called.
func identity(o *object) string {
	for _, name := range []string{"SipAddress", "Identity", "Domain", "Name"} {
		if v := o.get(name); v.text != "" {
			return v.text
		}
	}
	return "(without a name)"
}

// compiles makes sure that the policy is one. Everything that could contradict has
// been left out before, so that an error here is a defect of this package.
func (im *importer) compiles() error {
	var local []policy.Local
	for d := range im.ours {
		local = append(local, policy.Local{Domain: d, SIP: true, XMPP: true})
	}
	_, problems := policy.Compile(im.out, local)
	var errs []error
	for _, p := range problems {
		errs = append(errs, fmt.Errorf("the policy would be wrong: %s: %s", p.Path, p.Text))
	}
	return errors.Join(errs...)
}

// flag reads a switch. What is not there changes nothing.
func (im *importer) flag(t *thing, name string, to *bool) {
	v := t.get(name)
	is, ok := v.boolean()
	switch {
	case ok:
		*to = is
	case !v.empty():
		im.leave(t, name, v, "neither True nor False")
	}
}

// count reads a number.
func (im *importer) count(t *thing, name string, to *int) {
	v := t.get(name)
	n, ok := v.count()
	switch {
	case ok:
		*to = n
	case !v.empty():
		im.leave(t, name, v, "not a number")
	}
}

// word reads one of an enumeration.
func word[T any](im *importer, t *thing, name string, words map[string]T, to *T) {
	v := t.get(name)
	is, ok := words[strings.ToLower(v.text)]
	switch {
	case ok:
		*to = is
	case v.number:
		im.widen(t, name, v, "a number does not tell which word it stands for, and the default applies; export this with Export-Csv")
	case !v.empty():
		im.widen(t, name, v, "not one of the words that are known, and the default applies")
	}
}

// host reads a host or domain name.
func (im *importer) host(t *thing, name string) (domain.Name, bool) {
	v := t.get(name)
	if v.empty() {
		return domain.Name{}, false
	}
	d, err := domain.Parse(strings.TrimSuffix(v.text, "."))
	if err != nil {
		im.widen(t, name, v, err.Error())
	}
	return d, err == nil
}

// verifications are the words of VerificationLevel.
func verifications() map[string]policy.Verification {
	return map[string]policy.Verification{
		"alwaysverifiable":      policy.AlwaysVerifiable,
		"alwaysunverifiable":    policy.AlwaysUnverifiable,
		"usesourceverification": policy.UseSource,
	}
}
