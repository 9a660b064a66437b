package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"edged/internal/config/configtest"
	"edged/internal/doctest"
)

// recipe is what docs/policy.md says about one policy.
type recipe struct {
	policy   string
	files    map[string]string
	sessions []string // commands with their answers, as a terminal shows them
}

// recipes reads the page: blocks with the name of a recipe, after it that of a file
// for those that are neither policy.yaml nor a session.
func recipes(t *testing.T, page string) map[string]*recipe {
	t.Helper()
	all := make(map[string]*recipe)
	for _, b := range doctest.Blocks(t, page) {
		name, file, _ := strings.Cut(b.Name, " ")
		r := all[name]
		if r == nil {
			r = &recipe{files: make(map[string]string)}
			all[name] = r
		}
		switch b.Language {
		case "yaml":
			r.policy = b.Text
		case "console":
			r.sessions = append(r.sessions, b.Text)
		case "csv":
			r.files[file] = b.Text
		default:
			delete(all, name)
		}
	}
	return all
}

// TestPolicyPage asks every recipe of docs/policy.md what the page asks it, and wants
// the page's answers. With -update it writes them.
func TestPolicyPage(t *testing.T) {
	const page = "../../docs/policy.md"
	all := recipes(t, page)
	if len(all) < 10 {
		t.Fatalf("%s has %d recipes", page, len(all))
	}
	for name, r := range all {
		t.Run(name, func(t *testing.T) {
			if r.policy == "" || len(r.sessions) == 0 {
				t.Fatal("the recipe has no policy, or nothing is asked about it")
			}
			dir := r.lay(t)
			for _, session := range r.sessions {
				got := replay(t, dir, session)
				if *update {
					rewritePage(t, page, session, got)
				} else if diff := cmp.Diff(session, got); diff != "" {
					t.Errorf("run go test ./cmd/edged -run TestPolicyPage -update if the new answers are right (-page +got):\n%s", diff)
				}
			}
		})
	}
}

// lay makes a folder like /etc/edged with the recipe's policy.
func (r *recipe) lay(t *testing.T) string {
	t.Helper()
	dir := configtest.Lay(t, "../../configs")
	for _, example := range []string{"grants.csv", "seoul.csv"} { // a recipe names its own
		if err := os.Remove(filepath.Join(dir, example)); err != nil {
			t.Fatal(err)
		}
	}
	for name, text := range r.files {
		writeFile(t, filepath.Join(dir, name), text)
	}
	writeFile(t, filepath.Join(dir, "policy.yaml"), r.policy)
	return dir
}

func writeFile(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// replay runs the commands of a session in a folder that stands for /etc/edged, and
// returns the session with what they say.
func replay(t *testing.T, dir, session string) string {
	t.Helper()
	var out strings.Builder
	for line := range strings.Lines(session) {
		command, ok := strings.CutPrefix(line, "$ ")
		if !ok {
			continue
		}
		out.WriteString(line)
		var stdout, stderr bytes.Buffer
		cmd := exec.Command("sh", "-c", strings.Replace(command, "edged explain", "edged explain -c "+filepath.Join(dir, "edged.yaml"), 1))
		cmd.Stdout, cmd.Stderr = &stdout, &stderr
		_ = cmd.Run() // what it says is compared
		out.WriteString(strings.ReplaceAll(stdout.String()+stderr.String(), dir, "/etc/edged"))
	}
	return out.String()
}

// rewritePage puts a text into a page in place of another one.
func rewritePage(t *testing.T, page, old, text string) {
	t.Helper()
	raw, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(raw, []byte(old)) {
		t.Fatalf("%s has changed", page)
	}
	raw = bytes.Replace(raw, []byte(old), []byte(text), 1)
	if err := os.WriteFile(page, raw, 0o644); err != nil {
		t.Fatal(err)
	}
}
