package config

import (
	"os"
	"reflect"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"edged/pkg/policy"
)

// TestExamplesShowEveryField walks the examples along the structs: every field of
// every type that can be written has to be written somewhere.
func TestExamplesShowEveryField(t *testing.T) {
	for file, root := range map[string]reflect.Type{
		"edged.yaml":  reflect.TypeFor[Config](),
		"policy.yaml": reflect.TypeFor[policy.Source](),
	} {
		raw, err := os.ReadFile("../../configs/" + file)
		if err != nil {
			t.Fatal(err)
		}
		tree, bad := parseYAML(raw)
		if bad != nil {
			t.Fatal(file, bad)
		}
		fields, shown := make(map[string]bool), make(map[string]bool)
		listFields(root, fields)
		listShown(tree, root, shown)
		if diff := cmp.Diff(fields, shown); diff != "" {
			t.Errorf("%s (-struct +example):\n%s", file, diff)
		}
	}
}

// inner is the type of the values that t holds.
func inner(t reflect.Type) reflect.Type {
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice {
		t = t.Elem()
	}
	return t
}

// listFields adds the fields of t and of all types below it: "Pool.members".
func listFields(t reflect.Type, all map[string]bool) {
	if t = inner(t); t.Kind() != reflect.Struct {
		return
	}
	for _, f := range fieldsOf(t) {
		all[t.Name()+"."+f.name] = true
		listFields(t.FieldByIndex(f.index).Type, all)
	}
}

// listShown adds the fields that are written in n, a value of type t.
func listShown(n *node, t reflect.Type, all map[string]bool) {
	t = inner(t)
	switch n.Kind {
	case sequenceNode:
		for _, item := range n.Content {
			listShown(item, t, all)
		}
	case mappingNode:
		known := fieldsOf(t)
		for i := 0; i < len(n.Content); i += 2 {
			f := known[find(known, n.Content[i].Value)]
			all[t.Name()+"."+f.name] = true
			listShown(n.Content[i+1], t.FieldByIndex(f.index).Type, all)
		}
	}
}

// TestExampleShowsDefaults compares the values that the example calls defaults
// with what an empty file means.
func TestExampleShowsDefaults(t *testing.T) {
	in(t, "../../configs")
	l, err := Load("edged.yaml")
	if err != nil {
		t.Fatal(err)
	}
	got, want := l.Config, Default()
	want.Log.Audit = Stdout // one of two places; the default is none
	diff := cmp.Diff(
		[]any{want.Limits, want.Log, want.DNS, want.TLS.Roots, want.TLS.CRL, want.StateDir, want.Policy, want.XMPP.Internal.Authority.Mode, want.SIP.Internal.Realms},
		[]any{got.Limits, got.Log, got.DNS, got.TLS.Roots, got.TLS.CRL, got.StateDir, got.Policy, got.XMPP.Internal.Authority.Mode, got.SIP.Internal.Realms},
		cmpopts.EquateEmpty())
	if diff != "" {
		t.Errorf("(-default +example):\n%s", diff)
	}
	xmpp := policy.Default().XMPPDefault
	xmpp.DANE, xmpp.POSH = policy.Off, policy.Off // as in federation
	if diff := cmp.Diff(xmpp, l.Source.XMPPDefault); diff != "" {
		t.Errorf("xmpp_default (-default +example):\n%s", diff)
	}
	if diff := cmp.Diff(policy.Default().Federation.Discovered, l.Source.Federation.Discovered); diff != "" {
		t.Errorf("discovered (-default +example):\n%s", diff)
	}
}
