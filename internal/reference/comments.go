package reference

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strings"
)

// comments are the comments of struct types and of their fields: by "Pool" and by
// "Pool.Ping". Names of types differ in the packages that are read together.
type comments map[string]string

// readComments reads the packages in the folders.
func readComments(folders ...string) (comments, error) {
	all := make(comments)
	for _, folder := range folders {
		files, err := filepath.Glob(filepath.Join(folder, "*.go"))
		if err != nil {
			return nil, err
		}
		for _, name := range files {
			if strings.HasSuffix(name, "_test.go") {
				continue
			}
			file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments|parser.SkipObjectResolution)
			if err != nil {
				return nil, err
			}
			all.add(file)
		}
	}
	return all, nil
}

// add reads one file.
func (c comments) add(file *ast.File) {
	for _, d := range file.Decls {
		group, ok := d.(*ast.GenDecl)
		if !ok {
			continue
		}
		for _, spec := range group.Specs {
			if t, ok := spec.(*ast.TypeSpec); ok {
				c.addType(group, t)
			}
		}
	}
}

func (c comments) addType(group *ast.GenDecl, t *ast.TypeSpec) {
	body, ok := t.Type.(*ast.StructType)
	if !ok {
		return
	}
	if t.Doc == nil {
		t.Doc = group.Doc
	}
	c[t.Name.Name] = oneLine(t.Doc)
	for _, f := range body.Fields.List {
		for _, n := range f.Names {
			c[t.Name.Name+"."+n.Name] = oneLine(f.Doc)
		}
	}
}

// oneLine is the text of a comment without its line breaks.
func oneLine(g *ast.CommentGroup) string { return strings.Join(strings.Fields(g.Text()), " ") }
