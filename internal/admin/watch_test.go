package admin_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"edged/internal/admin"
)

// watching has one partner on the list of SIP.
func watching() admin.Funcs {
	f := funcs()
	f.ListWatched = func() []admin.Watched {
		return []admin.Watched{{
			Proto: "sip", Partner: "a.example", Why: "most requests fail", Since: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
			Throttled: true, Domains: []string{"x.a.example"}, Issuer: "CN=A \u0026 B", Serial: "1f", Requests: 100, Failed: 99,
		}}
	}
	f.ReleaseWatched = func(proto, partner string) bool { return proto != "xmpp" && partner == "a.example" }
	return f
}

func TestWatch(t *testing.T) {
	empty := funcs()
	empty.ListWatched = func() []admin.Watched { return []admin.Watched{} }
	tests := []call{
		{"list", watching(), "GET", admin.WatchPath, 200, `"partner": "a.example"`},
		{"list of nobody", empty, "GET", admin.WatchPath, 200, "[]"},
		{"release", watching(), "DELETE", admin.ReleasePath("", "a.example"), 200, "released: a.example"},
		{"release from one list", watching(), "DELETE", admin.ReleasePath("sip", "a.example"), 200, "released: a.example"},
		{"release from the other", watching(), "DELETE", admin.ReleasePath("xmpp", "a.example"), 404, "a.example is not on the watch list"},
		{"release somebody else", watching(), "DELETE", admin.ReleasePath("", "b.example"), 404, "b.example is not on the watch list"},
		{"release from no list", watching(), "DELETE", admin.ReleasePath("smtp", "a.example"), 400, `"smtp" is no protocol; write sip or xmpp`},
		{"another method", watching(), "POST", admin.WatchPath, 405, "Method Not Allowed"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.run(t)
		})
	}
}

func TestWatchReadsBack(t *testing.T) {
	body, err := admin.Call(t.Context(), serveAdmin(t, watching()), "GET", admin.WatchPath)
	if err != nil {
		t.Fatal(err)
	}
	var got []admin.Watched
	if err := json.Unmarshal(body, &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(watching().ListWatched(), got); diff != "" {
		t.Error(diff)
	}
}

// TestBodiesAreNotRead: what somebody asks for is in the query. A body is neither parsed
// nor kept, in memory or in files.
func TestBodiesAreNotRead(t *testing.T) {
	var log bytes.Buffer
	path := socketPath(t)
	s := admin.ServeAdmin(listenSocket(t, path), funcs(), slog.New(slog.NewTextHandler(&log, nil)))
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "unix", path)
	}}}
	answer, err := client.PostForm("http://edged/-/reload?partner=fabrikam.com", url.Values{"user": {"forged"}})
	if err == nil {
		err = answer.Body.Close()
	}
	if err = errors.Join(err, s.Close(t.Context())); err != nil {
		t.Fatal(err)
	}
	if got := log.String(); !strings.Contains(got, "partner=fabrikam.com") || strings.Contains(got, "forged") {
		t.Errorf("the log has %s", got)
	}
}
