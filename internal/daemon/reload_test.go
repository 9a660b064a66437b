package daemon_test

import (
	"crypto/tls"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"edged/internal/lab/ca"
	"edged/internal/lab/kit"
	"edged/internal/lab/sippeer"
	"edged/internal/lab/zone"
)

func block(domain string) func(*setup) {
	return func(s *setup) { s.Allowed, s.Blocked = []string{northwind}, []string{domain} }
}

func unlist(s *setup) { s.Allowed = []string{northwind} }

// TestReloadCutsAPartnerOff: blocked or no longer listed, its connections close
// at once, and nothing of its dialogs crosses any more, not even the BYE. A call
// with somebody else goes on over the very same connections.
func TestReloadCutsAPartnerOff(t *testing.T) {
	for name, change := range map[string]func(*setup){"blocked": block(fabrikam), "unlisted": unlist} {
		t.Run(name, func(t *testing.T) {
			b := start(t)
			pool, cut, other := b.dial("fe1"), b.dial(fabrikam), b.dial(northwind)
			lost, kept := b.call(fabrikam, cut), b.call(northwind, other)
			for _, c := range []*call{lost, kept} {
				if got := c.weSend(pool, "INFO"); got != 200 {
					t.Fatalf("INFO to %s before the reload: %d", c.partner, got)
				}
			}
			before := b.connections("sip." + northwind)

			b.reload(change)
			b.wantClosed(cut)
			b.awaitNone("sip." + fabrikam) // the one that we dialled too
			for _, method := range []string{"INFO", "INVITE", "BYE"} {
				if got := lost.weSend(pool, method); got != 403 {
					t.Errorf("%s to a partner that is cut off: %d, want 403", method, got)
				}
			}
			again := b.dial(fabrikam)
			for _, method := range []string{"INFO", "BYE"} {
				if got := lost.theySend(again, method); got != 403 {
					t.Errorf("%s from a partner that is cut off: %d, want 403", method, got)
				}
			}
			if got := b.say(again, fabrikam, "bob@"+fabrikam, alice); got != 403 {
				t.Errorf("a new message from it: %d, want 403", got)
			}

			if got := kept.theySend(other, "INFO"); got != 200 {
				t.Errorf("INFO of the other call, inwards: %d", got)
			}
			if got := kept.weSend(pool, "INFO"); got != 200 {
				t.Errorf("INFO of the other call, outwards: %d", got)
			}
			if got := kept.weSend(pool, "BYE"); got != 200 {
				t.Errorf("BYE of the other call: %d", got)
			}
			if diff := cmp.Diff(before, b.connections("sip."+northwind)); diff != "" {
				t.Errorf("its connections (-before +after):\n%s", diff)
			}
			if arrived := b.peers[fabrikam].Desk.Arrived(lost.ours.CallID); len(arrived) != 1 {
				t.Errorf("%d requests of the dialog reached the partner, want the one from before", len(arrived))
			}
		})
	}
}

// TestReloadRefused: a configuration with mistakes, or with a change that needs a
// restart, changes nothing, and everybody can see that it was refused.
func TestReloadRefused(t *testing.T) {
	const restart = "a reload cannot change %s; put it back, or restart edged"
	tests := map[string]struct {
		spoil func(*bed)
		want  string
	}{
		"a mistake in edged.yaml": {func(b *bed) {
			b.write(func(s *setup) { s.DNSTimeout = "soon" })
		}, `dns.timeout: "soon" is no duration`},
		"a mistake in policy.yaml": {func(b *bed) {
			b.write(func(s *setup) { s.Blocked = []string{fabrikam} })
		}, "fabrikam.com is also in blocked_domains"},
		"a key of another certificate": {func(b *bed) {
			b.File("tls/edge.key", b.Public.Issue(ca.Leaf{CN: outside}).KeyPEM)
		}, "tls.certificates[0]: certificate "},
		"a secret that is gone": {func(b *bed) { b.Secret("") }, "secret_file: "},
		"a CRL that is none": {func(b *bed) {
			b.File("tls/bad.crl", []byte("no list"))
			b.write(func(s *setup) { s.CRLs = "[tls/bad.crl]" })
		}, "tls.crls[0]: crl "},
		"another state_dir": {func(b *bed) {
			b.write(func(s *setup) { s.StateDir = "elsewhere" })
		}, fmt.Sprintf(restart, "state_dir")},
		"another admin socket": {func(b *bed) {
			b.write(func(s *setup) { s.Dir += "/." })
		}, fmt.Sprintf(restart, "admin.socket")},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			b := start(t)
			conn, pool := b.dial(fabrikam), b.dial("fe1")
			c := b.call(fabrikam, conn)
			before := b.metric("edged_config_info")

			tt.spoil(b)
			err := b.edge.Reload(b.Soon())
			if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "\n") {
				t.Fatalf("error %v, want one that has %q, and nothing else", err, tt.want)
			}
			b.logged(`level=ERROR msg="reload refused, the old configuration stays in force" err=`)
			want := append(before, "edged_config_last_reload_successful 0",
				`edged_config_reloads_total{result="done"} 0`, `edged_config_reloads_total{result="refused"} 1`)
			got := append(append(b.metric("edged_config_info"), b.metric("edged_config_last_reload_successful")...), b.metric("edged_config_reloads_total")...)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("metrics (-want +got):\n%s", diff)
			}
			if in, out := c.theySend(conn, "INFO"), c.weSend(pool, "BYE"); in != 200 || out != 200 {
				t.Errorf("the call after it: %d inwards, %d outwards", in, out)
			}
			if got := b.say(b.dial(fabrikam), fabrikam, "bob@"+fabrikam, alice); got != 200 {
				t.Errorf("a new connection after it: %d", got)
			}
		})
	}
}

// served returns the serial number of the certificate that new connections are
// shown outside.
func (b *bed) served() string {
	b.Helper()
	cert := b.certs[northwind].TLS
	conn, err := tls.Dial("tcp", b.edge.Addr("sip.external").String(), &tls.Config{
		ServerName: outside, InsecureSkipVerify: true, Certificates: []tls.Certificate{cert},
	})
	if err != nil {
		b.Fatal(err)
	}
	defer conn.Close()
	return conn.ConnectionState().PeerCertificates[0].SerialNumber.String()
}

// TestReloadRenewsOurCertificate: connections made after it see the new one, and
// those from before go on; links that we dialled are replaced once nobody waits.
func TestReloadRenewsOurCertificate(t *testing.T) {
	b := start(t)
	conn, pool := b.dial(fabrikam), b.dial("fe1")
	c := b.call(fabrikam, conn)
	if got := b.say(pool, "fe1", alice, "nina@"+northwind); got != 200 {
		t.Fatalf("a message before: %d", got)
	}
	dialled := b.connections("sip." + northwind)
	fresh := b.Issue("edge", b.Public, outside, "contoso.com")
	if got := b.served(); got == fresh.X509.SerialNumber.String() {
		t.Error("the new certificate is in use before the reload")
	}
	b.reload()
	if got := b.served(); got != fresh.X509.SerialNumber.String() {
		t.Errorf("certificate %s after the reload, want %s", got, fresh.X509.SerialNumber)
	}
	if in, out := c.theySend(conn, "INFO"), c.weSend(pool, "INFO"); in != 200 || out != 200 {
		t.Errorf("the call after it: %d inwards, %d outwards", in, out)
	}
	if got := b.say(pool, "fe1", alice, "nina@"+northwind); got != 200 {
		t.Errorf("a message after: %d", got)
	}
	for _, old := range dialled {
		for _, now := range b.connections("sip." + northwind) {
			if old.Dialled && now.ID == old.ID {
				t.Errorf("connection %d, dialled with the old certificate, is still in use", old.ID)
			}
		}
	}
}

// TestReloadReadsRevocationLists: whoever is revoked is cut off at once.
func TestReloadReadsRevocationLists(t *testing.T) {
	b := start(t)
	conn, other, pool := b.dial(fabrikam), b.dial(northwind), b.dial("fe1")
	if got := b.say(conn, fabrikam, "bob@"+fabrikam, alice); got != 200 {
		t.Fatalf("a message before: %d", got)
	}
	b.File("tls/public.crl", b.Public.CRL(time.Now().Add(-time.Minute), time.Now().Add(time.Hour), b.certs[fabrikam]))
	b.reload(func(s *setup) { s.CRLs = "[tls/public.crl]" })
	b.wantClosed(conn)
	again, err := b.peers[fabrikam].Dial(b.Soon(), b.edge.Addr("sip.external").String(), outside)
	if err == nil { // TLS 1.3: the refusal comes after the client's handshake
		b.wantClosed(again)
	}
	if got := b.say(pool, "fe1", alice, "bob@"+fabrikam); got != 504 {
		t.Errorf("a message to the revoked one: %d, want 504", got)
	}
	if got := b.say(other, northwind, "nina@"+northwind, alice); got != 200 {
		t.Errorf("another partner, on its old connection: %d", got)
	}
}

// TestReloadLowersLimits: what is over a lowered bound is closed, and only that.
func TestReloadLowersLimits(t *testing.T) {
	b := start(t)
	const before, after = 6, 2
	ended := make(chan *sippeer.Conn, before)
	var conns []*sippeer.Conn
	for range before {
		c := b.dial(northwind)
		b.wantOpen(northwind, c, outside)
		conns = append(conns, c)
		go func() {
			<-c.Finished()
			ended <- c
		}()
	}
	b.reload(func(s *setup) { s.Limits = fmt.Sprintf("{connections_per_address: %d}", after) })
	for range before - after {
		select {
		case <-ended:
		case <-b.Soon().Done():
			t.Fatal("what is over the bound stays open")
		}
	}
	alive := 0
	for _, c := range conns {
		if o := c.Do(b.Soon(), b.message(northwind, "nina@"+northwind, alice)); status(o) == 200 {
			alive++
		}
	}
	if alive != after {
		t.Errorf("%d connections are left, want %d", alive, after)
	}
}

// TestReloadChangesPools: members come and go, and no request meets a pool that
// is not ready.
func TestReloadChangesPools(t *testing.T) {
	b := start(t, func(s *setup) { s.Pools[0].Members = s.Pools[0].Members[:1] })
	fe1, fe2 := b.member("fe1"), b.member("fe2")
	conn, pool := b.dial(fabrikam), b.dial("fe1")
	c := b.call(fabrikam, conn)
	steps := []struct {
		name string
		pool poolSetup
		want []string // whom messages reach
	}{
		{"added", poolSetup{Name: "front", Members: []string{fe1, fe2}}, []string{"fe1", "fe2"}},
		{"removed", poolSetup{Name: "front", Members: []string{fe2}}, []string{"fe2"}},
		{"found by SRV", poolSetup{Name: "front", SRV: "_sipinternaltls._tcp.contoso.com"}, []string{"fe1"}},
		{"back", poolSetup{Name: "front", Members: []string{fe1}}, []string{"fe1"}},
	}
	b.dns.Set(func(z *zone.Zone) {
		z.SRV["_sipinternaltls._tcp.contoso.com"] = []zone.SRV{{Port: b.peers["fe1"].Port(), Target: "fe1.corp.contoso.com"}}
	})
	for _, s := range steps {
		b.reload(func(to *setup) { to.Pools = []poolSetup{s.pool} })
		if diff := cmp.Diff(s.want, b.reached(conn)); diff != "" {
			t.Errorf("%s: members (-want +got):\n%s", s.name, diff)
		}
		if in, out := c.theySend(conn, "INFO"), c.weSend(pool, "INFO"); in != 200 || out != 200 {
			t.Errorf("%s: the call: %d inwards, %d outwards", s.name, in, out)
		}
	}
}

// reached sends messages whose Call-IDs choose among all members, and returns
// those that answered, by their Contact.
func (b *bed) reached(conn *sippeer.Conn) []string {
	b.Helper()
	var all []string
	for range 32 {
		o := conn.Do(b.Soon(), b.message(fabrikam, "bob@"+fabrikam, alice))
		if status(o) != 200 {
			b.Errorf("a message: %d, %v", status(o), o.Err)
			continue
		}
		name, _, _ := strings.Cut(strings.TrimPrefix(o.Final().Get("Contact"), "<sip:"), ".")
		all = append(all, name)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// TestReloadRenamesAPool: to the edge that is another pool. The first message
// finds it ready, and connections of its members speak for it.
func TestReloadRenamesAPool(t *testing.T) {
	b := start(t)
	conn, pool := b.dial(fabrikam), b.dial("fe1")
	b.wantOpen("fe1", pool, inside)
	for _, name := range []string{"other", "front", "third"} {
		b.reload(func(to *setup) { to.Pools[0].Name = name })
		if got := b.say(conn, fabrikam, "bob@"+fabrikam, alice); got != 200 {
			t.Errorf("the first message to %s: %d", name, got)
		}
		if got := b.say(b.dial("fe1"), "fe1", alice, "bob@"+fabrikam); got != 200 {
			t.Errorf("a message from %s, on a new connection: %d", name, got)
		}
	}
	if got := b.say(pool, "fe1", alice, "bob@"+fabrikam); got != 200 {
		t.Errorf("a message on a connection from before: %d", got)
	}
}

// TestReloadWaitsForNewMembers: while the DNS is asked who the members of a new
// pool are, the old configuration serves.
func TestReloadWaitsForNewMembers(t *testing.T) {
	b := start(t)
	const service = "_sipinternaltls._tcp.contoso.com"
	b.dns.Set(func(z *zone.Zone) {
		z.SRV[service] = []zone.SRV{{Port: b.peers["fe2"].Port(), Target: "fe2.corp.contoso.com"}}
		z.Silent[service] = true
	})
	conn := b.dial(fabrikam)
	b.write(func(s *setup) { s.Pools = []poolSetup{{Name: "new", SRV: service}} })
	reloaded := make(chan error)
	go func() { reloaded <- b.edge.Reload(b.Soon()) }()
	b.awaitQueries(service, 1)
	if got := b.say(conn, fabrikam, "bob@"+fabrikam, alice); got != 200 {
		t.Errorf("a message meanwhile: %d", got)
	}
	b.dns.Set(func(z *zone.Zone) { z.Silent[service] = false })
	if err := <-reloaded; err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"fe2"}, b.reached(conn)); diff != "" {
		t.Errorf("members (-want +got):\n%s", diff)
	}
}

// TestReloadChangesTheSecret: a dialog outlives its secret as long as that is the
// previous one, and no longer.
func TestReloadChangesTheSecret(t *testing.T) {
	b := start(t)
	conn, pool := b.dial(fabrikam), b.dial("fe1")
	first, second := kit.NewSecret(), kit.NewSecret()
	b.Secret(first)
	b.reload()
	old := b.call(fabrikam, conn)
	b.Secret(second, first)
	b.reload()
	if in, out := old.theySend(conn, "INFO"), old.weSend(pool, "INFO"); in != 200 || out != 200 {
		t.Errorf("while it is the previous one: %d inwards, %d outwards", in, out)
	}
	young := b.call(fabrikam, conn)
	b.Secret(second)
	b.reload()
	if in, out := old.theySend(conn, "BYE"), old.weSend(pool, "BYE"); in != 481 || out != 481 {
		t.Errorf("when it is gone: %d inwards, %d outwards, want 481", in, out)
	}
	if in, out := young.theySend(conn, "INFO"), young.weSend(pool, "BYE"); in != 200 || out != 200 {
		t.Errorf("the younger call: %d inwards, %d outwards", in, out)
	}
}

// TestReloadDuringALookUp: requests that wait for the old resolver get their
// answer from it, others from the new one.
func TestReloadDuringALookUp(t *testing.T) {
	b := start(t)
	const record = "_sipfederationtls._tcp." + northwind
	silence := func(on bool) { b.dns.Set(func(z *zone.Zone) { z.Silent[record] = on }) }
	silence(true)
	pool := b.dial("fe1")
	waiting := pool.Start(b.message("fe1", alice, "nina@"+northwind))
	b.awaitQueries(record, 1)
	other, err := zone.Serve(zone.Zone{TTL: 60})
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	asked := b.dns.Queries(record, "SRV")
	b.reload(func(s *setup) { s.DNSTimeout = "2s" })
	if got := b.say(pool, "fe1", alice, "bob@"+fabrikam); got != 200 {
		t.Errorf("somebody else, by the new resolver: %d", got)
	}
	silence(false)
	if o := waiting.Wait(b.Soon(), 200); status(o) != 200 {
		t.Errorf("what waited: %d, %v", status(o), o.Err)
	}
	if b.dns.Queries(record, "SRV") == asked {
		t.Error("nothing was asked again")
	}
	b.reload(func(s *setup) { s.DNS = other.Addr() })
	if got := b.say(pool, "fe1", alice, "bob@"+fabrikam); got != 504 {
		t.Errorf("by a name server that knows nobody: %d, want 504", got)
	}
}

// awaitQueries waits until the zone was asked for a record.
func (b *bed) awaitQueries(name string, n int) {
	b.Helper()
	b.await("a question for "+name, func() bool { return b.dns.Queries(name, "SRV") >= n })
}

// awaitNone waits until no connection with the holder of a name is left.
func (b *bed) awaitNone(name string) {
	b.Helper()
	b.await("the end of the last connection with "+name, func() bool { return len(b.connections(name)) == 0 })
}

// await looks again and again whether something is so that nobody announces.
func (b *bed) await(what string, so func() bool) {
	b.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for ctx := b.Soon(); !so(); {
		select {
		case <-tick.C:
		case <-ctx.Done():
			b.Fatalf("waited in vain for %s", what)
		}
	}
}

// TestReloadLosesNothing: whatever a reload replaces, every message that is under
// way meanwhile gets its answer, and the right one.
func TestReloadLosesNothing(t *testing.T) {
	t.Run("files", func(t *testing.T) {
		b := start(t)
		lost := b.reloadUnderLoad(func(i int) {
			b.write(func(s *setup) {
				s.Pools[0].Members = [][]string{{b.member("fe1")}, {b.member("fe2"), b.member("fe1")}, {b.member("fe2")}}[i%3]
				s.Limits = []string{"{}", "{idle_timeout: 5m}"}[i/4%2]
				s.Blocked = [][]string{nil, {"spam.example"}}[i%2]
			})
		})
		if len(lost) > 0 {
			t.Errorf("not answered 200: %v", lost)
		}
	})
	t.Run("certificates", func(t *testing.T) {
		b := start(t)
		lost := b.reloadUnderLoad(func(int) {
			b.Issue("edge", b.Public, outside, "contoso.com")
			b.Issue("inside", b.Private, inside)
		})
		if len(lost) > 0 {
			t.Errorf("lost or refused: %v", lost)
		}
	})
}

// reloadUnderLoad reloads again and again while messages go both ways, and
// returns the statuses other than 200.
func (b *bed) reloadUnderLoad(change func(i int)) []int {
	b.Helper()
	pool, conn := b.dial("fe1"), b.dial(fabrikam)
	lost := make(chan []int)
	go func() {
		var all []int
		for range 100 {
			all = append(all, b.say(conn, fabrikam, "bob@"+fabrikam, alice), b.say(pool, "fe1", alice, "nina@"+northwind))
		}
		lost <- slices.DeleteFunc(all, func(status int) bool { return status == 200 })
	}()
	for i := 0; ; i++ {
		change(i)
		b.reload()
		select {
		case all := <-lost:
			return all
		default:
		}
	}
}

// TestReloadForgetsTheCache: partners whose record has to be looked up anew, after
// the DNS settings have changed or when it has expired, are no strangers.
func TestReloadForgetsTheCache(t *testing.T) {
	b := start(t, func(s *setup) { s.Limits = "{stranger_lookups: 1000}" })
	conn := b.dial(fabrikam)
	for i := range 20 { // more than limits.stranger_domains
		if got := b.say(conn, fabrikam, "bob@"+fabrikam, alice); got != 200 {
			t.Fatalf("message %d: %d", i, got)
		}
		b.reload(func(s *setup) { s.DNSTimeout = []string{"1s", "2s"}[i%2] })
	}
}
