package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/guestkit/guestkit/pipeline"
)

// TestRun runs a plan over a disk here and one behind HTTP.
func TestRun(t *testing.T) {
	server := httptest.NewServer(http.FileServer(http.Dir("testdata/images")))
	defer server.Close()
	dir := t.TempDir()
	here, err := filepath.Abs(uefi)
	if err != nil {
		t.Fatal(err)
	}
	plan := filepath.Join(dir, "plan.yaml")
	text := fmt.Sprintf(`name: both
images:
  - {path: %q, name: here}
  - %s/debian12-bios.qcow2
stages:
  - check:
  - convert: {to: "out/{name}.vmdk"}
  - verify:
    image: convert
  - inspect: {required: true}
`, here, server.URL)
	if err := os.WriteFile(plan, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if r := gk(t, "run", "--dry-run", plan); r.code != 0 || strings.Count(r.out, "planned") != 8 || !strings.Contains(r.out, filepath.Join("out", "debian12-bios.vmdk")) {
		t.Errorf("%+v", r)
	}
	if left, _ := os.ReadDir(dir); len(left) != 1 {
		t.Errorf("a dry run left %v", left)
	}
	results := filepath.Join(dir, "results")
	for i := range 2 {
		r := gk(t, "run", "--json", "--results", results, plan)
		var rep pipeline.Report
		if err := json.Unmarshal([]byte(r.out), &rep); err != nil || r.code != 0 || rep.Done != 2 || rep.Schema != "guestkit.run/v1" {
			t.Fatalf("%v, %+v", err, r)
		}
		for _, image := range rep.Images {
			for _, s := range image.Stages {
				if s.Status != pipeline.Done || s.Resumed != (i == 1) {
					t.Errorf("run %d: %s %s: %s, resumed %t", i, image.Name, s.ID, s.Status, s.Resumed)
				}
			}
		}
	}
	if r := gk(t, "run", "--quiet", plan); r.code != exitFailed || r.out != "" || strings.Count(r.err, "failed") != 2 || strings.Count(r.err, "\n") != 2 {
		t.Errorf("quiet: %+v", r)
	}
	if r := gk(t, "run", plan); r.code != exitFailed || !strings.Contains(r.err, "exist") || !strings.Contains(r.out, "0 done, 2 failed") {
		t.Errorf("outputs that exist: %+v", r)
	}
}

// TestRunUsage: plans and flags that are wrong.
func TestRunUsage(t *testing.T) {
	dir := t.TempDir()
	plan := filepath.Join(dir, "plan.yaml")
	os.WriteFile(plan, []byte("images: [a.raw]\nstages:\n  - chek:\n"), 0o600)
	good := filepath.Join(dir, "good.yaml")
	os.WriteFile(good, []byte("images: [a.raw]\nstages:\n  - check:\n"), 0o600)
	for _, x := range []struct {
		args, want string
		code       int
	}{
		{plan, "plan.yaml: line 3, column 5: stages[0]: there is no key \"chek\"", exitUsage},
		{filepath.Join(dir, "none.yaml"), "none.yaml: ", exitFailed},
		{"", "run takes a plan, got 0 arguments", exitUsage},
		{"--index 1 " + good, "belong together", exitUsage},
		{"--of 2 " + good, "belong together", exitUsage},
		{"--index 2 --of 2 " + good, "0 to 1, not 2", exitUsage},
		{"--index 0 --of -1 " + good, "not -1", exitUsage},
		{"--parallel -1 " + good, "not -1", exitUsage},
		{good, "a.raw", exitFailed},
	} {
		if r := gk(t, append([]string{"run"}, strings.Fields(x.args)...)...); r.code != x.code || !strings.Contains(r.err, x.want) {
			t.Errorf("%s: %+v", x.args, r)
		}
	}
	os.WriteFile(plan, []byte("image: [a.raw]\nstages:\n  - chek:\n"), 0o600)
	r := gk(t, "run", plan)
	lines := strings.Split(strings.TrimSpace(r.err), "\n")
	if r.code != exitUsage || len(lines) != 3 || strings.Contains(r.err, `\x0a`) {
		t.Errorf("a line for each fault: %+v", r)
	}
	for _, line := range lines {
		if !strings.Contains(line, "plan.yaml: line ") {
			t.Errorf("a fault without its place: %s", line)
		}
	}
	t.Setenv(indexVariable, "1")
	if r := gk(t, "run", good); r.code != exitUsage || !strings.Contains(r.err, "--of says of how many") {
		t.Errorf("%+v", r)
	}
	if r := gk(t, "run", "--of", "2", "--json", good); r.code != 0 || !strings.Contains(r.out, `"index": 1`) {
		t.Errorf("%+v", r)
	}
	t.Setenv(indexVariable, "x")
	if r := gk(t, "run", "--of", "2", good); r.code != exitUsage || !strings.Contains(r.err, "is no number") {
		t.Errorf("%+v", r)
	}
	var out, errs bytes.Buffer
	if code := run([]string{"run", "--schema"}, streams{strings.NewReader(""), &out, &errs}, nil); code != 0 || !json.Valid(out.Bytes()) {
		t.Errorf("%d %s", code, errs.String())
	}
	want, err := os.ReadFile("docs/schemas/plan.json")
	if err != nil || !bytes.Equal(out.Bytes(), want) {
		t.Errorf("--schema does not print docs/schemas/plan.json: %v", err)
	}
}
