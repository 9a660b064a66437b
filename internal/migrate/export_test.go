package migrate

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"edged/internal/doctest"
	"edged/pkg/domain"
)

// TestExport carries out the export of docs/migration.md, by a stand-in for the few
// commands of PowerShell that it is made of, on the objects of testdata/lync, and imports
// what comes out: it has to be the same policy. There is no Lync here, nor a PowerShell;
// a word in the block that the stand-in does not know is a failure, so that nothing gets
// into it which nobody has thought about.
func TestExport(t *testing.T) {
	sh := &shell{t: t, dir: t.TempDir(), objects: make(map[string][]object)}
	for _, path := range export(t) {
		sh.load(path)
	}
	block := regexp.MustCompile(`([|,])\n +`).ReplaceAllString(doctest.Block(t, "../../docs/migration.md", "export"), "$1")
	for line := range strings.Lines(block) {
		sh.run(strings.TrimSpace(line))
	}
	if all := kinds(); len(sh.files) != len(all) {
		t.Errorf("%d files of %d commands", len(sh.files), len(all))
	}
	got, err := Import("policy.yaml", sh.files)
	if err != nil {
		t.Fatal(err)
	}
	want, err := Import("policy.yaml", export(t))
	if err != nil {
		t.Fatal(err)
	}
	options := cmp.Options{cmpopts.EquateEmpty(), cmp.Comparer(func(a, b domain.Name) bool { return a == b })}
	if diff := cmp.Diff(want.Source, got.Source, options); diff != "" {
		t.Errorf("(-the objects +their export):\n%s", diff)
	}
	for _, l := range got.Report.Left {
		if l.Why == "not known here" || strings.Contains(l.Why, "Export-Csv") || strings.Contains(l.Why, "Select-Object") {
			t.Errorf("told of a good export: %s", &l)
		}
	}
}

// shell is PowerShell, as far as the block goes.
type shell struct {
	t       *testing.T
	dir     string
	objects map[string][]object // what the commands return
	files   []string
}

func (sh *shell) load(path string) {
	text, err := readText(path)
	if err != nil {
		sh.t.Fatal(err)
	}
	all, err := read(text)
	if err != nil {
		sh.t.Fatal(err)
	}
	for i := range all {
		command := recognise(kinds(), &all[i]).command
		sh.objects[command] = append(sh.objects[command], all[i])
	}
}

// run carries out one pipeline.
func (sh *shell) run(line string) {
	var flow []object
	var text string // of ConvertTo-Json
	for _, stage := range outside(line, '|') {
		words := outside(strings.TrimSpace(stage), ' ')
		command, args := words[0], words[1:]
		switch {
		case strings.HasPrefix(command, "Get-Cs") && len(args) == 0:
			if flow = sh.objects[command]; flow == nil {
				sh.t.Errorf("%s returns nothing here", command)
			}
		case command == "Select-Object" && len(args) == 1:
			flow = sh.selected(flow, outside(args[0], ','))
		case command == "ConvertTo-Json" && len(args) == 0:
			text = sh.asJSON(flow)
		case command == "Export-Csv" && len(args) == 4 && slices.Equal(args[:3], []string{"-NoTypeInformation", "-Encoding", "UTF8"}):
			sh.save(args[3], ".csv", asCSV(flow))
		case command == "Out-File" && len(args) == 3 && slices.Equal(args[:2], []string{"-Encoding", "UTF8"}):
			sh.save(args[2], ".json", text)
		default:
			sh.t.Fatalf("the stand-in does not know %q", strings.TrimSpace(stage))
		}
	}
}

// outside cuts at a character that stands in no quotes and no brackets.
func outside(s string, at byte) (parts []string) {
	depth, quoted, from := 0, false, 0
	for i := range len(s) {
		switch c := s[i]; {
		case c == '"' || c == '\'':
			quoted = !quoted
		case strings.IndexByte("({", c) >= 0:
			depth++
		case strings.IndexByte(")}", c) >= 0:
			depth--
		case c == at && depth == 0 && !quoted:
			parts, from = append(parts, s[from:i]), i+1
		}
	}
	return append(parts, s[from:])
}

// What Select-Object can be told: a property, a property's text, and the texts of what is
// listed in one.
var (
	asText  = regexp.MustCompile(`^@\{n='(\w+)';e=\{"\$\(\$_\.(\w+)\)"\}\}$`)
	asTexts = regexp.MustCompile(`^@\{n='(\w+)';e=\{@\(\$_\.(\w+) \| ForEach-Object \{"\$_"\}\)\}\}$`)
	asItIs  = regexp.MustCompile(`^(\w+)$`)
)

// selected is Select-Object. Nothing that import reads may get lost.
func (sh *shell) selected(all []object, properties []string) []object {
	k := recognise(kinds(), &all[0])
	var names []string
	var plain []bool
	for _, p := range properties {
		m := asText.FindStringSubmatch(p)
		if m == nil {
			m = asTexts.FindStringSubmatch(p)
		}
		switch {
		case m != nil && m[1] == m[2]:
			names, plain = append(names, m[1]), append(plain, true)
		case asItIs.MatchString(p):
			names, plain = append(names, p), append(plain, false)
		default:
			sh.t.Fatalf("the stand-in does not know %q", p)
		}
	}
	for _, name := range k.carried {
		if name != "Identity" && !slices.Contains(names, name) {
			sh.t.Errorf("%s is read of %s, and not exported", name, k.command)
		}
	}
	var out []object
	for i := range all {
		o := object{names: names, index: indexOf(names), values: make([]value, len(names))}
		for j, name := range names {
			if !all[i].has(name) {
				sh.t.Errorf("%s has no %s", k.command, name)
			}
			o.values[j] = all[i].get(name)
			if plain[j] {
				o.values[j].number = false
			} else if slices.Contains(enumerations, name) {
				o.values[j].number = true
			}
		}
		out = append(out, o)
	}
	return out
}

// enumerations are properties that are words in PowerShell and numbers in its JSON.
var enumerations = []string{"PartnerType", "TlsNegotiation", "SaslNegotiation", "VerificationLevel"}

// asJSON is ConvertTo-Json: what was not made text is a number if it is a word out of
// several.
func (sh *shell) asJSON(all []object) string {
	var list []map[string]any
	for i := range all {
		o := make(map[string]any)
		for j, name := range all[i].names {
			switch v := all[i].values[j]; {
			case v.number && slices.Contains(enumerations, name):
				o[name] = 1
			case v.list != nil:
				o[name] = v.list
			case v.text == "True" || v.text == "False":
				o[name] = v.text == "True"
			case v.text == "":
				o[name] = nil
			default:
				o[name] = v.text
			}
		}
		list = append(list, o)
	}
	raw, err := json.MarshalIndent(list, "", "    ")
	if err != nil {
		sh.t.Fatal(err)
	}
	return strings.ReplaceAll(string(raw), "\n", "\r\n")
}

// asCSV is Export-Csv: of a list it writes the type.
func asCSV(all []object) string {
	var b strings.Builder
	w := csv.NewWriter(&b)
	w.UseCRLF = true
	for i := range all {
		if i == 0 {
			_ = w.Write(all[i].names) // a strings.Builder takes everything
		}
		var row []string
		for _, name := range all[0].names {
			v := all[i].get(name)
			if v.list != nil {
				v.text = "System.Collections.Generic.List`1[System.String]"
			}
			row = append(row, v.text)
		}
		_ = w.Write(row)
	}
	w.Flush()
	return b.String()
}

// save writes a file as Windows PowerShell does, with a mark.
func (sh *shell) save(name, ending, text string) {
	path := filepath.Join(sh.dir, name)
	if filepath.Ext(name) != ending || slices.Contains(sh.files, path) {
		sh.t.Errorf("%s is written twice, or is no %s file", name, ending)
	}
	if err := os.WriteFile(path, fmt.Appendf(nil, "\uFEFF%s\r\n", text), 0o600); err != nil {
		sh.t.Fatal(err)
	}
	sh.files = append(sh.files, path)
}
