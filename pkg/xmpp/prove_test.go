package xmpp

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"log"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"edged/internal/lab/ca"
	"edged/internal/lab/xmpppeer"
	"edged/internal/lab/zone"
	"edged/pkg/policy"
	"edged/pkg/posh"

	"github.com/prometheus/client_golang/prometheus"
)

// vouching is whom the entry of a partner believes, and what they say.
type vouching struct {
	entry  policy.XMPPSettings
	global policy.Federation // its DANE and POSH
	world  func(*voucher)
	proof  string // what comes of it; "": nothing
}

// voucher speaks for a certificate in the DNS and on the partner's web site.
type voucher struct {
	zone *zone.Server
	port uint16 // where the partner's server is
	leaf []byte // its certificate
	site string // what its web server has; "": nothing
}

// records puts a certificate into the DNS, signed or not.
func (v *voucher) records(cert []byte, usage, selector uint8, signed bool) {
	sum := sha256.Sum256(cert)
	v.zone.Set(func(z *zone.Zone) {
		z.TLSA[zone.Port("xmpp."+theirs, v.port)] = []zone.TLSA{{Usage: usage, Selector: selector, Matching: 1, Data: sum[:]}}
		z.Signed[theirs] = signed
	})
}

func (v *voucher) publish(cert []byte) {
	sum := sha256.Sum256(cert)
	v.site = fmt.Sprintf(`{"fingerprints":[{"sha-256":%q}],"expires":3600}`, base64.StdEncoding.EncodeToString(sum[:]))
}

func vouchings() map[string]vouching {
	plain, dialback, without := byCertificate(), byEither(), byEither()
	without.SASL = policy.NotSupported
	dane := func(s policy.XMPPSettings) policy.XMPPSettings { s.DANE = policy.On; return s }
	site := func(s policy.XMPPSettings) policy.XMPPSettings { s.POSH = policy.On; return s }
	never := plain
	never.DANE, never.POSH = policy.Off, policy.Off
	everybody := policy.Federation{DANE: true, POSH: true}
	signed := func(v *voucher) { v.records(v.leaf, 3, 0, true) }
	published := func(v *voucher) { v.publish(v.leaf) }
	both := func(v *voucher) { signed(v); published(v) }
	another := []byte("another certificate")
	return map[string]vouching{
		"TLSA, this partner":       {entry: dane(plain), world: signed, proof: "dane"},
		"TLSA, every partner":      {entry: plain, global: everybody, world: signed, proof: "dane"},
		"TLSA, dialback as well":   {entry: dane(dialback), world: signed, proof: "dane"},
		"TLSA, nobody":             {entry: plain, world: signed},
		"TLSA, unsigned":           {entry: dane(plain), world: func(v *voucher) { v.records(v.leaf, 3, 0, false) }},
		"TLSA, in addition to CAs": {entry: dane(plain), world: func(v *voucher) { v.records(v.leaf, 1, 0, true) }},
		"TLSA, of a key":           {entry: dane(plain), world: func(v *voucher) { v.records(v.leaf, 3, 1, true) }},
		"TLSA, another":            {entry: dane(plain), world: func(v *voucher) { v.records(another, 3, 0, true) }},
		"TLSA, SASL not wanted":    {entry: dane(without), world: signed},
		"site, this partner":       {entry: site(plain), world: published, proof: "posh"},
		"site, every partner":      {entry: plain, global: everybody, world: published, proof: "posh"},
		"site, nobody":             {entry: plain, world: published},
		"site, another":            {entry: site(plain), world: func(v *voucher) { v.publish(another) }},
		"site, none":               {entry: site(plain), world: func(*voucher) {}},
		"both":                     {entry: dane(site(plain)), world: both, proof: "dane"},
		"both, but not for this":   {entry: never, global: everybody, world: both},
	}
}

// TestVouchedFor: a certificate that no authority has signed proves the partner if
// signed DNS (RFC 7673) or the partner's web server (RFC 7711) names it and the
// partner's entry believes them; then it satisfies `sasl: required`, both ways.
func TestVouchedFor(t *testing.T) {
	for name, tt := range vouchings() {
		for _, dialled := range []bool{true, false} {
			t.Run(name+", "+opened(dialled), func(t *testing.T) {
				t.Parallel()
				tt.run(t, dialled)
			})
		}
	}
}

// run has a partner whose certificate is its own work dial, or be dialled.
func (tt vouching) run(t *testing.T, dialled bool) {
	t.Helper()
	reg, v := prometheus.NewRegistry(), &voucher{}
	log := &keptLog{show: testLog{t}}
	b := newBed(t, counted(reg), entry(tt.entry), v.serve(t), func(c *setup) {
		c.config.Log = slog.New(slog.NewTextHandler(log, nil))
		c.policy.Federation.DANE, c.policy.Federation.POSH = tt.global.DANE, tt.global.POSH
	})
	cert := selfSigned("hoster.example")
	partner := b.partner(theirs, func(c *xmpppeer.Config) { c.Certificates[""], c.Dialback = cert, true })
	v.zone, v.leaf = b.zone, cert.Certificate[0]
	b.zone.Set(func(z *zone.Zone) { v.port = z.SRV[zone.XMPP(theirs)][0].Port })
	tt.world(v)
	switch {
	case !dialled:
		tt.accepted(b, cert)
	case tt.proof != "":
		b.chat(b.pool.User(bob), partner.User(alice), "hello")
	case tt.entry.Dialback != policy.On:
		user := b.pool.User(bob)
		sent := xmpppeer.Stanza{From: bob + "/x", To: alice, ID: "1", Payload: xmpppeer.Body("hello")}
		b.send(user, sent)
		b.isError(b.receive(user), sent, "remote-server-timeout", "cancel", "edge."+ours)
	}
	for _, how := range []string{"pkix", "dane", "posh", "dialback"} {
		if got, want := log.has("side=external", "proof="+how), how == tt.proof; got != want {
			t.Errorf("proof=%s in the log: %v, want %v", how, got, want)
		}
		want := 0
		if how == tt.proof && !dialled {
			want = 1
		}
		if got := total(t, reg, "edged_xmpp_authentications_total", "side=external", "result="+how); got != want {
			t.Errorf("%d accepted streams proven by %s, want %d", got, how, want)
		}
	}
}

// accepted opens a stream as the partner, as far as SASL.
func (tt vouching) accepted(b *bed, cert *tls.Certificate) {
	b.t.Helper()
	s := b.dial(theirs, cert, xmpppeer.Reoffered)
	proven := tt.proof != ""
	if got := xmpppeer.OffersExternal(s.LastFeatures()); got != proven {
		b.t.Errorf("EXTERNAL is offered: %v, want %v", got, proven)
	}
	if err := s.External(b.ctx, theirs); (err == nil) != proven {
		b.t.Errorf("EXTERNAL: %v, want success: %v", err, proven)
	}
}

// TestVouchersAreBounded: asking others about a certificate counts as a verification,
// of which there are only so many.
func TestVouchersAreBounded(t *testing.T) {
	settings := byCertificate()
	settings.DANE = policy.On
	b := newBed(t, entry(settings), func(c *setup) { c.bounds.Verifications = 1 })
	cert, v := selfSigned("hoster.example"), &voucher{zone: b.zone}
	b.publish(theirs, "127.0.0.1:5269", false)
	v.port = 5269
	v.records(cert.Certificate[0], 3, 0, true)
	other := verification{listed: true}
	for _, free := range []bool{true, false, true} {
		if !free && !b.s.verifying.enter(other, &b.state.Bounds) {
			t.Fatal("a place is taken")
		}
		s := b.dial(theirs, cert, xmpppeer.Reoffered)
		if got := xmpppeer.OffersExternal(s.LastFeatures()); got != free {
			t.Errorf("EXTERNAL is offered: %v, want %v", got, free)
		}
		if !free {
			b.s.verifying.leave(other)
		}
	}
}

// serve starts the web server of jabber.example, and shows an edge the way there.
func (v *voucher) serve(t *testing.T) func(*setup) {
	t.Helper()
	authority := ca.New("of web servers")
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if v.site == "" || r.Host != theirs || r.URL.Path != "/.well-known/posh/xmpp-server.json" {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(v.site))
	}))
	server.TLS = &tls.Config{Certificates: []tls.Certificate{authority.Issue(ca.Leaf{DNS: []string{theirs}}).TLS}}
	server.Config.ErrorLog = log.New(testLog{t}, "", 0)
	server.StartTLS()
	t.Cleanup(server.Close)
	roots := x509.NewCertPool()
	roots.AddCert(authority.Cert().X509)
	client := posh.New(posh.Config{Roots: roots, Dial: func(ctx context.Context, network, addr string) (net.Conn, error) {
		if !strings.HasPrefix(addr, theirs+":") {
			return nil, fmt.Errorf("nobody is at %s", addr)
		}
		var d net.Dialer
		return d.DialContext(ctx, network, server.Listener.Addr().String())
	}})
	t.Cleanup(client.Close)
	return func(c *setup) { c.config.POSH = client }
}

// keptLog is a log that can be looked at.
type keptLog struct {
	show  testLog
	mu    sync.Mutex
	lines []string
}

func (l *keptLog) Write(b []byte) (int, error) {
	l.mu.Lock()
	l.lines = append(l.lines, string(b))
	l.mu.Unlock()
	return l.show.Write(b)
}

// has reports whether one line has all the texts.
func (l *keptLog) has(texts ...string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, line := range l.lines {
		all := true
		for _, text := range texts {
			all = all && strings.Contains(line, text)
		}
		if all {
			return true
		}
	}
	return false
}
