package xmlstream

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// There are four promises about a relayed stanza: it is well-formed in the other
// stream, it says what it said, nothing but the named changes was made, and what
// another parser refuses does not pass.

// outer is what the outgoing stream declares.
var outer = []Namespace{{"", "jabber:server"}}

// relay does to a stanza what a relay does, and returns what it sends.
func relay(e *Element, declared []Namespace, lang string) string {
	var d Edit
	d.Reset(e)
	if _, ok := e.Attr("xml:lang"); !ok {
		d.Set("xml:lang", lang)
	}
	for _, ns := range e.Inherited {
		if !slices.Contains(outer, ns) {
			d.Declare(ns)
		}
	}
	if !slices.ContainsFunc(declared, func(ns Namespace) bool { return ns.Prefix == "" }) {
		d.Declare(Namespace{}) // the header has no default namespace
	}
	return string(d.AppendTo(nil))
}

// checkRelay relays all stanzas of a stream and holds them against what came.
func checkRelay(t *testing.T, in, lang string) (stanzas int, err error) {
	t.Helper()
	r := NewReader(strings.NewReader(in), Limits{Header: 4096, Element: 4096, Depth: 16, Attributes: 32, Namespaces: 32})
	var declared []Namespace
	for {
		e, err := r.Next()
		switch {
		case err != nil:
			return stanzas, err
		case e.Kind == Header:
			declared = slices.Clone(e.Declared)
		case e.Kind == Stanza:
			stanzas++
			checkStanza(t, e, declared, lang)
		}
	}
}

func checkStanza(t *testing.T, e *Element, declared []Namespace, lang string) {
	t.Helper()
	in, out := string(e.Raw), relay(e, declared, lang)
	want, err := readInfoset(in, declared)
	if unknownName(err, in) {
		return
	}
	if err != nil {
		t.Fatalf("%q passed: %v", in, err)
	}
	got, err := readInfoset(out, outer)
	if err != nil {
		t.Fatalf("%q became %q: %v", in, out, err)
	}
	if _, ok := e.Attr("xml:lang"); !ok {
		at := slices.Index(got, "attribute {"+xmlSpace+"}xml:lang="+lang)
		if at < 0 {
			t.Fatalf("%q became %q without xml:lang", in, out)
		}
		got = slices.Delete(got, at, at+1)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatalf("%q became %q:\n%s", in, out, diff)
	}
	if again, err := ParseElement([]byte(out), "jabber:server", DefaultLimits()); err != nil || string(again.Space) != string(e.Space) {
		t.Fatalf("%q became %q, in the namespace %q: %v", in, out, again.Space, err)
	}
	checkChildren(t, e, want)
}

// checkChildren holds the children of a stanza against its infoset.
func checkChildren(t *testing.T, e *Element, says []string) {
	t.Helper()
	var want, got []string
	depth := 0
	for _, line := range says {
		kind, name, _ := strings.Cut(line, " ")
		if kind == "start" {
			if depth++; depth == 2 {
				want = append(want, name)
			}
		}
		if kind == "end" {
			depth--
		}
	}
	e.Children(func(space, local []byte, start, end int) bool {
		c := e.At(start, end)
		got = append(got, "{"+string(space)+"}"+string(c.Prefix)+":"+string(local))
		if string(c.Space) != string(space) || string(c.Local) != string(local) {
			t.Fatalf("%q: the child {%s}%s is {%s}%s", e.Raw, space, local, c.Space, c.Local)
		}
		return true
	})
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatalf("%q has other children:\n%s", e.Raw, diff)
	}
}

// unknownName says whether encoding/xml stumbled over a name that only the fifth
// edition of XML 1.0 knows.
func unknownName(err error, doc string) bool {
	return err != nil && strings.Contains(err.Error(), "invalid XML name") && !isASCII(doc)
}

// FuzzRelay relays streams of any bytes.
func FuzzRelay(f *testing.F) {
	for _, doc := range wellFormed {
		f.Add(head+doc+"</stream:stream>", "en")
	}
	for _, tt := range broken {
		f.Add(head+tt.in, "de")
	}
	for seed := range uint64(32) {
		in, _ := grow(rand.New(rand.NewPCG(seed, 1)).IntN)
		f.Add(in, "")
	}
	f.Fuzz(func(t *testing.T, in, lang string) {
		if checkChars([]byte(lang), inCDATA) != nil || strings.ContainsAny(lang, "\t\r\n") || strings.ContainsAny(in, "\t\r\n") && strings.Contains(in, "&#") {
			return
		}
		_, _ = checkRelay(t, in, lang)
	})
}

// FuzzRelayGrown relays streams that the grammar grew out of the bytes. Most are
// well-formed; the Reader and the second parser agree on which.
func FuzzRelayGrown(f *testing.F) {
	for seed := range uint64(64) {
		source := rand.New(rand.NewPCG(seed, 2))
		b := make([]byte, 256)
		for i := range b {
			b[i] = byte(source.Uint32())
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) { checkGrown(t, choices(b)) })
}

func TestRelay(t *testing.T) {
	passed, refused := 0, 0
	for seed := range uint64(20_000) {
		if checkGrown(t, rand.New(rand.NewPCG(seed, 3)).IntN) {
			passed++
		} else {
			refused++
		}
	}
	if passed < 2000 || refused < 2000 {
		t.Errorf("%d streams passed, %d did not: the grammar shows too little", passed, refused)
	}
}

// checkGrown says whether the grown stream was read to its end.
func checkGrown(t *testing.T, pick func(int) int) bool {
	t.Helper()
	in, stanzas := grow(pick)
	n, err := checkRelay(t, in, "en")
	if err.Error() == "EOF" {
		if n != len(stanzas) {
			t.Fatalf("%q: %d stanzas, want %d", in, n, len(stanzas))
		}
		return true
	}
	// It was refused: the part that follows what passed is not good XML there.
	top, _, _ := strings.Cut(in, "\n")
	open, _ := NewReader(strings.NewReader(top), DefaultLimits()).Next()
	if open == nil {
		if _, errs := readInfoset(top+"</stream:stream>", nil); errs == nil {
			t.Fatalf("%q was refused: %v", top, err)
		}
		return false
	}
	if _, errs := readInfoset(stanzas[n], open.Declared); errs == nil {
		t.Fatalf("%q after %q was refused: %v", stanzas[n], top, err)
	}
	return false
}
