package repotest

import (
	"fmt"
	"go/ast"
	"go/token"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const (
	maxFileLines = 500
	maxFuncLines = 75 // tests aside: a truth table may be long
)

func TestFilesAndFunctionsAreShort(t *testing.T) {
	for _, name := range goFiles(t) {
		if n := lines(read(t, top, name)); n > maxFileLines {
			t.Errorf("%s has %d lines, at most %d: split it by idea", name, n, maxFileLines)
		}
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		for _, long := range longFuncs(parse(t, top, name)) {
			t.Error(long)
		}
	}
	body := strings.Repeat("\tg()\n", maxFuncLines-2)
	for text, want := range map[string]int{
		"package p\n\nfunc short() {\n" + body + "}\n":             0,
		"package p\n\nfunc long() {\n\tg()\n" + body + "}\n":       1,
		"package p\n\nfunc (t T) long() {\n\tg()\n" + body + "}\n": 1,
	} {
		if got := longFuncs(parseText(t, "planted.go", text)); len(got) != want {
			t.Errorf("planted function: %v, want %d finding(s)", got, want)
		}
	}
}

// longFuncs says which functions of the file are too long.
func longFuncs(s source) []string {
	var found []string
	for _, d := range s.file.Decls {
		if f, ok := d.(*ast.FuncDecl); ok {
			if n := s.line(f.End()) - s.line(f.Pos()) + 1; n > maxFuncLines {
				found = append(found, fmt.Sprintf("%s:%d: %s has %d lines, at most %d", s.name, s.line(f.Pos()), f.Name.Name, n, maxFuncLines))
			}
		}
	}
	return found
}

func TestExportedNamesAreDocumented(t *testing.T) {
	for _, name := range goFiles(t) {
		if strings.HasPrefix(name, "pkg/") && !strings.HasSuffix(name, "_test.go") {
			for _, bare := range undocumented(parse(t, top, name)) {
				t.Errorf("%s: exported without a comment", bare)
			}
		}
	}
	want := []string{"planted.go:1: F", "planted.go:2: T.M", "planted.go:5: C", "planted.go:7: V", "planted.go:8: U"}
	got := undocumented(parseText(t, "planted.go", `package p; func F() {}
func (t *T[K]) M() {}
func (u hidden) M() {}
const (
	C = 1
	D = 2 // documented
); var V = 1
type U struct{}
// The group is documented.
const (
	E = 1
)
type hidden struct{}
func hide() {}
`))
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("planted names:\n%s", diff)
	}
}

// undocumented returns the exported names of the file that no comment explains:
// functions, methods of exported types, types, constants and variables.
func undocumented(s source) []string {
	var found []string
	note := func(pos token.Pos, name string) {
		found = append(found, fmt.Sprintf("%s:%d: %s", s.name, s.line(pos), name))
	}
	for _, d := range s.file.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			name, exported := fullName(d)
			if exported && d.Doc == nil {
				note(d.Pos(), name)
			}
		case *ast.GenDecl:
			for _, spec := range d.Specs {
				for _, name := range bareNames(spec) {
					if d.Doc == nil && name.IsExported() {
						note(name.Pos(), name.Name)
					}
				}
			}
		}
	}
	return found
}

// fullName returns "Func" or "Type.Method", and whether others can see it.
func fullName(f *ast.FuncDecl) (name string, exported bool) {
	if f.Recv == nil {
		return f.Name.Name, f.Name.IsExported()
	}
	receiver := f.Recv.List[0].Type
	for {
		switch t := receiver.(type) {
		case *ast.StarExpr:
			receiver = t.X
		case *ast.IndexExpr:
			receiver = t.X
		case *ast.IndexListExpr:
			receiver = t.X
		case *ast.Ident:
			return t.Name + "." + f.Name.Name, t.IsExported() && f.Name.IsExported()
		default:
			return f.Name.Name, f.Name.IsExported()
		}
	}
}

// bareNames returns what a specification declares, unless it has a comment of its
// own.
func bareNames(spec ast.Spec) []*ast.Ident {
	switch spec := spec.(type) {
	case *ast.TypeSpec:
		if spec.Doc == nil && spec.Comment == nil {
			return []*ast.Ident{spec.Name}
		}
	case *ast.ValueSpec:
		if spec.Doc == nil && spec.Comment == nil {
			return spec.Names
		}
	}
	return nil
}

func TestEveryPackageHasADoc(t *testing.T) {
	documented := map[string]bool{}
	for _, name := range goFiles(t) {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		dir := name[:strings.LastIndexByte(name, '/')]
		documented[dir] = documented[dir] || parse(t, top, name).file.Doc != nil
	}
	for dir, ok := range documented {
		if !ok {
			t.Errorf("%s: no file has a package comment", dir)
		}
	}
}
