package layers

import (
	"go/ast"
	"go/doc"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// isPublic reports whether programs outside of the module may import a package.
func isPublic(path string) bool {
	for _, own := range []string{"cmd", "fuzz", "bench", "examples", "python"} {
		if path == own || strings.HasPrefix(path, own+"/") {
			return false
		}
	}
	return !slices.Contains(strings.Split(path, "/"), "internal")
}

// noExample are packages that have none yet.
var noExample []string

// TestDocumented: every exported symbol of the public packages says what it is,
// methods and groups of constants too, and every package shows how it is used, in
// an Example that runs.
func TestDocumented(t *testing.T) {
	for _, p := range list(t, "linux", "./...") {
		path := short(p.ImportPath)
		if !isPublic(path) {
			continue
		}
		fset := token.NewFileSet()
		var files, tests []*ast.File
		names, err := filepath.Glob(filepath.Join("..", "..", path, "*.go"))
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			f, err := parser.ParseFile(fset, name, nil, parser.ParseComments)
			if err != nil {
				t.Fatal(err)
			}
			if strings.HasSuffix(name, "_test.go") {
				tests = append(tests, f)
			} else {
				files = append(files, f)
			}
		}
		if len(files) == 0 {
			continue // tests alone
		}
		runs := false
		for _, e := range doc.Examples(tests...) {
			runs = runs || e.Output != "" || e.EmptyOutput
		}
		switch {
		case !runs && !slices.Contains(noExample, path):
			t.Errorf("%s has no Example that runs", path)
		case runs && slices.Contains(noExample, path):
			t.Errorf("%s has an Example: take it off the list of those that have none", path)
		}
		described := false
		for _, f := range files {
			described = described || f.Doc.Text() != ""
			for _, d := range f.Decls {
				for _, name := range undocumented(d) {
					t.Errorf("%s: %s has no comment", fset.Position(d.Pos()), name)
				}
			}
		}
		if !described {
			t.Errorf("%s does not say what it is for", path)
		}
	}
}

// undocumented lists the exported names that a declaration makes and nothing is
// said of. A comment over a group is one for all in it.
func undocumented(d ast.Decl) (names []string) {
	switch d := d.(type) {
	case *ast.FuncDecl:
		name := d.Name.Name
		if d.Recv != nil {
			of := receiver(d.Recv.List[0].Type)
			if !ast.IsExported(of) {
				return nil
			}
			name = of + "." + name
		}
		if d.Name.IsExported() && d.Doc.Text() == "" {
			names = append(names, name)
		}
	case *ast.GenDecl:
		for _, spec := range d.Specs {
			switch s := spec.(type) {
			case *ast.TypeSpec:
				if !s.Name.IsExported() {
					continue
				}
				if d.Doc.Text()+s.Doc.Text()+s.Comment.Text() == "" {
					names = append(names, s.Name.Name)
				}
				if i, ok := s.Type.(*ast.InterfaceType); ok {
					for _, m := range i.Methods.List {
						for _, n := range m.Names {
							if n.IsExported() && m.Doc.Text()+m.Comment.Text() == "" {
								names = append(names, s.Name.Name+"."+n.Name)
							}
						}
					}
				}
			case *ast.ValueSpec:
				for _, n := range s.Names {
					if n.IsExported() && d.Doc.Text()+s.Doc.Text()+s.Comment.Text() == "" {
						names = append(names, n.Name)
					}
				}
			}
		}
	}
	return names
}

// receiver is the name of the type that a method is of.
func receiver(x ast.Expr) string {
	switch x := x.(type) {
	case *ast.StarExpr:
		return receiver(x.X)
	case *ast.IndexExpr:
		return receiver(x.X)
	case *ast.IndexListExpr:
		return receiver(x.X)
	case *ast.Ident:
		return x.Name
	}
	return ""
}
