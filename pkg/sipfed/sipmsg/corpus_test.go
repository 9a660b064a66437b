package sipmsg_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"edged/pkg/sipfed/sipmsg"
)

// corpusDir is where the messages of RFC 4475 and RFC 5118 are: the directory in
// EDGED_CORPUS, or one beside the checkout. They are run in place.
func corpusDir(t *testing.T) string {
	t.Helper()
	dir := os.Getenv("EDGED_CORPUS")
	if dir == "" {
		dir = filepath.Join("..", "..", "..", "..", "shared", "corpus")
	}
	if _, err := os.Stat(dir); err != nil {
		t.Skip("no corpus; set EDGED_CORPUS")
	}
	return dir
}

// corpusRows reads a table of tab-separated columns with a head line.
func corpusRows(t *testing.T, path string) []map[string]string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	head := strings.Split(lines[0], "\t")
	var rows []map[string]string
	for _, line := range lines[1:] {
		row := make(map[string]string)
		for i, cell := range strings.Split(line, "\t") {
			row[head[i]] = cell
		}
		rows = append(rows, row)
	}
	return rows
}

// outcomes is what the message layer may make of each verdict of a TLS proxy, as
// "class answer" of the first event. Verdicts such as 416 and 483 are left to the
// proxy: the message itself is good.
var outcomes = map[string][]string{
	"relay":                         {""},
	"relay-or-501":                  {""},
	"response":                      {""},
	"two-messages":                  {""},
	"416":                           {""},
	"420":                           {""},
	"483-or-200":                    {""},
	"valid":                         {""},
	"lenient":                       {""},
	"relay-or-400":                  {"", "framing 400"},
	"drop":                          {"", "syntax 0"},
	"505":                           {"syntax 505"},
	"400":                           {"syntax 400"},
	"invalid":                       {"syntax 400"},
	"501-or-400":                    {"syntax 400"},
	"400-or-drop":                   {"syntax 400"},
	"400-or-relay":                  {"", "syntax 400"},
	"400-or-relay-without-brackets": {"syntax 400"},
	"400-or-relay-without-headers":  {"syntax 400"},
	"400-and-close":                 {"framing 400"},
	"stall-or-close":                {"io 0"},
}

func TestCorpus(t *testing.T) {
	dir := corpusDir(t)
	for _, table := range []string{"rfc4475.tsv", "rfc5118.tsv"} {
		for _, row := range corpusRows(t, filepath.Join(dir, table)) {
			t.Run(row["file"], func(t *testing.T) {
				verdict := row["black_box_at_a_tls_proxy"]
				if verdict == "" {
					verdict = row["class"]
				}
				raw, err := os.ReadFile(filepath.Join(dir, row["file"]))
				if err != nil {
					t.Fatal(err)
				}
				text := string(raw)
				if row["content_length_ok"] == "no-blank-line" {
					text += "\r\n"
				}
				checkCorpus(t, text, verdict)
			})
		}
	}
}

func checkCorpus(t *testing.T, text, verdict string) {
	t.Helper()
	events, _ := readAll(strings.NewReader(text), sipmsg.DefaultLimits())
	got := ""
	if e := events[0]; e.ErrClass != "" {
		got = fmt.Sprintf("%s %d", e.ErrClass, e.Answer)
	}
	allowed, known := outcomes[verdict]
	if !known {
		t.Fatalf("unknown verdict %q", verdict)
	}
	if !slices.Contains(allowed, got) {
		t.Errorf("verdict %s: got %q (%s)", verdict, got, events[0].Err)
	}
	if verdict == "two-messages" && (len(events) != 3 || events[1].Err != "") {
		t.Errorf("got %+v, want two messages", events)
	}
	if got == "" && !strings.HasPrefix(text, events[0].Raw) {
		t.Error("Raw is not what was read")
	}
}
