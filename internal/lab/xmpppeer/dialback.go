package xmpppeer

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
)

// DialbackKey makes the key that proves to receiving that originating opened the stream
// with that id (XEP-0185).
func DialbackKey(secret, receiving, originating, id string) string {
	hashed := sha256.Sum256([]byte(secret))
	mac := hmac.New(sha256.New, []byte(hex.EncodeToString(hashed[:])))
	mac.Write([]byte(receiving + " " + originating + " " + id))
	return hex.EncodeToString(mac.Sum(nil))
}

// requestKey is what an answer to a dialback request, seen from who asked, has in
// common with the request: a result has no id that counts.
func requestKey(name, from, to, id string) string {
	if name == "result" {
		id = ""
	}
	return strings.ToLower(name + " " + from + " " + to + " " + id)
}

// handleDialback takes requests on every stream. Answers count only where they were
// asked for (XEP-0220 §3.1).
func (l *link) handleDialback(e *Element) error {
	switch {
	case e.Attr("type") != "":
		l.takeAnswer(e)
		return nil
	case !l.srv.cfg.Dialback:
		l.note(EventIgnored, e.Raw)
		return nil
	case l.srv.cfg.wantsTLS() && l.stream.TLS() == nil:
		return fatal("policy-violation")
	case e.Name == "verify":
		return l.answerVerify(e)
	case e.Name == "result" && (l.dir == In || l.agreedBidi()):
		return l.checkResult(e)
	}
	l.note(EventIgnored, e.Raw)
	return nil
}

func (c Config) wantsTLS() bool { return c.TLS == RequiredTLS || c.TLS == "" }

func (l *link) agreedBidi() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.bidi
}

// answerVerify plays the authoritative server (XEP-0220 §2.2).
func (l *link) answerVerify(e *Element) error {
	typ := "invalid"
	want := DialbackKey(l.srv.cfg.Secret, strings.ToLower(e.Attr("from")), strings.ToLower(e.Attr("to")), e.Attr("id"))
	switch {
	case !l.srv.serves(e.Attr("to")):
		typ = "error"
	case l.srv.cfg.Authority != Truthful:
		typ = string(l.srv.cfg.Authority)
	case hmac.Equal([]byte(want), []byte(strings.TrimSpace(e.Text))):
		typ = "valid"
	}
	l.note(EventVerify, typ)
	if typ == string(SayNought) {
		return nil
	}
	return l.stream.SendVerdict(e, typ, "item-not-found")
}

// checkResult plays the receiving server (XEP-0220 §2.2.1). The stream goes on while the
// authoritative server is asked.
func (l *link) checkResult(e *Element) error {
	if !l.srv.serves(e.Attr("to")) {
		return l.judge(e, "error", "item-not-found")
	}
	l.srv.wg.Go(func() {
		ctx, cancel := l.srv.bounded(context.Background(), verifying)
		defer cancel()
		err := l.srv.verify(ctx, domainOf(e.Attr("to")), domainOf(e.Attr("from")), l.streamID(), strings.TrimSpace(e.Text))
		if err := l.judge(e, verdictOf(err), conditionOf(err)); err != nil {
			l.end()
		}
	})
	return nil
}

func (l *link) streamID() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.id
}

// judge tells the verdict on a key.
func (l *link) judge(e *Element, typ, condition string) error {
	if typ == "error" && !l.srv.cfg.DialbackErrors {
		typ = "invalid"
	}
	l.note(EventDialback, typ)
	p := pair{from: domainOf(e.Attr("from")), to: domainOf(e.Attr("to"))}
	if typ == "valid" {
		l.prove(p)
	}
	err := l.stream.SendVerdict(e, typ, condition)
	if err == nil && typ == "valid" {
		l.lend(p)
	}
	return err
}

// verdictOf turns the outcome of a verification into the type of the answer.
func verdictOf(err error) string {
	if err == nil {
		return "valid"
	}
	if de, ok := errors.AsType[*DialbackError](err); ok && de.Type == "invalid" {
		return "invalid"
	}
	return "error"
}

// conditionOf is XEP-0220 §2.2.1 on failures of the way to the authoritative server.
func conditionOf(err error) string {
	if de, ok := errors.AsType[*DialbackError](err); ok && de.Condition == "item-not-found" {
		return "remote-server-not-found"
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return "remote-server-timeout"
	}
	return "remote-connection-failed"
}

// takeAnswer hands an answer to who waits for it.
func (l *link) takeAnswer(e *Element) {
	key := requestKey(e.Name, e.Attr("to"), e.Attr("from"), e.Attr("id"))
	l.mu.Lock()
	waiter := l.waiting[key]
	delete(l.waiting, key)
	l.mu.Unlock()
	if waiter == nil {
		l.note(EventIgnored, e.Raw)
		return
	}
	waiter <- e
}

// ask sends a dialback request and waits for its answer.
func (l *link) ask(ctx context.Context, key string, send func() error) error {
	answered := make(chan *Element, 1)
	l.mu.Lock()
	l.waiting[key] = answered
	l.mu.Unlock()
	if err := send(); err != nil {
		return err
	}
	select {
	case answer := <-answered:
		return verdict(answer)
	case <-l.done:
		select {
		case answer := <-answered: // it came before the end
			return verdict(answer)
		default:
		}
		return l.ended()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// ended returns why the link ended.
func (l *link) ended() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return fmt.Errorf("xmpppeer: the stream to %s ended: %w", l.remote, l.err)
}

// verify asks the authoritative server of a domain about a key, on the stream that is
// there or on a new connection (XEP-0220 §2.2.1).
func (s *Server) verify(ctx context.Context, local, remote, id, key string) error {
	var l *link
	if !s.cfg.FreshVerify {
		l = s.lane(pair{from: local, to: remote}).own()
	}
	if l == nil {
		var err error
		if l, err = s.connect(ctx, local, remote); err != nil {
			return err
		}
		if !s.start(l.read) {
			l.finish(errClosed)
			return errClosed
		}
		defer l.end()
	}
	return l.ask(ctx, requestKey("verify", local, remote, id), func() error {
		return l.stream.SendVerify(local, remote, id, key)
	})
}
