package tlsid_test

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"edged/internal/lab/ca"
	"edged/pkg/domain"
	"edged/pkg/tlsid"
)

// two are both ends of a federation: each trusts the root, and is certified by it.
func two(t *testing.T, root *ca.Authority) (ours, theirs *tlsid.Side) {
	t.Helper()
	trusted := trusting(t, root)
	ours = &tlsid.Side{Keys: keys(t, root.Issue(ca.Leaf{DNS: []string{"ours.test"}})), Trust: trusted}
	theirs = &tlsid.Side{Keys: keys(t, root.Issue(ca.Leaf{DNS: []string{"theirs.test"}})), Trust: trusted}
	return ours, theirs
}

func name(s string) domain.Name { return domain.MustParse(s) }

func TestMutual(t *testing.T) {
	ours, theirs := two(t, ca.New("Root"))
	for _, version := range versions() {
		t.Run(tls.VersionName(version), func(t *testing.T) {
			server := tlsid.ServerConfig(always(theirs), nil)
			server.NextProtos = []string{"sip/2"}
			server.MaxVersion = version
			client := tlsid.ClientConfig(ours, name("anything.test"), name("ours.test"), nil)
			client.NextProtos = []string{"sip/2"}
			r := connect(t, server, client)
			if r.serverErr != nil || r.clientErr != nil || r.readErr != nil {
				t.Fatalf("server %v, client %v, read %v", r.serverErr, r.clientErr, r.readErr)
			}
			if id, err := tlsid.PeerIdentity(theirs, r.server); err != nil || !id.Covers(name("ours.test")) {
				t.Errorf("the server proves %v, %v", id.Names, err)
			}
			if id, err := tlsid.PeerIdentity(ours, r.client); err != nil || !id.Covers(name("theirs.test")) {
				t.Errorf("the client proves %v, %v", id.Names, err)
			}
			if r.server.Version != version || r.server.ServerName != "anything.test" || r.server.NegotiatedProtocol != "sip/2" {
				t.Errorf("version %x, SNI %q, protocol %q", r.server.Version, r.server.ServerName, r.server.NegotiatedProtocol)
			}
		})
	}
}

// TestServerName: SNI chooses our certificate; none, or an odd one, the default.
func TestServerName(t *testing.T) {
	root := ca.New("Root")
	side := &tlsid.Side{Trust: trusting(t, root), Keys: keys(t,
		root.Issue(ca.Leaf{DNS: []string{"a.test"}}), root.Issue(ca.Leaf{DNS: []string{"b.test"}}))}
	for sni, want := range map[string]string{"": "a.test", "a.test": "a.test", "B.TEST": "b.test", "c.test": "a.test", "under_score.test": "a.test"} {
		client := presenting(root.Issue(ca.Leaf{CN: "peer.test"}))
		client.ServerName = sni
		r := connect(t, tlsid.ServerConfig(always(side), nil), client)
		if r.clientErr != nil || r.readErr != nil {
			t.Fatalf("%q: %v, %v", sni, r.clientErr, r.readErr)
		}
		if got := r.client.PeerCertificates[0].DNSNames[0]; got != want {
			t.Errorf("SNI %q: certificate of %s, want %s", sni, got, want)
		}
	}
}

// TestClientAlwaysPresents: also to servers that list authorities we do not have.
func TestClientAlwaysPresents(t *testing.T) {
	root := ca.New("Root")
	ours, theirs := two(t, root)
	for _, version := range versions() {
		t.Run(tls.VersionName(version), func(t *testing.T) {
			server := tlsid.ServerConfig(always(theirs), nil)
			server.MaxVersion = version
			server.ClientCAs = poolOf(ca.New("Unrelated"))
			r := connect(t, server, tlsid.ClientConfig(ours, domain.Name{}, name("ours.test"), nil))
			if r.serverErr != nil || r.readErr != nil {
				t.Fatalf("server %v, read %v", r.serverErr, r.readErr)
			}
			if r.server.ServerName != "" {
				t.Errorf("SNI %q, want none", r.server.ServerName)
			}
		})
	}
}

// TestOldVersionsRefused: TLS 1.1 and older, in both roles.
func TestOldVersionsRefused(t *testing.T) {
	root := ca.New("Root")
	ours, theirs := two(t, root)
	old := presenting(root.Issue(ca.Leaf{CN: "old.test"}))
	old.MinVersion, old.MaxVersion = tls.VersionTLS10, tls.VersionTLS11
	if r := connect(t, tlsid.ServerConfig(always(theirs), nil), old); r.serverErr == nil || !tlsid.IsAlert(r.clientErr) {
		t.Errorf("old client: server %v, client %v", r.serverErr, r.clientErr)
	}
	if r := connect(t, old, tlsid.ClientConfig(ours, name("old.test"), name("ours.test"), nil)); r.clientErr == nil {
		t.Error("old server accepted")
	}
}

// TestReload: the handshake after a swap uses the new keys and the new trust.
func TestReload(t *testing.T) {
	start, soon, _ := moments()
	root := ca.New("Root")
	peer := root.Issue(ca.Leaf{CN: "peer.test"})
	before := &tlsid.Side{Keys: keys(t, root.Issue(ca.Leaf{CN: "us.test", Serial: 1})), Trust: trusting(t, root)}
	after := &tlsid.Side{
		Keys:  keys(t, root.Issue(ca.Leaf{CN: "us.test", Serial: 2})),
		Trust: trust(t, tlsid.TrustConfig{Roots: []string{rootFile(t, root)}, CRLs: []string{write(t, root.CRL(start, soon, peer))}}),
	}
	var current atomic.Pointer[tlsid.Side]
	current.Store(before)
	server := tlsid.ServerConfig(current.Load, nil)
	r := connect(t, server, presenting(peer))
	if r.readErr != nil || r.client.PeerCertificates[0].SerialNumber.Int64() != 1 {
		t.Fatalf("before: %v, %v", r.serverErr, r.readErr)
	}
	open := r.server

	current.Store(after)
	r = connect(t, server, presenting(root.Issue(ca.Leaf{CN: "other.test"})))
	if r.readErr != nil || r.client.PeerCertificates[0].SerialNumber.Int64() != 2 {
		t.Errorf("renewed certificate not served: %v", r.readErr)
	}
	wantRefused(t, connect(t, server, presenting(peer)), tlsid.Revoked)
	_, err := tlsid.PeerIdentity(after, open)
	wantKind(t, err, tlsid.Revoked) // what the open connection hears when it is asked again
}

// TestResumption: sessions are not resumed, and if they were, the checks would
// run all the same.
func TestResumption(t *testing.T) {
	start, soon, _ := moments()
	root := ca.New("Root")
	peer := root.Issue(ca.Leaf{CN: "peer.test"})
	good := &tlsid.Side{Keys: keys(t, root.Issue(ca.Leaf{CN: "us.test"})), Trust: trusting(t, root)}
	revoked := &tlsid.Side{
		Keys:  good.Keys,
		Trust: trust(t, tlsid.TrustConfig{Roots: []string{rootFile(t, root)}, CRLs: []string{write(t, root.CRL(start, soon, peer))}}),
	}
	for _, version := range versions() {
		t.Run(tls.VersionName(version), func(t *testing.T) {
			var current atomic.Pointer[tlsid.Side]
			current.Store(good)
			client := presenting(peer)
			client.MaxVersion, client.ServerName = version, "us.test"
			client.ClientSessionCache = tls.NewLRUClientSessionCache(1)
			server := tlsid.ServerConfig(current.Load, nil)
			for range 2 {
				if r := connect(t, server, client); r.readErr != nil || r.server.DidResume {
					t.Errorf("read %v, resumed %v", r.readErr, r.server.DidResume)
				}
			}
			server.SessionTicketsDisabled = false
			connect(t, server, client)
			if r := connect(t, server, client); !r.server.DidResume {
				t.Fatal("with tickets, the session is not resumed: the rest of this test proves nothing")
			}
			current.Store(revoked)
			wantRefused(t, connect(t, server, client), tlsid.Revoked)
		})
	}
}

// TestAlert: who refuses whom, and how the other end hears of it.
func TestAlert(t *testing.T) {
	root := ca.New("Root")
	ours, theirs := two(t, root)
	stranger := &tlsid.Side{Keys: keys(t, ca.New("Rogue").Issue(ca.Leaf{CN: "rogue.test"})), Trust: ours.Trust}
	for _, version := range versions() {
		t.Run(tls.VersionName(version), func(t *testing.T) {
			t.Run("server refuses client", func(t *testing.T) {
				server := tlsid.ServerConfig(always(theirs), nil)
				server.MaxVersion = version
				r := connect(t, server, tlsid.ClientConfig(stranger, name("theirs.test"), name("rogue.test"), nil))
				wantRefused(t, r, tlsid.UnknownAuthority)
				late := r.clientErr == nil
				if late != (version == tls.VersionTLS13) {
					t.Errorf("handshake %v, read %v", r.clientErr, r.readErr)
				}
				if tlsid.IsAlert(r.serverErr) {
					t.Errorf("our own refusal counts as the peer's: %v", r.serverErr)
				}
			})
			t.Run("client refuses server", func(t *testing.T) {
				server := tlsid.ServerConfig(always(stranger), nil)
				server.MaxVersion = version
				r := connect(t, server, tlsid.ClientConfig(ours, name("rogue.test"), name("ours.test"), nil))
				wantKind(t, r.clientErr, tlsid.UnknownAuthority)
				if !tlsid.IsAlert(r.serverErr) || tlsid.IsAlert(r.clientErr) {
					t.Errorf("server %v, client %v", r.serverErr, r.clientErr)
				}
				if _, ok := tlsid.Refusal(r.serverErr); ok {
					t.Errorf("the peer's refusal counts as ours: %v", r.serverErr)
				}
			})
		})
	}
}

func TestNoAlert(t *testing.T) {
	for _, err := range []error{
		nil, io.EOF, io.ErrUnexpectedEOF, errors.New("remote error"), net.ErrClosed,
		&net.OpError{Op: "read", Err: syscall.ECONNRESET}, fmt.Errorf("dial: %w", &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}),
	} {
		if tlsid.IsAlert(err) {
			t.Errorf("%v counts as an alert", err)
		}
	}
	if !tlsid.IsAlert(fmt.Errorf("link: %w", &net.OpError{Op: "remote error", Err: errors.New("tls: bad certificate")})) {
		t.Error("a wrapped alert is none")
	}
	if _, ok := tlsid.Refusal(nil); ok {
		t.Error("success counts as a refusal")
	}
}

// TestOrderlyClose: close_notify is no refusal.
func TestOrderlyClose(t *testing.T) {
	ours, theirs := two(t, ca.New("Root"))
	left, right := loopback(t)
	done := make(chan error, 1)
	go func() {
		conn := tls.Server(left, tlsid.ServerConfig(always(theirs), nil))
		if err := conn.HandshakeContext(t.Context()); err != nil {
			done <- err
			return
		}
		done <- conn.Close()
	}()
	conn := tls.Client(right, tlsid.ClientConfig(ours, name("theirs.test"), name("ours.test"), nil))
	if _, err := conn.Read(make([]byte, 1)); !errors.Is(err, io.EOF) || tlsid.IsAlert(err) {
		t.Errorf("read: %v, want EOF", err)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestKindTexts(t *testing.T) {
	seen := map[string]bool{"unknown": true, "": true}
	for _, k := range tlsid.CertErrorKinds() {
		if seen[k.String()] {
			t.Errorf("kind %d has the text %q of another", k, k)
		}
		seen[k.String()] = true
	}
	if got := tlsid.CertErrorKind(0).String(); got != "unknown" {
		t.Errorf("zero kind is %q", got)
	}
}

// TestErrorText: for the log of an operator; a stranger cannot flood it.
func TestErrorText(t *testing.T) {
	long := make([]byte, 5000)
	for i := range long {
		long[i] = 'x'
	}
	trusted := trusting(t, ca.New("Root"))
	_, err := trusted.Identify(presented(t, ca.New("Rogue").Issue(ca.Leaf{CN: string(long)})))
	if n := len(err.Error()); n > 1000 {
		t.Errorf("text of %d bytes", n)
	}
	_, err = trusted.Identify(presented(t, ca.New("Rogue").Issue(ca.Leaf{DNS: []string{"a.test"}, NotBefore: time.Now().Add(time.Hour)})))
	want := "peer certificate: not-yet-valid: DNS:a.test (issued by CN=Rogue)"
	if got := err.Error(); len(got) < len(want) || got[:len(want)] != want {
		t.Errorf("text %q, want it to begin with %q", got, want)
	}
}
