package repotest

import (
	"errors"
	"fmt"
	"go/ast"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// walkLine is one step of docs/walks.md: `pkg/sipfed/server.go: Serve -> serveConn`.
var walkLine = regexp.MustCompile(`([\w./-]+\.go)` + "`?" + `:\s*` + "`?" + `([\w.]+(?:\s*->\s*[\w.]+)*)`)

// step is a function that a walk names, and the file it must be in.
type step struct{ file, function string }

// steps returns what the text of a walk names.
func steps(text string) []step {
	var all []step
	for _, m := range walkLine.FindAllStringSubmatch(text, -1) {
		for function := range strings.SplitSeq(m[2], "->") {
			// A full stop may end the sentence.
			all = append(all, step{m[1], strings.Trim(strings.TrimSpace(function), ".")})
		}
	}
	return all
}

// functions returns the names of the functions in a file: "Serve" and
// "Server.Serve" for a method.
func functions(s source) []string {
	var names []string
	for _, d := range s.file.Decls {
		if f, ok := d.(*ast.FuncDecl); ok {
			full, _ := fullName(f)
			names = append(names, f.Name.Name, full)
		}
	}
	return names
}

func TestWalksNameRealFunctions(t *testing.T) {
	const walks = "docs/walks.md"
	text, err := os.ReadFile(filepath.Join(top, walks))
	if errors.Is(err, fs.ErrNotExist) {
		t.Skipf("%s is not written yet", walks)
	} else if err != nil {
		t.Fatal(err)
	}
	all := steps(string(text))
	if len(all) == 0 {
		t.Fatalf("%s has no line like `pkg/sipfed/server.go: Serve -> serveConn`", walks)
	}
	files := goFiles(t)
	for _, s := range all {
		if !slices.Contains(files, s.file) {
			t.Errorf("%s names %s, which is not there", walks, s.file)
		} else if !slices.Contains(functions(parse(t, top, s.file)), s.function) {
			t.Errorf("%s names %s in %s, which is not there", walks, s.function, s.file)
		}
	}
}

func TestWalkLines(t *testing.T) {
	got := steps("1. `pkg/sipfed/server.go: Serve -> serveConn` asks who.\n" +
		"| pkg/policy/decide.go: Set.Decide | and | `pkg/sipfed/pool.go`: `send`.\n" +
		"pkg/sipfed/conn.go: run->readLoop.\nSee server.go, and nothing else.\n")
	want := []step{
		{"pkg/sipfed/server.go", "Serve"},
		{"pkg/sipfed/server.go", "serveConn"},
		{"pkg/policy/decide.go", "Set.Decide"},
		{"pkg/sipfed/pool.go", "send"},
		{"pkg/sipfed/conn.go", "run"},
		{"pkg/sipfed/conn.go", "readLoop"},
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(step{})); diff != "" {
		t.Error(diff)
	}
	names := functions(parseText(t, "planted.go", "package p\nfunc F() {}\nfunc (s *Set) Decide() {}\n"))
	if want := []string{"F", "F", "Decide", "Set.Decide"}; !slices.Equal(names, want) {
		t.Errorf("functions %q, want %q", names, want)
	}
}

var (
	makeCommand = regexp.MustCompile("(?m)(?:^\\s*(?:\\$ )?|`|&& )make ([a-z][a-z-]*)")
	makeTarget  = regexp.MustCompile(`(?m)^([a-z][a-z-]*):([^=]|$)`)
)

// unknownTargets returns the targets that the text tells people to make, and that
// the Makefile does not have.
func unknownTargets(text, makefile string) []string {
	var unknown []string
	for _, m := range makeCommand.FindAllStringSubmatch(text, -1) {
		known := slices.ContainsFunc(makeTarget.FindAllStringSubmatch(makefile, -1), func(target []string) bool {
			return target[1] == m[1]
		})
		if !known {
			unknown = append(unknown, m[1])
		}
	}
	return unknown
}

func TestDocumentsNameRealTargets(t *testing.T) {
	makefile := read(t, top, "Makefile")
	for _, name := range ending(tracked(t), ".md") {
		for _, target := range unknownTargets(read(t, top, name), makefile) {
			t.Errorf("%s says `make %s`, which the Makefile does not have", name, target)
		}
	}
	text := "We make sure of it.\n\n    $ make build\n\n`make test` or\nmake fly\nand `make  tea` and `make nothing`\n"
	if got := unknownTargets(text, "build:\n\ngo run\ntest: build\n"); !slices.Equal(got, []string{"fly", "nothing"}) {
		t.Errorf("planted targets: %q", got)
	}
}

var (
	fence   = regexp.MustCompile("(?ms)^```.*?^```")
	code    = regexp.MustCompile("`[^`\n]*`")
	link    = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	heading = regexp.MustCompile(`(?m)^#+ +(.+?) *#*$`)
	noSlug  = regexp.MustCompile(`[^\p{L}\p{N} _-]`)
)

// brokenLinks returns the links of a Markdown file that lead nowhere inside the
// repository. Links to other places are not followed.
func brokenLinks(dir, name, text string) []string {
	var broken []string
	text = code.ReplaceAllString(fence.ReplaceAllString(text, ""), "")
	for _, m := range link.FindAllStringSubmatch(text, -1) {
		if strings.Contains(m[1], "://") || strings.HasPrefix(m[1], "mailto:") {
			continue
		}
		file, anchor, _ := strings.Cut(m[1], "#")
		target := filepath.Join(dir, path.Dir(name), file)
		if file == "" {
			target = filepath.Join(dir, name)
		}
		if _, err := os.Stat(target); err != nil || anchor != "" && !hasHeading(target, anchor) {
			broken = append(broken, m[1])
		}
	}
	return broken
}

// hasHeading reports whether a heading of the file has this anchor, made as
// common forges make it.
func hasHeading(file, anchor string) bool {
	text, err := os.ReadFile(file)
	return err == nil && slices.ContainsFunc(heading.FindAllStringSubmatch(string(text), -1), func(m []string) bool {
		slug := noSlug.ReplaceAllString(strings.ToLower(m[1]), "")
		return strings.ReplaceAll(slug, " ", "-") == anchor
	})
}

// TestRunbooks: each alert names a section that there is.
func TestRunbooks(t *testing.T) {
	alerts := read(t, top, "configs/prometheus/edged.alerts.yml")
	found := regexp.MustCompile(`(?m)^ +runbook: "(.+)#(.+)"$`).FindAllStringSubmatch(alerts, -1)
	if n := strings.Count(alerts, "- alert: "); n == 0 || len(found) != n {
		t.Errorf("%d alerts have %d runbooks", n, len(found))
	}
	for _, m := range found {
		if !hasHeading(filepath.Join(top, m[1]), m[2]) {
			t.Errorf("there is no %s#%s", m[1], m[2])
		}
	}
}

func TestLinksResolve(t *testing.T) {
	for _, name := range ending(tracked(t), ".md") {
		for _, target := range brokenLinks(top, name, read(t, top, name)) {
			t.Errorf("%s links to %s, which is not there", name, target)
		}
	}
	dir := t.TempDir()
	text := "# A page, with `code`\n[a](#a-page-with-code) [b](../docs/page.md#nowhere) [c](https://example.com/x) [d](none.md) `[e](f)`\n"
	write(t, filepath.Join(dir, "docs/page.md"), []byte(text))
	if got := brokenLinks(dir, "docs/page.md", text); !slices.Equal(got, []string{"../docs/page.md#nowhere", "none.md"}) {
		t.Errorf("planted links: %q", got)
	}
}

// private finds what belongs to the machine somebody worked on: its directories,
// and the places its packages came from. The character classes keep these
// patterns from finding themselves.
var private = regexp.MustCompile(`(?i)(^|[^\w.])/([w]ork|[f]arm|[r]oot|[h]ome/\w+)/|/tmp/([b]ash|[s]tudio)|` +
	`[a]rtifactory|[j]frog|[s]onatype|proxy\.[g]olang\.org|sum\.[g]olang\.org|[g]oproxy\.|registry\.[n]pmjs|deb\.[d]ebian\.org`)

// foreign finds documents that are not in this repository, and the numbers that
// their sections have.
var foreign = regexp.MustCompile(`spec-[s]ip|[l]ync\.md|\b[D]ESIGN\b|[s]ip-peers|(?i)\binvariant [0-9]`)

// matches returns the lines of a text in which the pattern finds something, with
// what it finds.
func matches(pattern *regexp.Regexp, text string) []string {
	var found []string
	for i, line := range strings.Split(text, "\n") {
		if where := pattern.FindString(line); where != "" {
			found = append(found, fmt.Sprintf("%d: %s", i+1, where))
		}
	}
	return found
}

func TestNothingNamesThisMachine(t *testing.T) {
	for _, name := range tracked(t) {
		for _, where := range matches(private, read(t, top, name)) {
			t.Errorf("%s:%s belongs to one machine", name, where)
		}
	}
	planted := "fine: a/work/b, https://example.com/" + "work/x\nbad: /" + "work/main\nGOPROXY=https://proxy." + "golang.org\n"
	if got := matches(private, planted); len(got) != 2 {
		t.Errorf("planted places: %q, want two", got)
	}
}

func TestNothingNamesForeignDocuments(t *testing.T) {
	for _, name := range tracked(t) {
		for _, where := range matches(foreign, read(t, top, name)) {
			t.Errorf("%s:%s is in no document of this repository; write the RFC's section, or nothing", name, where)
		}
	}
	planted := "fine: the design, an invariant, RFC 3261 §16.4\nbad: (spec-" + "sip L11)\n// l" + "ync.md §9\nbreaks invariant" + " 4\nDE" + "SIGN §3\n"
	if got := matches(foreign, planted); len(got) != 4 {
		t.Errorf("planted references: %q, want four", got)
	}
}

// TestEveryPageIsOnTheMap: README.md links to every page, so that somebody finds it.
func TestEveryPageIsOnTheMap(t *testing.T) {
	readme := read(t, top, "README.md")
	for _, name := range ending(tracked(t), ".md") {
		if strings.HasPrefix(name, "docs/") && !strings.Contains(readme, "]("+name+")") {
			t.Errorf("README.md has no link to %s: say there who should read it", name)
		}
	}
}

// TestReadmeNamesGo: whoever builds it is told which Go that takes.
func TestReadmeNamesGo(t *testing.T) {
	var texts []string
	for _, name := range []string{"../../go.mod", "../../README.md"} {
		raw, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		texts = append(texts, string(raw))
	}
	m := regexp.MustCompile(`(?m)^go (\d+\.\d+)`).FindStringSubmatch(texts[0])
	if m == nil || !strings.Contains(texts[1], "Go "+m[1]+" or later") {
		t.Errorf("go.mod wants %q, and the README says something else", m)
	}
}
