package posh_test

import (
	"crypto/x509"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"edged/internal/lab/ca"
	"edged/pkg/posh"
)

// reference is a document that leads to another.
func reference(url string, expires int) string {
	return fmt.Sprintf(`{"url":%q,"expires":%d}`, url, expires)
}

// TestWays has a document lie behind redirects and references of all kinds.
func TestWays(t *testing.T) {
	w, leaf := newWeb(t), ca.New("Host").Issue(ca.Leaf{DNS: []string{"host.example"}}).X509
	w.site("host.example/posh.json", says(listing(leaf, 60)))
	w.site("host.example/second.json", says(reference("https://host.example/posh.json", 60)))
	w.site("host.example/both.json", says(strings.Replace(listing(leaf, 60), "{", `{"url":"https://host.example/second.json",`, 1)))
	w.site("host.example:8443/posh.json", says(listing(leaf, 60)))
	w.site("xn--bcher-kva.example/posh.json", says(listing(leaf, 60)))
	w.site("wrong.example/posh.json", says(listing(leaf, 60)))
	w.site("private.example/posh.json", says(listing(leaf, 60)))
	for i := range 12 { // hop0 leads to the document, hop1 to hop0, ...
		to := fmt.Sprintf("https://hop.example/%d", i-1)
		if i == 0 {
			to = "https://host.example/posh.json"
		}
		w.site(fmt.Sprintf("hop.example/%d", i), redirect(to))
	}
	tests := []struct {
		name string
		site http.HandlerFunc // nil = not there
		kind posh.ErrorKind
	}{
		{"redirect", redirect("https://host.example/posh.json"), 0},
		{"10 redirects", redirect("https://hop.example/8"), 0},
		{"11 redirects", redirect("https://hop.example/9"), posh.Invalid},
		{"redirect to http", redirect("http://host.example/posh.json"), posh.Invalid},
		{"redirect to another scheme", redirect("ftp://host.example/posh.json"), posh.Invalid},
		{"redirect with a password", redirect("https://user:secret@host.example/posh.json"), posh.Invalid},
		{"redirect to nowhere", status(http.StatusFound), posh.Invalid},
		{"redirect to nonsense", redirect("https://[::1/" + strings.Repeat("x", 2000)), posh.Failed},
		{"redirect to a server that cannot prove its name", redirect("https://wrong.example/posh.json"), posh.Unproven},
		{"redirect to a private address", redirect("https://private.example/posh.json"), posh.Failed},
		{"redirect to another port", redirect("https://host.example:8443/posh.json"), 0},
		{"redirect to a name in U-labels", redirect("https://b\u00fccher.example/posh.json"), 0},
		{"redirect to an address", redirect("https://192.0.2.1/posh.json"), posh.Unproven},
		{"redirect to an IPv6 address", redirect("https://[2001:db8::1]/posh.json"), posh.Unproven},
		{"redirect to no name", redirect("https://under_score.example/posh.json"), posh.Invalid},
		{"redirect to itself", redirect(place), posh.Invalid},

		{"reference", says(reference("https://host.example/posh.json", 60)), 0},
		{"reference and redirects", says(reference("https://hop.example/9", 60)), 0},
		{"reference and 11 redirects", says(reference("https://hop.example/10", 60)), posh.Invalid},
		{"reference to a reference", says(reference("https://host.example/second.json", 60)), posh.Invalid},
		{"reference to fingerprints with a reference", says(reference("https://host.example/both.json", 60)), 0},
		{"reference that expires at once", says(reference("https://host.example/posh.json", 0)), posh.Invalid},
		{"reference to http", says(reference("http://host.example/posh.json", 60)), posh.Invalid},
		{"reference without a host", says(reference("https:///posh.json", 60)), posh.Invalid},
		{"reference without a scheme", says(reference("//host.example/posh.json", 60)), posh.Invalid},
		{"reference with a password", says(reference("https://user:secret@host.example/posh.json", 60)), posh.Invalid},
		{"reference that is no URL", says(reference("https://host.example/%zz", 60)), posh.Invalid},
		{"reference that is no text", says(`{"url":7,"expires":60}`), posh.Invalid},
		{"reference to a server that cannot prove its name", says(reference("https://wrong.example/posh.json", 60)), posh.Unproven},
		{"reference to a private address", says(reference("https://private.example/posh.json", 60)), posh.Failed},
		{"reference to nothing", says(reference("https://host.example/other.json", 60)), posh.NotPublished},

		{"not found", nil, posh.NotPublished},
		{"gone", status(http.StatusGone), posh.NotPublished},
		{"forbidden", status(http.StatusForbidden), posh.Invalid},
		{"no content", status(http.StatusNoContent), posh.Invalid},
		{"out of order", status(http.StatusServiceUnavailable), posh.Failed},
		{"too many requests", status(http.StatusTooManyRequests), posh.Failed},
		{"endless header", func(rw http.ResponseWriter, _ *http.Request) {
			rw.Header().Set("X", strings.Repeat("x", 300<<10))
			_, _ = io.WriteString(rw, listing(leaf, 60))
		}, posh.Failed},
		{"an endless row of chunks", raw("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + strings.Repeat("1\r\n \r\n", 60<<10)), posh.Failed},
		{"announced", func(rw http.ResponseWriter, _ *http.Request) {
			for range 3 {
				rw.WriteHeader(http.StatusEarlyHints)
			}
			_, _ = io.WriteString(rw, listing(leaf, 60))
		}, 0},
		{"announced for ever", func(rw http.ResponseWriter, _ *http.Request) {
			for range 20 {
				rw.WriteHeader(http.StatusEarlyHints)
			}
		}, posh.Failed},
		{"no HTTP", raw("SSH-2.0-x\r\n\r\n"), posh.Failed},
		{"a body that is cut off", raw("HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n" + listing(leaf, 60)), posh.Failed},
		{"a body until the end", raw("HTTP/1.0 200 OK\r\n\r\n" + listing(leaf, 60)), 0},
		{"another protocol", status(http.StatusSwitchingProtocols), posh.Invalid},
		{"compressed although nobody asked", func(rw http.ResponseWriter, _ *http.Request) {
			rw.Header().Set("Content-Encoding", "gzip")
			_, _ = rw.Write([]byte{0x1f, 0x8b})
		}, posh.Invalid},
	}
	c := client(t, w.config())
	for i, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := fmt.Sprintf("d%d.example", i)
			if tt.site != nil {
				w.site(d+place, tt.site)
			}
			set, err := c.Lookup(t.Context(), name(d))
			if kind(t, err) != tt.kind || set.Matches(leaf) != (err == nil) {
				t.Errorf("matches %v, error %v; want kind %q", set.Matches(leaf), err, tt.kind)
			}
			if err != nil && (!strings.Contains(err.Error(), d) || len(err.Error()) > 600) {
				t.Errorf("error %q", err)
			}
		})
	}
}

// raw writes octets instead of a response, and hangs up.
func raw(text string) http.HandlerFunc {
	return func(rw http.ResponseWriter, _ *http.Request) {
		if conn, _, err := http.NewResponseController(rw).Hijack(); err == nil {
			_, _ = io.WriteString(conn, text)
			_ = conn.Close()
		}
	}
}

func TestWebServerMustProveTheDomain(t *testing.T) {
	w, leaf := newWeb(t), ca.New("Host").Issue(ca.Leaf{DNS: []string{"host.example"}}).X509
	w.document("wrong.example", listing(leaf, 60))
	w.document("good.example", listing(leaf, 60))
	untrusting := w.config()
	untrusting.Roots = x509.NewCertPool()
	tests := []struct {
		config posh.Config
		domain string
		want   posh.ErrorKind
	}{
		{w.config(), "good.example", 0},
		{w.config(), "wrong.example", posh.Unproven},
		{untrusting, "good.example", posh.Unproven},
	}
	for _, tt := range tests {
		_, err := client(t, tt.config).Lookup(t.Context(), name(tt.domain))
		if kind(t, err) != tt.want {
			t.Errorf("%s: %v, want kind %q", tt.domain, err, tt.want)
		}
	}
	if got := w.queries("wrong.example" + place); got != 0 {
		t.Errorf("%d requests to a server that cannot prove its name", got)
	}
}

// TestRequest: the domain as it is, no parent, no proxy, nothing that tells more
// about us than it must.
func TestRequest(t *testing.T) {
	t.Setenv("HTTPS_PROXY", "http://192.0.2.1:1")
	w := newWeb(t)
	seen := make(chan *http.Request, 1)
	w.site("rooms.chat.example"+place, func(_ http.ResponseWriter, req *http.Request) { seen <- req })
	c := client(t, w.config())
	_, _ = c.Lookup(t.Context(), name("rooms.chat.example"))
	req := <-seen
	if req.Method != http.MethodGet || req.ProtoMajor != 1 || req.TLS.ServerName != "rooms.chat.example" || len(req.TLS.PeerCertificates) != 0 {
		t.Errorf("request %v", req)
	}
	if got := req.Header.Get("Accept-Encoding"); got != "" {
		t.Errorf("Accept-Encoding %q, want none", got)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.dials) != 1 || w.dials[0] != "rooms.chat.example:443" {
		t.Errorf("dialled %v", w.dials)
	}
}

func TestTimeout(t *testing.T) {
	t.Parallel() // waits for real timeouts
	for what, site := range map[string]http.HandlerFunc{
		"no answer": func(_ http.ResponseWriter, req *http.Request) { <-req.Context().Done() },
		"an endless body": func(rw http.ResponseWriter, req *http.Request) {
			_, _ = io.WriteString(rw, "{")
			rw.(http.Flusher).Flush()
			<-req.Context().Done()
		},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			w := newWeb(t)
			w.site("slow.example"+place, site)
			config := w.config()
			config.Timeout = 300 * time.Millisecond
			_, err := client(t, config).Lookup(t.Context(), name("slow.example"))
			if kind(t, err) != posh.Failed {
				t.Errorf("got %v, want a failure", err)
			}
		})
	}
}

func TestWithoutDial(t *testing.T) {
	if _, err := client(t, posh.Config{}).Lookup(t.Context(), name("good.example")); kind(t, err) != posh.Failed || !strings.Contains(err.Error(), "Config.Dial") {
		t.Errorf("got %v, want a failure that names the field", err)
	}
}
