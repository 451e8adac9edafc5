package pipeline

import (
	"context"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/guestkit/guestkit/format"
	"github.com/guestkit/guestkit/retry"
)

// A Plan says what is done to which images. It is not changed by a run.
type Plan struct {
	// Name is that of the plan in reports.
	Name string
	// Images are what the stages begin with, each on its own.
	Images []Image
	Stages []Stage
	// Results is a folder for the journal, by which a run goes on that was killed,
	// and for the report and its rows. "" keeps nothing: each run begins anew.
	Results string
	// Publish is an address, as s3://bucket/out, to which Options.Put puts the report
	// and the rows of a run when it ends; "" keeps them here.
	Publish string
	// Parallel is how many images are worked on at once; 0 means 1, since a
	// conversion uses all processors already.
	Parallel int
	// Folder is where relative names lie, "" for the current one.
	Folder string

	at map[string]position // where the parts of a plan stand that was read
}

// An Image is one image, or those that a pattern names.
type Image struct {
	// Path is a file, a block device, or an address that Options.Remote opens.
	Path string
	// Glob names files by a pattern, as filepath.Match has it, in place of Path.
	Glob string
	// Name is what "{name}" stands for and what the image is called in reports;
	// "" means that of the file, without its ending. Names are unique in a plan.
	Name string
	// Format states the format and turns probing off.
	Format string
	// Disk chooses a disk of a package (OVA, OVF).
	Disk string
}

// A Stage is one thing that is done to each image.
type Stage struct {
	// ID is what other stages call it; "" means the Kind of its Work.
	ID   string
	Work Work
	// Image is what it works on: "" for the image of the plan, or the ID of a
	// stage, for what that wrote.
	Image string
	// Needs are stages that must have been done before, by ID. Nil means the one
	// above it in the plan, and an empty list none.
	Needs []string
	// If says when there is something to do; nil is always.
	If *Condition
	// Retry is how often and how long it is tried again after failures that may
	// pass; nil is never. Its Total, where it is 0, is without bound.
	Retry *retry.Policy
	// Timeout bounds each try; 0 does not.
	Timeout time.Duration
	// MayFail lets the image go on, and be called done, though this stage failed.
	MayFail bool
}

// A Condition holds where all that it says does.
type Condition struct {
	Formats    []string // the image is of one of these
	NotFormats []string // and of none of these
	// MinSize and MaxSize bound the size of the disk in bytes, both inclusive; 0
	// does not.
	MinSize, MaxSize int64
	// Names are patterns (path.Match), one of which the name of the image fits.
	Names []string
	// Status says, by the ID of a stage, how that may have ended. A stage that is
	// named here may have failed.
	Status map[string][]Status
	// Systems are types of systems (linux, windows …), one of which a stage that
	// inspects must have found.
	Systems []string
}

// Work is what a stage does: *Check, *Convert, *Verify, *Inspect, *SBOM, *Copy, or what an
// importer adds.
type Work interface {
	// Kind is a word: "convert".
	Kind() string
	// Output is the name of what it writes with "{name}" and the like in it, ""
	// if it writes nothing.
	Output() string
	// Check says what is wrong with its fields, nil if nothing is.
	Check() []*Problem
	// Do works on one image. What it returns is the stage's result in the report:
	// it is made JSON.
	Do(ctx context.Context, t *Task) (any, error)
}

// A Task is one image in one stage.
type Task struct {
	// Image is the one to work on, and Source the one that the plan names; they
	// differ where Stage.Image names a stage.
	Image, Source Image
	// Output is where to write, "" if Work.Output is.
	Output string
	// Again says that the output is there, and that an earlier run wrote it: it may
	// be replaced.
	Again bool
	// Keep are files that must not be written to: all images of the plan.
	Keep []string

	o      *Options
	ctx    context.Context // of the try
	left   bool            // a run that was killed had begun it
	placed func(Print) error
}

// Placing notes in the journal that what is complete now is about to get the name
// path: a file, or a folder with all that is in it, as it is called until then. Works
// call it last of all before the rename, so that the run after a kill takes for its
// own what has that name then, and nothing else.
func (t *Task) Placing(path, now string) error {
	p, err := stamp(now, t.o.open(t.ctx))
	if err != nil {
		return err
	}
	p.Path = path
	return t.place(p)
}

// placing is Placing of a file that has no name.
func (t *Task) placing(path string, fi fs.FileInfo) error {
	return t.place(Print{Path: path, Size: fi.Size(), Modified: moment(fi.ModTime())})
}

func (t *Task) place(p Print) error {
	if t.placed == nil {
		return nil
	}
	return t.placed(p)
}

// Open are the options by which to open an image of the task.
func (t *Task) Open(i Image) *format.Options {
	o := t.o.open(t.ctx)
	o.Format, o.Disk = i.Format, i.Disk
	return o
}

// A Status says how a stage ended, or an image.
type Status string

// Every stage of every image ends as one of these.
const (
	Done    Status = "done"
	Failed  Status = "failed"
	Skipped Status = "skipped" // its condition does not hold
	Blocked Status = "blocked" // a stage that it needs was not done
	Stopped Status = "stopped" // the run ended before
	Planned Status = "planned" // of a dry run
)

var ends = []string{string(Done), string(Failed), string(Skipped), string(Blocked)}

// id is what the stage is called.
func (s *Stage) id() string {
	if s.ID == "" && s.Work != nil {
		return s.Work.Kind()
	}
	return s.ID
}

// needs are the stages that must come before stage i.
func (p *Plan) needs(i int) []string {
	s := &p.Stages[i]
	var out []string
	switch {
	case s.Needs != nil:
		out = slices.Clone(s.Needs)
	case i > 0:
		out = []string{p.Stages[i-1].id()}
	}
	if s.Image != "" && !slices.Contains(out, s.Image) {
		out = append(out, s.Image)
	}
	if s.If != nil {
		for id := range s.If.Status {
			if !slices.Contains(out, id) {
				out = append(out, id)
			}
		}
	}
	slices.Sort(out)
	return out
}

// stage returns the number of the stage of an id, -1 if there is none.
func (p *Plan) stage(id string) int {
	return slices.IndexFunc(p.Stages, func(s Stage) bool { return s.id() == id })
}

// Check says what is wrong with a plan by itself, without a look at any file.
func (p *Plan) Check() []*Problem {
	var out []*Problem
	add := func(where, text string, args ...any) { out = append(out, problemf(where, text, args...)) }
	if len(p.Images) == 0 {
		add("images", "there is none")
	}
	if len(p.Stages) == 0 {
		add("stages", "there is none")
	}
	if p.Parallel < 0 || p.Parallel > maxParallel {
		add("parallel", "it is a number from 1 to %d, not %d", maxParallel, p.Parallel)
	}
	if format.IsAddress(p.Results) {
		add("results", "it is a folder, for a journal is there; publish takes an address")
	}
	if p.Publish != "" && (!format.IsAddress(p.Publish) || strings.ContainsAny(p.Publish, "?#")) {
		add("publish", "it is an address, as s3://bucket/out, not %q", p.Publish)
	}
	for i := range p.Images {
		out = append(out, p.Images[i].check(fmt.Sprintf("images[%d]", i))...)
	}
	for i := range p.Stages {
		out = append(out, p.checkStage(i)...)
	}
	if len(out) == 0 {
		if _, circle := p.order(); circle != nil {
			add(fmt.Sprintf("stages[%d].needs", p.stage(circle[0])), "the stages wait for each other in a circle: %s", strings.Join(append(circle, circle[0]), " → "))
		}
	}
	return out
}

const maxParallel = 256

func (i *Image) check(where string) []*Problem {
	var out []*Problem
	switch {
	case (i.Path == "") == (i.Glob == ""):
		out = append(out, problemf(where, "an image has either a path or a glob"))
	case i.Glob != "" && i.Name != "":
		out = append(out, problemf(where+".name", "files of a pattern are called what their files are"))
	}
	if _, err := path.Match(i.Glob, ""); err != nil {
		out = append(out, problemf(where+".glob", "%q is no pattern", i.Glob))
	}
	if i.Name != "" && !plainName(i.Name) {
		out = append(out, problemf(where+".name", "%q is no name: it is a part of the names of files", i.Name))
	}
	if i.Format != "" && !format.KnownWrapped(i.Format) {
		out = append(out, problemf(where+".format", "there is no format %q; there are %s", i.Format, strings.Join(format.Names(), ", ")))
	}
	return out
}

// plainName reports whether a name is one element of a path and nothing else.
func plainName(s string) bool {
	return s != "" && s != "." && s != ".." && !strings.ContainsAny(s, "/\\\x00{}") && !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f })
}

func (p *Plan) checkStage(i int) []*Problem {
	var out []*Problem
	s := &p.Stages[i]
	where := fmt.Sprintf("stages[%d]", i)
	add := func(field, text string, args ...any) { out = append(out, problemf(where+field, text, args...)) }
	if s.Work == nil {
		add("", "it says nothing to do")
		return out
	}
	if !plainName(s.id()) {
		add(".id", "%q is no name of a stage", s.ID)
	}
	if first := p.stage(s.id()); first < i {
		add("", "there is a stage %q above; give one an id of its own", s.id())
	}
	for n, id := range s.Needs {
		if p.stage(id) < 0 {
			add(fmt.Sprintf(".needs[%d]", n), "there is no stage %q", id)
		}
	}
	if s.Image != "" {
		switch at := p.stage(s.Image); {
		case at < 0:
			add(".image", "there is no stage %q", s.Image)
		case p.Stages[at].Work != nil && !makesImage(p.Stages[at].Work):
			add(".image", "the stage %q writes no image", s.Image)
		}
	}
	if s.Timeout < 0 {
		add(".timeout", "it is not negative")
	}
	if r := s.Retry; r != nil && (r.Attempts < 0 || r.Attempts > maxAttempts) {
		add(".retry", "it is tried 1 to %d times, not %d", maxAttempts, r.Attempts)
	}
	if s.If != nil {
		out = append(out, p.checkCondition(s.If, i, where+".if")...)
	}
	for _, x := range s.Work.Check() {
		out = append(out, &Problem{Where: where + "." + s.Work.Kind() + dotted(x.Where), Text: x.Text})
	}
	if err := checkPattern(s.Work.Output()); err != nil {
		add("."+s.Work.Kind()+".to", "%v", err)
	}
	if v, ok := s.Work.(*Verify); ok && v != nil && s.Image == "" {
		add(".image", "verify compares what a stage wrote with its source: say which stage")
	}
	return out
}

const maxAttempts = 100

func dotted(s string) string {
	if s == "" {
		return ""
	}
	return "." + s
}

func (p *Plan) checkCondition(c *Condition, i int, where string) []*Problem {
	var out []*Problem
	add := func(field, text string, args ...any) { out = append(out, problemf(where+field, text, args...)) }
	for _, list := range []struct {
		field   string
		formats []string
	}{{".format", c.Formats}, {".not_format", c.NotFormats}} {
		for n, f := range list.formats {
			if !format.Known(f) {
				add(fmt.Sprintf("%s[%d]", list.field, n), "there is no format %q; there are %s", f, strings.Join(format.Names(), ", "))
			}
		}
	}
	if c.MaxSize > 0 && c.MinSize > c.MaxSize {
		add(".max_size", "it is below min_size: no disk has such a size")
	}
	for n, name := range c.Names {
		if _, err := path.Match(name, ""); err != nil {
			add(fmt.Sprintf(".name[%d]", n), "%q is no pattern", name)
		}
	}
	for id, list := range c.Status {
		if p.stage(id) < 0 {
			add(".status."+id, "there is no stage %q", id)
		}
		for n, st := range list {
			if !slices.Contains(ends, string(st)) {
				add(fmt.Sprintf(".status.%s[%d]", id, n), "it is one of %s, not %q", strings.Join(ends, ", "), st)
			}
		}
	}
	if len(c.Systems) > 0 && len(p.inspectors(i)) == 0 {
		add(".system", "no stage that inspects comes before this one (see needs)")
	}
	return out
}

// inspectors are the stages that inspect and come before stage i for certain.
func (p *Plan) inspectors(i int) []int {
	seen := map[int]bool{}
	var out []int
	var visit func(int)
	visit = func(j int) {
		for _, id := range p.needs(j) {
			k := p.stage(id)
			if k < 0 || seen[k] {
				continue
			}
			seen[k] = true
			if _, ok := p.Stages[k].Work.(*Inspect); ok {
				out = append(out, k)
			}
			visit(k)
		}
	}
	visit(i)
	slices.Sort(out)
	return out
}

// order returns the stages so that each comes behind those it needs, and as
// they stand in the plan otherwise; or stages that wait for each other.
func (p *Plan) order() (order []int, circle []string) {
	const begun, ended = 1, 2
	state := make([]int, len(p.Stages))
	var path []string
	var visit func(int) bool
	visit = func(i int) bool {
		id := p.Stages[i].id()
		switch state[i] {
		case ended:
			return true
		case begun:
			circle = slices.Clone(path[slices.Index(path, id):])
			return false
		}
		state[i] = begun
		path = append(path, id)
		for _, need := range p.needs(i) {
			if !visit(p.stage(need)) {
				return false
			}
		}
		path = path[:len(path)-1]
		state[i] = ended
		order = append(order, i)
		return true
	}
	for i := range p.Stages {
		if !visit(i) {
			return nil, circle
		}
	}
	return order, nil
}

// makesImage reports whether a stage writes an image, which others can work on.
func makesImage(w Work) bool {
	switch w := w.(type) {
	case *Copy:
		return len(w.Paths) == 0
	case *SBOM:
		return false
	}
	return w.Output() != ""
}
