package migrate

import (
	"encoding/binary"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"edged/internal/config"
	"edged/internal/config/configtest"
	"edged/internal/doctest"
	"edged/pkg/domain"
	"edged/pkg/policy"
	"edged/pkg/verdict"
)

var update = flag.Bool("update", false, "write the files of testdata/want anew")

// export is every file of testdata/lync: what an organisation exports that has used
// everything, made up from the names of the properties.
func export(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob("testdata/lync/*")
	if err != nil || len(files) < 11 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	return files
}

// TestImport compares the whole of it with testdata/want.
func TestImport(t *testing.T) {
	out, err := Import("policy.yaml", export(t))
	if err != nil {
		t.Fatal(err)
	}
	files := out.Files
	for name, form := range map[string]func(io.Writer) error{"report.txt": out.Report.Print, "report.json": out.Report.JSON} {
		var b strings.Builder
		if err := form(&b); err != nil {
			t.Fatal(err)
		}
		files = append(files, Made{name, []byte(b.String())})
	}
	for _, f := range files {
		golden := filepath.Join("testdata/want", f.Name)
		if *update {
			if err := os.WriteFile(golden, f.Content, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(golden)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), string(f.Content)); diff != "" {
			t.Errorf("%s (-want +got), or run with -update:\n%s", f.Name, diff)
		}
	}
	if there, _ := filepath.Glob("testdata/want/*"); len(there) != len(files) {
		t.Errorf("there are %d files in testdata/want, made were %d", len(there), len(files))
	}
}

// TestWhatIsWrittenIsRead: the configuration reads back the policy that was meant,
// without a warning.
func TestWhatIsWrittenIsRead(t *testing.T) {
	out, err := Import("policy.yaml", export(t))
	if err != nil {
		t.Fatal(err)
	}
	l := load(t, out, "contoso.com", "kr.contoso.com", "contoso.example")
	for _, w := range l.Warnings {
		// What the exported settings themselves say: not every doubt is ours.
		if !strings.Contains(w.Path, "xmpp_partners[0].") {
			t.Errorf("warning: %s", w)
		}
	}
	want := out.Source
	for i := range want.AccessPolicies.Sites {
		s := &want.AccessPolicies.Sites[i]
		s.UsersFile = filepath.Join(l.Dir, s.UsersFile)
	}
	for _, g := range want.Grants {
		i := slices.IndexFunc(want.AccessPolicies.Users, func(p policy.UserPolicy) bool { return p.Name == g.Policy })
		want.AccessPolicies.Users[i].Grant = append(want.AccessPolicies.Users[i].Grant, g.User)
	}
	want.Grants = nil
	options := cmp.Options{cmpopts.EquateEmpty(), cmp.Comparer(func(a, b domain.Name) bool { return a == b })}
	if diff := cmp.Diff(want, l.Source, options); diff != "" {
		t.Errorf("(-meant +read):\n%s", diff)
	}
}

// load puts what was made beside an edged.yaml for these domains.
func load(t *testing.T, out *Output, domains ...string) *config.Loaded {
	t.Helper()
	dir := configtest.Lay(t, "../config/testdata/good/minimal")
	for _, f := range out.Files {
		if err := os.WriteFile(filepath.Join(dir, f.Name), f.Content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	file := filepath.Join(dir, "edged.yaml")
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	text := strings.ReplaceAll(string(raw), "[contoso.com]", "["+strings.Join(domains, ", ")+"]")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	l, err := config.Load(file)
	if err != nil {
		t.Fatalf("%v, of\n%s", err, out.Files[0].Content)
	}
	return l
}

// write makes a file.
func write(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestEncodings: the same file as different PowerShells write it.
func TestEncodings(t *testing.T) {
	const text = "[{\"Domain\": \"fabrikam.com\", \"ProxyFqdn\": null, \"MarkForMonitoring\": false, \"Comment\": \"für alle 日本 𝄞\"}]"
	utf16As := func(order binary.AppendByteOrder, mark bool) string {
		units := utf16.Encode([]rune(text))
		if mark {
			units = append([]uint16{0xFEFF}, units...)
		}
		var b []byte
		for _, u := range units {
			b = order.AppendUint16(b, u)
		}
		return string(b)
	}
	for name, raw := range map[string]string{
		"UTF-8": text, "UTF-8 with mark": "\uFEFF" + text, "line ends of Windows": strings.ReplaceAll(text, ",", ",\r\n"),
		"UTF-16": utf16As(binary.LittleEndian, true), "UTF-16, big-endian": utf16As(binary.BigEndian, true),
		"UTF-16 without mark": utf16As(binary.LittleEndian, false), "UTF-16, big-endian, without mark": utf16As(binary.BigEndian, false),
	} {
		out, err := Import("policy.yaml", []string{write(t, "a.json", raw)})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if a := out.Source.AllowedDomains; len(a) != 1 || a[0].Comment != "für alle 日本 𝄞" {
			t.Errorf("%s: %+v", name, a)
		}
		if l := load(t, out, "contoso.com"); l.Source.AllowedDomains[0].Comment != "für alle 日本 𝄞" {
			t.Errorf("%s: read back as %+v", name, l.Source.AllowedDomains)
		}
	}
}

// TestForms: lists and single objects, in both formats, as commands and their pipes
// write them.
func TestForms(t *testing.T) {
	for name, tt := range map[string]struct {
		text string
		want string // allowed domains
	}{
		"one object":           {`{"Domain": "a.example", "ProxyFqdn": null}`, "a.example"},
		"a list":               {`[{"Domain": "a.example", "ProxyFqdn": null}, {"Domain": "b.example", "ProxyFqdn": ""}]`, "a.example b.example"},
		"objects in a row":     {"{\"Domain\": \"a.example\", \"ProxyFqdn\": null}\n{\"Domain\": \"b.example\", \"ProxyFqdn\": null}", "a.example b.example"},
		"a wrapped list":       {`{"value": [{"Domain": "a.example", "ProxyFqdn": null}], "Count": 1}`, "a.example"},
		"case of properties":   {`{"DOMAIN": "A.Example", "proxyfqdn": null}`, "a.example"},
		"the identity alone":   {`{"Identity": "a.example", "Domain": null, "ProxyFqdn": null}`, "a.example"},
		"a final dot":          {`{"Domain": "a.example.", "ProxyFqdn": null}`, "a.example"},
		"CSV":                  {"\"Domain\",\"ProxyFqdn\"\r\n\"a.example\",\"\"\r\n\"b.example\",\"\"\r\n", "a.example b.example"},
		"CSV of some country":  {"Domain;ProxyFqdn;Comment\na.example;;\"one; two\"\n", "a.example"},
		"CSV with tabs":        {"Domain\tProxyFqdn\na.example\t\n", "a.example"},
		"CSV with its type":    {"#TYPE Selected.Microsoft.Rtc\nDomain,ProxyFqdn\na.example,\n", "a.example"},
		"CSV without rows":     {"Domain,ProxyFqdn\n", ""},
		"a row of nothing":     {"Domain,ProxyFqdn\na.example,\n,\n", "a.example"},
		"nothing":              {"", ""},
		"white space, nothing": {"\uFEFF\r\n \r\n", ""},
	} {
		out, err := Import("policy.yaml", []string{write(t, "x", tt.text)})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		var got []string
		for _, a := range out.Source.AllowedDomains {
			got = append(got, a.Domain.String())
		}
		if strings.Join(got, " ") != tt.want {
			t.Errorf("%s: allowed %q, want %q", name, got, tt.want)
		}
	}
}

func TestRefusedFiles(t *testing.T) {
	for name, tt := range map[string]struct{ text, want string }{
		"another command":    {`[{"VoicePolicy": "x", "DialPlan": "y"}]`, "nothing known has the properties DialPlan, VoicePolicy; what can be read is"},
		"a list of words":    {`["fabrikam.com"]`, "what is listed is not an object"},
		"cut off":            {`[{"Domain": "a.example"`, "JSON near byte"},
		"CSV with a hole":    {"Domain,ProxyFqdn\na.example\n", "CSV: record on line 2: wrong number of fields"},
		"a hole below #TYPE": {"#TYPE Microsoft.Rtc\r\nDomain,ProxyFqdn\r\na.example\r\n", "record on line 3: wrong number of fields; export it with Export-Csv"},
		"our own list":       {"user,policy\nalice@contoso.com,sales\n", "as edged import writes it; leave it out"},
		"other columns":      {"Date,Weather\n", "nothing known has the properties Date, Weather"},
		"a workbook":         {"PK\x03\x04\x14\x00\x06\x00", "this is no text; export it with Export-Csv"},
		"CLIXML":             {"<Objs Version=\"1.1.0.1\"></Objs>", "neither JSON nor CSV: parse error on line 1, column 15: bare \" in non-quoted-field; export it with Export-Csv"},
		"an open quote":      {"Domain,ProxyFqdn\n\"a.example,\n", "CSV: "},
		"what people see":    {"Identity          : fabrikam.com\nDomain            : fabrikam.com\n", "nothing known has the properties"},
		"half a character":   {"\xff\xfea\x00b", "in the middle of a character"},
		"some other text":    {"Dom\xe4ne\n", "neither UTF-8 nor UTF-16"},
		"a single provider":  {`{"ProxyFqdn": "sip.example"}`, "nothing known has the properties ProxyFqdn"},
	} {
		path := write(t, "x", tt.text)
		_, err := Import("policy.yaml", []string{path, filepath.Join(t.TempDir(), "none")})
		switch {
		case err == nil || !strings.Contains(err.Error(), tt.want) && name != "what people see":
			t.Errorf("%s: error %v, want one with %q", name, err, tt.want)
		case !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), "none: no such file"):
			t.Errorf("%s: not every file is named: %v", name, err)
		}
	}
}

// TestHostileText: what somebody once typed into a comment or a name adds no line to the
// policy, and steers no terminal.
func TestHostileText(t *testing.T) {
	const more = "xmpp_default: {type: federated}"
	for _, hostile := range []string{"a\n" + more + "\n#", "a\r" + more, "a\u0085" + more, "a\u2028" + more, "a\x1b[2Jb\u009b31mc\u202ed"} {
		cell := `"` + strings.ReplaceAll(hostile, `"`, `""`) + `"`
		policies := "Identity,EnableFederationAccess,Description\n" + cell + ",True," + cell + "\nTag:" + cell[1:] + ",True,\n"
		policies = strings.Replace(policies, "Tag:", `"Tag:`, 1)
		out, err := Import("policy.yaml", []string{
			write(t, "a.csv", "Identity,Domain,ProxyFqdn,Comment,MarkForMonitoring\n"+cell+",no name,,,"+cell+"\n,a.example,"+cell+","+cell+","+cell+"\n"),
			write(t, "p.csv", "Name,ProxyFqdn,IconUrl\n"+cell+",p.example,\n"),
			write(t, "x.csv", policies),
			write(t, "u.csv", "SipAddress,ExternalAccessPolicy\nsip:a@contoso.com,"+cell+"\n"),
		})
		if err != nil {
			t.Fatal(err)
		}
		l := load(t, out, "contoso.com")
		if l.Source.XMPPDefault != policy.Default().XMPPDefault {
			t.Errorf("%q has become a line of the policy:\n%s", hostile, out.Files[0].Content)
		}
		if got := l.Source.AllowedDomains[0].Comment; got != hostile {
			t.Errorf("comment %q was read back as %q", hostile, got)
		}
		var report strings.Builder
		if err := out.Report.Print(&report); err != nil {
			t.Fatal(err)
		}
		for _, text := range []string{report.String(), string(out.Files[0].Content)} {
			if i := strings.IndexFunc(text, func(r rune) bool { return r != '\n' && verdict.Steers(r) }); i >= 0 {
				t.Errorf("%q steers the terminal: %q", hostile, text[i:min(i+20, len(text))])
			}
		}
	}
}

// TestNothingIsSilent gives every kind of object a property that nobody knows, and
// every property that is left a value that says something: each has to be told.
func TestNothingIsSilent(t *testing.T) {
	for _, k := range kinds() {
		o := map[string]string{"Identity": "x.example", "Whatever": "else", "RunspaceId": "noise"}
		for _, group := range k.marks {
			for _, name := range group {
				o[name] = ""
			}
		}
		var want []string
		for _, p := range k.left {
			o[p.name] = "told"
			if p.quiet != "*" {
				want = append(want, p.name)
			}
		}
		if !k.open {
			want = append(want, "Whatever")
		}
		var fields []string
		for name, v := range o {
			fields = append(fields, fmt.Sprintf("%q: %q", name, v))
		}
		im := newImporter()
		if err := im.take("x", "{"+strings.Join(fields, ",")+"}"); err != nil {
			t.Errorf("%s: %v", k.command, err)
			continue
		}
		im.carry()
		var got []string
		for _, l := range im.report.Left {
			if l.Command != k.command {
				t.Errorf("%s was taken for %s", k.command, l.Command)
			}
			if l.Value == "told" || l.Value == "else" {
				got = append(got, l.Setting)
			}
		}
		slices.Sort(want)
		slices.Sort(got)
		if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("%s (-want +told):\n%s", k.command, diff)
		}
	}
}

// TestPage: docs/migration.md says of every property what becomes of it, and its
// export makes the files that its import reads.
func TestPage(t *testing.T) {
	const page = "../../docs/migration.md"
	raw, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range kinds() {
		for _, name := range k.carried {
			if !strings.Contains(string(raw), "`"+name+"`") {
				t.Errorf("%s: %s is carried, and not in %s", k.command, name, page)
			}
		}
		for _, p := range k.left {
			if !strings.Contains(string(raw), "`"+p.name+"`") {
				t.Errorf("%s: %s is not carried, and not in %s", k.command, p.name, page)
			}
		}
		if export := doctest.Block(t, page, "export"); !strings.Contains(export, k.command+" |") {
			t.Errorf("%s does not export %s", page, k.command)
		}
	}
}
