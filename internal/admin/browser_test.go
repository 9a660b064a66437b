package admin_test

import (
	"bytes"
	"context"
	"fmt"
	"image/color"
	"image/png"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"edged/internal/admin"
)

// measure looks at the page from inside, under the page's own policy, and writes what it
// finds into attributes of <html>.
const measure = `
const root = document.documentElement;
document.addEventListener('securitypolicyviolation', (e) => { root.dataset.violations = (root.dataset.violations ?? '') + e.effectiveDirective + ' '; });
addEventListener('error', (e) => { root.dataset.errors = (root.dataset.errors ?? '') + (e.message ?? e.target?.src ?? 'load') + ' '; }, true);
addEventListener('load', () => {
  root.dataset.overflow = root.scrollWidth - root.clientWidth;
  root.dataset.back = getComputedStyle(document.body).backgroundColor;
  root.dataset.row = getComputedStyle(document.querySelector('td')).display;
});
`

// browser returns a function that opens an address in headless Chromium, lives through
// ten seconds of the page's time, and returns the page as it is then; with a path it
// takes a picture instead.
func browser(t *testing.T) func(address, picture string, flags ...string) string {
	t.Helper()
	if testing.Short() {
		t.Skip("needs a browser")
	}
	path, err := exec.LookPath("chromium")
	if err != nil && os.Getenv("CI") == "true" {
		t.Fatalf("%v: test/setup.sh installs it", err)
	} else if err != nil {
		t.Skip("chromium is not installed; test/setup.sh installs it")
	}
	return func(address, picture string, flags ...string) string {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
		defer cancel()
		args := append([]string{
			"--headless", "--disable-gpu", "--no-first-run", "--disable-dev-shm-usage", "--hide-scrollbars", "--user-data-dir=" + t.TempDir(),
			"--virtual-time-budget=10000",
		}, flags...)
		if os.Geteuid() == 0 {
			args = append(args, "--no-sandbox")
		}
		if picture != "" {
			args = append(args, "--screenshot="+picture)
		} else {
			args = append(args, "--dump-dom")
		}
		cmd := exec.CommandContext(ctx, path, append(args, address)...)
		cmd.Env = append(os.Environ(), "HOME="+t.TempDir())
		var out, errs bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &errs
		if err := cmd.Run(); err != nil {
			t.Fatalf("chromium: %v\n%s", err, &errs)
		}
		return out.String()
	}
}

// measured puts measure.js, and what else a test plants, into the head of a page that
// somebody else serves.
func measured(t *testing.T, of, planted string) (address string) {
	t.Helper()
	target, err := url.Parse(of)
	if err != nil {
		t.Fatal(err)
	}
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target); r.Out.Header.Del("Accept-Encoding") },
		ModifyResponse: func(r *http.Response) error {
			if !strings.HasPrefix(r.Header.Get("Content-Type"), "text/html") {
				return nil
			}
			body, err := io.ReadAll(r.Body)
			page := strings.Replace(string(body), "<head>", "<head><script src='measure.js'></script>"+planted, 1)
			r.Body, r.ContentLength = io.NopCloser(strings.NewReader(page)), int64(len(page))
			r.Header.Del("Content-Length")
			return err
		},
		Transport: &http.Transport{DisableKeepAlives: true},
	}
	mux := http.NewServeMux()
	mux.Handle("/", proxy)
	mux.HandleFunc("/measure.js", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/javascript")
		_, _ = io.WriteString(w, measure)
	})
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return s.URL + "/"
}

// dataset is the attributes of <html> that measure.js has written.
func dataset(t *testing.T, dom string) map[string]string {
	t.Helper()
	root := regexp.MustCompile(`<html[^>]*>`).FindString(dom)
	found := make(map[string]string)
	for _, m := range regexp.MustCompile(`data-(\w+)="([^"]*)"`).FindAllStringSubmatch(root, -1) {
		found[m[1]] = m[2]
	}
	if found["back"] == "" {
		t.Fatalf("the page was not measured: %s", root)
	}
	return found
}

func TestPageInABrowser(t *testing.T) {
	open := browser(t)
	light, dark := "rgb(244, 245, 247)", "rgb(15, 19, 24)"
	for _, tt := range []struct {
		name, back, row string
		flags           []string
	}{
		{"desktop", light, "table-cell", []string{"--window-size=1280,1000"}},
		{"phone", light, "block", []string{"--window-size=390,844"}},
		{"dark", dark, "table-cell", []string{"--window-size=1280,1000", "--blink-settings=preferredColorScheme=0"}},
		{"dark phone", dark, "block", []string{"--window-size=390,844", "--blink-settings=preferredColorScheme=0"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var asked atomic.Int32
			at := servePage(t, func() admin.Status {
				s := busy()
				if asked.Add(1) > 1 { // what comes later has to appear without a reload
					s.Refusals = append([]admin.TraceLine{{Time: moment, Proto: "xmpp", What: "stream", Peer: "192.0.2.77:5269", Reason: "tls-failed"}}, s.Refusals...)
					s.Watched = nil
				}
				return s
			})
			dom := open(measured(t, at, ""), "", tt.flags...)
			got := dataset(t, dom)
			if got["violations"] != "" || got["errors"] != "" {
				t.Errorf("violations %q, errors %q", got["violations"], got["errors"])
			}
			if got["overflow"] != "0" || got["back"] != tt.back || got["row"] != tt.row {
				t.Errorf("%v", got)
			}
			if asked.Load() < 3 || !strings.Contains(dom, "192.0.2.77:5269") || strings.Contains(dom, "northwind.example") {
				t.Errorf("asked %d times, and what is new is not there, or what is old still is", asked.Load())
			}
			if !strings.Contains(dom, `<p id="gone" role="alert" hidden`) {
				t.Error("the page says that edged does not answer")
			}
			picture := filepath.Join(t.TempDir(), "page.png")
			open(at+"/", picture, tt.flags...)
			checkPicture(t, picture, tt.back)
		})
	}
}

// checkPicture asks for a picture that has the page's background at its edge, and more
// than that elsewhere.
func checkPicture(t *testing.T, path, back string) {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	picture, err := png.Decode(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	text := func(c color.Color) string {
		r, g, b, _ := c.RGBA()
		return fmt.Sprintf("rgb(%d, %d, %d)", r>>8, g>>8, b>>8)
	}
	b, colours := picture.Bounds(), make(map[string]bool)
	for y := b.Min.Y; y < b.Max.Y; y += 3 {
		for x := b.Min.X; x < b.Max.X; x += 3 {
			colours[text(picture.At(x, y))] = true
		}
	}
	if got := text(picture.At(1, 1)); got != back || len(colours) < 50 {
		t.Errorf("a corner is %s, want %s; %d colours", got, back, len(colours))
	}
}

// TestBrowserSeesViolations: what the test above does not find would be found.
func TestBrowserSeesViolations(t *testing.T) {
	open := browser(t)
	at := servePage(t, busy)
	for name, planted := range map[string]string{
		"script-src-elem": "<script>document.title = 'planted'</script>",
		"style-src-elem":  "<style>body { color: red }</style>",
		"img-src":         "<link rel='icon' href='http://192.0.2.1/i.png'><img src='http://192.0.2.1/x.png'>",
	} {
		got := dataset(t, open(measured(t, at, planted), "", "--window-size=800,600"))
		if !strings.Contains(got["violations"], name) {
			t.Errorf("%s: %v", name, got)
		}
	}
	wide := dataset(t, open(measured(t, at, "<link rel='stylesheet' href='page.css'><hr width='3000'>"), "", "--window-size=390,844"))
	if wide["overflow"] == "0" {
		t.Errorf("a line of 3000 pixels fits: %v", wide)
	}
}

// TestPageSaysWhenNobodyAnswers: the page that stays open when the gateway has gone.
func TestPageSaysWhenNobodyAnswers(t *testing.T) {
	open := browser(t)
	var asked atomic.Int32
	at := servePage(t, busy)
	target, err := url.Parse(at)
	if err != nil {
		t.Fatal(err)
	}
	proxy := httputil.NewSingleHostReverseProxy(target)
	proxy.Transport = &http.Transport{DisableKeepAlives: true}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/" && asked.Add(1) > 1 {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		proxy.ServeHTTP(w, r)
	}))
	defer s.Close()
	if dom := open(s.URL+"/", "", "--window-size=800,600"); !strings.Contains(dom, "edged has not answered since") {
		t.Error("the page keeps quiet about it")
	}
}
