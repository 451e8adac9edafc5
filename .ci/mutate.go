//go:build ignore

// Mutate changes one token of a file at a time (a comparison, a sign, && and ||, a
// number) and runs the tests of its package over each change, by go test
// -overlay: the tree stays as it is. It prints the changes that no test notices.
// Some change nothing that could be seen: mutate.txt lists these, each with its
// reason, and they are not printed. Each of the others is a test that is missing.
//
//	GUESTKIT_PEERS=none go run .ci/mutate.go [-n 40] [-seed 1] [-run REGEXP] FILE…
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"log"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// A mutant puts another token in the place of one.
type mutant struct {
	pos      token.Position
	old, new string
}

var other = map[token.Token]token.Token{
	token.EQL: token.NEQ, token.NEQ: token.EQL, token.LSS: token.LEQ, token.LEQ: token.LSS, token.GTR: token.GEQ, token.GEQ: token.GTR,
	token.LAND: token.LOR, token.LOR: token.LAND, token.ADD: token.SUB, token.SUB: token.ADD, token.SHL: token.SHR, token.SHR: token.SHL,
}

func main() {
	log.SetFlags(0)
	n := flag.Int("n", 0, "mutants of each file, chosen at random; 0 for all")
	seed := flag.Uint64("seed", 1, "of the choice")
	run := flag.String("run", "", "the tests to run")
	flag.Parse()
	tmp, err := os.MkdirTemp("", "mutate")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(tmp)
	equivalent, err := reasons(".ci/mutate.txt")
	if err != nil {
		log.Fatal(err)
	}
	for _, file := range flag.Args() {
		ms, src, err := mutants(file)
		if err != nil {
			log.Fatal(err)
		}
		if *n > 0 && *n < len(ms) {
			rand.New(rand.NewPCG(*seed, 0)).Shuffle(len(ms), func(i, j int) { ms[i], ms[j] = ms[j], ms[i] })
			ms = ms[:*n]
		}
		lines := strings.Split(string(src), "\n")
		killed, survived, listed, invalid := 0, 0, 0, 0
		for _, m := range ms {
			line := lines[m.pos.Line-1]
			line = strings.TrimSpace(line[:m.pos.Column-1] + m.new + line[m.pos.Column-1+len(m.old):])
			if equivalent[file+": "+line] {
				listed++
				continue
			}
			noticed, err := try(tmp, file, src, m, *run)
			switch {
			case err != nil:
				invalid++
			case noticed:
				killed++
			default:
				survived++
				fmt.Printf("%s:%d:%d: %s -> %s\n%s: %s\n", file, m.pos.Line, m.pos.Column, m.old, m.new, file, line)
			}
		}
		fmt.Printf("%s: %d noticed, %d not, %d listed as equivalent, %d do not build\n", file, killed, survived, listed, invalid)
	}
}

// reasons reads the mutants that cannot be noticed: a line "FILE: the line as it is
// changed", and below it, indented, why.
func reasons(path string) (map[string]bool, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	known, key := map[string]bool{}, ""
	for line := range strings.Lines(string(b)) {
		text := strings.TrimRight(line, "\n")
		switch {
		case text == "" || text[0] == '#':
		case text[0] == '\t':
			known[key] = true
		default:
			key = text
		}
	}
	return known, nil
}

func mutants(file string) (ms []mutant, src []byte, err error) {
	if src, err = os.ReadFile(file); err != nil {
		return nil, nil, err
	}
	fset := token.NewFileSet()
	f, err := parser.ParseFile(fset, file, src, parser.SkipObjectResolution)
	if err != nil {
		return nil, nil, err
	}
	ast.Inspect(f, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.ImportSpec, *ast.Field:
			return false
		case *ast.CallExpr: // the place and the words of an error
			name := fmt.Sprint(n.Fun)
			if sel, ok := n.Fun.(*ast.SelectorExpr); ok {
				name = sel.Sel.Name
			}
			for _, s := range []string{"rrorf", "fault", "corrupt", "bad", "fail"} {
				if strings.Contains(name, s) {
					return false
				}
			}
		case *ast.BinaryExpr:
			if to, ok := other[n.Op]; ok {
				ms = append(ms, mutant{fset.Position(n.OpPos), n.Op.String(), to.String()})
			}
		case *ast.BasicLit:
			if v, err := strconv.ParseInt(n.Value, 0, 64); err == nil && n.Kind == token.INT {
				ms = append(ms, mutant{fset.Position(n.Pos()), n.Value, strconv.FormatInt(v+1, 10)})
			}
		case *ast.UnaryExpr:
			if n.Op == token.NOT {
				ms = append(ms, mutant{fset.Position(n.Pos()), "!", ""})
			}
		}
		return true
	})
	return ms, src, nil
}

// try reports whether a test fails over the mutant; it is an error if it does not
// build.
func try(tmp, file string, src []byte, m mutant, run string) (noticed bool, err error) {
	b := append(append(append([]byte{}, src[:m.pos.Offset]...), m.new...), src[m.pos.Offset+len(m.old):]...)
	changed, overlay := filepath.Join(tmp, "changed.go"), filepath.Join(tmp, "overlay.json")
	abs, err := filepath.Abs(file)
	if err != nil {
		log.Fatal(err)
	}
	list, err := json.Marshal(map[string]map[string]string{"Replace": {abs: changed}})
	if err != nil {
		log.Fatal(err)
	}
	if err := errors.Join(os.WriteFile(changed, b, 0o600), os.WriteFile(overlay, list, 0o600)); err != nil {
		log.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	out, err := exec.CommandContext(ctx, "go", "test", "-overlay", overlay, "-vet=off", "-count=1", "-failfast", "-timeout=2m", "-run", run, "./"+filepath.Dir(file)).CombinedOutput()
	if strings.Contains(string(out), "[build failed]") {
		return false, errors.New("it does not build")
	}
	return err != nil, nil
}
