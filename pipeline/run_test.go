package pipeline_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/guestkit/guestkit/format"
	"github.com/guestkit/guestkit/pipeline"
	"github.com/guestkit/guestkit/retry"
)

const uefi = "../testdata/images/debian12-uefi.qcow2"

// disk writes a raw disk with some data.
func disk(t testing.TB, name string) string {
	t.Helper()
	b := make([]byte, 1<<20)
	rand.Read(b[4096:70_000])
	if err := os.WriteFile(name, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// statuses are how the stages of the images ended, in a line each.
func statuses(r *pipeline.Report) string {
	var out []string
	for _, i := range r.Images {
		line := i.Name + "=" + string(i.Status)
		for _, s := range i.Stages {
			line += " " + s.ID + "=" + string(s.Status)
			if s.Resumed {
				line += "*"
			}
		}
		out = append(out, line)
	}
	return strings.Join(out, "\n")
}

func mustRun(t *testing.T, p *pipeline.Plan, o *pipeline.Options, want string) *pipeline.Report {
	t.Helper()
	r, err := pipeline.Run(t.Context(), p, o)
	if err != nil {
		t.Fatal(err)
	}
	if got := statuses(r); got != want {
		for _, i := range r.Images {
			for _, s := range i.Stages {
				if s.Reason != "" {
					t.Log(i.Name, s.ID, s.Reason)
				}
			}
		}
		t.Errorf("the stages ended\n%s\nand not\n%s", got, want)
	}
	return r
}

// work is what a test adds.
type work struct {
	Name string
	To   string
	do   func(ctx context.Context, t *pipeline.Task) (any, error)
}

func (w *work) Kind() string               { return w.Name }
func (w *work) Output() string             { return w.To }
func (w *work) Check() []*pipeline.Problem { return nil }
func (w *work) Do(ctx context.Context, t *pipeline.Task) (any, error) {
	return w.do(ctx, t)
}

// TestResume runs a plan, changes what it read and wrote, and runs it again.
func TestResume(t *testing.T) {
	dir := t.TempDir()
	a := disk(t, filepath.Join(dir, "a.raw"))
	p := &pipeline.Plan{Folder: dir, Results: "r", Images: []pipeline.Image{{Path: "a.raw"}}, Stages: []pipeline.Stage{
		{Work: &pipeline.Check{}},
		{Work: &pipeline.Convert{To: "o/{name}.qcow2"}},
		{Work: &pipeline.Verify{}, Image: "convert"},
	}}
	r := mustRun(t, p, nil, "a=done check=done convert=done verify=done")
	first := r.Images[0].Stages[1].Outputs[0]
	if first.Digest == "" || first.Size == 0 || r.Images[0].Stages[1].Inputs[0].Digest == "" {
		t.Errorf("prints: %+v", r.Images[0].Stages[1])
	}
	mustRun(t, p, nil, "a=done check=done* convert=done* verify=done*")
	mustRun(t, p, &pipeline.Options{DryRun: true, Recheck: true}, "a=planned check=done* convert=done* verify=done*")

	// Another time and the same bytes: nothing is to be done.
	later := time.Now().Add(time.Hour)
	for _, f := range []string{a, filepath.Join(dir, "o", "a.qcow2")} {
		if err := os.Chtimes(f, later, later); err != nil {
			t.Fatal(err)
		}
	}
	mustRun(t, p, nil, "a=done check=done* convert=done* verify=done*")

	// The same time and other bytes are found when asked for.
	b, _ := os.ReadFile(a)
	b[5000] ^= 1
	os.WriteFile(a, b, 0o600)
	os.Chtimes(a, later, later)
	mustRun(t, p, &pipeline.Options{Recheck: true}, "a=done check=done convert=done verify=done")

	// The output goes, or is another.
	os.Remove(filepath.Join(dir, "o", "a.qcow2"))
	mustRun(t, p, nil, "a=done check=done* convert=done verify=done*") // the same bytes are there again
	os.WriteFile(filepath.Join(dir, "o", "a.qcow2"), []byte("mine"), 0o600)
	r = mustRun(t, p, nil, "a=failed check=done* convert=failed verify=blocked")
	if x := r.Images[0].Stages[1]; x.Class != "exists" || !errors.Is(x.Err(), fs.ErrExist) {
		t.Errorf("a file of the user's: %+v", x)
	}
	if b, _ := os.ReadFile(filepath.Join(dir, "o", "a.qcow2")); string(b) != "mine" {
		t.Error("a file of the user's was replaced")
	}
	os.Remove(filepath.Join(dir, "o", "a.qcow2"))

	// Another option is another stage.
	p.Stages[1].Work = &pipeline.Convert{To: "o/{name}.qcow2", Options: map[string]string{"cluster_size": "4K"}}
	mustRun(t, p, nil, "a=done check=done* convert=done verify=done")
}

// TestKilled: a stage was begun, and its output may be there or not.
func TestKilled(t *testing.T) {
	dir := t.TempDir()
	disk(t, filepath.Join(dir, "a.raw"))
	ctx, cancel := context.WithCancel(t.Context())
	written := false
	p := &pipeline.Plan{Folder: dir, Results: "r", Images: []pipeline.Image{{Path: "a.raw"}}, Stages: []pipeline.Stage{
		{ID: "make", Work: &work{"make", "{name}.out", func(ctx context.Context, task *pipeline.Task) (any, error) {
			_, err := os.Stat(task.Output)
			if there := err == nil; there != task.Again {
				return nil, fmt.Errorf("the output is there: %t, and again is %t", there, task.Again)
			}
			if err := os.WriteFile(task.Output+".part", []byte("whole"), 0o600); err != nil {
				return nil, err
			}
			if err := task.Placing(task.Output, task.Output+".part"); err != nil {
				return nil, err
			}
			if err := os.Rename(task.Output+".part", task.Output); err != nil {
				return nil, err
			}
			if !written {
				written = true
				cancel() // between the output and the journal
				return nil, ctx.Err()
			}
			return nil, nil
		}}},
	}}
	r, err := pipeline.Run(ctx, p, nil)
	if !errors.Is(err, context.Canceled) || statuses(r) != "a=stopped make=stopped" {
		t.Fatalf("%v, %s", err, statuses(r))
	}
	// A line that was not finished.
	journal := filepath.Join(dir, "r", "journal-0-of-1.jsonl")
	f, _ := os.OpenFile(journal, os.O_APPEND|os.O_WRONLY, 0)
	f.WriteString(`{"image":"a","stage":"ma`)
	f.Close()
	mustRun(t, p, nil, "a=done make=done")
	mustRun(t, p, nil, "a=done make=done*")

	// A journal that is damaged is not believed.
	b, _ := os.ReadFile(journal)
	for _, bad := range []string{"{}\n" + string(b), strings.Replace(string(b), `"stage"`, `"stag"`, 1), "\n" + string(b)} {
		os.WriteFile(journal, []byte(bad), 0o600)
		if _, err := pipeline.Run(t.Context(), p, nil); err == nil || !strings.Contains(err.Error(), "line 1 is no line of a journal") {
			t.Error(err)
		}
	}
	// Nobody else has it.
	os.WriteFile(journal, b, 0o600)
	p.Stages = append(p.Stages, pipeline.Stage{Work: &work{Name: "inner", do: func(ctx context.Context, _ *pipeline.Task) (any, error) {
		_, err := pipeline.Run(ctx, p, nil)
		if err == nil || !strings.Contains(err.Error(), "another run has it") {
			t.Error(err)
		}
		return nil, nil
	}}})
	mustRun(t, p, nil, "a=done make=done* inner=done")
}

// TestPublish: the report and the rows are put where the plan says, and a run that
// cannot do so fails when all is done.
func TestPublish(t *testing.T) {
	dir := t.TempDir()
	disk(t, filepath.Join(dir, "a.raw"))
	p := &pipeline.Plan{Folder: dir, Results: "r", Publish: "s3://bucket/out/", Images: []pipeline.Image{{Path: "a.raw"}}, Stages: []pipeline.Stage{{Work: &pipeline.Check{}}}}
	if _, err := pipeline.Run(t.Context(), p, nil); err == nil || !strings.Contains(err.Error(), "nothing here writes to s3://bucket/out/") {
		t.Error(err)
	}
	put := map[string]string{}
	var refuses error
	o := &pipeline.Options{Index: 0, Of: 2, Put: func(_ context.Context, address string, content []byte, _ string) error {
		put[address] = string(content)
		return refuses
	}}
	mustRun(t, p, o, "a=done check=done")
	for _, name := range []string{"report-0-of-2.json", "stages-0-of-2.jsonl"} {
		b, err := os.ReadFile(filepath.Join(dir, "r", name))
		if err != nil || len(b) == 0 || put["s3://bucket/out/"+name] != string(b) {
			t.Errorf("%s: %v, %d bytes, and %q was put", name, err, len(b), put)
		}
	}
	refuses = fs.ErrPermission
	if r, err := pipeline.Run(t.Context(), p, o); !errors.Is(err, fs.ErrPermission) || r == nil || r.Done != 1 {
		t.Errorf("%v, %+v", err, r)
	}
	put = map[string]string{}
	o.DryRun = true
	mustRun(t, p, o, "a=planned check=done*")
	if len(put) > 0 {
		t.Error("a dry run publishes")
	}
	for _, bad := range []*pipeline.Plan{{Publish: "out"}, {Publish: "https://example.org/?signature"}, {Results: "s3://bucket/out"}} {
		bad.Images, bad.Stages = p.Images, p.Stages
		if problems := bad.Check(); len(problems) != 1 {
			t.Errorf("%+v: %v", bad, problems)
		}
	}
}

// TestNotOurs: what a user puts where a run that was killed had not come to write, or
// in place of what it wrote, is left alone.
func TestNotOurs(t *testing.T) {
	for _, work := range []pipeline.Work{&pipeline.Convert{To: "out.qcow2"}, &pipeline.Convert{To: "out", Format: "raw", Options: map[string]string{"split_size": "128M"}},
		&pipeline.Copy{To: "out.raw"}, &pipeline.SBOM{To: "out.json"}, &pipeline.Copy{To: "out", Paths: []string{"/etc"}}} {
		dir := t.TempDir()
		image, err := os.ReadFile(uefi)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "a.qcow2"), image, 0o600); err != nil {
			t.Fatal(err)
		}
		p := &pipeline.Plan{Folder: dir, Results: "r", Images: []pipeline.Image{{Path: "a.qcow2"}}, Stages: []pipeline.Stage{{ID: "make", Work: work}}}
		out, journal := filepath.Join(dir, work.Output()), filepath.Join(dir, "r", "journal-0-of-1.jsonl")
		if c, ok := work.(*pipeline.Convert); ok && c.Format == "raw" {
			out += ".001"
		}
		mine := func() string {
			b, _ := os.ReadFile(out)
			return string(b)
		}
		// Killed before anything was there.
		ctx, cancel := context.WithCancel(t.Context())
		if _, err := pipeline.Run(ctx, p, &pipeline.Options{Notify: func(pipeline.Event) { cancel() }}); !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
		os.WriteFile(out, []byte("mine"), 0o600)
		mustRun(t, p, nil, "a=failed make=failed")
		if mine() != "mine" {
			t.Errorf("%T: a file of the user's was replaced", work)
		}
		os.Remove(out)
		// Killed when it was there, and nothing said yet that it was done.
		kill := func() {
			b, _ := os.ReadFile(journal)
			lines := bytes.SplitAfter(b, []byte("\n"))
			os.WriteFile(journal, bytes.Join(lines[:len(lines)-2], nil), 0o600)
		}
		mustRun(t, p, nil, "a=done make=done")
		kill()
		mustRun(t, p, nil, "a=done make=done")
		// The same, and it is another's now.
		kill()
		os.RemoveAll(out)
		os.WriteFile(out, []byte("mine"), 0o600)
		mustRun(t, p, nil, "a=failed make=failed")
		if mine() != "mine" {
			t.Errorf("%T: the user's file in place of the output was replaced", work)
		}
	}
}

// TestOurs: when a source has changed, what was made of it before is replaced, and
// nothing else is.
func TestOurs(t *testing.T) {
	dir := t.TempDir()
	disk(t, filepath.Join(dir, "a.raw"))
	p := &pipeline.Plan{Folder: dir, Results: "r", Images: []pipeline.Image{{Path: "a.raw"}}, Stages: []pipeline.Stage{{Work: &pipeline.Convert{To: "a.qcow2"}}, {Work: &pipeline.Copy{To: "copy.raw"}}}}
	mustRun(t, p, nil, "a=done convert=done copy=done")
	disk(t, filepath.Join(dir, "a.raw"))
	later := time.Now().Add(time.Hour)
	os.Chtimes(filepath.Join(dir, "a.raw"), later, later)
	mustRun(t, p, nil, "a=done convert=done copy=done")
	x, _ := os.ReadFile(filepath.Join(dir, "a.raw"))
	y, _ := os.ReadFile(filepath.Join(dir, "copy.raw"))
	if !bytes.Equal(x, y) {
		t.Error("the copy is an old one")
	}
	if left, _ := filepath.Glob(filepath.Join(dir, ".*")); len(left) > 0 {
		t.Errorf("left are %q", left)
	}
}

// TestForeign: a file that somebody else wrote while a stage ran is not taken for
// what the stage left.
func TestForeign(t *testing.T) {
	dir := t.TempDir()
	disk(t, filepath.Join(dir, "a.raw"))
	for _, c := range []struct {
		fails error
		again bool
	}{{fs.ErrExist, false}, {io.ErrUnexpectedEOF, false}, {io.ErrNoProgress, true}} {
		again := false
		p := &pipeline.Plan{Folder: dir, Results: "r" + c.fails.Error(), Images: []pipeline.Image{{Path: "a.raw"}}, Stages: []pipeline.Stage{{Work: &work{Name: "make", To: "out" + c.fails.Error(), do: func(_ context.Context, task *pipeline.Task) (any, error) {
			again = task.Again
			os.WriteFile(task.Output, []byte("x"), 0o600)
			if c.fails == io.ErrNoProgress {
				task.Placing(task.Output, task.Output)
			}
			return nil, &fs.PathError{Op: "write", Path: task.Output, Err: c.fails}
		}}}}}
		for range 2 {
			mustRun(t, p, nil, "a=failed make=failed")
		}
		if again != c.again {
			t.Errorf("%v: again is %v", c.fails, again)
		}
	}
}

// TestTries: failures that may pass are tried again, others are not, and each try
// has its time.
func TestTries(t *testing.T) {
	dir := t.TempDir()
	disk(t, filepath.Join(dir, "a.raw"))
	policy := &retry.Policy{Attempts: 3, First: time.Nanosecond}
	fails := func(n int, err error) *work {
		return &work{Name: "work", do: func(context.Context, *pipeline.Task) (any, error) {
			if n--; n >= 0 {
				return nil, err
			}
			return "well", nil
		}}
	}
	hangs := &work{Name: "work", do: func(ctx context.Context, _ *pipeline.Task) (any, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	}}
	for _, x := range []struct {
		stage pipeline.Stage
		want  pipeline.Status
		tries int
		class string
	}{
		{pipeline.Stage{Work: fails(2, errors.New("the net is down")), Retry: policy}, pipeline.Done, 3, ""},
		{pipeline.Stage{Work: fails(3, errors.New("the net is down")), Retry: policy}, pipeline.Failed, 3, "io"},
		{pipeline.Stage{Work: fails(1, errors.New("the net is down"))}, pipeline.Failed, 1, "io"},
		{pipeline.Stage{Work: fails(1, fs.ErrPermission), Retry: policy}, pipeline.Failed, 1, "permission"},
		{pipeline.Stage{Work: hangs, Retry: policy, Timeout: time.Millisecond}, pipeline.Failed, 3, "timeout"},
	} {
		p := &pipeline.Plan{Folder: dir, Images: []pipeline.Image{{Path: "a.raw"}}, Stages: []pipeline.Stage{x.stage}}
		again := 0
		r, err := pipeline.Run(t.Context(), p, &pipeline.Options{Notify: func(e pipeline.Event) {
			if e.Status == "" && e.Err != nil {
				again++
			}
		}})
		if err != nil {
			t.Fatal(err)
		}
		if s := r.Images[0].Stages[0]; s.Status != x.want || s.Tries != x.tries || again != x.tries-1 || s.Class != x.class {
			t.Errorf("%+v, told %d times", s, again)
		}
	}
}

// TestConditions: what runs, and what does not because of what.
func TestConditions(t *testing.T) {
	dir := t.TempDir()
	disk(t, filepath.Join(dir, "plain.raw"))
	b, err := os.ReadFile(uefi)
	if err != nil {
		t.Fatal(err)
	}
	os.WriteFile(filepath.Join(dir, "debian.qcow2"), b, 0o600)
	fail := &work{Name: "fail", do: func(context.Context, *pipeline.Task) (any, error) { return nil, errors.New("no") }}
	ok := func() *work {
		return &work{Name: "ok", do: func(context.Context, *pipeline.Task) (any, error) { return nil, nil }}
	}
	images := []pipeline.Image{{Path: "plain.raw"}, {Path: "debian.qcow2"}}
	for _, x := range []struct {
		stages []pipeline.Stage
		want   string
	}{
		{[]pipeline.Stage{{Work: fail}, {Work: ok()}, {ID: "last", Work: ok()}}, "plain=failed fail=failed ok=blocked last=blocked\ndebian=failed fail=failed ok=blocked last=blocked"},
		{[]pipeline.Stage{{Work: fail, MayFail: true}, {Work: ok()}}, "plain=done fail=failed ok=done\ndebian=done fail=failed ok=done"},
		{[]pipeline.Stage{{Work: fail}, {Work: ok(), If: &pipeline.Condition{Status: map[string][]pipeline.Status{"fail": {pipeline.Failed}}}}}, "plain=failed fail=failed ok=done\ndebian=failed fail=failed ok=done"},
		{[]pipeline.Stage{{Work: fail}, {Work: ok(), Needs: []string{}}}, "plain=failed fail=failed ok=done\ndebian=failed fail=failed ok=done"},
		{[]pipeline.Stage{{Work: ok(), If: &pipeline.Condition{Formats: []string{"qcow2"}}}}, "plain=done ok=skipped\ndebian=done ok=done"},
		{[]pipeline.Stage{{Work: ok(), If: &pipeline.Condition{NotFormats: []string{"qcow2"}}}, {ID: "then", Work: ok()}}, "plain=done ok=done then=done\ndebian=done ok=skipped then=done"},
		{[]pipeline.Stage{{Work: ok(), If: &pipeline.Condition{MaxSize: 1 << 20}}}, "plain=done ok=done\ndebian=done ok=skipped"},
		{[]pipeline.Stage{{Work: ok(), If: &pipeline.Condition{Names: []string{"d*", "x"}}}}, "plain=done ok=skipped\ndebian=done ok=done"},
		{[]pipeline.Stage{{Work: &pipeline.Inspect{}}, {Work: ok(), If: &pipeline.Condition{Systems: []string{"linux"}}}}, "plain=done inspect=done ok=skipped\ndebian=done inspect=done ok=done"},
		{[]pipeline.Stage{{Work: &pipeline.Inspect{Required: true}}}, "plain=failed inspect=failed\ndebian=done inspect=done"},
		{[]pipeline.Stage{{ID: "late", Work: ok(), Needs: []string{"early"}}, {ID: "early", Work: ok(), Needs: []string{}}}, "plain=done early=done late=done\ndebian=done early=done late=done"},
		{[]pipeline.Stage{{Work: &pipeline.Convert{To: "o/{name}.vdi"}, If: &pipeline.Condition{Formats: []string{"raw"}}}, {Work: &pipeline.Verify{}, Image: "convert"}}, "plain=done convert=done verify=done\ndebian=done convert=skipped verify=skipped"},
	} {
		mustRun(t, &pipeline.Plan{Folder: dir, Parallel: 2, Images: images, Stages: x.stages}, nil, x.want)
	}
	bill := &pipeline.Plan{Folder: dir, Results: "b", Images: images[1:], Stages: []pipeline.Stage{{Work: &pipeline.SBOM{To: "b/{name}.cdx.json"}}, {ID: "spdx", Work: &pipeline.SBOM{To: "b/{name}.spdx.json", Format: "spdx"}}}}
	mustRun(t, bill, nil, "debian=done sbom=done spdx=done")
	mustRun(t, bill, nil, "debian=done sbom=done* spdx=done*")
	for name, want := range map[string]string{"debian.cdx.json": `"bomFormat": "CycloneDX"`, "debian.spdx.json": `"spdxVersion": "SPDX-2.3"`} {
		if b, err := os.ReadFile(filepath.Join(dir, "b", name)); err != nil || !strings.Contains(string(b), want) || !json.Valid(b) {
			t.Errorf("%s: %v", name, err)
		}
	}
	// The whole of etc, which is told from a file of the user's.
	p := &pipeline.Plan{Folder: dir, Images: images[1:], Stages: []pipeline.Stage{{Work: &pipeline.Copy{To: "e/{name}", Paths: []string{"/etc", "/boot/efi/loader/loader.conf"}}}}}
	mustRun(t, p, nil, "debian=done copy=done")
	if b, err := os.ReadFile(filepath.Join(dir, "e/debian/etc/hostname")); err != nil || len(b) == 0 {
		t.Error(err)
	}
	mustRun(t, p, nil, "debian=failed copy=failed")
}

// TestOverwrites: what would write to a source, or twice to one name, is refused
// before anything is written.
func TestOverwrites(t *testing.T) {
	dir := t.TempDir()
	disk(t, filepath.Join(dir, "a.raw"))
	disk(t, filepath.Join(dir, "b.raw"))
	os.Link(filepath.Join(dir, "a.raw"), filepath.Join(dir, "hard.raw"))
	os.Symlink("a.raw", filepath.Join(dir, "soft.raw"))
	os.Mkdir(filepath.Join(dir, "d"), 0o755)
	os.Symlink(dir, filepath.Join(dir, "d", "up"))
	if _, err := pipeline.Run(t.Context(), &pipeline.Plan{Folder: dir, Images: []pipeline.Image{{Path: "a.raw"}}, Stages: []pipeline.Stage{{Work: &pipeline.Convert{To: "top.qcow2"}}}}, nil); err != nil {
		t.Fatal(err)
	}
	for _, x := range []struct {
		stages, want string
	}{
		{"convert: {to: a.raw}", "would overwrite the source"},
		{"convert: {to: a.raw, replace: true}", "would overwrite the source"},
		{"convert: {to: d/../b.raw}", "would overwrite the source"},
		{"convert: {to: hard.raw, replace: true}", "would overwrite the source"},
		{"convert: {to: soft.raw, replace: true}", "would overwrite the source"},
		{"convert: {to: d/up/b.raw, replace: true}", "would overwrite the source"},
		{"convert: {to: \"{file}\", format: raw, replace: true}", "would overwrite the source"},
		{"convert: {to: x.raw}", "would be written twice"},
		{"convert: {to: \"r/journal-0-of-1.jsonl\", format: raw}", "is a file of the results"},
		{"copy: {to: d/up, paths: [/etc]}", "holds the source"},
		{"copy: {to: out/, paths: [/etc]}", "is a folder"},
		{"convert: {to: \"https://example.org/{name}.raw\"}", "files of this machine"},
	} {
		plan := filepath.Join(dir, "plan.yaml")
		os.WriteFile(plan, []byte("images: [a.raw, b.raw]\nresults: r\nstages:\n  - "+x.stages+"\n"), 0o600)
		p, err := pipeline.LoadFile(plan)
		if err != nil {
			t.Fatal(err)
		}
		var wrong *pipeline.PlanError
		for _, dry := range []bool{true, false} {
			if _, err = pipeline.Run(t.Context(), p, &pipeline.Options{DryRun: dry}); !errors.As(err, &wrong) || !strings.Contains(err.Error(), x.want) || !strings.Contains(err.Error(), "line 4, column ") {
				t.Errorf("%s: %v", x.stages, err)
			}
		}
		if _, err := os.Stat(filepath.Join(dir, "r")); err == nil {
			t.Errorf("%s: something was written", x.stages)
		}
	}
	// Two images of one name.
	os.Mkdir(filepath.Join(dir, "e"), 0o755)
	disk(t, filepath.Join(dir, "e", "a.raw"))
	p := &pipeline.Plan{Folder: dir, Images: []pipeline.Image{{Path: "a.raw"}, {Path: "e/a.raw"}, {Glob: "nothing*"}}, Stages: []pipeline.Stage{{Work: &pipeline.Check{}}}}
	if _, err := pipeline.Run(t.Context(), p, nil); err == nil || !strings.Contains(err.Error(), `both called "a"`) || !strings.Contains(err.Error(), "no file matches") {
		t.Error(err)
	}
}

// TestBehind: what lies behind an image of the plan is part of it.
func TestBehind(t *testing.T) {
	dir := t.TempDir()
	disk(t, filepath.Join(dir, "base.raw"))
	run := func(images []pipeline.Image, w pipeline.Work) (*pipeline.Report, error) {
		return pipeline.Run(t.Context(), &pipeline.Plan{Folder: dir, Results: "r", Images: images, Stages: []pipeline.Stage{{Work: w}}}, &pipeline.Options{Format: &format.Options{FollowOwnDir: true}})
	}
	const flat = `# Disk DescriptorFile
version=1
CID=fffffffe
parentCID=ffffffff
createType="monolithicFlat"
RW 2048 FLAT "base.raw" 0
`
	os.WriteFile(filepath.Join(dir, "top.vmdk"), []byte(flat), 0o600)
	images := []pipeline.Image{{Path: "top.vmdk"}}
	if _, err := run(images, &pipeline.Convert{To: "base.raw", Replace: true}); err == nil || !strings.Contains(err.Error(), "which is part of an image") {
		t.Error(err)
	}
	r, err := run(images, &pipeline.Convert{To: "x.qcow2"})
	if err != nil || len(r.Images[0].Stages[0].Inputs) != 2 {
		t.Fatalf("%v, %+v", err, r)
	}
	disk(t, filepath.Join(dir, "base.raw")) // changes below
	later := time.Now().Add(time.Hour)
	os.Chtimes(filepath.Join(dir, "base.raw"), later, later)
	if r, err = run(images, &pipeline.Convert{To: "x.qcow2"}); err != nil || statuses(r) != "top=done convert=done" {
		t.Errorf("%v, %s", err, statuses(r))
	}
}

// TestShares: every image belongs to one share, and the results say the same
// however many there are.
func TestShares(t *testing.T) {
	dir := t.TempDir()
	var images []pipeline.Image
	for i := range 7 {
		images = append(images, pipeline.Image{Path: disk(t, filepath.Join(dir, fmt.Sprintf("%d.raw", i)))})
	}
	var calls atomic.Int64
	p := &pipeline.Plan{Folder: dir, Results: "r", Parallel: 3, Images: images, Stages: []pipeline.Stage{{Work: &work{Name: "w", do: func(context.Context, *pipeline.Task) (any, error) { calls.Add(1); return 1, nil }}}}}
	for range 2 {
		for i := range 3 {
			if _, err := pipeline.Run(t.Context(), p, &pipeline.Options{Index: i, Of: 3}); err != nil {
				t.Fatal(err)
			}
		}
	}
	files, _ := filepath.Glob(filepath.Join(dir, "r", "stages-*-of-3.jsonl"))
	seen := map[string]bool{}
	for _, f := range files {
		b, _ := os.ReadFile(f)
		for line := range strings.Lines(string(b)) {
			var row map[string]any
			if err := json.Unmarshal([]byte(line), &row); err != nil || row["status"] != "done" || row["resumed"] != true || len(row) != 16 {
				t.Errorf("%v %s", err, line)
			}
			seen[row["image"].(string)] = true
		}
	}
	if len(files) != 3 || len(seen) != 7 || calls.Load() != 7 {
		t.Errorf("%d files, %v, %d calls", len(files), seen, calls.Load())
	}
	for _, o := range []pipeline.Options{{Index: 3, Of: 3}, {Index: -1, Of: 3}, {Index: 1}} {
		if _, err := pipeline.Run(t.Context(), p, &o); err == nil {
			t.Errorf("%+v is taken", o)
		}
	}
}
