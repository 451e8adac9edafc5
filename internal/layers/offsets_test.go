package layers

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// Structures on disk have an offset in a comment at each field. TestOffsets
// compares it with what their decode and encode methods read and write, so that
// a comment that says something else than the code is an error. It does not
// know which of them is right: that is for the layout tests of each package.

// A structure is a struct type with such comments.
type structure struct {
	pos    token.Position
	fields map[string][]int64        // what the comment says
	order  []string                  // of these
	all    []string                  // all fields
	elems  map[string]string         // the types of the elements of those that are arrays
	code   map[string]map[int64]bool // what decode or encode uses
}

// A walker looks at the functions of one package.
type walker struct {
	consts  map[string]int64
	structs map[string]*structure
}

var (
	offsets = regexp.MustCompile(`^// (0x[0-9A-Fa-f]+(?:, (?:or |FAT32 )?0x[0-9A-Fa-f]+)*)`)
	hex     = regexp.MustCompile(`0x[0-9A-Fa-f]+`)
)

func TestOffsets(t *testing.T) {
	packages := map[string][]*ast.File{}
	fset := token.NewFileSet()
	err := fs.WalkDir(os.DirFS("../.."), ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && name != "." && (strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata" || d.Name() == "vendor"):
			return fs.SkipDir
		case d.IsDir() || !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go"):
			return nil
		}
		f, err := parser.ParseFile(fset, filepath.Join("../..", filepath.FromSlash(name)), nil, parser.ParseComments|parser.SkipObjectResolution)
		packages[filepath.Dir(name)] = append(packages[filepath.Dir(name)], f)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	structs, compared := 0, 0
	for _, dir := range slices.Sorted(maps.Keys(packages)) {
		w := walker{map[string]int64{}, map[string]*structure{}}
		for _, f := range packages[dir] {
			w.declarations(fset, f)
		}
		for _, f := range packages[dir] {
			w.functions(f)
		}
		for _, name := range slices.Sorted(maps.Keys(w.structs)) {
			s := w.structs[name]
			n := s.compare(t, dir+"."+name)
			if n > 0 {
				structs++
				compared += n
			}
		}
	}
	if structs < 95 || compared < 900 {
		t.Errorf("this test understands %d fields of %d structures, fewer than it did", compared, structs)
	}
	t.Logf("%d fields of %d structures have the offsets that their comments say", compared, structs)
}

// elsewhere are structures whose fields are read in ways that this test does not
// follow.
var elsewhere = []string{
	"fs/ntfs.reparsePoint.data",   // checked before it is taken
	"internal/luks1.header.slots", // one by one
	"vhd.dynamicHeader.locators",  // one by one
	"volume/md.super1.roles",      // one by one

	// There are two layouts, and their offsets are counted from the end.
	"fs/xfs.inodeFormat.ino", "fs/xfs.inodeFormat.rdev", "fs/xfs.inodeFormat.blkno", "fs/xfs.inodeFormat.count", "fs/xfs.inodeFormat.boffset",
}

func (s *structure) compare(t *testing.T, name string) (n int) {
	for _, f := range s.order {
		got := s.code[f]
		if listed := slices.Contains(elsewhere, name+"."+f); listed != (len(got) == 0) {
			t.Errorf("%s: %s.%s: read where this test understands it is %v, named in elsewhere %v", s.pos, name, f, len(got) > 0, listed)
		}
		if len(got) == 0 {
			continue
		}
		n++
		have, want := slices.Sorted(maps.Keys(got)), slices.Sorted(slices.Values(s.fields[f]))
		if !slices.Equal(have, want) {
			t.Errorf("%s: %s.%s is at %#x by its comment, at %#x in the code", s.pos, name, f, want, have)
		}
	}
	return n
}

// declarations notes constants and structures.
func (w *walker) declarations(fset *token.FileSet, f *ast.File) {
	for _, d := range f.Decls {
		d, ok := d.(*ast.GenDecl)
		if !ok {
			continue
		}
		for _, spec := range d.Specs {
			switch spec := spec.(type) {
			case *ast.ValueSpec:
				for i, name := range spec.Names {
					if d.Tok != token.CONST || i >= len(spec.Values) {
						break
					}
					if v, ok := w.value(spec.Values[i]); ok {
						w.consts[name.Name] = v
					}
				}
			case *ast.TypeSpec:
				if st, ok := spec.Type.(*ast.StructType); ok {
					w.structure(fset, spec.Name.Name, st)
				}
			}
		}
	}
}

func (w *walker) structure(fset *token.FileSet, name string, st *ast.StructType) {
	s := &structure{pos: fset.Position(st.Pos()), fields: map[string][]int64{}, elems: map[string]string{}, code: map[string]map[int64]bool{}}
	for _, f := range st.Fields.List {
		for _, id := range f.Names {
			s.all = append(s.all, id.Name)
			if a, ok := f.Type.(*ast.ArrayType); ok {
				s.elems[id.Name] = fmt.Sprint(a.Elt)
			}
		}
		if f.Comment == nil {
			continue
		}
		m := offsets.FindStringSubmatch(f.Comment.List[0].Text)
		if m == nil {
			continue
		}
		var at []int64
		for _, h := range hex.FindAllString(m[1], -1) {
			v, _ := strconv.ParseInt(h, 0, 64)
			at = append(at, v)
		}
		for i, id := range f.Names {
			s.order = append(s.order, id.Name)
			s.fields[id.Name] = at
			if len(f.Names) == len(at) {
				s.fields[id.Name] = at[i : i+1]
			}
		}
	}
	if len(s.fields) > 0 {
		w.structs[name] = s
	}
}

// functions looks at what decodes or encodes.
func (w *walker) functions(f *ast.File) {
	for _, d := range f.Decls {
		if fn, ok := d.(*ast.FuncDecl); ok && fn.Body != nil {
			e := env{w, strings.HasPrefix(fn.Name.Name, "encode"), map[string]*structure{}, map[string][]int64{}}
			for _, l := range []*ast.FieldList{fn.Recv, fn.Type.Params, fn.Type.Results} {
				if l == nil {
					continue
				}
				for _, p := range l.List {
					for _, id := range p.Names {
						e.declare(id.Name, p.Type)
					}
				}
			}
			ast.Inspect(fn.Body, e.visit)
		}
	}
}

// An env is what is known of the variables of a function: which are structures,
// and for what offsets the others stand: a slice for where it begins, a number
// for where it was read.
type env struct {
	*walker
	encodes bool
	vars    map[string]*structure
	at      map[string][]int64
}

func (e *env) declare(name string, typ ast.Expr) {
	delete(e.at, name)
	switch typ := typ.(type) {
	case *ast.StarExpr:
		e.declare(name, typ.X)
	case *ast.Ident:
		if s := e.structs[typ.Name]; s != nil {
			e.vars[name] = s
		}
	case *ast.ArrayType:
		if elem, ok := typ.Elt.(*ast.Ident); ok && elem.Name == "byte" {
			e.at[name] = []int64{0}
		}
	}
}

func (e *env) visit(n ast.Node) bool {
	switch n := n.(type) {
	case *ast.ValueSpec:
		for _, id := range n.Names {
			e.declare(id.Name, n.Type)
		}
	case *ast.CompositeLit:
		if id, ok := n.Type.(*ast.Ident); ok && e.structs[id.Name] != nil {
			s := e.structs[id.Name]
			for i, elt := range n.Elts {
				if kv, ok := elt.(*ast.KeyValueExpr); ok {
					s.use(fmt.Sprint(kv.Key), e.reads(kv.Value))
				} else if i < len(s.all) {
					s.use(s.all[i], e.reads(elt))
				}
			}
		}
	case *ast.AssignStmt:
		for i, l := range n.Lhs {
			r := n.Rhs[min(i, len(n.Rhs)-1)]
			if len(n.Rhs) == 1 && i > 0 { // the first result carries what was read
				continue
			}
			if s, f := e.field(l); s != nil {
				s.use(f, e.reads(r))
			} else if s, f := e.field(r); s != nil && e.encodes { // b[8] = h.level
				s.use(f, e.reads(l))
			}
			if id, ok := l.(*ast.Ident); ok {
				e.assign(id.Name, n.Tok, r)
			}
		}
	case *ast.CallExpr: // copy(h.uuid[:], b[8:]), copy(b[8:], h.uuid[:]), PutUint32(b[8:], h.size)
		fun := ""
		switch f := n.Fun.(type) {
		case *ast.Ident:
			fun = f.Name
		case *ast.SelectorExpr:
			fun = f.Sel.Name
			if s, field := e.field(f.X); s != nil && len(n.Args) > 0 { // h.dev.decode(b[8:])
				s.use(field, e.reads(n.Args[0]))
			}
		}
		if len(n.Args) == 2 && (fun == "copy" || strings.HasPrefix(fun, "PutUint")) {
			for i := range 2 {
				if s, f := e.field(n.Args[i]); s != nil && (i == 0 || e.encodes) {
					s.use(f, e.reads(n.Args[1-i]))
				}
			}
		}
	}
	return true
}

// assign notes what a variable stands for from here on: after b = b[n:], where n
// is not constant, for nothing that could be compared.
func (e *env) assign(name string, tok token.Token, r ast.Expr) {
	if x, ok := r.(*ast.CompositeLit); ok {
		e.declare(name, x.Type)
		return
	}
	if x, ok := r.(*ast.UnaryExpr); ok && x.Op == token.AND {
		switch x := x.X.(type) {
		case *ast.IndexExpr: // &h.slots[i]
			if s, f := e.field(x.X); s != nil && e.structs[s.elems[f]] != nil {
				e.vars[name] = e.structs[s.elems[f]]
			}
		case *ast.CompositeLit:
			e.declare(name, x.Type)
		}
		return
	}
	delete(e.vars, name)
	if x, ok := r.(*ast.SliceExpr); ok && x.Low != nil {
		if _, constant := e.value(x.Low); !constant {
			if id, ok := x.X.(*ast.Ident); ok && id.Name == name {
				delete(e.at, name)
			} else { // the start of one of many
				e.at[name] = []int64{0}
			}
			return
		}
	}
	at := e.reads(r)
	if tok == token.ASSIGN && len(at) > 0 && !slices.Contains([]string{name}, base(r)) {
		at = append(slices.Clone(e.at[name]), at...) // one branch or the other
	}
	e.at[name] = at
}

// base is the variable that an expression slices.
func base(x ast.Expr) string {
	switch x := x.(type) {
	case *ast.SliceExpr:
		return base(x.X)
	case *ast.Ident:
		return x.Name
	}
	return ""
}

// field is the field of a structure that x is, indexed, sliced or converted.
func (e *env) field(x ast.Expr) (*structure, string) {
	switch x := x.(type) {
	case *ast.SliceExpr:
		return e.field(x.X)
	case *ast.IndexExpr:
		return e.field(x.X)
	case *ast.CallExpr:
		if len(x.Args) == 1 {
			return e.field(x.Args[0])
		}
	case *ast.SelectorExpr:
		switch of := x.X.(type) {
		case *ast.Ident:
			if s := e.vars[of.Name]; s != nil {
				return s, x.Sel.Name
			}
		case *ast.IndexExpr: // h.locators[i].code
			if s, f := e.field(of.X); s != nil && e.structs[s.elems[f]] != nil {
				return e.structs[s.elems[f]], x.Sel.Name
			}
		}
	}
	return nil, ""
}

func (s *structure) use(field string, at []int64) {
	if s.fields[field] == nil {
		return
	}
	for _, off := range at {
		if s.code[field] == nil {
			s.code[field] = map[int64]bool{}
		}
		s.code[field][off] = true
	}
}

// reads are the offsets that an expression reads, or a slice begins at.
func (e *env) reads(x ast.Expr) (at []int64) {
	switch x := x.(type) {
	case *ast.Ident:
		return e.at[x.Name]
	case *ast.IndexExpr:
		return e.plus(x.X, x.Index)
	case *ast.SliceExpr:
		return e.plus(x.X, x.Low)
	case *ast.CallExpr:
		if id, ok := x.Fun.(*ast.Ident); ok && id.Name == "len" {
			return nil
		}
		if len(x.Args) == 1 {
			if lit, ok := x.Args[0].(*ast.BasicLit); ok && strings.HasPrefix(lit.Value, "0x") { // word(0x20)
				if _, ok := x.Fun.(*ast.Ident); ok {
					v, _ := e.value(lit)
					return []int64{v}
				}
			}
		}
		for _, a := range x.Args {
			at = append(at, e.reads(a)...)
		}
	case *ast.BinaryExpr:
		return append(e.reads(x.X), e.reads(x.Y)...)
	case *ast.UnaryExpr:
		return e.reads(x.X)
	case *ast.ParenExpr:
		return e.reads(x.X)
	case *ast.CompositeLit:
		for _, elt := range x.Elts {
			at = append(at, e.reads(elt)...)
		}
	}
	return at
}

// plus is where x begins, and add more; the variables of add count as 0, so that
// it is what lies at that place of one of many.
func (e *env) plus(x, add ast.Expr) (at []int64) {
	v := int64(0)
	if add != nil {
		v = e.part(add)
	}
	for _, b := range e.reads(x) {
		at = append(at, b+v)
	}
	return at
}

// part is the constant part of an expression.
func (w *walker) part(x ast.Expr) int64 {
	if v, ok := w.value(x); ok {
		return v
	}
	if x, ok := x.(*ast.BinaryExpr); ok && x.Op == token.ADD {
		return w.part(x.X) + w.part(x.Y)
	}
	return 0
}

// value is that of a constant expression, as far as offsets need it.
func (w *walker) value(e ast.Expr) (int64, bool) {
	switch e := e.(type) {
	case *ast.BasicLit:
		v, err := strconv.ParseInt(e.Value, 0, 64)
		return v, err == nil
	case *ast.Ident:
		v, ok := w.consts[e.Name]
		return v, ok
	case *ast.BinaryExpr:
		x, ok := w.value(e.X)
		y, ok2 := w.value(e.Y)
		switch e.Op {
		case token.ADD:
			return x + y, ok && ok2
		case token.SUB:
			return x - y, ok && ok2
		}
	}
	return 0, false
}
