package main

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
	"github.com/miekg/dns"
	"go.yaml.in/yaml/v4"

	"edged/internal/config/configtest"
	"edged/internal/doctest"
)

// manuals returns the documents of the repository.
func manuals(t *testing.T) []string {
	t.Helper()
	var all []string
	for _, pattern := range []string{"*.md", "docs/*.md", "docs/reference/*.md", "test/*/README.md"} {
		found, err := filepath.Glob(filepath.Join("../..", pattern))
		if err != nil || len(found) == 0 {
			t.Fatalf("%s: %q, %v", pattern, found, err)
		}
		all = append(all, found...)
	}
	return all
}

// wholeEdged is what blocks of edged.yaml are parts of; a block of policy.yaml is a
// whole by itself.
const wholeEdged = `
fqdn: sip.contoso.com
domains:
  - contoso.com
  - {name: conference.contoso.com, protocols: [xmpp], xmpp: xmpp.contoso.com}
tls: {certificates: [{cert: tls/edge.crt, key: tls/edge.key}]}
secret_file: tls/edge.secret
sip:
  external: {listen: ["203.0.113.10:5061"]}
  internal:
    listen: ["10.0.0.5:5061"]
    fqdn: edge.corp.contoso.com
    certificate: {cert: tls/inside.crt, key: tls/inside.key}
  pools:
    - {name: front, domains: [contoso.com], members: ["fe1.corp.contoso.com:5061"], roots: [tls/internal-ca.crt]}
xmpp:
  external: {listen: ["203.0.113.10:5269"]}
  internal:
    listen: ["10.0.0.5:5269"]
    authority: {mode: mint, ca_cert: tls/authority.crt, ca_key: tls/authority.key, sources: [10.0.0.0/24]}
    dns: {listen: "10.0.0.5:53", forward: ["10.0.0.1:53"], clients: [10.0.0.0/24]}
  pools:
    - {name: chat, domains: [contoso.com, conference.contoso.com], members: ["xmpp1.corp.contoso.com:5269"], roots: [tls/internal-ca.crt]}
`

var policySections = []string{
	"federation", "allowed_domains", "blocked_domains", "providers", "xmpp_default", "xmpp_partners", "access_policies", "grants_file",
}

// TestYAMLInDocuments checks every YAML block of every document as part of a whole
// configuration. Blocks of ejabberd are named so; those of the cookbook have their
// own test.
func TestYAMLInDocuments(t *testing.T) {
	checked := 0
	for _, manual := range manuals(t) {
		for _, b := range doctest.Blocks(t, manual) {
			if b.Language != "yaml" || strings.HasPrefix(b.Name, "ejabberd-") || filepath.Base(manual) == "policy.md" {
				continue
			}
			checked++
			t.Run(filepath.Base(manual)+" "+b.Name, func(t *testing.T) {
				if got := run1(t, layBlock(t, b.Text), "check", "-c", "edged.yaml"); got.Status != 0 {
					t.Errorf("%s\n%s", got.Stderr, b.Text)
				}
			})
		}
	}
	if checked < 5 {
		t.Errorf("%d blocks of YAML in all documents", checked)
	}
	if got := run1(t, layBlock(t, "sip: {pools: []}\n"), "check", "-c", "edged.yaml"); got.Status != 1 {
		t.Errorf("a planted block: %+v", got)
	}
}

// layBlock makes a configuration of which the block is a part.
func layBlock(t *testing.T, block string) (dir string) {
	t.Helper()
	var part, whole map[string]any
	for text, into := range map[string]*map[string]any{block: &part, wholeEdged: &whole} {
		if err := yaml.Unmarshal([]byte(text), into); err != nil {
			t.Fatalf("%v in:\n%s", err, text)
		}
	}
	dir = configtest.Lay(t, "../../configs")
	policy := "{}\n"
	if isPolicy(part) {
		policy = block
	} else {
		merge(whole, part)
	}
	text, err := yaml.Marshal(whole)
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, filepath.Join(dir, "edged.yaml"), string(text))
	writeFile(t, filepath.Join(dir, "policy.yaml"), policy)
	return dir
}

func isPolicy(part map[string]any) bool {
	for section := range part {
		if slices.Contains(policySections, section) {
			return true
		}
	}
	return false
}

// merge puts what part says over what whole says; lists are replaced.
func merge(whole, part map[string]any) {
	for key, value := range part {
		below, both := value.(map[string]any)
		under, _ := whole[key].(map[string]any)
		if both && under != nil {
			merge(under, below)
		} else {
			whole[key] = value
		}
	}
}

// TestZonesInDocuments reads every example of a zone.
func TestZonesInDocuments(t *testing.T) {
	records := 0
	for _, manual := range manuals(t) {
		for _, b := range doctest.Blocks(t, manual) {
			if b.Language != "zone" && b.Name != "zone" {
				continue
			}
			zone := dns.NewZoneParser(strings.NewReader(b.Text), ".", manual)
			for _, ok := zone.Next(); ok; _, ok = zone.Next() {
				records++
			}
			if err := zone.Err(); err != nil {
				t.Error(err)
			}
		}
	}
	if records < 5 {
		t.Errorf("%d records in all documents", records)
	}
}

// commandLines returns the command lines of edged in a document: those of blocks,
// which are complete, and those in the text, which may leave out what they are about.
func commandLines(t *testing.T, manual string) (complete, mentioned [][]string) {
	t.Helper()
	raw, err := os.ReadFile(manual)
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range doctest.Blocks(t, manual) {
		if !slices.Contains([]string{"", "sh", "console"}, b.Language) {
			continue
		}
		for line := range strings.Lines(strings.ReplaceAll(b.Text, "\\\n", " ")) {
			if words, ok := ourCommand(strings.TrimPrefix(strings.TrimSpace(line), "$ ")); ok {
				complete = append(complete, words)
			}
		}
	}
	text := fenced.ReplaceAllString(string(raw), "")
	for _, m := range quoted.FindAllStringSubmatch(text, -1) {
		if words, ok := ourCommand(strings.ReplaceAll(m[1], "\n", " ")); ok {
			mentioned = append(mentioned, words)
		}
	}
	return complete, mentioned
}

var (
	fenced = regexp.MustCompile("(?ms)^ *```.*?^ *```")
	quoted = regexp.MustCompile("`([^`]+)`")
	ends   = regexp.MustCompile(`\s(?:\||>|&&|;|#).*`)
)

// ourCommand returns the words of a line that runs edged, without the first.
func ourCommand(line string) ([]string, bool) {
	words := strings.Fields(ends.ReplaceAllString(line, ""))
	if len(words) < 2 || words[0] != "edged" && words[0] != "bin/edged" {
		return nil, false
	}
	return words[1:], true
}

// TestCommandLinesInDocuments parses every command line that a document tells people
// to type, by the program's own model.
func TestCommandLinesInDocuments(t *testing.T) {
	parsed := 0
	for _, manual := range manuals(t) {
		complete, mentioned := commandLines(t, manual)
		for _, words := range complete {
			parsed++
			if err := parses(t, words); err != nil {
				t.Errorf("%s: edged %s: %v", manual, strings.Join(words, " "), err)
			}
		}
		for _, words := range mentioned {
			if err := parses(t, words); err != nil && !knows(t, words) {
				t.Errorf("%s: `edged %s`: %v", manual, strings.Join(words, " "), err)
			}
		}
	}
	if parsed < 10 {
		t.Errorf("%d command lines in all documents", parsed)
	}
	for line, want := range map[string]bool{
		"explain": true, "explain FROM TO": true, "consent": true, "watch release --proto": true,
		"explian": false, "explain --lvie": false, "consent lost": false, "check --live": false,
	} {
		if got := knows(t, strings.Fields(line)); got != want {
			t.Errorf("edged %s is known: %v", line, got)
		}
	}
	if err := parses(t, []string{"explain", "bob@fabrikam.com"}); err == nil {
		t.Error("half a command line parses")
	}
}

func parses(t *testing.T, words []string) error {
	t.Helper()
	parser, err := newParser()
	if err != nil {
		t.Fatal(err)
	}
	_, err = parser.Parse(words)
	return err
}

// knows reports whether the words begin with a command, or a group of them, and have
// no flag that it has not.
func knows(t *testing.T, words []string) bool {
	t.Helper()
	parser, err := newParser()
	if err != nil {
		t.Fatal(err)
	}
	node := parser.Model.Node
	for len(words) > 0 && !strings.HasPrefix(words[0], "-") {
		next := slices.IndexFunc(node.Children, func(n *kong.Node) bool { return n.Name == words[0] })
		if next < 0 {
			break
		}
		node, words = node.Children[next], words[1:]
	}
	if node == parser.Model.Node || len(node.Children) > 0 && len(words) > 0 {
		return false
	}
	for _, w := range words {
		name, _, _ := strings.Cut(strings.TrimLeft(w, "-"), "=")
		if strings.HasPrefix(w, "-") && !slices.ContainsFunc(slices.Concat(node.AllFlags(false)...), func(f *kong.Flag) bool {
			return f.Name == name || string(f.Short) == name
		}) {
			return false
		}
	}
	return true
}
