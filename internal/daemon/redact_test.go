package daemon

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/coreos/go-systemd/v22/journal"
	"github.com/google/go-cmp/cmp"

	"edged/internal/config"
)

// sink is one that shows users in some way, by a key of its own.
func sink(t *testing.T, users config.AuditUsers, key string) *auditSink {
	t.Helper()
	s, err := openAudit(config.Log{Audit: config.Stdout, AuditUsers: users}, []byte(key), io.Discard, func(error) {})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestRedact: no user stays, every host does. H stands for a hash.
func TestRedact(t *testing.T) {
	hash := regexp.MustCompile(`~[a-z2-7]{16}`)
	s := sink(t, config.HashUsers, "secret")
	for _, tt := range []struct{ key, text, want string }{
		{"from", "sip:alice@contoso.com", "sip:H@contoso.com"},
		{"from", "sip:alice@contoso.com;tag=alice", "sip:H@contoso.com"},
		{"to", "sips:alice@contoso.com:5061?Subject=alice", "sips:H@contoso.com:5061"},
		{"uri", "sip:contoso.com;transport=tls", "sip:contoso.com"},
		{"uri", "tel:+15550100", "tel:H"},
		{"uri", `sip:al\"ice@x@contoso.com`, "sip:H@contoso.com"},
		{"from", "alice@contoso.com/alice's phone", "H@contoso.com"},
		{"from", "contoso.com", "contoso.com"},
		{"from", "contoso.com/alice", "contoso.com"},
		{"user", "alice@contoso.com", "H@contoso.com"},
		{"call_id", "alice-1@192.0.2.1", "H"},
		{"detail", "alice is unknown", ""},
		{"rule", "allowed_domains: fabrikam.com", "allowed_domains: fabrikam.com"},
	} {
		got := s.redact(slog.String(tt.key, tt.text))
		if text := hash.ReplaceAllString(got.Value.String(), "H"); got.Equal(slog.Attr{}) != (tt.want == "") || tt.want != "" && text != tt.want {
			t.Errorf("%s=%s: %s, want %s", tt.key, tt.text, text, tt.want)
		}
	}
	hashed := func(s *auditSink, text string) string { return s.address(text) }
	same, other := hashed(s, "sip:Alice@contoso.com"), hashed(sink(t, config.HashUsers, "another secret"), "sip:alice@contoso.com")
	if first := hashed(s, "sip:alice@contoso.com;tag=1"); first != same || first == other || first == hashed(s, "sip:bob@contoso.com") {
		t.Errorf("%s, in another spelling %s, with another secret %s", first, same, other)
	}
	if got := sink(t, config.CutUsers, "secret").address("sip:alice@contoso.com"); got != "sip:*@contoso.com" {
		t.Errorf("cut: %s", got)
	}
	if got := sink(t, config.ShowUsers, "secret").redact(slog.String("detail", "alice")); got.Value.String() != "alice" {
		t.Errorf("shown: %v", got)
	}
}

func FuzzRedact(f *testing.F) {
	for _, text := range []string{"sip:alice@contoso.com", "alice@contoso.com/x", "@", "sip:@", "a@b@c", "tel:1"} {
		f.Add(text)
	}
	s, err := openAudit(config.Log{Audit: config.Stdout, AuditUsers: config.CutUsers}, []byte("secret"), io.Discard, nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text string) {
		// What stands before the last @ of an address is the user's.
		got := s.address("sip:secretuser" + text + "@contoso.com")
		if strings.Contains(got, "secretuser") {
			t.Errorf("%q: %q", text, got)
		}
	})
}

// TestLostAuditLines: who cannot be written to is told of.
func TestLostAuditLines(t *testing.T) {
	lost := 0
	s, err := openAudit(config.Log{Audit: config.Stdout}, []byte("secret"), failing{}, func(error) { lost++ })
	if err != nil {
		t.Fatal(err)
	}
	a := &auditor{}
	a.use(s)
	log := slog.New(auditHandler{next: slog.DiscardHandler, auditor: a})
	log.Info("request refused")
	log.Info("connection opened") // is no verdict
	if lost != 1 {
		t.Errorf("told of %d lines, want 1", lost)
	}
	if _, err := openAudit(config.Log{Audit: filepath.Join(t.TempDir(), "none", "audit.log")}, []byte("secret"), nil, nil); err == nil {
		t.Error("a file in no folder is opened")
	}
}

type failing struct{}

func (failing) Write([]byte) (int, error) { return 0, errors.New("no space left on device") }

// TestJournal: each attribute is a field, the line reads as it does in text.
func TestJournal(t *testing.T) {
	var level slog.LevelVar
	var got []string
	h, ok := newJournalHandler(&level).(*journalHandler)
	if !ok {
		t.Fatal("another handler")
	}
	h.send = func(message string, p journal.Priority, fields map[string]string) error {
		var all []string
		for name, value := range fields {
			all = append(all, name+"="+value)
		}
		slices.Sort(all)
		got = append(got, fmt.Sprintf("%d %q %s", p, message, strings.Join(all, "|")))
		return nil
	}
	log := slog.New(h).With(slog.Uint64("conn", 7))
	log.Debug("request relayed")
	log.Info("request refused", slog.String("reason", "pool-down"), slog.String("detail", "no member"), slog.Attr{})
	log.Error("listener failed", slog.Any("err", errors.New("gone")))
	level.Set(slog.LevelDebug)
	log.Debug("response dropped")
	want := []string{
		`6 "request refused conn=7 reason=pool-down detail=\"no member\"" EDGED_CONN=7|EDGED_DETAIL=no member|EDGED_EVENT=request refused|EDGED_REASON=pool-down|SYSLOG_IDENTIFIER=edged`,
		`3 "listener failed conn=7 err=gone" EDGED_CONN=7|EDGED_ERR=gone|EDGED_EVENT=listener failed|SYSLOG_IDENTIFIER=edged`,
		`7 "response dropped conn=7" EDGED_CONN=7|EDGED_EVENT=response dropped|SYSLOG_IDENTIFIER=edged`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestFormats: a format that is put in force counts for loggers that were derived
// before.
func TestFormats(t *testing.T) {
	var out bytes.Buffer
	l := newLogger(&out, config.Log{Level: "warn", Format: "text"})
	derived := l.With(slog.Int("conn", 1))
	derived.Info("not yet")
	derived.Warn("as text")
	l.follow(config.Log{Level: "info", Format: "json"}, nil)
	derived.Info("as JSON")
	text := regexp.MustCompile(`time"?[=:]\S+?[ ,]`).ReplaceAllString(out.String(), "")
	want := "level=WARN msg=\"as text\" conn=1\n{\"\"level\":\"INFO\",\"msg\":\"as JSON\",\"conn\":1}\n"
	if text != want {
		t.Errorf("got %q, want %q", text, want)
	}
}
