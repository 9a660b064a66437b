package daemon_test

import (
	"bufio"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"edged/internal/daemon"
	"edged/internal/lab/ca"
	"edged/internal/lab/zone"
	"edged/internal/probe"
	"edged/pkg/domain"
	"edged/pkg/policy"
)

// walk probes by the files of the bed.
func (b *bed) walk(protocol policy.Protocol, d, as string) (*probe.Report, error) {
	b.Helper()
	p, err := daemon.Prober(filepath.Join(b.Dir, "edged.yaml"))
	if err != nil {
		b.Fatal(err)
	}
	defer p.Close()
	var voice domain.Name
	if as != "" {
		voice = domain.MustParse(as)
	}
	return p.Walk(b.Soon(), protocol, domain.MustParse(d), voice)
}

func TestProberNeedsNoGateway(t *testing.T) {
	b := start(t)
	b.stop()
	r, err := b.walk(policy.SIP, fabrikam, "")
	if err != nil || !r.Good() || len(r.Findings) > 0 {
		t.Errorf("%+v, %v", r, err)
	}
	steps := make([]string, len(r.Steps))
	for i, s := range r.Steps {
		steps[i] = s.Step + " " + string(s.Outcome)
	}
	want := []string{"dns ok", "policy ok", "address ok", "tcp ok", "tls ok", "identity ok", "options ok", "inward ok"}
	if !slices.Equal(steps, want) {
		t.Errorf("steps %q", steps)
	}
}

func TestProberSpeaksForUs(t *testing.T) {
	b := start(t)
	for _, tt := range []struct {
		protocol policy.Protocol
		as, want string
	}{
		{policy.XMPP, "", "does not serve xmpp"},
		{policy.SIP, northwind, "is not one of our domains"},
	} {
		if _, err := b.walk(tt.protocol, fabrikam, tt.as); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("as %q: %v, want %q", tt.as, err, tt.want)
		}
	}
}

// TestProberSeesWhatFails goes through what the lab does not play.
func TestProberSeesWhatFails(t *testing.T) {
	b := start(t, func(s *setup) {
		s.Allowed = append(s.Allowed, "roots.example, proxy: sip.fabrikam.com, roots: [tls/private.crt], port: 1")
	})
	at := b.peers[fabrikam].Port()
	b.write(func(s *setup) {
		s.Allowed[2] = strings.Replace(s.Allowed[2], "port: 1", fmt.Sprintf("port: %d", at), 1)
	})
	r, err := b.walk(policy.SIP, "roots.example", "")
	if err = errors.Join(err, found(r, "certificate-refused", "counts only under the roots of roots.example")); err != nil {
		t.Error(err)
	}
	b.peers["fe1"].Close()
	b.peers["fe2"].Close()
	r, err = b.walk(policy.SIP, "contoso.com", "")
	if err = errors.Join(err, found(r, "pool-down", "nothing listens on")); err != nil {
		t.Error(err)
	}
	b.write(func(s *setup) { s.DNS = "127.0.0.1:1" })
	r, err = b.walk(policy.SIP, fabrikam, "")
	if err = errors.Join(err, found(r, "dns-failed", "server failure")); err != nil {
		t.Error(err)
	}
}

// found looks for a finding in a report that is not good.
func found(r *probe.Report, reason, cause string) error {
	if r == nil || r.Good() || !slices.ContainsFunc(r.Findings, func(f probe.Finding) bool {
		return f.Reason == reason && strings.Contains(f.Cause, cause) && len(f.Cure) > 0
	}) {
		var text strings.Builder
		_ = r.Write(&text)
		return errors.New("no " + reason + " because of " + cause + " in:\n" + text.String())
	}
	return nil
}

// server is a partner's that does with each TLS connection what a test wants.
func (b *bed) server(serve func(net.Conn)) {
	b.Helper()
	cert := b.Public.Issue(ca.Leaf{DNS: []string{"sip.fabrikam.com"}}).TLS
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{cert}, ClientAuth: tls.RequireAnyClientCert, MinVersion: tls.VersionTLS12})
	if err != nil {
		b.Fatal(err)
	}
	var all sync.WaitGroup
	all.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() { serve(c); c.Close() })
		}
	})
	b.Cleanup(all.Wait)
	b.Cleanup(func() { l.Close() })
	b.dns.Set(func(z *zone.Zone) {
		z.SRV["_sipfederationtls._tcp.fabrikam.com"] = []zone.SRV{{Port: portOf(l), Target: "sip.fabrikam.com"}}
	})
}

// TestProberAsksForSIP: what partners may do with a plain question.
func TestProberAsksForSIP(t *testing.T) {
	answer := func(lines ...string) func(net.Conn) {
		return func(c net.Conn) {
			asked, err := http.ReadRequest(bufio.NewReader(&sipAsHTTP{Conn: c}))
			if err != nil {
				return
			}
			h := asked.Header
			for _, line := range lines {
				fmt.Fprintf(c, "%s\r\nVia: %s\r\nFrom: %s\r\nTo: %s;tag=x\r\nCall-ID: %s\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n",
					line, h.Get("Via"), h.Get("From"), h.Get("To"), h.Get("Call-Id"))
			}
			_, _ = io.Copy(io.Discard, c)
		}
	}
	for _, tt := range []struct {
		name   string
		serve  func(net.Conn)
		reason string // "": good
		says   string
	}{
		{"answers late", answer("SIP/2.0 100 Trying", "SIP/2.0 200 OK"), "", "answered 200 OK"},
		{"refuses", answer("SIP/2.0 403 Forbidden"), "", "ask the partner whether it lists contoso.com"},
		{"says nothing", func(c net.Conn) { _, _ = io.Copy(io.Discard, c) }, "no-answer", "says nothing for 1s"},
		{"hangs up", func(c net.Conn) { _, _ = c.Read(make([]byte, 1)) }, "connection-lost", "ends the connection when it has our request"},
		{"speaks something else", func(c net.Conn) {
			fmt.Fprint(c, "220 mail.fabrikam.com ESMTP\r\n\r\n")
			_, _ = io.Copy(io.Discard, c)
		}, "malformed", "something that is not SIP"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := start(t, func(s *setup) { s.Limits = "{connect_timeout: 1s}" })
			b.stop()
			b.server(tt.serve)
			r, err := b.walk(policy.SIP, fabrikam, "")
			if err != nil {
				t.Fatal(err)
			}
			var text strings.Builder
			if err := r.Write(&text); err != nil || r.Good() != (tt.reason == "") || !strings.Contains(text.String(), tt.says) {
				t.Errorf("%v, want %q in\n%s", err, tt.says, &text)
			}
			if tt.reason != "" && (len(r.Findings) != 1 || r.Findings[0].Reason != tt.reason) {
				t.Errorf("findings %+v", r.Findings)
			}
		})
	}
}

// sipAsHTTP lets net/http read a SIP request.
type sipAsHTTP struct {
	net.Conn
	begun bool
}

func (s *sipAsHTTP) Read(p []byte) (int, error) {
	n, err := s.Conn.Read(p)
	if !s.begun && n > 0 {
		s.begun = true
		n = copy(p, strings.Replace(strings.Replace(string(p[:n]), " SIP/2.0", " HTTP/1.1", 1), "OPTIONS sip:fabrikam.com", "OPTIONS *", 1))
	}
	return n, err
}
