package admin_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"edged/internal/admin"
)

// withConsent has one pair, whose local address tells what was asked.
func withConsent() admin.Funcs {
	f := funcs()
	f.ListConsent = func(filter string, limit int) []admin.Consent {
		if filter == "nobody" {
			return nil
		}
		return []admin.Consent{{
			Local: fmt.Sprintf("%d of %q", limit, filter), Remote: "bob@jabber.example",
			Since: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
		}}
	}
	f.RemoveConsent = func(local, remote string) (bool, error) {
		if !strings.Contains(local, "@") {
			return false, errors.New("that is no address")
		}
		return local == "a+b@contoso.com" && remote == "bob & co@jabber.example", nil
	}
	return f
}

func TestConsent(t *testing.T) {
	tests := []call{
		{"none kept: list", funcs(), "GET", "/-/consent", 404, "keeps no consent"},
		{"none kept: remove", funcs(), "DELETE", "/-/consent?local=a&remote=b", 404, "keeps no consent"},
		{"list", withConsent(), "GET", "/-/consent", 200, `"100 of \"\""`},
		{"list some", withConsent(), "GET", "/-/consent?filter=alice&limit=7", 200, `"7 of \"alice\""`},
		{"list nothing", withConsent(), "GET", "/-/consent?filter=nobody", 200, "[]"},
		{"no limit", withConsent(), "GET", "/-/consent?limit=many", 400, `limit "many" is not a number from 1 to 100000`},
		{"limit too small", withConsent(), "GET", "/-/consent?limit=0", 400, "from 1 to 100000"},
		{"limit too big", withConsent(), "GET", "/-/consent?limit=100001", 400, "from 1 to 100000"},
		{"remove", withConsent(), "DELETE", admin.RemoveConsentPath("a+b@contoso.com", "bob & co@jabber.example"), 200, "removed: a+b@contoso.com"},
		{"remove what is not there", withConsent(), "DELETE", admin.RemoveConsentPath("a@contoso.com", "b@x.example"), 404, "a@contoso.com has given no consent to b@x.example"},
		{"remove no address", withConsent(), "DELETE", "/-/consent", 400, "that is no address"},
		{"another method", withConsent(), "POST", "/-/consent", 405, "Method Not Allowed"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.run(t)
		})
	}
}

func TestConsentReadsBack(t *testing.T) {
	body, err := admin.Call(t.Context(), serveAdmin(t, withConsent()), "GET", admin.ListConsentPath("a&b=ü", 3))
	if err != nil {
		t.Fatal(err)
	}
	var got []admin.Consent
	if err := json.Unmarshal(body, &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(withConsent().ListConsent("a&b=ü", 3), got); diff != "" {
		t.Error(diff)
	}
}
