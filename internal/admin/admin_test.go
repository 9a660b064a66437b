package admin_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"edged/internal/admin"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// funcs are a daemon to whom nothing happens; tests replace what they need.
func funcs() admin.Funcs {
	then := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	return admin.Funcs{
		Ready:  func() error { return nil },
		Reload: func(context.Context) error { return nil },
		Running: func() admin.Running {
			return admin.Running{
				Version: "v1", Config: "0123456789ab", Policy: "ba9876543210",
				LoadedAt: then,
			}
		},
		Connections: func() []admin.Connection {
			return []admin.Connection{{
				Proto: "sip", ID: 1, Side: "external", Peer: "192.0.2.7:5061", TLS: "TLS 1.3", Names: []string{"fabrikam.com"},
				Roots: []string{"tls.roots"}, Talks: []admin.Talk{}, LastUsed: then,
			}}
		},
		Pools: func() []admin.Pool {
			return []admin.Pool{{
				Proto: "sip", Name: "front", Domains: []string{"contoso.com"},
				Members: []admin.Member{{Name: "fe1.corp.contoso.com:5061", Up: true, Since: then}},
			}}
		},
	}
}

// What the admin socket says of the daemon of funcs.
const (
	openJSON = `[
  {
    "proto": "sip",
    "id": 1,
    "side": "external",
    "dialled": false,
    "peer_addr": "192.0.2.7:5061",
    "tls": "TLS 1.3",
    "certificate_names": [
      "fabrikam.com"
    ],
    "roots": [
      "tls.roots"
    ],
    "talks": [],
    "last_used": "2026-01-02T03:04:05Z"
  }
]
`
	poolsJSON = `[
  {
    "proto": "sip",
    "name": "front",
    "domains": [
      "contoso.com"
    ],
    "members": [
      {
        "name": "fe1.corp.contoso.com:5061",
        "up": true,
        "since": "2026-01-02T03:04:05Z"
      }
    ]
  }
]
`
)

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

// socketPath is a free name. It is shorter than what T.TempDir makes of the name
// of the test, so that it fits sun_path.
func socketPath(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "edged") //nolint:usetesting // see above
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return filepath.Join(dir, "a.sock")
}

func listenSocket(t *testing.T, path string) net.Listener {
	t.Helper()
	ln, err := admin.ListenSocket(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	return ln
}

func serveAdmin(t *testing.T, f admin.Funcs) (path string) {
	t.Helper()
	path = socketPath(t)
	closeLater(t, admin.ServeAdmin(listenSocket(t, path), f, quiet()))
	return path
}

func closeLater(t *testing.T, s *admin.Server) {
	t.Helper()
	t.Cleanup(func() {
		if err := s.Close(context.Background()); err != nil {
			t.Errorf("close: %v", err)
		}
	})
}

// call is a request to the admin socket, and what has to come back.
type call struct {
	name         string
	funcs        admin.Funcs
	method, path string
	status       int
	want         string // somewhere in the body
}

// run asks for what the body is, whatever the status.
func (c *call) run(t *testing.T) (text string) {
	t.Helper()
	body, err := admin.Call(t.Context(), serveAdmin(t, c.funcs), c.method, c.path)
	status, text := 200, string(body)
	if refused, ok := errors.AsType[*admin.StatusError](err); ok {
		status, text = refused.Status, refused.Error()
	} else if err != nil {
		t.Fatal(err)
	}
	if status != c.status || !strings.Contains(text, c.want) {
		t.Errorf("%d %q, want %d and %q", status, text, c.status, c.want)
	}
	return text
}

func TestAdminSocket(t *testing.T) {
	broken := funcs()
	broken.Ready = func() error { return errors.New("the policy is not loaded") }
	broken.Reload = func(context.Context) error {
		return errors.New("edged.yaml:12:7: one mistake\npolicy.yaml:3:1: another")
	}
	broken.Connections = func() []admin.Connection { // a moment that JSON cannot write
		return []admin.Connection{{LastUsed: time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)}}
	}
	tests := []call{
		{"reload", funcs(), "POST", "/-/reload", 200, "reloaded: config 0123456789ab, policy ba9876543210\n"},
		{"reload of bad files", broken, "POST", "/-/reload", 422, "edged.yaml:12:7: one mistake\npolicy.yaml:3:1: another"},
		{"reload by GET", funcs(), "GET", "/-/reload", 405, "Method Not Allowed"},
		{"config", funcs(), "GET", "/-/config", 200, `{
  "version": "v1",
  "config_hash": "0123456789ab",
  "policy_hash": "ba9876543210",
  "loaded_at": "2026-01-02T03:04:05Z"
}
`},
		{"connections", funcs(), "GET", "/connections", 200, openJSON},
		{"connections that are no JSON", broken, "GET", "/connections", 500, "json: error calling MarshalJSON for type time.Time: Time.MarshalJSON: year outside of range [0,9999]"},
		{"pools", funcs(), "GET", "/-/pools", 200, poolsJSON},
		{"healthy", broken, "GET", "/-/healthy", 200, "healthy\n"},
		{"ready", funcs(), "GET", "/-/ready", 200, "ready\n"},
		{"not ready", broken, "GET", "/-/ready", 503, "not ready: the policy is not loaded"},
		{"no metrics here", funcs(), "GET", "/metrics", 404, "404 page not found"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if text := tt.run(t); text != tt.want {
				t.Errorf("%q, want %q", text, tt.want)
			}
		})
	}
}

func TestRunningReadsBack(t *testing.T) {
	body, err := admin.Call(t.Context(), serveAdmin(t, funcs()), "GET", "/-/config")
	if err != nil {
		t.Fatal(err)
	}
	var got admin.Running
	if err := json.Unmarshal(body, &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(funcs().Running(), got); diff != "" {
		t.Error(diff)
	}
}

func TestMetricsListener(t *testing.T) {
	registry := prometheus.NewRegistry()
	counter := prometheus.NewCounter(prometheus.CounterOpts{Name: "edged_test_total", Help: "A test."})
	registry.MustRegister(counter)
	counter.Add(3)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := admin.ServeMetrics(ln, registry, funcs(), quiet())
	closeLater(t, s)
	tests := []struct {
		method, path string
		status       int
		want         string // somewhere in the body
	}{
		{"GET", "/metrics", 200, "edged_test_total 3"},
		{"GET", "/-/healthy", 200, "healthy"},
		{"GET", "/-/ready", 200, "ready"},
		{"POST", "/-/reload", 404, ""},
		{"GET", "/-/config", 404, ""},
		{"GET", "/connections", 404, ""},
		{"GET", "/", 404, ""},
	}
	for _, tt := range tests {
		t.Run(tt.method+" "+tt.path, func(t *testing.T) {
			status, body := fetch(t, tt.method, "http://"+s.Addr().String()+tt.path)
			if status != tt.status || !strings.Contains(body, tt.want) {
				t.Errorf("%d %q, want %d and %q", status, body, tt.status, tt.want)
			}
		})
	}
}

func fetch(t *testing.T, method, url string) (status int, body string) {
	t.Helper()
	transport := &http.Transport{DisableKeepAlives: true}
	r := httptest.NewRequestWithContext(t.Context(), method, url, nil)
	r.RequestURI = ""
	answer, err := transport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, string(text)
}

func TestHeadersAreBounded(t *testing.T) {
	path := serveAdmin(t, funcs())
	conn, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	// The server may answer and close before everything is written.
	_, _ = conn.Write([]byte("GET /-/healthy HTTP/1.1\r\nHost: edged\r\nX: "))
	_, _ = conn.Write(bytes.Repeat([]byte("a"), 64<<10))
	answer := make([]byte, 64)
	n, _ := io.ReadFull(conn, answer)
	if got := string(answer[:n]); !strings.HasPrefix(got, "HTTP/1.1 431 ") {
		t.Errorf("answer %q, want 431", got)
	}
}

func TestSocketFile(t *testing.T) {
	path := socketPath(t)
	ln := listenSocket(t, path)
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if got := info.Mode().Perm(); got != 0o660 {
		t.Errorf("mode %o, want 660", got)
	}
	if err := ln.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("after Close: %v, want the socket removed", err)
	}
}

func TestListenSocketReplacesOnlyWhatIsDead(t *testing.T) {
	tests := []struct {
		name  string
		place func(t *testing.T, path string)
		want  string // in the error; "" if it may listen
	}{
		{"nothing there", func(*testing.T, string) {}, ""},
		{"a dead socket", placeDead, ""},
		{"a living one", placeLiving, "another process answers on it"},
		{"a file", placeFile, "no socket"},
		{"a directory", func(t *testing.T, path string) {
			t.Helper()
			if err := os.Mkdir(path, 0o700); err != nil {
				t.Fatal(err)
			}
		}, "no socket"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path := socketPath(t)
			tt.place(t, path)
			ln, err := admin.ListenSocket(t.Context(), path)
			if tt.want == "" {
				if err != nil {
					t.Fatal(err)
				}
				ln.Close()
				return
			}
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want %q", err, tt.want)
			}
			if _, err := os.Stat(path); err != nil {
				t.Errorf("what was there is gone: %v", err)
			}
		})
	}
}

// placeDead leaves a socket as a killed process does.
func placeDead(t *testing.T, path string) {
	t.Helper()
	ln, err := net.ListenUnix("unix", &net.UnixAddr{Name: path})
	if err != nil {
		t.Fatal(err)
	}
	ln.SetUnlinkOnClose(false)
	ln.Close()
}

func placeLiving(t *testing.T, path string) {
	t.Helper()
	ln := listenSocket(t, path)
	t.Cleanup(func() { ln.Close() })
}

func placeFile(t *testing.T, path string) {
	t.Helper()
	if err := os.WriteFile(path, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestListenSocketRefusesPaths(t *testing.T) {
	tests := map[string]string{
		"/" + strings.Repeat("a", 107):               "at most 107",
		filepath.Join(t.TempDir(), "none", "a.sock"): "no such file or directory",
	}
	for path, want := range tests {
		if _, err := admin.ListenSocket(t.Context(), path); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want %q", path, err, want)
		}
	}
}

func TestCallWithoutDaemon(t *testing.T) {
	path := socketPath(t)
	_, err := admin.Call(t.Context(), path, "GET", "/-/config")
	if err == nil || !strings.Contains(err.Error(), "does not answer on "+path) {
		t.Errorf("error %v", err)
	}
}

func TestCloseLetsRequestsFinish(t *testing.T) {
	f, entered, proceed := funcs(), make(chan struct{}), make(chan struct{})
	f.Reload = func(context.Context) error {
		close(entered)
		<-proceed
		return nil
	}
	path := socketPath(t)
	s := admin.ServeAdmin(listenSocket(t, path), f, quiet())
	called := make(chan error)
	go func() {
		_, err := admin.Call(context.Background(), path, "POST", "/-/reload")
		called <- err
	}()
	<-entered
	closed := make(chan error)
	go func() { closed <- s.Close(context.Background()) }()
	close(proceed)
	if err := <-called; err != nil {
		t.Errorf("the request under way: %v", err)
	}
	if err := <-closed; err != nil {
		t.Errorf("close: %v", err)
	}
	if err := s.Close(context.Background()); err != nil {
		t.Errorf("closing again: %v", err)
	}
}

func TestCloseCancelsWhatDoesNotFinish(t *testing.T) {
	f, entered := funcs(), make(chan struct{})
	ended := false
	f.Reload = func(ctx context.Context) error {
		close(entered)
		<-ctx.Done()
		ended = true
		return ctx.Err()
	}
	path := socketPath(t)
	s := admin.ServeAdmin(listenSocket(t, path), f, quiet())
	called := make(chan error)
	go func() {
		_, err := admin.Call(context.Background(), path, "POST", "/-/reload")
		called <- err
	}()
	<-entered
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Close(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("close: %v, want canceled", err)
	}
	if !ended {
		t.Error("Close returned before the request did")
	}
	if err := <-called; err == nil {
		t.Error("the cancelled reload was told as a success")
	}
}
