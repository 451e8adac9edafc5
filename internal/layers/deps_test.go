// Package layers tests that the packages of the module call each other in one
// direction only: parents know children, children never know parents.
package layers

import (
	"bytes"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/guestkit/guestkit"

// ranks gives every package its place; a package imports only lower ranks. A
// pattern that ends in "/..." stands for the packages below it, the first
// match counts. "." is the package at the root.
var ranks = []struct {
	pattern string
	rank    int
}{
	{"block", -2}, // beneath even fs/vfs
	{"fs/vfs", -1},
	{"fs/fat", 0}, // beneath its siblings: no magic tells a FAT, so volume/probe asks it
	{"format/raw", 1},
	{"qcow2", 1}, {"vmdk", 1}, {"vhd", 1}, {"vhdx", 1}, {"vdi", 1},
	{"ova", 1},
	{"partition", 1},
	{"registry", 1},
	{"volume/...", 1},
	{"fs/...", 1},
	{"format", 2},
	{"volume", 2},
	{"fs", 2},
	{"inspect/system", 1},
	{"inspect/...", 2},
	{"retry", 0},
	{"nbd", 1},
	{"convert", 3},
	{"digest", 3},
	{"inspect", 3},
	{"remote", 3},
	{"target", 4},
	{".", 5},
	{"cmd/...", 6},
	{"fuzz", 6},
	{"bench", 6},
	{"examples/...", 6},
	{"examples", 6},
}

// Packages under internal import nothing above fs/vfs and may be imported by
// anyone but block, which stands on the standard library alone.
const internal = "internal/"

// testOnly are the packages that tests import and nothing else does.
var testOnly = []string{"internal/peers", "internal/testimg", "internal/regftest"}

type pkg struct {
	ImportPath string
	Standard   bool
	Imports    []string
	Deps       []string
}

func TestLayers(t *testing.T) {
	for _, p := range list(t, "linux", "./...") {
		from := short(p.ImportPath)
		rank, ok := rankOf(from)
		if !ok {
			t.Errorf("%s has no rank: give it its place in the table", from)
		}
		for _, path := range p.Imports {
			if path != module && !strings.HasPrefix(path, module+"/") {
				if from == "block" && strings.Contains(path, ".") {
					t.Errorf("block imports %s: it stands on the standard library alone", path)
				}
				continue
			}
			to := short(path)
			switch {
			case slices.Contains(testOnly, to):
				if !slices.Contains(testOnly, from) {
					t.Errorf("%s imports %s outside of a test", from, to)
				}
			case partOf(to) != "" && (partOf(to) == from || partOf(to) == partOf(from) || strings.HasPrefix(from, partOf(to)+"/")):
			case strings.HasPrefix(to, internal):
				if from == "block" {
					t.Errorf("block imports %s: it stands on the standard library alone", to)
				}
			default:
				toRank, _ := rankOf(to)
				if toRank >= rank && !(strings.HasPrefix(from, internal) && toRank < 0) {
					t.Errorf("%s (rank %d) imports %s (rank %d)", from, rank, to, toRank)
				}
			}
		}
	}
}

// TestForbidden says what no library package may be built of, on any system.
func TestForbidden(t *testing.T) {
	never := []string{"os/exec", "net", "net/http", "runtime/cgo", "C", "plugin"}
	for _, goos := range []string{"linux", "darwin", "windows"} {
		for _, p := range list(t, goos, "./...") {
			path := short(p.ImportPath)
			if slices.Contains(testOnly, path) || path == "fuzz" {
				continue
			}
			deps := never
			if path == "remote" || path == "nbd" { // they say that they use the network
				deps = []string{"os/exec", "runtime/cgo", "C", "plugin"}
			}
			if strings.HasPrefix(path, "cmd/") || strings.HasPrefix(path, "examples/") {
				deps = []string{"os/exec", "runtime/cgo", "C", "plugin"}
			}
			for _, d := range deps {
				if slices.Contains(p.Deps, d) {
					t.Errorf("%s: %s depends on %s", goos, path, d)
				}
			}
			// What modules that are built in do inside is their own affair.
			for _, d := range []string{"unsafe", "reflect", "log", "log/slog"} {
				if slices.Contains(p.Imports, d) && !strings.HasPrefix(path, "cmd/") {
					t.Errorf("%s: %s imports %s", goos, path, d)
				}
			}
		}
	}
}

func short(path string) string {
	if path == module {
		return "."
	}
	return strings.TrimPrefix(path, module+"/")
}

// partOf is the package that one in its internal folder is a part of, "" for
// all others. Only that package and those below it may import it, which the go
// command sees to; it imports what its own rank may, and its siblings.
func partOf(path string) string {
	parent, _, ok := strings.Cut(path, "/internal/")
	if !ok {
		return ""
	}
	return parent
}

func rankOf(path string) (int, bool) {
	if strings.HasPrefix(path, internal) {
		return 0, true
	}
	for _, r := range ranks {
		if prefix, ok := strings.CutSuffix(r.pattern, "..."); ok && strings.HasPrefix(path, prefix) || r.pattern == path {
			return r.rank, true
		}
	}
	return 0, false
}

// list asks go list for packages of the module as they are built without cgo.
func list(t *testing.T, goos string, patterns ...string) []pkg {
	t.Helper()
	cmd := exec.Command("go", append([]string{"list", "-json=ImportPath,Standard,Imports,Deps"}, patterns...)...)
	cmd.Dir = "../.."
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS="+goos)
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, errs.String())
	}
	var ps []pkg
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var p pkg
		if err := dec.Decode(&p); err == io.EOF {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		ps = append(ps, p)
	}
	if len(ps) < 5 {
		t.Fatalf("go list found %d packages", len(ps))
	}
	return ps
}
