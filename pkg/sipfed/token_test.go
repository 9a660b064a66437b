package sipfed

import (
	"encoding/base64"
	"strings"
	"testing"

	"edged/pkg/domain"
	"edged/pkg/policy"
)

func secretOf(letter string) []byte { return []byte(strings.Repeat(letter, 32)) }

func sampleToken() routeToken {
	return routeToken{
		partner: domain.MustParse("fabrikam.com"), pool: "front", member: "fe1.corp.contoso.com:5061",
		local: policy.User{Local: "alice", Domain: domain.MustParse("contoso.com")}, tag: []byte("here"),
	}
}

func TestTokenOpensOnlyForItsDialog(t *testing.T) {
	box := must(newTokenBox(Secret{Current: secretOf("a")}))
	sealed := []byte(box.seal(sampleToken(), External, []byte("call")))
	changed := append([]byte(nil), sealed...)
	changed[len(changed)/2] ^= 1
	tests := []struct {
		name   string
		box    *tokenBox
		sealed []byte
		side   Side
		call   string
		tags   []string
		opens  bool
	}{
		{"the sender of the first request", box, sealed, External, "call", []string{"here", "there"}, true},
		{"the other end, tags swapped", box, sealed, External, "call", []string{"there", "here"}, true},
		{"another dialog", box, sealed, External, "other", []string{"here", "there"}, false},
		{"another tag", box, sealed, External, "call", []string{"x", "y"}, false},
		{"the other side's URI", box, sealed, Internal, "call", []string{"here", "there"}, false},
		{"forged", box, changed, External, "call", []string{"here", "there"}, false},
		{"cut", box, sealed[:8], External, "call", []string{"here"}, false},
		{"empty", box, nil, External, "call", []string{"here"}, false},
		{"not base64", box, []byte("%%%"), External, "call", []string{"here"}, false},
		{"another secret", must(newTokenBox(Secret{Current: secretOf("b")})), sealed, External, "call", []string{"here"}, false},
		{"previous secret", must(newTokenBox(Secret{Current: secretOf("b"), Previous: secretOf("a")})), sealed, External, "call", []string{"here"}, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var tags [][]byte
			for _, tag := range tt.tags {
				tags = append(tags, []byte(tag))
			}
			got, err := tt.box.open(tt.sealed, tt.side, []byte(tt.call), tags...)
			if (err == nil) != tt.opens {
				t.Fatalf("opens %v, want %v", err == nil, tt.opens)
			}
			want := sampleToken()
			if tt.opens && (got.partner != want.partner || got.local != want.local || got.pool != want.pool || got.member != want.member || string(got.tag) != "here") {
				t.Errorf("got %+v", got)
			}
		})
	}
}

func TestTokenHidesItsContent(t *testing.T) {
	box := must(newTokenBox(Secret{Current: secretOf("a")}))
	sealed := box.seal(sampleToken(), External, []byte("call"))
	raw := must(base64.RawURLEncoding.DecodeString(sealed))
	for _, word := range []string{"front", "alice", "corp", "fabrikam"} {
		if strings.Contains(string(raw), word) || strings.Contains(sealed, word) {
			t.Errorf("%q shows", word)
		}
	}
	if again := box.seal(sampleToken(), External, []byte("call")); again != sealed {
		t.Error("the same dialog got two tokens")
	}
}

func FuzzTokenOpen(f *testing.F) {
	box := must(newTokenBox(Secret{Current: secretOf("a")}))
	f.Add([]byte(box.seal(sampleToken(), External, []byte("call"))), []byte("call"), []byte("here"))
	f.Add([]byte(""), []byte(""), []byte(""))
	good := box.seal(sampleToken(), External, []byte("call"))
	f.Fuzz(func(t *testing.T, sealed, call, tag []byte) {
		if _, err := box.open(sealed, External, call, tag); err == nil && (string(sealed) != good || string(call) != "call" || string(tag) != "here") {
			t.Fatalf("%q opened for %q %q", sealed, call, tag)
		}
	})
}
