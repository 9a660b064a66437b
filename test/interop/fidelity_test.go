package interop

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"io"
	"net"
	"net/textproto"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// goldenBody holds what a careless relay stumbles over.
const goldenBody = "hello\x00\r\n\r\nINVITE sip:carol@contoso.com SIP/2.0\r\nl: 0\r\n\r\n\xff"

// TestMessageStaysAsItWas sends a message byte for byte and reads the bytes that
// come out at the far side: only the rows that edged has to touch may differ.
// Both forms stay beside the logs.
func TestMessageStaysAsItWas(t *testing.T) {
	w := newWorld(t)
	w.startDNS(t)
	front := w.issue(t, w.inside, "fe1.corp.contoso.com", "pool.corp.contoso.com")
	fabrikam := w.issue(t, w.roots, "sip.fabrikam.com")
	atFront := w.recorder(t, "fe1.corp.contoso.com", front, w.inside)
	atFabrikam := w.recorder(t, "sip.fabrikam.com", fabrikam, w.roots)
	w.startEdge(t, edgeSpec{})

	t.Run("in", func(t *testing.T) {
		sent := w.golden(t, "in", "sip.fabrikam.com", "fabrikam.com", "contoso.com")
		w.sendRaw(t, "sip.contoso.com", fabrikam, w.roots, sent)
		compareMessages(t, sent, <-atFront)
	})
	t.Run("out", func(t *testing.T) {
		sent := w.golden(t, "out", "fe1.corp.contoso.com", "contoso.com", "fabrikam.com")
		w.sendRaw(t, "edge.corp.contoso.com", front, w.inside, sent)
		compareMessages(t, sent, <-atFabrikam)
	})
}

// golden is the message as the host sends it.
func (w *world) golden(t *testing.T, name, host, from, to string) []byte {
	t.Helper()
	text, err := os.ReadFile(w.render(t, "golden.sip", "golden-"+name+".sip", map[string]string{
		"Host": w.place(host).String(), "From": from, "To": to, "Length": strconv.Itoa(len(goldenBody)),
	}))
	if err != nil {
		t.Fatal(err)
	}
	return append(bytes.ReplaceAll(text, []byte("\n"), []byte("\r\n")), goldenBody...)
}

// sendRaw writes the message to edged's listener of that name and wants a 200.
func (w *world) sendRaw(t *testing.T, edge string, cred credential, trusts authority, message []byte) {
	t.Helper()
	conn, err := tls.Dial("tcp", w.place(edge).String(), &tls.Config{
		Certificates: []tls.Certificate{cred.TLS}, RootCAs: trusts.pool, ServerName: edge,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Write(message); err != nil {
		t.Fatal(err)
	}
	answer, err := readMessage(bufio.NewReader(conn))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.HasPrefix(answer, []byte("SIP/2.0 200 ")) {
		t.Fatalf("answered:\n%s", answer)
	}
}

// recorder listens where the zone says that the host is, answers every request
// with 200, and hands out its bytes.
func (w *world) recorder(t *testing.T, host string, cred credential, trusts authority) <-chan []byte {
	t.Helper()
	listener, err := tls.Listen("tcp", w.place(host).String(), &tls.Config{
		Certificates: []tls.Certificate{cred.TLS}, ClientCAs: trusts.pool, ClientAuth: tls.RequireAndVerifyClientCert,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	received := make(chan []byte, 8)
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go w.record(host, conn, received)
		}
	}()
	return received
}

func (w *world) record(host string, conn net.Conn, received chan<- []byte) {
	defer conn.Close()
	r := bufio.NewReader(conn)
	for {
		message, err := readMessage(r)
		if err != nil {
			return
		}
		_ = os.WriteFile(filepath.Join(w.dir, "received-"+host+".sip"), message, 0o600) // for people only
		received <- message
		if _, err := conn.Write(ok(message)); err != nil {
			return
		}
	}
}

// readMessage reads one message as it is; line ends between messages are skipped.
func readMessage(r *bufio.Reader) ([]byte, error) {
	var message []byte
	length := 0
	for {
		line, err := r.ReadBytes('\n')
		if err != nil {
			return nil, err
		}
		if len(message) == 0 && len(line) <= 2 {
			continue
		}
		message = append(message, line...)
		if len(line) <= 2 {
			break
		}
		if name, value, found := strings.Cut(string(line), ":"); found && slices.Contains([]string{"l", "content-length"}, strings.ToLower(name)) {
			length, _ = strconv.Atoi(textproto.TrimString(value))
		}
	}
	body := make([]byte, length)
	_, err := io.ReadFull(r, body)
	return append(message, body...), err
}

// ok is a 200 to the request.
func ok(request []byte) []byte {
	answer := []byte("SIP/2.0 200 OK\r\n")
	for _, row := range split(request).rows {
		switch row.name {
		case "via", "v", "from", "f", "call-id", "i", "cseq":
			answer = append(answer, row.text...)
		case "to", "t":
			answer = append(answer, strings.TrimRight(row.text, "\r\n")+";tag=recorder\r\n"...)
		}
	}
	return append(answer, "Content-Length: 0\r\n\r\n"...)
}

// row is one header row with its folded lines; name is in lower case.
type row struct{ name, text string }

// parts is a message taken apart without loss.
type parts struct {
	start string
	rows  []row
	body  string
}

func split(message []byte) parts {
	head, body, _ := strings.Cut(string(message), "\r\n\r\n")
	lines := strings.SplitAfter(head+"\r\n", "\r\n")
	p := parts{start: lines[0], body: body}
	for _, line := range lines[1 : len(lines)-1] {
		if line[0] == ' ' || line[0] == '\t' {
			p.rows[len(p.rows)-1].text += line
			continue
		}
		name, _, _ := strings.Cut(line, ":")
		p.rows = append(p.rows, row{strings.ToLower(strings.TrimSpace(name)), line})
	}
	return p
}

// compareMessages checks that received is sent but for: one Via on top, received
// and rport in what was the top Via (RFC 3261 §18.2.1, RFC 3581 §4), Record-Route
// and Route, Max-Forwards less one, Max-Breadth (RFC 5393 §5.3.3), and the trust headers of our policy.
func compareMessages(t *testing.T, sent, received []byte) {
	t.Helper()
	t.Logf("sent:\n%s\nreceived:\n%s", sent, received)
	was, is := split(sent), split(received)
	if was.start != is.start {
		t.Errorf("start line %q, want %q", is.start, was.start)
	}
	if was.body != is.body {
		t.Errorf("body %q, want %q", is.body, was.body)
	}
	if vias := column(is, "via", "v"); len(vias) != len(column(was, "via", "v"))+1 {
		t.Errorf("Via rows %q, want one more than was sent", vias)
	}
	if got := column(is, "max-forwards"); len(got) != 1 || !strings.HasSuffix(got[0], ": 41\r\n") {
		t.Errorf("Max-Forwards %q, want 41", got)
	}
	if got := column(is, "max-breadth"); len(got) != 1 || got[0] != "Max-Breadth: 60\r\n" {
		t.Errorf("Max-Breadth %q, want 60", got)
	}
	if got := column(is, "ms-edge-proxy-message-trust"); len(got) > 0 && strings.Contains(got[0], "forged") {
		t.Errorf("a trust header of the sender has passed: %q", got)
	}
	if diff := cmp.Diff(untouched(was, 0), untouched(is, 1)); diff != "" {
		t.Errorf("rows differ (-sent +received):\n%s", diff)
	}
}

// untouched is the rows that a proxy leaves alone, without the first skip Vias.
// Of the Via that was on top, only what the sender wrote is kept.
func untouched(p parts, skip int) []string {
	var rows []string
	vias := 0
	for _, r := range p.rows {
		switch r.name {
		case "max-forwards", "max-breadth", "route", "record-route", "ms-edge-proxy-message-trust", "ms-asserted-verification-level":
			continue
		case "via", "v":
			vias++
			if vias <= skip {
				continue
			}
			if vias == skip+1 {
				r.text = withoutReceived(r.text)
			}
		}
		rows = append(rows, r.text)
	}
	return rows
}

func withoutReceived(via string) string {
	params := strings.Split(strings.TrimRight(via, "\r\n"), ";")
	params = slices.DeleteFunc(params, func(p string) bool {
		return strings.HasPrefix(p, "received=") || strings.HasPrefix(p, "rport=")
	})
	return strings.Join(params, ";") + "\r\n"
}

func column(p parts, names ...string) []string {
	var texts []string
	for _, r := range p.rows {
		if slices.Contains(names, r.name) {
			texts = append(texts, r.text)
		}
	}
	return texts
}
