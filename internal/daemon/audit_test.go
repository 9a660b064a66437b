package daemon_test

import (
	"bufio"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"edged/internal/admin"
)

// audit reads the lines of an audit file, as "event key=value ..." of the keys given.
func (b *bed) audit(name string, keys ...string) []string {
	b.Helper()
	f, err := os.Open(filepath.Join(b.Dir, name))
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	var all []string
	for lines := bufio.NewScanner(f); lines.Scan(); {
		var line map[string]any
		if err := json.Unmarshal(lines.Bytes(), &line); err != nil {
			b.Fatalf("%v: %s", err, lines.Text())
		}
		text, _ := line["msg"].(string)
		for _, k := range keys {
			if v, ok := line[k].(string); ok {
				text += " " + k + "=" + v
			}
		}
		all = append(all, text)
	}
	return all
}

// TestAudit: the stream has every verdict and every act, whatever the level of the
// log, and nobody's name.
func TestAudit(t *testing.T) {
	b := start(t, unlisted, func(s *setup) { s.Log = "{level: warn, audit: audit.log}" })
	conn := b.dial(northwind)
	b.reaches(conn, 200, 480)
	b.release(northwind)
	b.write(func(s *setup) { s.Federation = ", partner_discovery: perhaps" })
	if _, err := admin.Call(b.Soon(), filepath.Join(b.Dir, "s"), "POST", "/-/reload"); err == nil {
		t.Fatal("a bad file was reloaded")
	}
	b.write(func(s *setup) { s.Federation = ", partner_discovery: true" })
	if _, err := admin.Call(b.Soon(), filepath.Join(b.Dir, "s"), "POST", "/-/reload"); err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(filepath.Join(b.Dir, "audit.log"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"alice", "bob", "carol"} {
		if strings.Contains(string(raw), name) {
			t.Errorf("%s is named in:\n%s", name, raw)
		}
	}
	hidden := regexp.MustCompile(`~[a-z2-7]{16}`)
	names := map[string]string{} // in the order in which they come
	var got []string
	for _, line := range b.audit("audit.log", "act", "by", "partner", "from", "to", "reason", "result") {
		line = hidden.ReplaceAllStringFunc(line, func(h string) string {
			if names[h] == "" {
				names[h] = "user" + string(rune('1'+len(names)))
			}
			return names[h]
		})
		got = append(got, regexp.MustCompile(`uid=\d+ pid=\d+`).ReplaceAllString(line, "SOMEBODY"))
	}
	want := []string{
		"serving",
		"request relayed from=sip:user1@northwind.example to=sip:user2@contoso.com reason=allowed",
		"partner is watched partner=northwind.example",
		"request refused from=sip:user1@northwind.example to=sip:user3@contoso.com reason=budget-exhausted",
		"partner is not watched any more partner=northwind.example",
		"administrative act act=watch release by=SOMEBODY partner=northwind.example result=done",
		"reload refused, the old configuration stays in force",
		"administrative act act=reload by=SOMEBODY result=refused",
		"reloaded",
		"administrative act act=reload by=SOMEBODY result=done",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("audit (-want +got):\n%s", diff)
	}
	if text := b.log.text(); strings.Contains(text, "request ") {
		t.Errorf("the log has verdicts, at level warn:\n%s", text)
	}
}

// TestAuditFile: a file that was moved away is opened again by a reload, and one that
// cannot be opened keeps what is in force.
func TestAuditFile(t *testing.T) {
	b := start(t, func(s *setup) { s.Log = "{level: warn, audit: audit.log, audit_users: show}" })
	say := func() {
		t.Helper()
		if got := b.say(b.dial(fabrikam), fabrikam, "bob@"+fabrikam, alice); got != 200 {
			t.Fatalf("answer %d", got)
		}
	}
	move := func() {
		t.Helper()
		if err := os.Rename(filepath.Join(b.Dir, "audit.log"), filepath.Join(b.Dir, "audit.log.1")); err != nil {
			t.Fatal(err)
		}
	}
	say()
	move()
	say()
	b.reload()
	say()
	relayed := "request relayed from=sip:bob@fabrikam.com"
	if diff := cmp.Diff([]string{"serving", relayed, relayed}, b.audit("audit.log.1", "from")); diff != "" {
		t.Errorf("the file that was moved (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"reloaded", relayed}, b.audit("audit.log", "from")); diff != "" {
		t.Errorf("the new file (-want +got):\n%s", diff)
	}
	if info, err := os.Stat(filepath.Join(b.Dir, "audit.log")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	b.reload(func(s *setup) { s.Log = "{level: warn}" })
	say()
	if n := len(b.audit("audit.log")); n != 2 {
		t.Errorf("%d lines, although none is wanted any more", n)
	}
}
