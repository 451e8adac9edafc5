// Package kubernetes tests the manifests beside it: strictly against the types of
// the APIs that take them, and by running what they say as processes.
package kubernetes

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	argo "github.com/argoproj/argo-workflows/v4/pkg/apis/workflow/v1alpha1"
	batch "k8s.io/api/batch/v1"
	core "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"

	"github.com/guestkit/guestkit/pipeline"
)

// decode reads the documents of a manifest, one into each of the values.
func decode(t *testing.T, file string, into ...any) {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	docs := bytes.Split(b, []byte("\n---\n"))
	if len(docs) != len(into) {
		t.Fatalf("%s has %d documents", file, len(docs))
	}
	for i, d := range docs {
		if err := yaml.UnmarshalStrict(d, into[i]); err != nil {
			t.Fatalf("%s, document %d: %v", file, i+1, err)
		}
	}
}

// job is what indexed-job.yaml says.
func job(t *testing.T) (plan string, args []string, completions int) {
	var m core.ConfigMap
	var j batch.Job
	decode(t, "indexed-job.yaml", &m, &j)
	c := j.Spec.Template.Spec.Containers[0]
	if m.Kind != "ConfigMap" || j.Kind != "Job" || *j.Spec.CompletionMode != batch.IndexedCompletion || !slices.Equal(c.Command, []string{"guestkit"}) {
		t.Errorf("the manifest says %+v", j)
	}
	return m.Data["plan.yaml"], c.Args, int(*j.Spec.Completions)
}

func TestManifests(t *testing.T) {
	plan, args, n := job(t)
	if _, err := pipeline.Load(strings.NewReader(plan)); err != nil {
		t.Error(err)
	}
	if i := slices.Index(args, "--of"); i < 0 || args[i+1] != strconv.Itoa(n) {
		t.Errorf("%d completions, and the arguments are %q", n, args)
	}
	var w argo.Workflow
	decode(t, "argo-workflow.yaml", &w)
	if w.Kind != "Workflow" || w.Spec.Entrypoint != "all" || w.GetTemplateByName("all") == nil || w.GetTemplateByName("run") == nil {
		t.Errorf("%+v", w)
	}
	step := w.GetTemplateByName("all").Steps[0].Steps[0]
	if step.WithSequence == nil || step.WithSequence.Count.StrVal != "{{workflow.parameters.shares}}" || w.GetTemplateByName(step.Template) == nil {
		t.Errorf("%+v", step)
	}
	// What Argo runs takes the place of what the Job runs.
	shares := w.Spec.Arguments.Parameters[0].Value.String()
	words := strings.NewReplacer("{{inputs.parameters.index}}", "1", "{{workflow.parameters.shares}}", shares).Replace(strings.Join(w.GetTemplateByName("run").Container.Args, " "))
	if words != "run --index 1 --of 4 /plan/plan.yaml" {
		t.Errorf("the arguments are %q", words)
	}
}

// A shop serves images over HTTP, and keeps a request for the last one waiting
// until it is told to go on.
type shop struct {
	http.Handler
	slow    string
	once    sync.Once
	waiting chan struct{}
	release chan struct{}
}

func (s *shop) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == s.slow {
		s.once.Do(func() { close(s.waiting) })
		select {
		case <-s.release:
		case <-r.Context().Done():
			return
		}
	}
	s.Handler.ServeHTTP(w, r)
}

// TestShares runs the Job, index by index. One process is killed in the midst of
// its second image; when it is run again the first is not done again.
func TestShares(t *testing.T) {
	dir := t.TempDir()
	bin := filepath.Join(dir, "guestkit")
	if out, err := exec.Command("go", "build", "-C", "../..", "-o", bin, "./cmd/guestkit").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	image, err := os.ReadFile("../../testdata/images/debian12-bios.qcow2")
	if err != nil {
		t.Fatal(err)
	}
	images := filepath.Join(dir, "images")
	os.Mkdir(images, 0o755)
	var list []string
	const count = 9
	for i := range count {
		name := fmt.Sprintf("vm%d.qcow2", i)
		if err := os.WriteFile(filepath.Join(images, name), image, 0o644); err != nil {
			t.Fatal(err)
		}
		list = append(list, filepath.Join(images, name))
	}
	s := &shop{Handler: http.FileServer(http.Dir(images)), slow: "/vm5.qcow2", waiting: make(chan struct{}), release: make(chan struct{})}
	server := httptest.NewServer(s)
	defer server.Close()
	list[5] = server.URL + "/vm5.qcow2"

	plan, args, shares := job(t)
	plan = strings.Replace(plan, "  - glob: /images/*\n", "  - "+strings.Join(list, "\n  - ")+"\n", 1)
	plan = strings.ReplaceAll(plan, "/results", filepath.Join(dir, "results"))
	plan = strings.Replace(plan, "    if: {not_format: [qcow2]}\n", "", 1)
	file := filepath.Join(dir, "plan.yaml")
	if err := os.WriteFile(file, []byte(plan), 0o644); err != nil {
		t.Fatal(err)
	}
	start := func(index int) *exec.Cmd {
		words := slices.Clone(args)
		words[len(words)-1] = file
		cmd := exec.Command(bin, words...)
		cmd.Env = append(os.Environ(), "JOB_COMPLETION_INDEX="+strconv.Itoa(index))
		cmd.Stdout, cmd.Stderr = new(bytes.Buffer), new(bytes.Buffer)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		return cmd
	}
	killed := start(1) // images 1 and 5
	<-s.waiting
	if err := killed.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	var exit *exec.ExitError
	if err := killed.Wait(); !errors.As(err, &exit) || exit.Success() {
		t.Fatalf("%v: %s", err, killed.Stderr)
	}
	close(s.release)
	for i := range shares {
		cmd := start(i)
		if err := cmd.Wait(); err != nil {
			t.Fatalf("index %d: %v\n%s%s", i, err, cmd.Stdout, cmd.Stderr)
		}
	}
	done := map[string]int{}
	for i := range shares {
		b, err := os.ReadFile(filepath.Join(dir, "results", fmt.Sprintf("report-%d-of-%d.json", i, shares)))
		if err != nil {
			t.Fatal(err)
		}
		var r pipeline.Report
		if err := json.Unmarshal(b, &r); err != nil {
			t.Fatal(err)
		}
		for _, image := range r.Images {
			if image.Status != pipeline.Done || image.Index%shares != i {
				t.Errorf("%+v", image)
			}
			done[image.Name]++
			for _, st := range image.Stages {
				if st.Resumed != (image.Name == "vm1") {
					t.Errorf("%s %s: resumed is %t", image.Name, st.ID, st.Resumed)
				}
			}
		}
	}
	if len(done) != count {
		t.Errorf("done are %v", done)
	}
	outputs, _ := filepath.Glob(filepath.Join(dir, "results", "disks", "*"))
	hidden, _ := filepath.Glob(filepath.Join(dir, "results", "disks", ".*"))
	if len(outputs) != count || len(hidden) > 0 {
		t.Errorf("the outputs are %q, and left is %q", outputs, hidden)
	}
}
