package repotest

import (
	"context"
	"go/ast"
	"go/token"
	"io"
	"log/slog"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"edged/internal/admin"
	"edged/internal/lab"
)

// event is a line of the log, as docs/logging.md describes it.
type event struct {
	level string
	attrs []string
}

var (
	eventRow = regexp.MustCompile("(?m)^\\| `([^`]+)`(?: \\*)? \\| (debug|info|warn|error) \\| (.*)\\|$")
	attrRow  = regexp.MustCompile("(?m)^\\| ((?:`[a-z_]+`(?:, )?)+) \\| ")
	quoted   = regexp.MustCompile("`([^`]+)`")
)

// documented reads docs/logging.md.
func documented(t *testing.T) (events map[string]event, attrs []string) {
	t.Helper()
	text := read(t, top, "docs/logging.md")
	events = make(map[string]event)
	for _, m := range eventRow.FindAllStringSubmatch(text, -1) {
		events[m[1]] = event{m[2], inBackticks(m[3])}
	}
	_, table, _ := strings.Cut(text, "## Attributes")
	table, _, _ = strings.Cut(table, "## Events")
	for _, m := range attrRow.FindAllStringSubmatch(table, -1) {
		attrs = append(attrs, inBackticks(m[1])...)
	}
	if len(events) < 50 || len(attrs) < 40 {
		t.Fatalf("found %d events and %d attributes", len(events), len(attrs))
	}
	return events, attrs
}

func inBackticks(text string) []string {
	var all []string
	for _, m := range quoted.FindAllStringSubmatch(text, -1) {
		all = append(all, m[1])
	}
	return all
}

// logCalls returns the events that a file logs, and the keys of all attributes that it
// makes.
func logCalls(s source) (events, keys []string) {
	ast.Inspect(s.file, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok {
			return true
		}
		sel, ok := call.Fun.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		at := map[string]int{"Debug": 0, "Info": 0, "Warn": 0, "Error": 0, "LogAttrs": 2}
		if i, logs := at[sel.Sel.Name]; logs && len(call.Args) > i {
			if text, ok := textOf(call.Args[i]); ok {
				events = append(events, text)
			}
		}
		if pkg, ok := sel.X.(*ast.Ident); ok && pkg.Name == "slog" && len(call.Args) == 2 {
			if text, ok := textOf(call.Args[0]); ok {
				keys = append(keys, text)
			}
		}
		return true
	})
	return events, keys
}

// textOf is a string literal, or the one event that has a name.
func textOf(e ast.Expr) (string, bool) {
	switch e := e.(type) {
	case *ast.BasicLit:
		text, err := strconv.Unquote(e.Value)
		return text, e.Kind == token.STRING && err == nil
	case *ast.Ident:
		return admin.ActEvent, e.Name == "ActEvent"
	case *ast.SelectorExpr:
		return admin.ActEvent, e.Sel.Name == "ActEvent"
	}
	return "", false
}

// TestLoggingIsDocumented: docs/logging.md has every event and every attribute that
// the source has, and no others.
func TestLoggingIsDocumented(t *testing.T) {
	events, attrs := documented(t)
	logged, keyed := map[string]bool{}, map[string]bool{}
	for _, name := range goFiles(t) {
		if strings.HasSuffix(name, "_test.go") || !strings.HasPrefix(name, "pkg/") && !strings.HasPrefix(name, "internal/") {
			continue
		}
		inFile, keys := logCalls(parse(t, top, name))
		for _, e := range inFile {
			logged[e] = true
		}
		for _, k := range keys {
			keyed[k] = true
		}
	}
	// Of admin's acts, by a table of their own.
	keyed["user"], keyed["by"] = true, true
	if diff := cmp.Diff(slices.Sorted(maps.Keys(events)), slices.Sorted(maps.Keys(logged))); diff != "" {
		t.Errorf("events (-documented +logged):\n%s", diff)
	}
	slices.Sort(attrs)
	if diff := cmp.Diff(attrs, slices.Sorted(maps.Keys(keyed))); diff != "" {
		t.Errorf("attributes (-documented +used):\n%s", diff)
	}
	planted := "package p\nfunc f() { log.Info(\"a\", slog.Int(\"k\", 1)); c.log.LogAttrs(ctx, slog.LevelInfo, \"b\"); x.Error(); t.Info(v) }\n"
	if e, k := logCalls(parseText(t, "planted.go", planted)); !slices.Equal(e, []string{"a", "b"}) || !slices.Equal(k, []string{"k"}) {
		t.Errorf("planted calls: %q, %q", e, k)
	}
}

// witness is a slog.Handler that compares each line with what is documented.
type witness struct {
	events map[string]event
	attrs  []string // of WithAttrs
	*findings
}

// findings are shared by all handlers that one witness becomes.
type findings struct {
	mu    sync.Mutex
	seen  map[string]bool
	wrong map[string]bool
}

func newWitness(events map[string]event) witness {
	return witness{events: events, findings: &findings{seen: make(map[string]bool), wrong: make(map[string]bool)}}
}

// ofConnections are what every line of a connection may have.
func ofConnections() []string {
	return []string{"proto", "conn", "side", "peer_addr", "peer_name", "local_domain", "peer_domain"}
}

// Enabled implements slog.Handler.
func (witness) Enabled(context.Context, slog.Level) bool { return true }

// Handle implements slog.Handler.
func (w witness) Handle(_ context.Context, r slog.Record) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.seen[r.Message] = true
	e, known := w.events[r.Message]
	if !known {
		w.wrong[r.Message+": not documented"] = true
		return nil
	}
	if level := strings.ToLower(r.Level.String()); level != e.level {
		w.wrong[r.Message+": at "+level] = true
	}
	keys := slices.Clone(w.attrs)
	r.Attrs(func(a slog.Attr) bool {
		if !a.Equal(slog.Attr{}) {
			keys = append(keys, a.Key)
		}
		return true
	})
	for i, k := range keys {
		if !slices.Contains(e.attrs, k) && !slices.Contains(ofConnections(), k) {
			w.wrong[r.Message+": "+k] = true
		}
		if slices.Contains(keys[:i], k) {
			w.wrong[r.Message+": "+k+" twice"] = true
		}
	}
	return nil
}

// WithAttrs implements slog.Handler.
func (w witness) WithAttrs(attrs []slog.Attr) slog.Handler {
	w.attrs = slices.Clone(w.attrs)
	for _, a := range attrs {
		w.attrs = append(w.attrs, a.Key)
	}
	return w
}

// WithGroup implements slog.Handler.
func (w witness) WithGroup(name string) slog.Handler {
	return w.WithAttrs([]slog.Attr{slog.Int(name, 0)})
}

// TestLabRunIsDocumented plays every verdict, and some acts, and holds each line that
// is logged against docs/logging.md.
func TestLabRunIsDocumented(t *testing.T) {
	events, _ := documented(t)
	w := newWitness(events)
	world, err := lab.Start(t.Context(), lab.Options{Log: w})
	if err != nil {
		t.Fatal(err)
	}
	if err := world.Play(t.Context(), io.Discard); err != nil {
		t.Error(err)
	}
	for path, method := range map[string]string{
		"/-/reload": "POST", admin.RemoveConsentPath("alice@contoso.com", "bob@jabber.example"): "DELETE", admin.ReleasePath("sip", "a.example"): "DELETE",
	} {
		// Of these, only the reload finds something to do.
		_, _ = admin.Call(t.Context(), filepath.Join(world.Dir, "admin.sock"), method, path)
	}
	if err := world.Stop(context.Background()); err != nil {
		t.Error(err)
	}
	for _, wrong := range slices.Sorted(maps.Keys(w.wrong)) {
		t.Errorf("docs/logging.md does not have it: %s", wrong)
	}
	// What the lab is about has to have been seen.
	for _, must := range []string{
		"request relayed", "request sent", "request refused", "request failed", "stanza relayed", "stanza sent", "stanza refused", "stanza not delivered",
		"connection opened", "stream authenticated", "handshake failed", "dial failed", "serving", "reloaded", "stopped", admin.ActEvent,
	} {
		if !w.seen[must] {
			t.Errorf("%q was never logged", must)
		}
	}
	planted := newWitness(events)
	slog.New(planted).With(slog.Int("conn", 1)).Warn("stopped", slog.Int("conn", 2), slog.Int("colour", 3))
	slog.New(planted).Info("something else")
	if got := slices.Sorted(maps.Keys(planted.wrong)); len(got) != 4 {
		t.Errorf("planted lines: %q", got)
	}
}
