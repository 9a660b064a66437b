package repotest

import (
	"go/ast"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// wallClock lists the files that take a time by the clock on the wall, which may be
// set anew at any moment, and why. Everything else that waits or remembers compares
// what time.Now returned: that runs on regardless.
var wallClock = map[string]string{
	"internal/daemon/metrics.go":  "for people",
	"pkg/consent/book.go":         "for people, and over restarts",
	"pkg/consent/ring.go":         "for people",
	"pkg/tlsid/authoritypem.go":   "a certificate's",
	"pkg/tlsid/mint.go":           "a certificate's",
	"pkg/proxyproto/peer.go":      "a deadline that is over",
	"pkg/xmpp/conn.go":            "a deadline that is over",
	"pkg/xmpp/writer.go":          "a deadline that is over",
	"internal/config/configtest/": "a certificate's",
}

// TestWaitsOutlastTheClock: no deadline, back-off or remembered answer hangs on the
// clock on the wall.
func TestWaitsOutlastTheClock(t *testing.T) {
	for _, name := range goFiles(t) {
		if strings.HasSuffix(name, "_test.go") || !strings.HasPrefix(name, "pkg/") && !strings.HasPrefix(name, "internal/") ||
			strings.HasPrefix(name, "internal/lab/") || excused(name) {
			continue
		}
		for _, line := range wallUses(parse(t, top, name)) {
			t.Errorf("%s:%d takes a time by the clock on the wall: keep the time.Time, or say why in wallClock", name, line)
		}
	}
	got := wallUses(parseText(t, "bad.go", `package bad

var a, b = time.Now().UnixNano(), time.Now().Add(time.Hour)
var c = time.Unix(1, 0)
var d, e = c.Round(0), b.Sub(c).Round(time.Second)
`))
	if diff := cmp.Diff([]int{3, 4, 5}, got); diff != "" {
		t.Errorf("planted uses (-want +got):\n%s", diff)
	}
}

func excused(name string) bool {
	for file := range wallClock {
		if name == file || strings.HasSuffix(file, "/") && strings.HasPrefix(name, file) {
			return true
		}
	}
	return false
}

// wallUses returns the lines that drop what time.Now tells beside the clock.
func wallUses(s source) []int {
	var found []int
	ast.Inspect(s.file, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok {
			return true
		}
		f, ok := call.Fun.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		switch f.Sel.Name {
		case "Unix", "UnixNano", "UnixMicro", "UnixMilli", "AddDate":
			found = append(found, s.line(call.Pos()))
		case "Round":
			if zero, ok := call.Args[0].(*ast.BasicLit); ok && zero.Value == "0" {
				found = append(found, s.line(call.Pos()))
			}
		}
		return true
	})
	return found
}
