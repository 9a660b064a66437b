package reference

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"edged/pkg/domain"
)

// entry is a mapping of a file that there is not.
type entry struct {
	Wait    time.Duration    `yaml:"wait"`
	Names   []domain.Name    `yaml:"names"`
	Hidden  bool             `yaml:"-"`
	Inner   []inner          `yaml:"inner"`
	Other   *inner           `yaml:"other"`
	inlined `yaml:",inline"` //nolint:embeddedstructfieldcheck // it is written last
}

type inner struct {
	On bool `yaml:"on"`
}

type inlined struct {
	Port uint16 `yaml:"port"`
}

func TestFields(t *testing.T) {
	got := writeFields(entry{Wait: 90 * time.Minute}, comments{
		"entry.Wait": "Wait is how long.", "entry.Names": "Names are the rest. Default: none.", "entry.Inner": "Inner lists.",
		"entry.Other": "Other is one.", "inner": "inner holds a switch.", "inner.On": "On switches.", "inlined.Port": "Port is where.",
	})
	want := "* **`wait`** (duration, default `1h30m`): How long.\n" +
		"* **`names`** (list: domain name): The rest. Default: none.\n" +
		"* **`inner`** (list: mapping): Lists.\n" +
		"* **`other`** (mapping): One.\n" +
		"* **`port`** (port): Where.\n" +
		"\n### `inner[]`\n\nHolds a switch.\n\n* **`on`** (`true` or `false`, default `false`): Switches.\n" +
		"\n### `other`\n\nAs `inner[]`.\n"
	if got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}

// TestNoNamesOfGo: comments speak of what the files have, not of what Go has for it.
// A name in the middle of a sentence gives it away.
func TestNoNamesOfGo(t *testing.T) {
	pages, err := Pages("../..", "")
	if err != nil {
		t.Fatal(err)
	}
	c, err := readComments("../config", "../../pkg/policy", "../../pkg/limit")
	if err != nil {
		t.Fatal(err)
	}
	names := make(map[string]bool)
	for name := range c {
		for part := range strings.SplitSeq(name, ".") {
			names[part] = part != strings.ToUpper(part) && part != strings.ToLower(part)
		}
	}
	// A constant; and what protocols call so too.
	names["System"], names["User"], names["Service"] = true, false, false
	for page, text := range pages {
		for _, found := range leaks(text, names) {
			t.Errorf("%s: %s", page, found)
		}
	}
	if got := leaks("where Proxy listens. Proxy is. (see AllowedDomain), and Server", map[string]bool{"Proxy": true, "AllowedDomain": true}); len(got) != 2 {
		t.Errorf("planted names: %q", got)
	}
}

var inside = regexp.MustCompile(`[a-z,;] \(?([A-Z][A-Za-z]+)`)

func leaks(text string, names map[string]bool) []string {
	var found []string
	for _, m := range inside.FindAllStringSubmatch(text, -1) {
		if names[m[1]] {
			found = append(found, m[0])
		}
	}
	return found
}
