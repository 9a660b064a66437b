package verdict

import (
	"regexp"
	"strings"
	"testing"
)

func TestTexts(t *testing.T) {
	kebab := regexp.MustCompile(`^[a-z]+(-[a-z]+)*$`)
	seen := make(map[string]bool)
	for _, r := range Reasons() {
		name, help := r.String(), r.Help()
		if !kebab.MatchString(name) || seen[name] {
			t.Errorf("reason %d: name %q is not kebab-case or not unique", r, name)
		}
		seen[name] = true
		if help == "" || strings.Contains(help, "\n") || !strings.HasSuffix(help, ".") {
			t.Errorf("%s: help %q is not one sentence line", name, help)
		}
		if got, ok := ParseReason(name); !ok || got != r {
			t.Errorf("ParseReason(%q) = %v, %v", name, got, ok)
		}
	}
}

func TestUnknown(t *testing.T) {
	if _, ok := ParseReason("domain_blocked"); ok {
		t.Error("a name that is none was parsed")
	}
	if Count.String() != "unknown" || Count.Help() == "" {
		t.Error("Count prints badly")
	}
}

func TestVerdict(t *testing.T) {
	tests := []struct {
		reason       Reason
		allow, final bool
	}{
		{Allowed, true, true},
		{NeedsDNS, false, false},
		{DomainBlocked, false, true},
	}
	for _, tt := range tests {
		v := Verdict{Reason: tt.reason}
		if v.Allow() != tt.allow || v.Final() != tt.final {
			t.Errorf("%s: allow %v, final %v", tt.reason, v.Allow(), v.Final())
		}
	}
}
