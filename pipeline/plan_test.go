package pipeline_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/peers"
	"github.com/guestkit/guestkit/pipeline"
)

const good = `name: nightly
results: out
parallel: 2
images:
  - a.raw
  - {path: b.img, name: web, format: raw}
  - {glob: "more/*.vmdk"}
  - https://example.org/c.qcow2
stages:
  - check: {untrusted: true}
  - convert: {to: "out/{name}.qcow2", compress: zstd, options: {cluster_size: 64K, compat: 1.1}}
    retry: {attempts: 5, first: 1s, longest: 1m, total: 1h}
    timeout: 2h
    if: {not_format: [qcow2], min_size: 1M, max_size: 10G, name: ["*"]}
  - verify: {strict: true}
    image: convert
  - inspect:
    id: look
    image: convert
    may_fail: true
    retry: 3
  - copy: {to: "out/etc-{name}-{index}", paths: [/etc], volume: gpt2, max_bytes: 1G, max_files: 1000}
    needs: [look]
    if: {system: [linux], status: {look: [done]}}
`

// bad are plans that are refused, where, and by which words.
var bad = []struct{ name, plan, at, want string }{
	{"nothing", "", "", "the plan is empty"},
	{"comment", "# nothing\n", "", "the plan is empty"},
	{"two documents", "images: [a]\n---\nimages: [b]\n", "", "more than one document"},
	{"no YAML", "images: [a\nstages: x\n", "line ", ""},
	{"text", "hello\n", "line 1, column 1", `a mapping, not "hello"`},
	{"no stages", "images: [a.raw]\n", "line 1, column 1", `it lacks "stages"`},
	{"no images", "stages: [{check: }]\n", "line 1, column 1", `it lacks "images"`},
	{"empty lists", "images: []\nstages: []\n", "line 1, column 9", "images: there is none"},
	{"unknown key", "images: [a.raw]\nstages:\n  - check: {}\n  - convrt: {to: x.raw}\n", "line 4, column 5", `there is no key "convrt"`},
	{"unknown key below", "images: [a.raw]\nstages:\n  - convert:\n      to: x.raw\n      fromat: raw\n", "line 5, column 7", `there is no key "fromat"`},
	{"key twice", "images: [a.raw]\nimages: [b.raw]\nstages: [{check: }]\n", "line 2, column 1", `"images" comes twice`},
	{"merge", "images: [a.raw]\nstages:\n  - &x {check: }\n  - <<: *x\n", "line 4", "keys are not merged"},
	{"two works", "images: [a.raw]\nstages:\n  - check:\n    inspect:\n", "line 4", "does check already"},
	{"no work", "images: [a.raw]\nstages:\n  - id: x\n", "line 3", "it says nothing to do"},
	{"same id", "images: [a.raw]\nstages:\n  - check:\n  - check:\n", "line 4", `there is a stage "check" above`},
	{"circle", "images: [a.raw]\nstages:\n  - check:\n    needs: [inspect]\n  - inspect:\n    needs: [check]\n", "line 4, column 12", "in a circle: check → inspect → check"},
	{"circle of one", "images: [a.raw]\nstages:\n  - check:\n    needs: [check]\n", "line 4", "circle: check → check"},
	{"circle by condition", "images: [a.raw]\nstages:\n  - check:\n    if: {status: {inspect: [done]}}\n  - inspect:\n", "line 3", "circle"},
	{"needs nothing known", "images: [a.raw]\nstages:\n  - check:\n    needs: [inspect]\n", "line 4, column 13", `there is no stage "inspect"`},
	{"image of nothing", "images: [a.raw]\nstages:\n  - check:\n  - inspect:\n    image: check\n", "line 5", `"check" writes no image`},
	{"verify nothing", "images: [a.raw]\nstages:\n  - verify:\n", "line 3", "say which stage"},
	{"format", "images: [a.raw]\nstages:\n  - convert: {to: x.foo}\n", "line 3, column 19", "tells no format"},
	{"format of an image", "images: [{path: a, format: tape}]\nstages: [{check: }]\n", "line 1, column 28", "it is one of"},
	{"option", "images: [a.raw]\nstages:\n  - convert: {to: x.qcow2, options: {cluster_sise: 1}}\n", "line 3, column 52", "cluster_sise"},
	{"option's value", "images: [a.raw]\nstages:\n  - convert: {to: x.qcow2, options: {cluster_size: much}}\n", "line 3, column 52", "not a size"},
	{"compression", "images: [a.raw]\nstages:\n  - convert: {to: x.vdi, compress: auto}\n", "line 3", "cannot be compressed"},
	{"target", "images: [a.raw]\nstages:\n  - convert: {to: x.vdi, target: azure}\n", "line 3", "Azure"},
	{"braces", "images: [a.raw]\nstages:\n  - convert: {to: \"{nmae}.raw\"}\n", "line 3, column 19", "{name}"},
	{"time", "images: [a.raw]\nstages:\n  - check:\n    timeout: 5\n", "line 4, column 14", "write 90s"},
	{"tries", "images: [a.raw]\nstages:\n  - check:\n    retry: 0\n", "line 4, column 12", "from 1 to 100"},
	{"truth", "images: [a.raw]\nstages:\n  - check: {leaks: perhaps}\n", "line 3, column 20", "true or false"},
	{"size", "images: [a.raw]\nstages:\n  - check:\n    if: {min_size: big}\n", "line 4, column 20", "not a size"},
	{"sizes", "images: [a.raw]\nstages:\n  - check:\n    if: {min_size: 2G, max_size: 1G}\n", "line 4, column 34", "no disk has such a size"},
	{"system too early", "images: [a.raw]\nstages:\n  - check:\n    if: {system: [linux]}\n", "line 4, column 18", "no stage that inspects"},
	{"status", "images: [a.raw]\nstages:\n  - check:\n  - inspect:\n    if: {status: {check: [fine]}}\n", "line 5", "it is one of done"},
	{"list for text", "images: [a.raw]\nname: [x]\nstages: [{check: }]\n", "line 2, column 7", "a text, not a list"},
	{"text for list", "images: a.raw\nstages: [{check: }]\n", "line 1, column 9", "it is a list"},
	{"path and glob", "images: [{path: a, glob: b}]\nstages: [{check: }]\n", "line 1, column 10", "either a path or a glob"},
	{"name", "images: [{path: a, name: ../x}]\nstages: [{check: }]\n", "line 1, column 26", "is no name"},
	{"pattern", "images: [{glob: \"[\"}]\nstages: [{check: }]\n", "line 1", "no pattern"},
	{"alias of itself", "images: &a [*a]\nstages: [{check: }]\n", "line 1", ""},
	{"standard output", "images: [a.raw]\nstages:\n  - convert: {to: \"-\", format: raw}\n", "line 3", "not standard output"},
	{"replaced folder", "images: [a.raw]\nstages:\n  - copy: {to: x, paths: [/etc], replace: true}\n", "line 3", "a folder that exists is left alone"},
	{"volume of an image", "images: [a.raw]\nstages:\n  - copy: {to: x, volume: gpt1}\n", "line 3", "goes with paths"},
	{"laughs", laughs(), "line 6, column 9", "a text, not a list"},
	{"many", many(), "line ", "with what its aliases repeat"},
}

// laughs is a plan of a few hundred bytes with ten billion values.
func laughs() string {
	var s strings.Builder
	s.WriteString("name: &x0 lol\nimages: [a.raw]\nstages:\n  - check:\n    needs:\n")
	for i := 1; i < 10; i++ {
		below := fmt.Sprintf("*x%d, ", i-1)
		fmt.Fprintf(&s, "      - &x%d [%s]\n", i, strings.TrimSuffix(strings.Repeat(below, 10), ", "))
	}
	return s.String()
}

// many is a plan whose aliases have the right shape, and repeat a list.
func many() string {
	needs := strings.TrimSuffix(strings.Repeat("check, ", 1000), ", ")
	return "images: [a.raw]\nstages:\n  - &x {check: , needs: [" + needs + "]}\n" + strings.Repeat("  - *x\n", 1000)
}

func TestLoad(t *testing.T) {
	p, err := pipeline.Load(strings.NewReader(good))
	if err != nil {
		t.Fatal(err)
	}
	c := p.Stages[1].Work.(*pipeline.Convert)
	if len(p.Images) != 4 || len(p.Stages) != 5 || p.Parallel != 2 || c.Options["compat"] != "1.1" || p.Stages[3].ID != "look" || p.Stages[3].Retry.Attempts != 3 || p.Stages[1].If.MinSize != 1<<20 {
		t.Errorf("%+v", p)
	}
	// Aliases stand for whole values.
	p, err = pipeline.Load(strings.NewReader("images: [a.raw]\nstages:\n  - check:\n    retry: &r {attempts: 4}\n  - inspect:\n    retry: *r\n"))
	if err != nil || p.Stages[1].Retry.Attempts != 4 {
		t.Errorf("an alias: %v", err)
	}
	// JSON is YAML.
	if _, err := pipeline.Load(strings.NewReader(`{"images": ["a.raw"], "stages": [{"check": {}}]}`)); err != nil {
		t.Error(err)
	}
}

func TestBadPlans(t *testing.T) {
	for _, x := range bad {
		_, err := pipeline.Load(strings.NewReader(x.plan))
		var wrong *pipeline.PlanError
		if !errors.As(err, &wrong) || !errors.Is(err, block.ErrOption) || !strings.Contains(err.Error(), x.want) || !strings.Contains(err.Error(), x.at) {
			t.Errorf("%s: %v", x.name, err)
		}
	}
	if _, err := pipeline.Load(strings.NewReader(strings.Repeat("#\n", pipeline.MaxPlan/2+1))); err == nil || !strings.Contains(err.Error(), "larger") {
		t.Error(err)
	}
	deep := "images: " + strings.Repeat("[", 5000) + strings.Repeat("]", 5000) + "\nstages: [{check: }]\n"
	if _, err := pipeline.Load(strings.NewReader(deep)); err == nil {
		t.Error("a plan that nests deep loads")
	}
}

// TestSchema holds docs/schemas/plan.json to the plans that are read.
func TestSchema(t *testing.T) {
	want, err := json.MarshalIndent(pipeline.Schema(), "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join("..", "docs", "schemas", "plan.json")
	if os.Getenv("GUESTKIT_UPDATE") != "" {
		if err := os.WriteFile(file, append(want, '\n'), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(file)
	if err != nil || string(got) != string(want)+"\n" {
		t.Errorf("docs/schemas/plan.json is not what guestkit run --schema prints (%v); GUESTKIT_UPDATE=1 go test ./pipeline -run TestSchema writes it", err)
	}
}

// TestSchemaJudge asks a program that knows JSON Schema about plans. Circles and
// what else one part has to do with another it cannot see.
func TestSchemaJudge(t *testing.T) {
	python := ""
	for _, p := range []string{"/usr/bin/python3", "python3"} {
		if python == "" && exec.Command(p, "-c", "import jsonschema").Run() == nil {
			python = p
		}
	}
	if python == "" {
		peers.Need(t, "python3-jsonschema") // which no program is called
	}
	dir := t.TempDir()
	file := func(name, plan string) string {
		var v any
		if yaml.Unmarshal([]byte(plan), &v) != nil {
			return ""
		}
		b, err := json.Marshal(v)
		if err != nil {
			return ""
		}
		name = filepath.Join(dir, strings.ReplaceAll(name, " ", "-")+".json")
		if err := os.WriteFile(name, b, 0o600); err != nil {
			t.Fatal(err)
		}
		return name
	}
	files := []string{file("good", good)}
	refused := map[string]bool{"no stages": true, "no images": true, "empty lists": true, "unknown key": true, "unknown key below": true, "two works": true, "no work": true,
		"time": true, "tries": true, "truth": true, "size": true, "status": true, "list for text": true, "text for list": true}
	for _, x := range bad {
		if refused[x.name] {
			if f := file(x.name, x.plan); f != "" {
				files = append(files, f)
			}
		}
	}
	const judge = `
import json, sys, jsonschema
schema = json.load(open(sys.argv[1]))
jsonschema.Draft202012Validator.check_schema(schema)
v = jsonschema.Draft202012Validator(schema)
for f in sys.argv[2:]:
    print(f.rsplit("/", 1)[1], v.is_valid(json.load(open(f))))
`
	out := peers.Run(t, python, append([]string{"-c", judge, filepath.Join("..", "docs", "schemas", "plan.json")}, files...)...)
	lines := strings.Split(strings.TrimSpace(out), "\n")
	if len(lines) != len(refused)+1 || lines[0] != "good.json True" || strings.Count(out, "True") != 1 {
		t.Errorf("the judge says\n%s", out)
	}
}

func FuzzLoad(f *testing.F) {
	f.Add([]byte(good))
	for _, x := range bad {
		if len(x.plan) > 5000 {
			continue
		}
		f.Add([]byte(x.plan))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := pipeline.Load(strings.NewReader(string(b)))
		var wrong *pipeline.PlanError
		if err != nil && !errors.As(err, &wrong) {
			t.Errorf("%v", err)
		}
		if err == nil && len(p.Check()) > 0 {
			t.Errorf("a plan that was read is wrong: %v", p.Check())
		}
	})
}
