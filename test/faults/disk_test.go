package faults

import (
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"edged/internal/lab/sippeer"
)

// strangers lets northwind in, which nothing lists, and lets it write to so many
// users that its entry on the watch list takes several pages of the state file.
func strangers(s *settings) {
	s.Allowed = []string{fabrikam}
	s.Federation = fmt.Sprintf(", partner_discovery: true, discovered: {rate: 100000, total: 100000, contacts: %d}", contacts)
}

const contacts = 1000

// withXMPP makes an edge that keeps consent, too.
func withXMPP(s *settings) {
	s.XMPP = fmt.Sprintf(`xmpp:
  external: {listen: ["%[1]s:5269"]}
  internal: {listen: ["%[1]s:5270"], authority: {mode: dialback}}
  pools: [{name: chat, domains: [contoso.com], members: ["127.0.0.1:1"], roots: [tls/private.crt]}]`, s.Address)
}

// exhaust has northwind use up all that it may address, so that it is watched.
func (e *edge) exhaust(conn *sippeer.Conn) {
	e.Helper()
	for i := range contacts {
		e.ask(conn, e.compose(north, "MESSAGE", nina, user(i))).want(200, patience)
	}
	e.watches(conn)
}

// watches checks that northwind reaches whom it has written to, and nobody else.
func (e *edge) watches(conn *sippeer.Conn) {
	e.Helper()
	e.ask(conn, e.compose(north, "MESSAGE", nina, user(contacts/2))).want(200, soonish)
	e.ask(conn, e.compose(north, "MESSAGE", nina, user(contacts))).want(480, soonish)
}

func user(i int) string { return fmt.Sprintf("user%d@contoso.com", i) }

// mount puts a file system in memory in the place of state_dir. Without the right
// to, the test is skipped: what a full disk does to the file is tested in pkg/store
// for everybody.
func (b *bed) mount(options string) (dir string) {
	b.Helper()
	dir = filepath.Join(b.Dir, "state")
	if err := os.Mkdir(dir, 0o700); err != nil {
		b.Fatal(err)
	}
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, options); err != nil {
		b.Skipf("mount: %v", err)
	}
	b.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			b.Error(err)
		}
	})
	return dir
}

// TestFullDisk: what cannot be written is kept in memory, which is said once, and
// counted; messages go on; and it is written once there is room, so that it
// outlasts the process.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	dir := b.mount("size=256k")
	e := b.edge(strangers)
	fill := filepath.Join(dir, "fill")
	if err := os.WriteFile(fill, make([]byte, 1<<20), 0o600); err == nil {
		t.Fatal("there is room for everything")
	}
	conn := e.dial(north)
	e.exhaust(conn)
	e.logged(`level=ERROR msg="the state file cannot be written, and what changes is in memory only" what="the watch list" err=".*no space left on device`)
	pause(3 * time.Second)
	e.watches(conn)
	if n := e.count("cannot be written"); n != 1 {
		t.Errorf("%d lines about it", n)
	}
	if errors, unwritten := e.metric("edged_watch_list_write_errors_total"), e.metric("edged_watch_list_unwritten"); errors < 2 || unwritten < 1 {
		t.Errorf("%v failures are counted, and %v changes", errors, unwritten)
	}
	if usable := e.metric("edged_state_usable "); usable != 0 {
		t.Errorf("edged_state_usable %v with a full disk", usable)
	}
	if err := os.Remove(fill); err != nil {
		t.Fatal(err)
	}
	e.logged("everything is in the state file again")
	b.await("everything to be written", patience, func() bool { return e.metric("edged_watch_list_unwritten") == 0 })
	b.await("the state to be usable", patience, func() bool { return e.metric("edged_state_usable ") == 1 })
	e.kill()
	e = b.edge()
	e.watches(e.dial(north))
}

// TestStopWithAFullDisk: the state that is lost is told, by the status too.
func TestStopWithAFullDisk(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	dir := b.mount("size=256k")
	e := b.edge(strangers)
	if err := os.WriteFile(filepath.Join(dir, "fill"), make([]byte, 1<<20), 0o600); err == nil {
		t.Fatal("there is room for everything")
	}
	e.exhaust(e.dial(north))
	e.logged("cannot be written")
	e.signal(syscall.SIGTERM)
	if status := e.exit(patience); status != 1 {
		t.Errorf("status %d, want 1", status)
	}
	e.logged("not all of the watch list is in the state file: ")
}

// TestUnusableState: an edge begins without what it knew of strangers and of consent,
// says what is the matter, and keeps in memory what it learns.
func TestUnusableState(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		spoil func(*bed)
		text  string
	}{
		"read-only": {func(b *bed) { b.mount("ro,size=256k") }, "edged.db: open .*read-only file system"},
		"no folder": {func(b *bed) { b.settings.StateDir = "nowhere/state" }, "nowhere/state: no such file or directory"},
		"damaged": {func(b *bed) {
			b.File("state/edged.db", []byte(strings.Repeat("not a database\n", 1000)))
		}, "edged.db is damaged or no state file .*move it away to begin with an empty one"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBed(t)
			tt.spoil(b)
			e := b.edge(strangers, withXMPP)
			e.logged(`level=ERROR msg="state_dir cannot be used: consent and the watch list do not outlast a restart" err=".*` + tt.text)
			e.exhaust(e.dial(north))
			for metric, want := range map[string]float64{"edged_state_usable ": 0, "edged_consent_pairs ": 0, `edged_watch_list_partners{proto="sip"}`: 1} {
				if n := e.metric(metric); n != want {
					t.Errorf("%s%v", metric, n)
				}
			}
			if c, err := net.Dial("tcp", e.addr+":5269"); err != nil {
				t.Errorf("XMPP: %v", err)
			} else {
				_ = c.Close()
			}
			e.signal(syscall.SIGTERM)
			if status := e.exit(patience); status != 0 {
				t.Errorf("status %d", status)
			}
		})
	}
}

// TestDamagedState: whatever becomes of the bytes of a state file that was in use,
// the edge serves. It never crashes, nor hangs.
func TestDamagedState(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	e := b.edge(strangers)
	conn := e.dial(north)
	e.exhaust(conn)
	b.await("everything to be written", patience, func() bool { return e.metric("edged_watch_list_unwritten") == 0 })
	e.kill()
	good, err := os.ReadFile(filepath.Join(b.Dir, "state", "edged.db"))
	if err != nil {
		t.Fatal(err)
	}
	for i := range 24 {
		bad := append([]byte(nil), good...)
		switch i % 3 {
		case 0: // some bytes here and there
			for range 1 + i {
				bad[rand.IntN(len(bad))] ^= byte(1 + rand.IntN(255))
			}
		case 1: // a page that was never written
			page := 4096 * (2 + rand.IntN(len(bad)/4096-2))
			clear(bad[page : page+4096])
		case 2: // the end was cut off
			bad = bad[:rand.IntN(len(bad))]
		}
		b.File("state/edged.db", bad)
		b.write("edged.yaml", func(s *settings) { s.XMPP = "" })
		if i%2 == 1 {
			withXMPP(&b.settings)
			b.write("edged.yaml")
		}
		b.livesWith()
	}
}

// livesWith starts the edge, sees it serve, and stops it.
func (b *bed) livesWith() {
	b.Helper()
	e := b.launch("edged.yaml", "exec %s serve -c %s")
	b.await("edged to serve", patience, e.ready)
	conn := e.dial(north)
	for i := range 3 {
		e.ask(conn, e.compose(north, "MESSAGE", nina, user(i))).want(200, soonish)
	}
	e.signal(syscall.SIGTERM)
	if status := e.exit(patience); status != 0 && e.count("damaged") == 0 {
		b.Errorf("status %d:\n%s", status, e.text())
	}
}
