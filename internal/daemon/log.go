package daemon

import (
	"context"
	"io"
	"log/slog"
	"slices"
	"sync/atomic"

	"edged/internal/config"
)

// logger writes what the configuration says, and follows it when it changes.
type logger struct {
	*slog.Logger
	level  slog.LevelVar
	format atomic.Int32 // the place in formats
	audit  *auditor
}

func newLogger(w io.Writer, c config.Log) *logger {
	l := &logger{audit: &auditor{}}
	l.setFormat(c.Format)
	l.setLevel(c.Level)
	options := &slog.HandlerOptions{Level: &l.level}
	l.Logger = slog.New(auditHandler{
		next: formatHandler{format: &l.format, by: [...]slog.Handler{
			slog.NewTextHandler(w, options), slog.NewJSONHandler(w, options), newJournalHandler(&l.level),
		}},
		auditor: l.audit,
	})
	return l
}

// formats are the values of log.format.
func formats() []string { return []string{"text", "json", "journald"} }

// follow puts a changed log section in force, with the audit file that was opened for
// it.
func (l *logger) follow(c config.Log, audit *auditSink) {
	l.setLevel(c.Level)
	l.setFormat(c.Format)
	l.audit.use(audit)
}

func (l *logger) setLevel(text string) {
	var level slog.Level
	if err := level.UnmarshalText([]byte(text)); err == nil { // config has checked it
		l.level.Set(level)
	}
}

// setFormat falls back to text where there is no journal.
func (l *logger) setFormat(format string) {
	if format == "journald" && !journalListens() {
		format = "text"
	}
	l.format.Store(int32(max(slices.Index(formats(), format), 0))) //nolint:gosec // three
}

// formatHandler is a handler for each format, one of which is in use.
type formatHandler struct {
	format *atomic.Int32
	by     [3]slog.Handler
}

func (h formatHandler) current() slog.Handler { return h.by[h.format.Load()] }

// Enabled implements slog.Handler.
func (h formatHandler) Enabled(ctx context.Context, level slog.Level) bool {
	return h.current().Enabled(ctx, level)
}

// Handle implements slog.Handler.
func (h formatHandler) Handle(ctx context.Context, r slog.Record) error {
	return h.current().Handle(ctx, r)
}

// WithAttrs implements slog.Handler.
func (h formatHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return h.each(func(by slog.Handler) slog.Handler { return by.WithAttrs(attrs) })
}

// WithGroup implements slog.Handler.
func (h formatHandler) WithGroup(name string) slog.Handler {
	return h.each(func(by slog.Handler) slog.Handler { return by.WithGroup(name) })
}

func (h formatHandler) each(change func(slog.Handler) slog.Handler) slog.Handler {
	for i, by := range h.by {
		h.by[i] = change(by)
	}
	return h
}
