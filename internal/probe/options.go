package probe

import (
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"edged/pkg/sipfed/sipmsg"
	"edged/pkg/tlsid"
	"edged/pkg/verdict"
)

// options asks whether SIP is spoken at the other end (RFC 3261 §11), and waits for the
// answer as long as for a connection. Any final answer will do. to is a domain or host that means the other end; from is ours.
func (w *walk) options(sock *tls.Conn, target, host, from, to string) bool {
	began := time.Now()
	id := rand.Text()
	if err := sock.SetDeadline(began.Add(w.bounds().ConnectTimeout)); err != nil {
		w.step(began, "options", Failed, "%v", err)
		return false
	}
	status, phrase, err := ask(sock, id, fmt.Sprintf("OPTIONS sip:%s SIP/2.0\r\nVia: SIP/2.0/TLS %s;branch=z9hG4bK%s\r\nMax-Forwards: 70\r\n"+
		"From: <sip:%s>;tag=%s\r\nTo: <sip:%s>\r\nCall-ID: %s\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n", to, host, id, from, id[:8], to, id))
	if err != nil {
		w.step(began, "options", Failed, "%v", err)
		w.noOptions(target, err)
		return false
	}
	if status == 503 { // RFC 3261 §21.5.4: nothing else is to be sent there
		w.step(began, "options", Failed, "answered %d %s", status, verdict.Quotable(phrase))
		w.find(verdict.PeerRefused, fmt.Sprintf("%s answers 503 to a plain question: it is overloaded, or what stands behind it does not work", target),
			w.must("look at its server"))
		return false
	}
	w.step(began, "options", OK, "answered %d %s", status, verdict.Quotable(phrase))
	if status == 403 && !w.inside {
		w.step(time.Time{}, "options", Note, "403 to a plain question: ask the partner whether it lists %s", w.As)
	}
	return true
}

// ask writes a request and waits for its final response.
func ask(sock *tls.Conn, id, request string) (status int, phrase string, err error) {
	if _, err := sock.Write([]byte(request)); err != nil {
		return 0, "", err
	}
	r := sipmsg.NewReader(sock, sipmsg.DefaultLimits())
	for {
		m, err := r.Next()
		if err != nil {
			return 0, "", err
		}
		if !m.IsRequest() && m.Status >= 200 && string(m.CallID()) == id {
			return m.Status, phraseOf(m), nil
		}
	}
}

// phraseOf is the reason phrase of a response.
func phraseOf(m *sipmsg.Message) string {
	start, end := m.StartLine()
	_, rest, _ := strings.Cut(string(m.Raw[start:end]), " ")
	_, phrase, _ := strings.Cut(rest, " ")
	return phrase
}

// noOptions says what the silence means. With TLS 1.3 it is only now that the other
// end has looked at our certificate (RFC 8446 §4.4.4).
func (w *walk) noOptions(target string, err error) {
	_, foreign := errors.AsType[*sipmsg.FramingError](err)
	switch {
	case foreign:
		w.find(verdict.Malformed, fmt.Sprintf("%s answers with something that is not SIP: %v", target, err), w.must("see that the record names the right port"))
	case tlsid.IsAlert(err):
		ours := "none"
		if c := w.ourCertificate(); c != nil {
			ours = w.certificate(c)
		}
		w.find(verdict.TLSFailed, fmt.Sprintf("%s refuses our certificate (%v), which %s", target, err, ours),
			w.must("trust who issued it"), "see that it names our domain or the target of its SRV record, and is valid")
	case errors.Is(err, os.ErrDeadlineExceeded):
		w.find(verdict.NoAnswer, fmt.Sprintf("%s takes our request and says nothing for %s", target, w.bounds().ConnectTimeout),
			w.must("look into its log: it may expect somebody else on that port, or drop what it does not know"))
	default:
		w.find(verdict.ConnectionLost, fmt.Sprintf("%s ends the connection when it has our request: %v", target, err),
			w.must("look into its log: often it does not know our domain or certificate"))
	}
}
