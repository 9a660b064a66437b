package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"go.yaml.in/yaml/v4"

	"edged/pkg/policy"
)

// Loaded is a configuration that can run.
type Loaded struct {
	// Config is edged.yaml with defaults filled in and paths resolved.
	Config Config
	// Source is policy.yaml and the files it names; Policy is the same compiled.
	Source policy.Source
	Policy *policy.Set
	// Hash and PolicyHash identify the content of edged.yaml, and of policy.yaml
	// with its CSV files: the first 12 hexadecimal digits of a SHA-256.
	Hash, PolicyHash string
	// Warnings do not keep the configuration from running.
	Warnings []Problem
	// Dir is the folder of edged.yaml, File its path, as given.
	Dir, File string
}

// Check looks for mistakes that this package cannot see, such as certificates
// that do not parse. In what it returns only Path and Text matter, and File if
// it is not edged.yaml: Load adds the position.
type Check func(*Loaded) []Problem

// Load reads edged.yaml at path and everything it names. The error is an *Errors
// if the files are bad, whatever is bad about them. The checks are made on a
// configuration without other problems.
func Load(path string, checks ...Check) (*Loaded, error) { return load(path, false, checks...) }

// DraftPolicy is Load for who asks about the policy alone: keys, certificates and roots need
// not be there.
func DraftPolicy(path string) (*Loaded, error) { return load(path, true) }

func load(path string, draft bool, checks ...Check) (*Loaded, error) {
	l := loading{out: &Loaded{Config: Default(), Source: policy.Default(), Dir: filepath.Dir(path), File: path}, draft: draft}
	l.loadConfig()
	if l.edged != nil {
		l.loadPolicy()
	}
	l.runChecks(checks)
	if err := l.report.err(); err != nil {
		return nil, err
	}
	return l.out, nil
}

// Draft reads edged.yaml alone, at path, and does not mind that the files it names
// are not there yet: what the DNS has to say is known before there are certificates.
// The error is an *Errors.
func Draft(path string) (*Config, error) {
	l := loading{out: &Loaded{Config: Default(), Dir: filepath.Dir(path), File: path}, draft: true}
	l.loadConfig()
	if err := l.report.err(); err != nil {
		return nil, err
	}
	return &l.out.Config, nil
}

// loading is one run of Load.
type loading struct {
	report report
	draft  bool // files that edged.yaml names need not be there
	out    *Loaded
	edged  *document // nil if it could not be read
	policy *document // the same
	// domains says that our domains are known. Without them half of the policy would
	// look wrong.
	domains bool
}

// document is a YAML file.
type document struct {
	path string
	root *node // nil if the file is beyond reading: empty, broken, multiplied
}

// maxYAML bounds a YAML file. What is larger belongs into CSV files.
const maxYAML = 64 << 20

// loadConfig reads and judges edged.yaml.
func (l *loading) loadConfig() {
	path, c := l.out.File, &l.out.Config
	l.report.begin(path)
	raw, err := readFile(path, maxYAML)
	if err != nil {
		l.report.add(unreadable(path, err))
		return
	}
	l.out.Hash = hash(raw)
	l.edged = l.parse(path, raw, c)
	c.resolve(l.out.Dir)
	if l.edged.root == nil {
		return
	}
	v := validator{config: c, document: l.edged, report: &l.report, draft: l.draft}
	v.all()
	l.out.Warnings = append(l.out.Warnings, v.warnings...)
	c.complete()
	l.domains = !v.unsure && len(c.Domains) > 0
}

// loadPolicy reads, judges and compiles policy.yaml.
func (l *loading) loadPolicy() {
	path, s := l.out.Config.Policy, &l.out.Source
	if path == "" {
		return
	}
	raw, err := readFile(path, maxYAML)
	if err != nil {
		// Without a readable edged.yaml this is a guess, not a mistake.
		if l.edged.root != nil {
			text := err.Error()
			if strings.HasSuffix(text, " does not exist") {
				text += "; edged init writes one"
			}
			l.at(l.edged, "policy", text)
		}
		return
	}
	l.report.begin(path)
	if l.policy = l.parse(path, raw, s); l.policy.root == nil {
		return
	}
	resolveSource(s, filepath.Dir(path))
	l.out.PolicyHash = hash(raw, l.readLists()...)
	l.checkSourceFiles()
	if l.domains {
		l.compile()
	}
}

// runChecks asks those who know more.
func (l *loading) runChecks(checks []Check) {
	for _, check := range checks {
		if !l.report.empty() {
			return
		}
		for _, p := range check(l.out) {
			switch p.File {
			case "", l.edged.path:
				l.at(l.edged, p.Path, p.Text)
			case l.policy.path:
				l.at(l.policy, p.Path, p.Text)
			default:
				l.report.add(p)
			}
		}
	}
}

// at reports a problem with the value that path leads to in d.
func (l *loading) at(d *document, path, text string) { l.report.add(d.problem(path, text)) }

// problem is one with the value that path leads to.
func (d *document) problem(path, text string) Problem {
	p := Problem{File: d.path, Line: 1, Column: 1, Path: path, Text: text}
	if n := locate(d.root, path); n != nil {
		p.Line, p.Column = n.Line, n.Column
	}
	return p
}

// Every mention of the YAML library is in this file.
type node = yaml.Node

const (
	mappingNode  = yaml.MappingNode
	sequenceNode = yaml.SequenceNode
	scalarNode   = yaml.ScalarNode
	aliasNode    = yaml.AliasNode
	taggedStyle  = yaml.TaggedStyle

	boolTag  = "!!bool"
	intTag   = "!!int"
	floatTag = "!!float"
	nullTag  = "!!null"
)

// isNull tells that a key has no value.
func isNull(n *node) bool { return n.Kind == scalarNode && n.ShortTag() == nullTag }

// parse stores the one YAML document of raw in the struct that into points to.
// The document has no root if there is none to be had.
func (l *loading) parse(path string, raw []byte, into any) *document {
	root, bad := parseYAML(raw)
	if bad != nil {
		bad.File = path
		l.report.add(*bad)
		return &document{path: path}
	}
	d := newDecoder(&l.report, path, len(raw))
	if d.decodeRoot(root, into); d.budget <= 0 {
		return &document{path: path}
	}
	return &document{path: path, root: root}
}

// parseYAML returns the top value of the one document in raw, which has to be
// there, or what is wrong with the syntax.
func parseYAML(raw []byte) (root *node, bad *Problem) {
	if bad := checkText(raw); bad != nil {
		return nil, bad
	}
	loader, err := yaml.NewLoader(bytes.NewReader(raw))
	if err != nil {
		return nil, syntaxProblem(err)
	}
	var first, second node
	err = loader.Load(&first)
	if errors.Is(err, io.EOF) || err == nil && (len(first.Content) == 0 || isNull(first.Content[0])) {
		return nil, &Problem{Line: 1, Column: 1, Text: "this file is empty; the shortest that works is in configs/minimal"}
	}
	if err != nil {
		return nil, syntaxProblem(err)
	}
	switch err = loader.Load(&second); {
	case err == nil:
		return nil, &Problem{
			Line: second.Line, Column: second.Column,
			Text: "a second document begins here and would be ignored; remove the line with --- or what follows it",
		}
	case !errors.Is(err, io.EOF):
		return nil, syntaxProblem(err)
	}
	return first.Content[0], nil
}

// syntaxProblem words an error of the YAML library.
func syntaxProblem(err error) *Problem {
	var load *yaml.LoadError
	if !errors.As(err, &load) {
		return &Problem{Line: 1, Column: 1, Text: "YAML syntax: " + err.Error()}
	}
	text := load.Message
	if load.ContextMsg != "" {
		text = fmt.Sprintf("%s (%s, line %d)", text, load.ContextMsg, load.ContextMark.Line)
	}
	return &Problem{
		Line: max(load.Mark.Line, 1), Column: max(load.Mark.Column, 1),
		Text: "YAML syntax: " + text + syntaxHint(load.Message),
	}
}
