package xmlstream

import (
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
)

func FuzzReader(f *testing.F) {
	for _, doc := range wellFormed {
		f.Add(head + doc + "</stream:stream>")
	}
	for _, tt := range broken {
		f.Add(head + tt.in)
	}
	for _, tt := range openings {
		f.Add(tt.in)
	}
	lim := Limits{Header: 512, Element: 1024, Depth: 8, Attributes: 8, Namespaces: 8}
	f.Fuzz(func(t *testing.T, in string) {
		got := readAll(strings.NewReader(in), lim)
		if diff := cmp.Diff(got, readAll(iotest.OneByteReader(strings.NewReader(in)), lim)); diff != "" {
			t.Fatalf("%q by single bytes:\n%s", in, diff)
		}
		checkParts(t, in, got, lim)
	})
}

// checkParts checks that the parts are the input, within limits and XML.
func checkParts(t *testing.T, in string, got outcome, lim Limits) {
	t.Helper()
	rest := in
	if strings.HasPrefix(in, "<?xml") && len(got.Parts) > 0 {
		_, rest, _ = strings.Cut(in, "?>")
	}
	for i, part := range got.Parts {
		after, found := strings.CutPrefix(strings.TrimLeft(rest, " \t\r\n"), part)
		if !found {
			t.Fatalf("%q: part %q is not what came", in, part)
		}
		rest = after
		if i == 0 {
			if len(part) > lim.Header {
				t.Fatalf("header of %d bytes", len(part))
			}
			continue
		}
		if len(part) > lim.Element {
			t.Fatalf("element of %d bytes", len(part))
		}
		if strings.HasPrefix(part, "</") {
			continue
		}
		if err := secondOpinion(part); err != nil {
			t.Fatalf("%q: encoding/xml: %v", part, err)
		}
	}
}
