package repotest

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// top is the top of the repository, seen from this package.
const top = "../.."

// tracked returns the files that belong to the repository, relative to its top
// and with slashes: what git tracks, or every file where there is no git, such as
// in an unpacked release.
func tracked(t *testing.T) []string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "git", "-C", top, "ls-files", "-z").Output()
	if err != nil {
		return under(t, top)
	}
	var files []string
	for name := range strings.SplitSeq(string(out), "\x00") {
		// A file deleted but not committed yet is still listed.
		if _, err := os.Stat(filepath.Join(top, name)); name != "" && err == nil {
			files = append(files, name)
		}
	}
	return files
}

// under returns every regular file below the directory, apart from git's own and
// from what is built.
func under(t *testing.T, dir string) []string {
	t.Helper()
	var files []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(dir, path)
		if d.IsDir() && (name == ".git" || name == "bin") {
			return fs.SkipDir
		}
		if d.Type().IsRegular() {
			files = append(files, filepath.ToSlash(name))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// ending returns the names that end so.
func ending(files []string, suffix string) []string {
	var some []string
	for _, name := range files {
		if strings.HasSuffix(name, suffix) {
			some = append(some, name)
		}
	}
	return some
}

// goFiles returns the tracked Go files, without what lies in testdata.
func goFiles(t *testing.T) []string {
	t.Helper()
	var files []string
	for _, name := range ending(tracked(t), ".go") {
		if !strings.Contains(name, "/testdata/") {
			files = append(files, name)
		}
	}
	if len(files) == 0 {
		t.Fatal("no Go files found")
	}
	return files
}

func read(t *testing.T, dir, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// source is one parsed Go file.
type source struct {
	name string // relative to the top of its tree, with slashes
	fset *token.FileSet
	file *ast.File
}

func parse(t *testing.T, dir, name string) source {
	t.Helper()
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, filepath.Join(dir, name), nil, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	return source{name, fset, file}
}

// parseText is parse for planted source.
func parseText(t *testing.T, name, text string) source {
	t.Helper()
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, name, text, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	return source{name, fset, file}
}

func (s source) line(pos token.Pos) int { return s.fset.Position(pos).Line }

func lines(text string) int { return bytes.Count([]byte(text), []byte("\n")) }
