// Package interop tests edged against programs that other people wrote:
// Kamailio as partner edges and pool members, SIPp as the users behind them,
// knot as the DNS, sipgo as another SIP stack. See README.md.
package interop

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"text/template"
)

// world is everything one test starts: a DNS, certificate authorities, edged,
// and peers. It lives in one directory and on one /24 of 127.0.0.0/8, so that
// worlds side by side never meet.
type world struct {
	dir  string
	net  [3]byte      // the world's addresses are net[0].net[1].net[2].1 to .253
	lock net.Listener // claims the network against other worlds

	port53 bool // the name server is at the standard port too

	roots   authority // who signs partners and our outside
	inside  authority // who signs our pools and our inside
	litware authority // litware's own

	mu     sync.Mutex
	places map[string]netip.AddrPort
	logs   int // how many there are; numbers them in order
}

// newWorld prepares a world without any process in it.
func newWorld(t *testing.T) *world {
	t.Helper()
	if testing.Short() {
		t.Skip("starts other programs")
	}
	w := &world{dir: t.ArtifactDir(), places: make(map[string]netip.AddrPort)}
	w.roots = w.newAuthority(t, "test-roots")
	w.inside = w.newAuthority(t, "contoso-inside")
	w.litware = w.newAuthority(t, "litware-private")
	w.claim(t)
	return w
}

// claim takes a free /24 by listening at its last address.
func (w *world) claim(t *testing.T) {
	t.Helper()
	for range 100 {
		w.net = [3]byte{127, byte(1 + rand.IntN(254)), byte(rand.IntN(256))}
		lock, err := net.Listen("tcp4", netip.AddrPortFrom(w.address(254), 40404).String())
		if err == nil {
			w.lock = lock
			t.Cleanup(func() { lock.Close() })
			return
		}
	}
	t.Fatal("no free network in 127.0.0.0/8")
}

func (w *world) address(host int) netip.Addr {
	return netip.AddrFrom4([4]byte{w.net[0], w.net[1], w.net[2], byte(host)})
}

// place is where the server of that name is, or will be: an address of its own
// and a free port, chosen at the first question.
func (w *world) place(name string) netip.AddrPort {
	w.mu.Lock()
	defer w.mu.Unlock()
	if at, ok := w.places[name]; ok {
		return at
	}
	addr := w.address(len(w.places) + 1)
	at := netip.AddrPortFrom(addr, freePort(addr))
	switch name {
	// Reached by their names alone, which stands for the standard port: by the
	// configuration (a direct partner) or by a route in a dialog (edged).
	case "edge.litware.net", "sip.contoso.com", "edge.corp.contoso.com":
		at = netip.AddrPortFrom(addr, 5061)
	case "edge-xmpp.corp.contoso.com":
		// Prosody sent there by its own resolver sees addresses only.
		at = netip.AddrPortFrom(addr, 5269)
	}
	w.places[name] = at
	return at
}

// freePort returns a port that nobody uses at the address. Nobody else will:
// the address is the world's own.
func freePort(addr netip.Addr) uint16 {
	l, err := net.Listen("tcp4", netip.AddrPortFrom(addr, 0).String())
	if err != nil {
		panic(err) // loopback without a free port: nothing can be tested
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).AddrPort().Port()
}

// render fills in testdata/NAME and writes it to the file; it returns the path.
// Templates know place, addr and port of a server's name.
func (w *world) render(t testing.TB, name, file string, data any) string {
	t.Helper()
	tmpl, err := template.New(filepath.Base(name)).Option("missingkey=error").Funcs(template.FuncMap{
		"place": func(n string) string { return w.place(n).String() },
		"addr":  func(n string) string { return w.place(n).Addr().String() },
		"port":  func(n string) string { return strconv.Itoa(int(w.place(n).Port())) },
	}).ParseFiles(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	var text bytes.Buffer
	if err := tmpl.Execute(&text, data); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(w.dir, file)
	if err := os.WriteFile(path, text.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// logFile names a file that is printed when the test fails.
func (w *world) logFile(t testing.TB, name string) string {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.logs++
	path := filepath.Join(w.dir, fmt.Sprintf("%03d-%s", w.logs, name))
	t.Cleanup(func() {
		if t.Failed() {
			printLog(t, path)
		}
	})
	return path
}

// printLog prints the end of a log.
func printLog(t testing.TB, path string) {
	t.Helper()
	const most = 16 << 10
	text, err := os.ReadFile(path)
	if err != nil || len(text) == 0 {
		return
	}
	if len(text) > most {
		text = append([]byte("[...]"), text[len(text)-most:]...)
	}
	t.Logf("--- %s\n%s", filepath.Base(path), text)
}
