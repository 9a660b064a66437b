package admin_test

import (
	"io"
	"net"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"edged/internal/admin"
)

// moment is when everything on the page of the tests is looked at.
var moment = time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)

// busy is a gateway with something in every part of the page.
func busy() admin.Status {
	refusal := admin.TraceLine{
		Time: moment.Add(-90 * time.Second), Proto: "sip", What: "MESSAGE", Status: 403, From: "sip:eve@spam.example;tag=1", To: "sip:alice@contoso.com",
		Reason: "domain-blocked", Rule: "blocked_domains: spam.example", Detail: "<script>alert(1)</script>",
	}
	return admin.Status{
		Running: admin.Running{Version: "v1", Config: "0123456789ab", Policy: "ba9876543210"},
		Host:    "sip.contoso.com", Started: moment.Add(-50 * time.Hour), Now: moment, Enabled: true,
		Traffic: []admin.Traffic{{Proto: "sip", Connections: 3, In: 12.5, Out: 3}},
		Partners: []admin.Partner{
			{
				Proto: "sip", Name: "fabrikam.com", Kind: "allowed", State: admin.Connected, Open: 2, Proven: []string{"certificate under tls.roots"},
				NotAfter: moment.Add(20 * 24 * time.Hour), In: 12.5, Out: 3, Total: 4711,
			},
			{Proto: "sip", Name: "broken.example", Kind: "direct", State: admin.Failing, Refused: &refusal, NotAfter: moment.Add(49 * time.Hour)},
		},
		More: 7, Refusals: []admin.TraceLine{refusal, {Time: moment, Proto: "sip", What: "TLS handshake", Peer: "192.0.2.9:1", Reason: "certificate-refused"}},
		Pools: []admin.Pool{
			{Proto: "sip", Name: "front", Domains: []string{"contoso.com"}, Members: []admin.Member{
				{Name: "fe1.corp.contoso.com:5061", Up: true, Since: moment.Add(-time.Hour)}, {Name: "fe2.corp.contoso.com:5061", Failures: 4, Since: moment.Add(-5 * time.Minute)},
			}},
			{Proto: "xmpp", Name: "chat"},
		},
		Checks:  []admin.Check{{State: "wrong", About: "_sipfederationtls._tcp.contoso.com SRV", Text: "there is no such record", Cure: "publish: it"}},
		Checked: moment.Add(-3 * time.Minute), Certs: []admin.Certificate{
			{Side: "external", File: "/etc/edged/tls/edge.crt", NotAfter: moment.Add(10 * 24 * time.Hour)},
			{Side: "internal", File: "/etc/edged/tls/inside.crt", NotAfter: moment.Add(-50 * time.Hour)},
			{Side: "internal", File: "/etc/edged/tls/authority.crt", NotAfter: moment.Add(1000 * time.Hour)},
		},
		Reloads: []admin.Reload{
			{Time: moment, What: "reload", Err: "policy.yaml:3:1: one mistake\npolicy.yaml:9:2: another"}, {Time: moment, What: "start", Config: "0123456789ab", Policy: "ba9876543210"},
		},
		MoreWatched: 12, Unwritten: []string{"log.audit cannot be written: its lines are lost"},
		Watched: []admin.Watched{{Proto: "sip", Partner: "northwind.example", Why: "most fail", Since: moment.Add(-time.Hour), Failed: 60, Requests: 100}},
	}
}

// servePage serves the page of a gateway.
func servePage(t *testing.T, status func() admin.Status) (url string) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f := funcs()
	f.Status = status
	s, err := admin.ServePage(ln, prometheus.NewRegistry(), f, quiet())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close(t.Context()) })
	return "http://" + ln.Addr().String()
}

func ask(t *testing.T, method, url, host string) (*http.Response, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	r.Host = host
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	answer, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer, string(body)
}

func TestPageShowsEverything(t *testing.T) {
	_, page := ask(t, "GET", servePage(t, busy)+"/", "")
	for _, want := range []string{
		"sip.contoso.com", "serving", "for 2 days", "<dd>12<small> in</small> 3<small> out</small></dd>", "0123456789ab", "ba9876543210",
		"northwind.example", "60 of 100", "fabrikam.com", "2 open", "certificate under tls.roots", "20 days left", "4711 in all",
		"broken.example", `<span class="pill bad">failing</span>`, `<span class="days bad" title="2026-03-06 06:06:07 UTC">2 days left</span>`,
		"7 more are idle", "eve@spam.example", "1 min ago", "<code>blocked_domains: spam.example</code>", "192.0.2.9:1",
		"fe1.corp.contoso.com:5061", "up for 1 h 0 min", "down for 5 min, tried 4 times", "no members", "there is no such record", "publish: it", "3 min ago",
		`<span class="days warn">10 days left</span>`, "edge.crt", `<span class="days bad">expired 2 days ago</span>`, "12 more: ", "policy.yaml:9:2: another", "in force",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("no %s", want)
		}
	}
	if strings.Contains(page, "<script>alert") || !strings.Contains(page, "&lt;script&gt;alert") {
		t.Error("what a stranger wrote is markup")
	}
	for _, never := range []string{"<form", "<button", "<input", " style=", " onclick=", "http://", "https://"} {
		if strings.Contains(page, never) {
			t.Errorf("%s: the page acts, brings style or script of its own, or leads elsewhere", never)
		}
	}
}

// TestPageBeginsWithTheTroubles: what is wrong is in sight, without any scrolling.
func TestPageBeginsWithTheTroubles(t *testing.T) {
	_, page := ask(t, "GET", servePage(t, busy)+"/", "")
	_, part, _ := strings.Cut(page, "<main>")
	part, _, _ = strings.Cut(part, "</section>")
	var got []string
	for _, m := range regexp.MustCompile(`class="dot (\w+)"></span>(?:<a href="#(\w+)">)?([^<]*)<`).FindAllStringSubmatch(part, -1) {
		got = append(got, strings.Join(m[1:], " "))
		if m[2] != "" && !strings.Contains(page, `<section id="`+m[2]+`"`) {
			t.Errorf("there is no part %s", m[2])
		}
	}
	want := []string{
		"bad pools the xmpp pool chat is down",
		"bad certificates inside.crt: expired 2 days ago",
		"warn pools 1 member of the sip pool front down",
		"warn certificates edge.crt: 10 days left",
		"warn  log.audit cannot be written: its lines are lost",
		"warn reloads the last reload was refused: what was in force stays",
		"warn dns 1 thing is wrong with what the world sees of us",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if !strings.Contains(page, "<title>the xmpp pool chat is down · sip.contoso.com · edged</title>") {
		t.Error("the title does not have the worst of it")
	}
	_, page = ask(t, "GET", servePage(t, func() admin.Status { return admin.Status{Now: moment} })+"/", "")
	if !strings.Contains(page, `<section id="troubles" data-live hidden></section>`) {
		t.Error("trouble where there is none")
	}
}

func TestPageOfAGatewayThatHasNothing(t *testing.T) {
	_, page := ask(t, "GET", servePage(t, func() admin.Status { return admin.Status{Waiting: "starting", Now: moment} })+"/", "")
	for _, want := range []string{`<span class="pill bad">starting</span>`, "federation is switched off", "lists nobody", "None since the start", "Not looked at yet"} {
		if !strings.Contains(page, want) {
			t.Errorf("no %s in\n%s", want, page)
		}
	}
}

func TestPageIsGuarded(t *testing.T) {
	url := servePage(t, busy)
	for _, tt := range []struct {
		method, path, host string
		status             int
	}{
		{"GET", "/", "", 200},
		{"HEAD", "/", "", 200},
		{"GET", "/", "localhost", 200},
		{"GET", "/", "LocalHost:9062", 200},
		{"GET", "/", "[::1]:9062", 200},
		{"GET", "/", "127.1.2.3", 200},
		{"GET", "/page.css", "", 200},
		{"GET", "/page.js", "", 200},
		{"GET", "/icon.svg", "", 200},
		{"GET", "/metrics", "", 200},
		{"GET", "/-/ready", "", 200},
		// A name of somebody else, whose DNS leads here.
		{"GET", "/", "evil.example", 403},
		{"GET", "/", "localhost.evil.example:9062", 403},
		{"GET", "/metrics", "192.0.2.1", 403},
		// Nothing else is there, and nothing can be done.
		{"GET", "/page.html", "", 404},
		{"GET", "/x", "", 404},
		{"POST", "/", "", 405},
		{"POST", "/-/reload", "", 404},
		{"GET", "/connections", "", 404},
		{"DELETE", "/-/watch", "", 404},
	} {
		answer, body := ask(t, tt.method, url+tt.path, tt.host)
		if answer.StatusCode != tt.status {
			t.Errorf("%s %s of %q: %d %.80s", tt.method, tt.path, tt.host, answer.StatusCode, body)
		}
		for name, want := range map[string]string{
			"Content-Security-Policy": "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
			"X-Content-Type-Options":  "nosniff", "X-Frame-Options": "DENY", "Referrer-Policy": "no-referrer", "Cache-Control": "no-store",
			"Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Resource-Policy": "same-origin",
		} {
			if got := answer.Header.Get(name); got != want {
				t.Errorf("%s %s: %s is %q", tt.method, tt.path, name, got)
			}
		}
	}
}
