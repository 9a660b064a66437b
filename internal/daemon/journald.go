package daemon

import (
	"bytes"
	"context"
	"log/slog"
	"maps"
	"strings"
	"sync"

	"github.com/coreos/go-systemd/v22/journal"
)

// journalHandler writes to systemd's journal: each line as it would be in text, and
// each attribute as a field of its own, EDGED_REASON for reason, so that journalctl
// finds lines by it.
type journalHandler struct {
	level  slog.Leveler
	fields map[string]string // of WithAttrs
	text   slog.Handler      // writes what follows the event's name
	line   *journalLine
	send   func(message string, p journal.Priority, fields map[string]string) error
}

// journalLine is what text writes into, one line at a time.
type journalLine struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func newJournalHandler(level slog.Leveler) slog.Handler {
	line := &journalLine{}
	text := slog.NewTextHandler(&line.b, &slog.HandlerOptions{Level: level, ReplaceAttr: withoutHead})
	return &journalHandler{level: level, text: text, line: line, send: journal.Send}
}

// journalListens reports whether there is a journal.
func journalListens() bool { return journal.Enabled() }

// withoutHead drops what the journal has in fields of its own.
func withoutHead(groups []string, a slog.Attr) slog.Attr {
	if len(groups) == 0 && (a.Key == slog.TimeKey || a.Key == slog.LevelKey || a.Key == slog.MessageKey) {
		return slog.Attr{}
	}
	return a
}

// Enabled implements slog.Handler.
func (h *journalHandler) Enabled(_ context.Context, level slog.Level) bool {
	return level >= h.level.Level()
}

// Handle implements slog.Handler.
func (h *journalHandler) Handle(ctx context.Context, r slog.Record) error {
	fields := maps.Clone(h.fields)
	if fields == nil {
		fields = make(map[string]string)
	}
	r.Attrs(func(a slog.Attr) bool {
		addField(fields, a)
		return true
	})
	fields["EDGED_EVENT"], fields["SYSLOG_IDENTIFIER"] = r.Message, "edged"
	rest, err := h.rest(ctx, r)
	if err != nil {
		return err
	}
	return h.send(strings.TrimSpace(r.Message+" "+rest), priority(r.Level), fields)
}

// rest is the line behind the event's name.
func (h *journalHandler) rest(ctx context.Context, r slog.Record) (string, error) {
	h.line.mu.Lock()
	defer h.line.mu.Unlock()
	h.line.b.Reset()
	err := h.text.Handle(ctx, r)
	return h.line.b.String(), err
}

// WithAttrs implements slog.Handler.
func (h *journalHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	with := *h
	with.fields, with.text = maps.Clone(h.fields), h.text.WithAttrs(attrs)
	if with.fields == nil {
		with.fields = make(map[string]string)
	}
	for _, a := range attrs {
		addField(with.fields, a)
	}
	return &with
}

// WithGroup implements slog.Handler. No line of edged has groups.
func (h *journalHandler) WithGroup(name string) slog.Handler {
	with := *h
	with.text = h.text.WithGroup(name)
	return &with
}

func addField(fields map[string]string, a slog.Attr) {
	if a.Equal(slog.Attr{}) {
		return
	}
	fields["EDGED_"+strings.ToUpper(a.Key)] = a.Value.Resolve().String()
}

// priority is that of syslog(3).
func priority(level slog.Level) journal.Priority {
	switch {
	case level >= slog.LevelError:
		return journal.PriErr
	case level >= slog.LevelWarn:
		return journal.PriWarning
	case level >= slog.LevelInfo:
		return journal.PriInfo
	}
	return journal.PriDebug
}
