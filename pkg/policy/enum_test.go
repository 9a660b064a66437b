package policy_test

import (
	"strings"
	"testing"

	"edged/pkg/policy"
)

// TestWordsOfEnums: what String writes, UnmarshalText reads; anything else is
// answered with what would be right.
func TestWordsOfEnums(t *testing.T) {
	var (
		v policy.Verification
		k policy.ProviderKind
		r policy.Requirement
		p policy.PartnerType
		s policy.Switch
		w policy.Proof
		n policy.Service
	)
	tests := []struct {
		parse func([]byte) error
		print func() string
		words []string
	}{
		{v.UnmarshalText, func() string { return v.String() }, []string{"always_verifiable", "always_unverifiable", "use_source"}},
		{k.UnmarshalText, func() string { return k.String() }, []string{"hosting", "public"}},
		{r.UnmarshalText, func() string { return r.String() }, []string{"required", "optional", "not_supported"}},
		{p.UnmarshalText, func() string { return p.String() }, []string{"federated", "public_verified", "public_unverified"}},
		{s.UnmarshalText, func() string { return s.String() }, []string{"true", "false"}},
		{n.UnmarshalText, func() string { return n.String() }, []string{"_sipfederationtls._tcp", "_sips._tcp", "_sip._tls"}},
		{w.UnmarshalText, func() string { return w.String() }, []string{"certificate", "dane", "posh", "tls-dialback", "tcp-dialback"}},
	}
	for _, tt := range tests {
		for _, w := range tt.words {
			if err := tt.parse([]byte(w)); err != nil || tt.print() != w {
				t.Errorf("%s: %v, printed as %s", w, err, tt.print())
			}
		}
		for _, w := range []string{"", "unset", "yes", strings.ToUpper(tt.words[0])} {
			err := tt.parse([]byte(w))
			if err == nil || !strings.Contains(err.Error(), tt.words[0]) || !strings.Contains(err.Error(), " or "+tt.words[len(tt.words)-1]) {
				t.Errorf("%q: %v", w, err)
			}
		}
	}
}

func TestPattern(t *testing.T) {
	tests := []struct{ in, want string }{
		{"fabrikam.com", "fabrikam.com"},
		{"*.Fabrikam.com", "*.fabrikam.com"},
		{"*.bücher.example", "*.xn--bcher-kva.example"},
		{"*", ""},
		{"*.com", ""},
		{"*.", ""},
		{"a.*.example", ""},
		{"*.*.example", ""},
		{"*fabrikam.com", ""},
		{"", ""},
	}
	for _, tt := range tests {
		var p policy.Pattern
		err := p.UnmarshalText([]byte(tt.in))
		if p.String() != tt.want || (err == nil) != (tt.want != "") {
			t.Errorf("%q: %q, %v", tt.in, p, err)
		}
	}
}
