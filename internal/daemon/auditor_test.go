package daemon

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"edged/internal/config"
)

// sinkTo opens the audit stream of a file, and counts the lines that are lost.
func sinkTo(t testing.TB, file string, lost *atomic.Int64) *auditSink {
	t.Helper()
	s, err := openAudit(config.Log{Audit: file}, make([]byte, 32), io.Discard, func(error) { lost.Add(1) })
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestReloadsLoseNoAuditLine: each reload opens the file again, and a line that is just
// being written goes to one or the other.
func TestReloadsLoseNoAuditLine(t *testing.T) {
	var lost atomic.Int64
	file := filepath.Join(t.TempDir(), "audit.log")
	l := newLogger(io.Discard, config.Log{Level: "error"})
	l.audit.use(sinkTo(t, file, &lost))
	const writers, each = 4, 3000
	var work sync.WaitGroup
	var done atomic.Int64
	for range writers {
		work.Go(func() {
			for range each {
				l.Info("request refused")
				done.Add(1)
			}
		})
	}
	for done.Load() < writers*each {
		l.audit.use(sinkTo(t, file, &lost))
	}
	work.Wait()
	l.audit.use(nil)
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if n := bytes.Count(raw, []byte("\n")); n != writers*each || lost.Load() != 0 {
		t.Errorf("%d lines of %d, %d are counted as lost", n, writers*each, lost.Load())
	}
}

// TestAuditLineThatWasCut: a line of which a full disk took a part spoils no other.
func TestAuditLineThatWasCut(t *testing.T) {
	var out bytes.Buffer
	lost := 0
	disk := &tight{to: &out, room: 30}
	w := &lossWriter{Writer: disk, lost: func(error) { lost++ }}
	log := slog.New(slog.NewJSONHandler(w, nil))
	log.Info("one")
	log.Info("two")
	disk.room = 1 << 20
	log.Info("three")
	log.Info("four")
	lines := strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
	if len(lines) != 3 || !strings.Contains(lines[1], `"msg":"three"}`) || !strings.HasPrefix(lines[1], "{") || !strings.Contains(lines[2], "four") || lost != 2 {
		t.Errorf("%d lost:\n%s", lost, out.String())
	}
}

// tight is a disk with little room.
type tight struct {
	to   io.Writer
	room int
}

func (d *tight) Write(b []byte) (int, error) {
	n, err := d.to.Write(b[:min(d.room, len(b))])
	if d.room -= n; err == nil && n < len(b) {
		err = syscall.ENOSPC
	}
	return n, err
}

// BenchmarkAudit is what a line of the stream costs, file and all.
func BenchmarkAudit(b *testing.B) {
	for _, users := range []config.AuditUsers{config.HashUsers, config.CutUsers, config.ShowUsers} {
		b.Run(string(users), func(b *testing.B) {
			l := newLogger(io.Discard, config.Log{Level: "info"})
			s, err := openAudit(config.Log{Audit: filepath.Join(b.TempDir(), "audit.log"), AuditUsers: users}, make([]byte, 32), io.Discard, func(err error) { b.Error(err) })
			if err != nil {
				b.Fatal(err)
			}
			l.audit.use(s)
			defer l.audit.use(nil)
			log := l.With(slog.String("proto", "sip"), slog.Uint64("conn", 17), slog.String("side", "external"), slog.String("peer_addr", "203.0.113.7:40112"), slog.String("peer_name", "sip.fabrikam.com"))
			for b.Loop() {
				log.LogAttrs(context.Background(), slog.LevelDebug, "request relayed", slog.String("id", "s17.4"), slog.String("method", "MESSAGE"),
					slog.String("from", "sip:bob@fabrikam.com"), slog.String("to", "sip:alice@contoso.com"), slog.String("uri", "sip:alice@contoso.com"),
					slog.String("call_id", "a84b4c76e66710@fabrikam.com"), slog.String("reason", "allowed"), slog.String("rule", "allowed_domains: fabrikam.com"), slog.Int("status", 200))
			}
		})
	}
}
