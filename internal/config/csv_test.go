package config

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"edged/pkg/domain"
	"edged/pkg/policy"
)

func TestGrants(t *testing.T) {
	contoso, buecher := domain.MustParse("contoso.com"), domain.MustParse("bücher.example")
	grant := func(local string, d domain.Name, line int) policy.Grant {
		return policy.Grant{User: policy.User{Local: local, Domain: d}, Policy: "sales", Line: line}
	}
	tests := []struct {
		name, text string
		want       []policy.Grant
	}{
		{"nothing", "", []policy.Grant{}},
		{"header alone", "user,policy\n", []policy.Grant{}},
		{
			"no header", "alice@contoso.com,sales\nbob@contoso.com,sales",
			[]policy.Grant{grant("alice", contoso, 1), grant("bob", contoso, 2)},
		},
		{
			"as spreadsheets write", "\uFEFF\"User\",\"Policy\"\r\n\"alice@contoso.com\",\"sales\"\r\n",
			[]policy.Grant{grant("alice", contoso, 2)},
		},
		{
			"blank lines count", "\n\nalice@contoso.com,sales\n \n bob@contoso.com , sales\n",
			[]policy.Grant{grant("alice", contoso, 3), grant("bob", contoso, 5)},
		},
		{
			"canonical, first and again", "Alice@Contoso.com,sales\nBOB@Contoso.com,sales\no'neil@contoso.com,sales\no'neil@contoso.com,sales\n",
			[]policy.Grant{grant("alice", contoso, 1), grant("bob", contoso, 2), grant("o'neil", contoso, 3), grant("o'neil", contoso, 4)},
		},
		{
			"beyond ASCII", "Jürgen@Bücher.example,sales\nzoë@bücher.example,sales\n",
			[]policy.Grant{grant("jürgen", buecher, 1), grant("zoë", buecher, 2)},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var r report
			got := newUserReader(&r).grants("grants.csv", []byte(tt.text))
			if err := r.err(); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got, cmp.Comparer(func(a, b domain.Name) bool { return a == b })); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// FuzzGrants: whatever a CSV file holds, each line is a grant, a problem with its
// number, or blank, and a user reads as policy.ParseUser reads it.
func FuzzGrants(f *testing.F) {
	for _, s := range []string{"user,policy\na@b.c,p\n", "a@b.c", "\"a@b.c\",\"p\"", "a@B.c,p\r\nA@B.c,p", "\uFEFFx", "@,,,\n\n", "a@b.c,p\x00\n"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var r report
		for _, g := range newUserReader(&r).grants("grants.csv", []byte(text)) {
			again, err := policy.ParseUser(g.User.String())
			if err != nil || again != g.User || g.Line < 1 || g.Policy == "" {
				t.Errorf("%+v reads again as %v, %v", g, again, err)
			}
		}
		for _, p := range r.sorted() {
			if p.File != "grants.csv" || p.Line < 1 || p.Text == "" {
				t.Errorf("problem %+v", p)
			}
		}
	})
}
