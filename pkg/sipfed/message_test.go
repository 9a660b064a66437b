package sipfed

import (
	"encoding/hex"
	"maps"
	"os"
	"strings"
	"testing"
	"text/template"
)

// readMessage reads a message from a file: comments, what becomes of it, an empty
// line, and the message with plain line ends, as a template. {{.Len}} is the length
// of its body; hex and repeat make what a text file does not show well.
func readMessage(t *testing.T, file string, data map[string]any) (raw, want string) {
	t.Helper()
	head, text, _ := strings.Cut(string(must(os.ReadFile(file))), "\n\n")
	for line := range strings.SplitSeq(head, "\n") {
		if after, ok := strings.CutPrefix(line, "want: "); ok {
			want = after
		}
	}
	tmpl := template.Must(template.New(file).Funcs(template.FuncMap{
		"hex":    func(digits string) string { return string(must(hex.DecodeString(digits))) },
		"repeat": func(n int, text string) string { return strings.Repeat(text, n) },
	}).Parse(strings.ReplaceAll(text, "\n", "\r\n")))
	data = maps.Clone(data)
	if data == nil {
		data = make(map[string]any)
	}
	data["Len"] = 0
	for range 2 {
		var b strings.Builder
		if err := tmpl.Execute(&b, data); err != nil {
			t.Fatal(err)
		}
		raw = b.String()
		_, body, _ := strings.Cut(raw, "\r\n\r\n")
		data["Len"] = len(body)
	}
	return raw, want
}
