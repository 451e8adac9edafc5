// Package layers tests that the packages of the module call each other in one
// direction only: parents know children, children never know parents.
package layers

import (
	"bytes"
	"cmp"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/guestkit/guestkit"

// architecture has the table of ranks, which this test reads, so that text and
// test cannot differ.
const architecture = "../../ARCHITECTURE.md"

// Packages under internal import nothing above their row and may be imported by
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
	table := ranks(t)
	for _, p := range list(t, "linux", "./...") {
		from := short(p.ImportPath)
		if !strings.Contains(from, "/internal/") && table.find(from) == nil {
			t.Errorf("%s has no rank: give it its place in the table of ARCHITECTURE.md", from)
			continue
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
				if from == "block" && to != "internal/lru" { // which stands on it too
					t.Errorf("block imports %s: it stands on the standard library alone", to)
				}
			default:
				// Parts of a package import what it may itself.
				importer, imported := table.find(cmp.Or(partOf(from), from)), table.find(to)
				if importer == nil || imported == nil {
					t.Errorf("%s imports %s: one has no rank", from, to)
				} else if !imported.below(importer) {
					t.Errorf("%s (rank %d, row %d) imports %s (rank %d, row %d)", from, importer.rank, importer.row, to, imported.rank, imported.row)
				}
			}
		}
	}
}

// mounters are what mounts by FUSE, which no library package does.
var mounters = []string{"cmd/guestkit", "cmd/guestkit/internal/fusemount"}

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
				if slices.Contains(mounters, path) && d == "os/exec" {
					// go-fuse asks fusermount where the user is not root; we start nothing.
					if slices.Contains(p.Imports, d) {
						t.Errorf("%s: %s imports %s", goos, path, d)
					}
					continue
				}
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

// A place is where a row of the table puts a package. A name that ends in "/…"
// stands for the packages below it that no other row names.
type place struct {
	name      string
	rank, row int
}

// below says whether q may import what is at p: what has a lower rank and, in
// rank 0, where the contracts stand on each other, what a row above has.
func (p *place) below(q *place) bool {
	return p.rank < q.rank || p.rank == 0 && q.rank == 0 && p.row < q.row
}

type places []place

func (ps places) find(path string) *place {
	best := -1
	for i, p := range ps {
		if p.name == path {
			return &ps[i]
		}
		if prefix, ok := strings.CutSuffix(p.name, "…"); ok && strings.HasPrefix(path, prefix) {
			best = i
		}
	}
	if best < 0 {
		return nil
	}
	return &ps[best]
}

var tableRow = regexp.MustCompile(`(?m)^\| (\d+) \| (` + "(?:`[^`|]+` ?)+" + `)\|`)

// ranks reads the table. Names are unique, and stand for packages that there are.
func ranks(t *testing.T) places {
	t.Helper()
	text, err := os.ReadFile(architecture)
	if err != nil {
		t.Fatal(err)
	}
	var ps places
	for row, m := range tableRow.FindAllStringSubmatch(string(text), -1) {
		rank, err := strconv.Atoi(m[1])
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range strings.Fields(strings.ReplaceAll(m[2], "`", " ")) {
			dir := strings.TrimSuffix(name, "…")
			if name == "guestkit" {
				name, dir = ".", "."
			}
			if slices.ContainsFunc(ps, func(p place) bool { return p.name == name }) {
				t.Errorf("the table names %s twice", name)
			}
			if _, err := os.Stat(filepath.Join(filepath.Dir(architecture), filepath.FromSlash(dir))); err != nil {
				t.Errorf("the table names a package that there is not: %v", err)
			}
			ps = append(ps, place{name, rank, row + 1})
		}
	}
	if len(ps) < 40 {
		t.Fatalf("the table of %s has %d packages", architecture, len(ps))
	}
	return ps
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
