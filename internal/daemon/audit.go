package daemon

import (
	"context"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base32"
	"fmt"
	"hash"
	"io"
	"log/slog"
	"os"
	"strings"
	"sync"
	"sync/atomic"

	"edged/internal/admin"
	"edged/internal/config"
)

// The audit stream is a part of the log in a place of its own: what was decided about
// each message, and what operators did. It has every verdict, whatever log.level says,
// and users only as the configuration allows.

// audited are the events that the stream has.
func audited(event string) bool {
	switch event {
	case "request relayed", "request refused", "request failed", "request dropped", "message dropped",
		"stanza relayed", "stanza refused", "stanza not delivered", "stream refused", "connection refused",
		admin.ActEvent, "partner is watched", "partner is not watched any more",
		"serving", "stopped", "reloaded", "reload refused, the old configuration stays in force":
		return true
	}
	return false
}

// auditor is where the stream goes, if it is wanted.
type auditor struct{ sink atomic.Pointer[auditSink] }

// use puts another sink in force, nil for none, and closes the old one.
func (a *auditor) use(s *auditSink) {
	if old := a.sink.Swap(s); old != nil {
		old.close()
	}
}

// write gives a line to the sink in force, if there is one.
func (a *auditor) write(ctx context.Context, r slog.Record, before []slog.Attr) {
	for {
		s := a.sink.Load()
		if s == nil || s.write(ctx, r, before) {
			return
		}
	}
}

// failing tells whether the last line was lost.
func (a *auditor) failing() bool {
	s := a.sink.Load()
	return s != nil && s.to.failing.Load()
}

// openAudit opens the stream of a build, if it wants one and the log is ours.
func (d *Daemon) openAudit(b *build) (err error) {
	if d.own != nil {
		b.audit, err = openAudit(b.loaded.Config.Log, b.material.secret.Current, os.Stdout, d.auditLost)
	}
	return err
}

// auditLost counts lines that could not be written, and says so from time to time.
func (d *Daemon) auditLost(err error) {
	d.metrics.auditLost.Inc()
	if d.auditTold.Allow() {
		d.log.Error("audit lines are lost", slog.Any("err", err))
	}
}

// auditSink is an open file, and how users are shown in it.
type auditSink struct {
	out   slog.Handler
	to    *lossWriter
	users config.AuditUsers
	// macs are HMACs with the key that users are hidden by, letters what they are written
	// in: base32 in lower case.
	macs    sync.Pool
	letters *base32.Encoding

	mu     sync.RWMutex // held for writing by close, so that it waits for lines under way
	file   *os.File     // nil: standard output, which is not ours to close
	closed bool
}

// openAudit opens what a configuration says; nil if it wants none.
func openAudit(c config.Log, secret []byte, stdout io.Writer, lost func(error)) (*auditSink, error) {
	if c.Audit == "" {
		return nil, nil //nolint:nilnil // none is wanted, and that is no error
	}
	key, err := hkdf.Key(sha256.New, secret, nil, "edged audit users", 32)
	if err != nil {
		return nil, err
	}
	s := &auditSink{
		users: c.AuditUsers, macs: sync.Pool{New: func() any { return hmac.New(sha256.New, key) }},
		letters: base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567"),
	}
	w := stdout
	if c.Audit != config.Stdout {
		if s.file, err = os.OpenFile(c.Audit, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600); err != nil {
			return nil, fmt.Errorf("log.audit: %w", err)
		}
		w = s.file
	}
	s.to = &lossWriter{Writer: w, lost: lost}
	s.out = slog.NewJSONHandler(s.to, &slog.HandlerOptions{Level: slog.LevelDebug})
	return s, nil
}

// write writes a line; it is false if the sink is closed, and another one is in force.
func (s *auditSink) write(ctx context.Context, r slog.Record, before []slog.Attr) bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.closed {
		return false
	}
	_ = s.out.Handle(ctx, s.redacted(r, before)) // lossWriter tells
	return true
}

func (s *auditSink) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	if s.file != nil {
		_ = s.file.Close()
	}
}

// lossWriter tells of lines that could not be written: nobody looks at what a handler
// returns. A handler writes one line at a time.
type lossWriter struct {
	io.Writer
	lost    func(error)
	failing atomic.Bool // the last line was lost
	cut     bool        // a part of it is there
}

// Write implements io.Writer. What is left of a line that was cut gets its end first, so
// that it spoils no other.
func (w *lossWriter) Write(b []byte) (int, error) {
	if w.cut {
		b = append([]byte{'\n'}, b...)
	}
	n, err := w.Writer.Write(b)
	if err != nil {
		w.lost(err)
	}
	w.failing.Store(err != nil)
	w.cut = n < len(b) && (w.cut || n > 0)
	return n, err
}

// auditHandler passes everything on, and gives the auditor its part.
type auditHandler struct {
	next    slog.Handler
	attrs   []slog.Attr // of WithAttrs
	auditor *auditor
}

// Enabled implements slog.Handler: verdicts are wanted whatever the level.
func (h auditHandler) Enabled(ctx context.Context, level slog.Level) bool {
	return h.next.Enabled(ctx, level) || h.auditor.sink.Load() != nil
}

// Handle implements slog.Handler.
func (h auditHandler) Handle(ctx context.Context, r slog.Record) error {
	if audited(r.Message) {
		h.auditor.write(ctx, r, h.attrs)
	}
	if !h.next.Enabled(ctx, r.Level) {
		return nil
	}
	return h.next.Handle(ctx, r)
}

// WithAttrs implements slog.Handler.
func (h auditHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	all := append(append([]slog.Attr(nil), h.attrs...), attrs...)
	return auditHandler{h.next.WithAttrs(attrs), all, h.auditor}
}

// WithGroup implements slog.Handler. No line of edged has groups.
func (h auditHandler) WithGroup(name string) slog.Handler {
	return auditHandler{h.next.WithGroup(name), h.attrs, h.auditor}
}

// redacted is a line as the stream has it.
func (s *auditSink) redacted(r slog.Record, before []slog.Attr) slog.Record {
	attrs := make([]slog.Attr, 0, len(before)+r.NumAttrs())
	add := func(a slog.Attr) bool {
		attrs = append(attrs, s.redact(a))
		return true
	}
	for _, a := range before {
		add(a)
	}
	r.Attrs(add)
	line := slog.NewRecord(r.Time, r.Level, r.Message, 0)
	line.AddAttrs(attrs...)
	return line
}

// redact hides who an attribute names. Free text could name anybody, and is left out.
func (s *auditSink) redact(a slog.Attr) slog.Attr {
	if s.users == config.ShowUsers {
		return a
	}
	switch a.Key {
	case "from", "to", "uri", "user":
		return slog.String(a.Key, s.address(a.Value.String()))
	case "call_id":
		return slog.String(a.Key, s.hidden(a.Value.String()))
	case "detail", "err":
		return slog.Attr{}
	}
	return a
}

// address hides the user in a SIP URI or a JID, and drops what follows the host: tags,
// parameters, a resource.
func (s *auditSink) address(text string) string {
	scheme, rest, ok := strings.Cut(text, ":")
	if !ok || !isScheme(scheme) {
		scheme, rest = "", text
	} else {
		scheme += ":"
	}
	user, host, ok := strings.Cut(rest, "@")
	if !ok {
		host, user = rest, ""
	}
	if i := strings.LastIndexByte(host, '@'); i >= 0 { // a user with one in it
		user, host = user+"@"+host[:i], host[i+1:]
	}
	if i := strings.IndexAny(host, ";?/>"); i >= 0 {
		host = host[:i]
	}
	switch {
	case scheme == "tel:":
		return scheme + s.hidden(rest)
	case !ok:
		return scheme + host
	}
	return scheme + s.hidden(strings.ToLower(user+"@"+host)) + "@" + host
}

func isScheme(s string) bool {
	switch strings.ToLower(s) {
	case "sip", "sips", "tel", "xmpp", "im", "pres":
		return true
	}
	return false
}

// hidden stands for a text: the same for the same one, on every host with this secret,
// and nobody without the secret can try texts out.
func (s *auditSink) hidden(text string) string {
	if s.users == config.CutUsers {
		return "*"
	}
	mac := s.macs.Get().(hash.Hash) //nolint:forcetypeassert // of New
	defer s.macs.Put(mac)
	mac.Reset()
	_, _ = io.WriteString(mac, text)
	var sum [sha256.Size]byte
	return "~" + s.letters.EncodeToString(mac.Sum(sum[:0])[:10])
}
