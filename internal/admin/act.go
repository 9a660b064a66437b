package admin

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"syscall"
)

// ActEvent is the line of the log about what an operator did, or tried to.
const ActEvent = "administrative act"

// Result is how an act ended, for its line.
func Result(done bool) string {
	if done {
		return "done"
	}
	return "refused"
}

// act lets a handler's requests be in the log: who asked for what, and whether it was
// done.
func act(log *slog.Logger, name string, h http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		answer := &answered{ResponseWriter: w, status: http.StatusOK}
		h(answer, r)
		logAct(log, r, name, Result(answer.status/100 == 2))
	}
}

// begins is act for what goes on for as long as the operator likes.
func begins(log *slog.Logger, name string, h http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		logAct(log, r, name, "begun")
		h(w, r)
	}
}

func logAct(log *slog.Logger, r *http.Request, name, result string) {
	var attrs []slog.Attr
	asked := r.URL.Query()
	for _, p := range []struct{ parameter, key string }{
		{"proto", "proto"}, {"partner", "partner"}, {"local", "from"}, {"remote", "to"}, {"user", "user"}, {"domain", "peer_domain"}, {"id", "call_id"},
	} {
		if value := asked.Get(p.parameter); value != "" {
			attrs = append(attrs, slog.String(p.key, quotable(value)))
		}
	}
	LogAct(context.WithoutCancel(r.Context()), log, name, r.RemoteAddr, result, attrs...)
}

// LogAct writes the line of an act: which it was, by whom, how it ended, and further
// attributes that say what it was about.
func LogAct(ctx context.Context, log *slog.Logger, name, by, result string, about ...slog.Attr) {
	log.LogAttrs(ctx, slog.LevelInfo, ActEvent,
		append([]slog.Attr{slog.String("act", name), slog.String("by", by), slog.String("result", result)}, about...)...)
}

// quotable bounds what an operator wrote, and makes it printable.
func quotable(s string) string {
	const most = 256
	if len(s) > most {
		s = s[:most] + "..."
	}
	quoted := strconv.Quote(s)
	return quoted[1 : len(quoted)-1]
}

// answered remembers the status of an answer.
type answered struct {
	http.ResponseWriter
	status int
}

// WriteHeader implements http.ResponseWriter.
func (a *answered) WriteHeader(status int) {
	a.status = status
	a.ResponseWriter.WriteHeader(status)
}

// Unwrap is for http.ResponseController.
func (a *answered) Unwrap() http.ResponseWriter { return a.ResponseWriter }

// callers is a listener on a unix socket whose connections say who connected, as their
// remote address: unix(7), SO_PEERCRED.
type callers struct{ *net.UnixListener }

// Accept implements net.Listener.
func (l callers) Accept() (net.Conn, error) {
	c, err := l.AcceptUnix()
	if err != nil {
		return nil, err
	}
	return callerConn{c, callerOf(c)}, nil
}

type callerConn struct {
	*net.UnixConn
	who caller
}

// RemoteAddr implements net.Conn.
func (c callerConn) RemoteAddr() net.Addr { return c.who }

// caller is a process of this host: "uid=0 pid=1234".
type caller string

// Network implements net.Addr.
func (caller) Network() string { return "unix" }

// String implements net.Addr.
func (c caller) String() string { return string(c) }

func callerOf(c *net.UnixConn) caller {
	who := caller("unknown")
	raw, err := c.SyscallConn()
	if err != nil {
		return who
	}
	_ = raw.Control(func(fd uintptr) {
		if cred, err := syscall.GetsockoptUcred(int(fd), syscall.SOL_SOCKET, syscall.SO_PEERCRED); err == nil {
			who = caller(fmt.Sprintf("uid=%d pid=%d", cred.Uid, cred.Pid))
		}
	})
	return who
}
