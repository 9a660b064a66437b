package daemon

import (
	"context"
	"io"
	"log/slog"
	"sync/atomic"

	"edged/internal/config"
)

// logger writes what the configuration says, and follows it when it changes.
type logger struct {
	*slog.Logger
	level slog.LevelVar
	json  atomic.Bool
}

func newLogger(w io.Writer, c config.Log) *logger {
	l := &logger{}
	l.follow(c)
	options := &slog.HandlerOptions{Level: &l.level}
	l.Logger = slog.New(formatHandler{json: &l.json, asText: slog.NewTextHandler(w, options), asJSON: slog.NewJSONHandler(w, options)})
	return l
}

// follow puts a changed log section in force.
func (l *logger) follow(c config.Log) {
	var level slog.Level
	if err := level.UnmarshalText([]byte(c.Level)); err == nil { // config has checked it
		l.level.Set(level)
	}
	l.json.Store(c.Format == "json")
}

// formatHandler is a text and a JSON handler, one of which is in use.
type formatHandler struct {
	json           *atomic.Bool
	asText, asJSON slog.Handler
}

func (h formatHandler) current() slog.Handler {
	if h.json.Load() {
		return h.asJSON
	}
	return h.asText
}

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
	return formatHandler{json: h.json, asText: h.asText.WithAttrs(attrs), asJSON: h.asJSON.WithAttrs(attrs)}
}

// WithGroup implements slog.Handler.
func (h formatHandler) WithGroup(name string) slog.Handler {
	return formatHandler{json: h.json, asText: h.asText.WithGroup(name), asJSON: h.asJSON.WithGroup(name)}
}
