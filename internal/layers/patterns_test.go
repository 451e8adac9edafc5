package layers_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// TestPatterns compiles every regular expression that is compiled at first use, and
// finds those that a package compiles when a program starts.
func TestPatterns(t *testing.T) {
	set, found := token.NewFileSet(), 0
	err := filepath.WalkDir("../..", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (d.Name() == "examples" || d.Name() == "secondopinion" || len(d.Name()) > 2 && d.Name()[0] == '.'):
			return filepath.SkipDir
		case !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go"):
			return nil
		}
		file, err := parser.ParseFile(set, path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		for _, decl := range file.Decls {
			_, function := decl.(*ast.FuncDecl)
			ast.Inspect(decl, func(n ast.Node) bool {
				call, ok := n.(*ast.CallExpr)
				if !ok || len(call.Args) != 1 {
					return true
				}
				f, ok := call.Fun.(*ast.SelectorExpr)
				if !ok {
					return true
				}
				switch from, _ := f.X.(*ast.Ident); {
				case from == nil:
				case from.Name == "regexp" && strings.HasPrefix(f.Sel.Name, "MustCompile") && !function:
					t.Errorf("%s: compiled at the start of every program", set.Position(call.Pos()))
				case from.Name == "pattern" && f.Sel.Name == "Of":
					expr, ok := text(call.Args[0])
					if !ok {
						t.Errorf("%s: not a constant", set.Position(call.Pos()))
					} else if _, err := regexp.Compile(expr); err != nil {
						t.Errorf("%s: %v", set.Position(call.Pos()), err)
					}
					found++
				}
				return true
			})
		}
		return nil
	})
	if err != nil || found < 20 {
		t.Errorf("%d patterns, %v", found, err)
	}
}

// text is what literals and their sums say.
func text(e ast.Expr) (string, bool) {
	switch e := e.(type) {
	case *ast.BasicLit:
		s, err := strconv.Unquote(e.Value)
		return s, err == nil
	case *ast.BinaryExpr:
		a, ok := text(e.X)
		b, ok2 := text(e.Y)
		return a + b, ok && ok2
	}
	return "", false
}
