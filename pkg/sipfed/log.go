package sipfed

import (
	"fmt"
	"log/slog"
	"time"

	"edged/pkg/sipfed/sipmsg"
	"edged/pkg/verdict"
)

// tells reports whether a level is logged.
func (s *Server) tells(level slog.Level) bool { return s.log.Enabled(s.group.Context(), level) }

// log returns the connection's logger. To keep one would cost every idle connection two
// kilobytes.
func (c *conn) log() *slog.Logger {
	return c.srv.log.With(slog.Uint64("conn", c.id), slog.String("side", c.side.String()),
		slog.String("peer_addr", c.peer.String()), slog.String("peer_name", c.subject))
}

// log writes the one line of a transaction: what was relayed at debug, what
// this edge ended itself at info.
func (tx *transaction) log(r *refusal, status int) {
	rule := tx.adm.decision.Rule
	if r == nil {
		if tx.srv.tells(slog.LevelDebug) {
			tx.from.log().LogAttrs(tx.srv.group.Context(), slog.LevelDebug, "request relayed", tx.outcome(verdict.Allowed, rule, status)...)
		}
		return
	}
	tx.traceFailed(r, status)
	if r.rule != "" {
		rule = r.rule
	}
	tx.from.log().LogAttrs(tx.srv.group.Context(), slog.LevelInfo, "request failed",
		append(tx.outcome(r.reason, rule, status), slog.String("detail", verdict.Quotable(r.detail)))...)
}

func (tx *transaction) outcome(reason verdict.Reason, rule verdict.Rule, status int) []slog.Attr {
	return append(tx.from.messageAttrs(tx.req), slog.String("reason", reason.String()), slog.String("rule", string(rule)),
		slog.Int("status", status), slog.Duration("dur", time.Since(tx.born)))
}

// messageAttrs describes a request in logs: never a body, never unescaped text
// of a peer.
func (c *conn) messageAttrs(m *sipmsg.Message) []slog.Attr {
	return []slog.Attr{
		c.messageID(m), slog.String("method", verdict.Quotable(m.Method)),
		slog.String("from", verdict.Quotable(string(m.From().URI))), slog.String("to", verdict.Quotable(string(m.To().URI))),
		slog.String("uri", verdict.Quotable(string(m.RequestURI()))), slog.String("call_id", verdict.Quotable(string(m.CallID()))),
	}
}

// messageID is what the lines of one request have in common, on the connection that it
// came on and on those that it goes out on.
func (c *conn) messageID(m *sipmsg.Message) slog.Attr {
	return slog.String("id", fmt.Sprintf("s%d.%d", c.id, m.Number))
}

// logSent is the line of a request on the connection that it goes out on, for who asks
// for so much.
func (tx *transaction) logSent(a *attempt) {
	if tx.srv.tells(slog.LevelDebug) {
		a.conn.log().LogAttrs(tx.srv.group.Context(), slog.LevelDebug, "request sent", tx.from.messageID(tx.req), slog.String("method", verdict.Quotable(tx.method)),
			slog.String("target", a.target), slog.String("branch", a.branch))
	}
}
