package interop

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"edged/internal/lab/xmpppeer"
)

// numbered is how many stanzas go each way.
const numbered = 10_000

// TestXMPPTenThousand sends numbered messages both ways, while the partner ends the
// stream that edged sends on, and edged gets new policies and a new certificate.
func TestXMPPTenThousand(t *testing.T) {
	t.Run("streams ended in order", func(t *testing.T) {
		s := newCounting(t)
		s.partner.ends = map[int]ending{2500: inOrder, 6500: inOrder}
		inward, outward := s.exchange(t)
		wantAll(t, "inward", inward.got)
		s.wantSettled(t, s.sender, "jabber.example", "contoso.com")
		wantAll(t, "outward", outward.got)
		if len(inward.bounced)+len(outward.bounced) > 0 {
			t.Errorf("bounced: %v inward, %v outward", inward.bounced, outward.bounced)
		}
		s.wantSettled(t, s.pool, "contoso.com", "jabber.example")
		if n := s.uncertain(t); n > 0 {
			t.Errorf("edged counts %d stanzas as uncertain, though every stream has ended in order", n)
		}
	})
	t.Run("streams reset", func(t *testing.T) {
		s := newCounting(t)
		s.partner.ends = map[int]ending{2500: byReset, 5000: byReset, 7000: byReset}
		inward, outward := s.exchange(t)
		wantAll(t, "inward", inward.got)
		s.wantSettled(t, s.sender, "jabber.example", "contoso.com")
		wantGrowing(t, "outward", outward.got)
		delivered := make(map[int]bool)
		for _, n := range outward.got {
			delivered[n] = true
		}
		for _, n := range outward.bounced {
			if delivered[n] {
				t.Errorf("outward %d has been delivered and bounced", n)
			}
		}
		lost, unsure := numbered-len(outward.got)-len(outward.bounced), s.uncertain(t)
		t.Logf("outward: %d delivered, %d bounced, %d neither; uncertain %d", len(outward.got), len(outward.bounced), lost, unsure)
		if lost > unsure {
			t.Errorf("%d stanzas are neither delivered nor bounced, and edged is uncertain of %d only", lost, unsure)
		}
		if most := unacknowledged * len(s.partner.ends); unsure > most {
			t.Errorf("edged is uncertain of %d stanzas, want at most %d for each reset", unsure, unacknowledged)
		}
	})
}

// unacknowledged is limits.unacknowledged as it is by itself.
const unacknowledged = 1000

// counting is edged between a partner and a pool that count.
type counting struct {
	*xmppStand
	sender, pool *xmpppeer.Server // of the partner, and ours
	bob, carol   *xmpppeer.User
	partner      *counter
}

// tally is what became of the messages of one direction.
type tally struct {
	got     []int // as they arrived
	bounced []int
}

// complete reports whether the last one has come.
func (y *tally) complete() bool { return len(y.got) > 0 && y.got[len(y.got)-1] == numbered-1 }

func newCounting(t *testing.T) *counting {
	t.Helper()
	s := &counting{xmppStand: startXMPPEdge(t, xmppStandSpec{})}
	minted, err := os.ReadFile(s.authorityCert())
	if err != nil {
		t.Fatal(err)
	}
	ours := s.inside.Issue(leaf("contoso.com")).TLS
	s.pool = s.play(t, xmppFirst, xmppInside, xmpppeer.Config{
		Domains: []string{"contoso.com"}, Certificates: map[string]*tls.Certificate{"": &ours}, Roots: rootsOf(t, minted),
		Management: true, InboxSize: numbered,
	})
	s.carol = s.pool.User("carol@contoso.com")
	theirs := s.roots.Issue(leaf("jabber.example")).TLS
	// It sends; what comes for it arrives at the counter.
	sender := s.playJabber(t, "sender."+xmppPartner, xmppOutside, xmpppeer.Config{
		Certificates: map[string]*tls.Certificate{"": &theirs}, Roots: s.roots.pool, Management: true,
	})
	s.sender, s.bob = sender.Server, sender.bob
	s.partner = s.count(t, xmppPartner, &theirs)
	return s
}

// exchange sends all messages, both ways at once, and returns what became of them. On
// the way edged is told ten times to read its configuration.
func (s *counting) exchange(t *testing.T) (inward, outward tally) {
	t.Helper()
	const reloads = 10
	failed := make(chan error, 2)
	go func() { failed <- sendAll(t.Context(), s.bob, "carol@contoso.com") }()
	go func() { failed <- sendAll(t.Context(), s.carol, "bob@jabber.example") }()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	reloaded, sending := 0, 2
	for sending > 0 || len(inward.got) < numbered || !outward.complete() || reloaded < reloads {
		select {
		case e := <-s.carol.Inbox():
			take(t, e, &inward, &outward)
		case n := <-s.partner.arrived:
			outward.got = append(outward.got, n)
			if reloaded < reloads && n > numbered/(reloads+1)*(reloaded+1) {
				s.reload(t, reloaded)
				reloaded++
			}
		case err := <-failed:
			sending--
			if err != nil {
				t.Fatal(err)
			}
		case <-ctx.Done():
			t.Fatalf("%d of %d have come inward, %d outward, after %d reloads", len(inward.got), numbered, len(outward.got), reloaded)
		}
	}
	return inward, outward
}

// take notes a message of carol's: bob's, or her own that was bounced.
func take(t *testing.T, e *xmpppeer.Element, inward, outward *tally) {
	t.Helper()
	into := &inward.got
	if e.Attr("type") == "error" {
		into = &outward.bounced
	}
	n, err := strconv.Atoi(e.Attr("id"))
	if err != nil {
		t.Fatalf("carol got %s", e)
	}
	*into = append(*into, n)
}

// sendAll sends all messages of one direction.
func sendAll(ctx context.Context, from *xmpppeer.User, to string) error {
	for n := range numbered {
		err := from.Send(ctx, xmpppeer.Stanza{Type: "chat", To: to, ID: strconv.Itoa(n), Payload: "<body>hello</body>"})
		if err != nil {
			return fmt.Errorf("%s, message %d: %w", from.Address, n, err)
		}
	}
	return nil
}

// reload has edged read a policy that it has not seen, with a new certificate, and
// waits until it is in force.
func (s *counting) reload(t *testing.T, before int) {
	t.Helper()
	s.render(t, "xmpp/policy.yaml", "policy.yaml", map[string]any{
		"Type": s.spec.partnerType, "SASL": "required", "Dialback": false, "Blocked": fmt.Sprintf("blocked%d.example", before),
	})
	s.issueXMPPOutside(t)
	if err := s.edge.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	await(t, "edged to reload", func() bool { return s.metric(t, `edged_config_reloads_total{result="done"}`) > before })
}

// wantSettled wants edged to have taken over all that a server has sent it.
func (s *counting) wantSettled(t *testing.T, server *xmpppeer.Server, from, to string) {
	t.Helper()
	if err := server.Settled(soon(t), from, to); err != nil {
		t.Errorf("from %s to %s: not everything is acknowledged: %v", from, to, err)
	}
}

// uncertain is how many stanzas edged has lost sight of, outside.
func (s *counting) uncertain(t *testing.T) int {
	t.Helper()
	return s.metric(t, `edged_xmpp_uncertain_total{side="external"}`)
}

// metric is one of edged's, 0 if it has none of that name.
func (w *world) metric(t *testing.T, name string) int {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+w.place("metrics.test").String()+"/metrics", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	lines := bufio.NewScanner(resp.Body)
	for lines.Scan() {
		if text, ok := strings.CutPrefix(lines.Text(), name+" "); ok {
			n, err := strconv.ParseFloat(text, 64)
			if err != nil {
				t.Fatal(err)
			}
			return int(n)
		}
	}
	return 0
}

// wantAll wants 0 to 9999, each once, in order.
func wantAll(t *testing.T, way string, got []int) {
	t.Helper()
	wantGrowing(t, way, got)
	if len(got) != numbered {
		t.Errorf("%s: %d messages have come, want %d", way, len(got), numbered)
	}
}

// wantGrowing wants none twice and none before an earlier one.
func wantGrowing(t *testing.T, way string, got []int) {
	t.Helper()
	for i := 1; i < len(got); i++ {
		if got[i] <= got[i-1] {
			t.Fatalf("%s: %d has come after %d", way, got[i], got[i-1])
		}
	}
}

// rootsOf is who signs what the pool takes for a partner's.
func rootsOf(t *testing.T, pem []byte) *x509.CertPool {
	t.Helper()
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		t.Fatal("no certificate in the file of the authority")
	}
	return roots
}
