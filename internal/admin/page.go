package admin

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"io/fs"
	"log/slog"
	"math"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

//go:embed page
var pageFiles embed.FS

// ServePage answers GET / with the status page on the listener, which it owns from now
// on, until Close, and what ServeMetrics answers. It changes nothing: there is no action
// on the page, so that none can be forged. Only requests that name this host are
// answered, since a name that somebody else's DNS leads here would open the page to
// their scripts.
func ServePage(ln net.Listener, metrics prometheus.Gatherer, f Funcs, log *slog.Logger) (*Server, error) {
	page, err := template.New("page.html").Funcs(pageFuncs()).ParseFS(pageFiles, "page/page.html")
	if err != nil {
		return nil, err
	}
	files, err := fs.Sub(pageFiles, "page")
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	handleMetrics(mux, metrics, log)
	handleHealth(mux, f)
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) { writePage(w, page, f.Status()) })
	for _, name := range []string{"page.css", "page.js", "icon.svg"} {
		mux.HandleFunc("GET /"+name, func(w http.ResponseWriter, r *http.Request) { http.ServeFileFS(w, r, files, name) })
	}
	return serve(ln, fromHere(mux), log), nil
}

// pagePolicy lets the page have its own style and script, fetch itself, and nothing else.
const pagePolicy = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// fromHere guards a page that is for the operators of this host.
func fromHere(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", pagePolicy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Cache-Control", "no-store")
		if !namesThisHost(r.Host) {
			writeLine(w, http.StatusForbidden, "this page is for this host: name it by a loopback address, or as localhost")
			return
		}
		next.ServeHTTP(w, r)
	})
}

// namesThisHost tells whether a Host header is a loopback address or localhost, with or
// without a port.
func namesThisHost(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	ip, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return strings.EqualFold(host, "localhost") || err == nil && ip.Unmap().IsLoopback()
}

func writePage(w http.ResponseWriter, page *template.Template, s Status) {
	var b bytes.Buffer
	if err := page.Execute(&b, &s); err != nil {
		writeLine(w, http.StatusInternalServerError, err.Error())
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = w.Write(b.Bytes())
}

// pageFuncs are what the template writes values with.
func pageFuncs() template.FuncMap {
	return template.FuncMap{
		"ago":    ago,
		"span":   func(now, then time.Time) string { return span(now.Sub(then)) },
		"left":   left,
		"expiry": expiry,
		"stamp":  func(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") },
		"rfc":    func(t time.Time) string { return t.UTC().Format(time.RFC3339) },
		"rate":   rate,
		"join":   func(all []string) string { return strings.Join(all, ", ") },
		"bare":   Bare,
		"tone":   tone,
		"base":   func(file string) string { return file[strings.LastIndexByte(file, '/')+1:] },
	}
}

// left is how many whole days something lasts; less than 0 if it is over.
func left(now, end time.Time) int { return int(math.Floor(end.Sub(now).Hours() / 24)) }

// expiry says how long a certificate lasts, or since when it does not.
func expiry(now, end time.Time) string {
	switch days := left(now, end); {
	case days < 0:
		return "expired " + ago(now, end)
	case days < 2:
		return span(end.Sub(now)) + " left"
	default:
		return fmt.Sprintf("%d days left", days)
	}
}

func ago(now, then time.Time) string {
	if d := now.Sub(then); d >= time.Minute {
		return span(d) + " ago"
	}
	return "just now"
}

// span says how long something lasts, to the minute: a page that is read again every
// few seconds should not change without need.
func span(d time.Duration) string {
	switch {
	case d < time.Minute:
		return "under a minute"
	case d < time.Hour:
		return fmt.Sprintf("%d min", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h %d min", int(d.Hours()), int(d.Minutes())%60)
	}
	return fmt.Sprintf("%d days", int(d.Hours()/24))
}

func rate(perMinute float64) string {
	if perMinute == math.Floor(perMinute) || perMinute >= 10 {
		return fmt.Sprintf("%.0f", perMinute)
	}
	return fmt.Sprintf("%.1f", perMinute)
}

// tone is the class of a word or of days left: ok, warn, bad or plain.
func tone(v any) string {
	switch v := v.(type) {
	case int: // days
		switch {
		case v < 3:
			return "bad"
		case v < 14:
			return "warn"
		}
		return "ok"
	case PartnerState:
		return map[PartnerState]string{Connected: "ok", Idle: "plain", Failing: "bad", Held: "warn", Off: "plain"}[v]
	case string:
		return map[string]string{"ok": "ok", "warning": "warn", "unknown": "warn", "wrong": "bad"}[v]
	}
	return "plain"
}
