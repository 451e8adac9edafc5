package pipeline

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/guestkit/guestkit/format"
	"github.com/guestkit/guestkit/retry"
)

// Options says how a plan is carried out. Nil carries out all of it.
type Options struct {
	// Index and Of take a share: of the images of the plan those whose place, from
	// 0, leaves Index when divided by Of. 0 and 0 take all.
	Index, Of int
	// DryRun does nothing, and reports what would be done.
	DryRun bool
	// Recheck reads what an earlier run wrote and read, whatever its time is,
	// before that is taken for done.
	Recheck bool
	// Format says how images are opened; see format.Options. Nil follows no names.
	Format *format.Options
	// Remote opens what lies at an address, in place of Format.Remote, until its
	// context ends.
	Remote func(ctx context.Context, address string) (format.Source, error)
	// Words is the text of an error in the report, nil for its own.
	Words func(error) string
	// Notify is told when a stage begins, is tried again, and ends. It is not
	// called twice at once.
	Notify func(Event)
	// Put writes an object at an address below Plan.Publish, in place of one that
	// is there.
	Put func(ctx context.Context, address string, content []byte, mediaType string) error
}

// text is what the report says of an error.
func (o *Options) text(err error) string {
	if o.Words != nil {
		return o.Words(err)
	}
	return err.Error()
}

// An Event is a moment of a run.
type Event struct {
	Image, Stage string
	// Status is "" when the stage begins or, with an Err, is tried again after
	// Pause.
	Status  Status
	Err     error
	Pause   time.Duration
	Reason  string
	Resumed bool
	Elapsed time.Duration
}

// open are the options of an image without its own.
func (o *Options) open(ctx context.Context) *format.Options {
	var f format.Options
	if o.Format != nil {
		f = *o.Format
	}
	if o.Remote != nil {
		f.Remote = func(address string) (format.Source, error) { return o.Remote(ctx, address) }
	}
	return &f
}

// A run is one call of Run.
type run struct {
	p       *Plan
	o       *Options
	order   []int
	keys    []string // of each stage
	journal *journal
	prints  *prints
	keep    []string
	whole   bool // some stage reads all of an image

	mu sync.Mutex // of Notify
}

// Run carries out a plan. An error says that it could not be begun, or that ctx
// ended it, and then there is a Report as well: what failed is in that. A plan that
// is wrong is a *PlanError.
func Run(ctx context.Context, p *Plan, o *Options) (*Report, error) {
	if o == nil {
		o = &Options{}
	}
	if o.Of < 0 || o.Index < 0 || o.Index >= max(o.Of, 1) {
		return nil, &PlanError{[]*Problem{problemf("", "the index is from 0 to %d, not %d", max(o.Of, 1)-1, o.Index)}}
	}
	if err := p.wrong(p.Check()); err != nil {
		return nil, err
	}
	if p.Publish != "" && o.Put == nil {
		return nil, p.wrong([]*Problem{problemf("publish", "nothing here writes to %s", p.Publish)})
	}
	jobs, bad := p.jobs()
	if err := p.wrong(bad); err != nil {
		return nil, err
	}
	r := &run{p: p, o: o, prints: &prints{o: o, of: map[Print]string{}}}
	r.order, _ = p.order()
	for i := range p.Stages {
		key, err := p.key(i)
		if err != nil {
			return nil, err
		}
		r.keys = append(r.keys, key)
		r.whole = r.whole || readsWhole(p.Stages[i].Work)
	}
	if err := r.protect(ctx, jobs); err != nil {
		return nil, err
	}
	if err := r.openJournal(); err != nil {
		return nil, err
	}
	defer r.journal.close()

	start := time.Now()
	rep := &Report{Schema: schema, Plan: p.Name, Index: o.Index, Of: max(o.Of, 1), DryRun: o.DryRun, Started: moment(start.Truncate(time.Millisecond)), Images: []ImageReport{}}
	var mine []*job
	for _, j := range jobs {
		if j.index%rep.Of == o.Index {
			mine = append(mine, j)
		}
	}
	rep.Images = make([]ImageReport, len(mine))
	var wg sync.WaitGroup
	next := make(chan int)
	for range min(max(p.Parallel, 1), max(len(mine), 1)) {
		wg.Go(func() {
			for i := range next {
				rep.Images[i] = r.image(ctx, mine[i])
			}
		})
	}
	for i := range mine {
		next <- i
	}
	close(next)
	wg.Wait()
	for _, i := range rep.Images {
		switch i.Status {
		case Failed:
			rep.Failed++
		case Stopped:
			rep.Stopped++
		case Done:
			rep.Done++
		}
	}
	rep.Elapsed = time.Since(start).Seconds()
	if !o.DryRun {
		if err := rep.keep(ctx, p, o); err != nil {
			return rep, err
		}
	}
	if ctx.Err() != nil {
		return rep, context.Cause(ctx)
	}
	return rep, nil
}

// key is a checksum of what stage i is asked to do.
func (p *Plan) key(i int) (string, error) {
	s := &p.Stages[i]
	b, err := json.Marshal(struct {
		Kind, Image string
		Work        any
	}{s.Work.Kind(), s.Image, s.Work})
	if err != nil {
		return "", err
	}
	return textSum(b), nil
}

// readsWhole reports whether a stage reads all of an image, so that to read it for
// a checksum is no great matter.
func readsWhole(w Work) bool {
	switch w := w.(type) {
	case *Convert, *Verify:
		return true
	case *Copy:
		return len(w.Paths) == 0
	}
	return false
}

// protect lists what no stage may write to where files may be replaced: all images
// of the plan and what lies behind them.
func (r *run) protect(ctx context.Context, jobs []*job) error {
	replaces := false
	for _, s := range r.p.Stages {
		switch w := s.Work.(type) {
		case *Convert:
			replaces = replaces || w.Replace
		case *Copy:
			replaces = replaces || w.Replace
		case *SBOM:
			replaces = replaces || w.Replace
		}
	}
	if !replaces {
		return nil
	}
	all := newFileSet()
	for _, j := range jobs {
		if format.IsAddress(j.Path) {
			continue
		}
		for _, f := range r.prints.files(ctx, j.Image) {
			r.keep = append(r.keep, f)
			all.add(f, f)
		}
	}
	var bad []*Problem
	for _, j := range jobs {
		for n, out := range j.outputs {
			if out == "" {
				continue
			}
			if src, ok := all.find(out); ok {
				bad = append(bad, problemf(fmt.Sprintf("stages[%d].%s.to", n, r.p.Stages[n].Work.Kind()), "%s would overwrite %s, which is part of an image", out, src))
			}
		}
	}
	return r.p.wrong(bad)
}

func (r *run) openJournal() error {
	if r.p.Results == "" {
		return nil
	}
	folder := r.p.local(r.p.Results)
	name := filepath.Join(folder, resultName("journal", r.o, "jsonl"))
	var err error
	if r.o.DryRun {
		r.journal, err = readJournal(name)
		return err
	}
	if err := os.MkdirAll(folder, 0o777); err != nil {
		return err
	}
	r.journal, err = openJournal(name)
	return err
}

// notify tells of an event.
func (r *run) notify(e Event) {
	if r.o.Notify == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.o.Notify(e)
}

// A course is one image on its way through the stages.
type course struct {
	*run
	job  *job
	done []StageReport // by the number of the stage
	task []*InspectResult
}

// image takes one image through all stages.
func (r *run) image(ctx context.Context, j *job) ImageReport {
	c := &course{run: r, job: j, done: make([]StageReport, len(r.p.Stages)), task: make([]*InspectResult, len(r.p.Stages))}
	out := ImageReport{Name: j.Name, Path: j.Path, Index: j.index, Status: Done}
	if r.o.DryRun {
		out.Status = Planned
	}
	for _, i := range r.order {
		s := &r.p.Stages[i]
		c.done[i] = StageReport{ID: s.id(), Kind: s.Work.Kind()}
		x := &c.done[i]
		c.stage(ctx, i, x)
		if x.Status != Planned {
			r.notify(Event{Image: j.Name, Stage: x.ID, Status: x.Status, Err: x.err, Reason: x.Reason, Resumed: x.Resumed, Elapsed: time.Duration(x.Elapsed * float64(time.Second))})
		}
		switch {
		case x.Status == Stopped:
			out.Status = Stopped
		case (x.Status == Failed || x.Status == Blocked) && !s.MayFail && out.Status != Stopped:
			out.Status = Failed
		}
	}
	for _, i := range r.order {
		out.Stages = append(out.Stages, c.done[i])
	}
	return out
}

// stage does one stage, or says why it is not done.
func (c *course) stage(ctx context.Context, i int, x *StageReport) {
	s := &c.p.Stages[i]
	if ctx.Err() != nil {
		x.Status, x.Reason = Stopped, "the run was ended"
		return
	}
	if x.Reason = c.blocked(i); x.Reason != "" {
		x.Status = Blocked
		return
	}
	image := c.job.Image
	if s.Image != "" {
		at := c.p.stage(s.Image)
		if c.done[at].Status == Skipped || c.done[at].Status == Failed {
			x.Status, x.Reason = Skipped, fmt.Sprintf("%s wrote nothing", s.Image)
			return
		}
		image = Image{Path: c.job.outputs[at], Name: c.job.Name}
		if w, ok := c.p.Stages[at].Work.(*Convert); ok {
			image.Format, _ = w.format()
			if image.Format == "gce" || !format.KnownWrapped(image.Format) {
				image.Format = ""
			}
		}
	}
	x.Input = image.Path
	x.Output = c.job.outputs[i]
	if why, err := c.holds(ctx, i, image); err != nil {
		x.fail(err, c.o)
		return
	} else if why != "" {
		x.Status, x.Reason = Skipped, why
		return
	}
	done, left := c.journal.find(c.job.Name, x.ID)
	if done != nil && c.unchanged(ctx, i, done, image) {
		x.Status, x.Resumed, x.Tries, x.Started, x.Elapsed = Done, true, done.Tries, done.Started, done.Elapsed
		x.Inputs, x.Outputs, x.Result = done.Inputs, done.Outputs, done.Result
		c.keepResult(i, done.Result)
		return
	}
	if c.o.DryRun {
		x.Status = Planned
		return
	}
	c.do(ctx, i, image, done, left, x)
}

func (x *StageReport) fail(err error, o *Options) {
	x.Status, x.err, x.Reason, x.Class = Failed, err, o.text(err), classOf(err)
}

// blocked says which stage that is needed was not done.
func (c *course) blocked(i int) string {
	s := &c.p.Stages[i]
	for _, id := range c.p.needs(i) {
		at := c.p.stage(id)
		if s.If != nil && s.If.Status[id] != nil {
			continue // the condition says how it may have ended
		}
		switch c.done[at].Status {
		case Failed:
			if !c.p.Stages[at].MayFail {
				return fmt.Sprintf("%s failed", id)
			}
		case Blocked, Stopped:
			return fmt.Sprintf("%s was not done", id)
		}
	}
	return ""
}

// unchanged reports whether what the journal says of a stage still is so.
func (c *course) unchanged(ctx context.Context, i int, e *entry, image Image) bool {
	if e.Key != c.keys[i] || e.Output != c.job.outputs[i] {
		return false
	}
	want := c.inputs(ctx, i, image)
	if !slices.EqualFunc(want, e.Inputs, func(path string, p Print) bool { return path == p.Path }) {
		return false
	}
	for _, p := range slices.Concat(e.Inputs, e.Outputs) {
		if !c.prints.same(ctx, p, c.o.Recheck) {
			return false
		}
	}
	return true
}

// inputs are the files that a stage reads.
func (c *course) inputs(ctx context.Context, i int, image Image) []string {
	files := c.prints.files(ctx, image)
	if _, ok := c.p.Stages[i].Work.(*Verify); ok && image.Path != c.job.Path {
		for _, f := range c.prints.files(ctx, c.job.Image) {
			if !slices.Contains(files, f) {
				files = append(files, f)
			}
		}
	}
	return files
}

// take takes the prints of files.
func (c *course) take(ctx context.Context, files []string) ([]Print, error) {
	var out []Print
	for _, f := range files {
		x, err := c.prints.take(ctx, f, c.whole)
		if err != nil {
			return nil, err
		}
		out = append(out, x)
	}
	return out, nil
}

// do does a stage.
func (c *course) do(ctx context.Context, i int, image Image, done, left *entry, x *StageReport) {
	s := &c.p.Stages[i]
	start := time.Now()
	x.Started = moment(start.Truncate(time.Millisecond))
	defer func() { x.Elapsed = time.Since(start).Seconds() }()
	c.notify(Event{Image: c.job.Name, Stage: x.ID})

	begin := &entry{Image: c.job.Name, Stage: x.ID, Key: c.keys[i], Begin: true, Output: x.Output, Started: x.Started}
	began := left != nil && x.Output != "" && left.Output == x.Output
	again := began && c.placed(ctx, left) || x.Output != "" && done != nil && done.Output == x.Output && c.ours(ctx, done)
	if err := c.journal.write(begin); err != nil {
		x.fail(err, c.o)
		return
	}
	placed := func(p Print) error {
		return c.journal.write(&entry{Image: c.job.Name, Stage: x.ID, Key: c.keys[i], Output: x.Output, Placed: []Print{p}})
	}
	var inputs []Print
	result, err := c.tries(ctx, s, x, func(ctx context.Context) (any, error) {
		var err error
		if c.p.Results != "" {
			if inputs, err = c.take(ctx, c.inputs(ctx, i, image)); err != nil {
				return nil, err
			}
		}
		return s.Work.Do(ctx, &Task{Image: image, Source: c.job.Image, Output: x.Output, Again: again, Keep: c.keep, o: c.o, ctx: ctx, left: began, placed: placed})
	})
	end := &entry{Image: c.job.Name, Stage: x.ID, Key: c.keys[i], Output: x.Output, Tries: x.Tries, Started: x.Started, Inputs: inputs}
	if result != nil {
		b, jerr := json.Marshal(result)
		if jerr != nil && err == nil {
			err = jerr
		}
		x.Result, end.Result = b, b
		c.keepResult(i, b)
	}
	x.Inputs = inputs
	if err == nil && x.Output != "" && c.p.Results != "" {
		end.Outputs, err = c.written(ctx, s, x.Output)
		x.Outputs = end.Outputs
	}
	if ctx.Err() != nil && err != nil {
		x.Status, x.Reason = Stopped, "the run was ended"
		return // as if it was killed
	}
	end.Elapsed = time.Since(start).Seconds()
	if err != nil {
		x.fail(err, c.o)
		end.Failed, end.Result = true, nil
		if _, now := c.journal.find(c.job.Name, x.ID); x.Output != "" && now != nil && c.placed(ctx, now) {
			return // it is ours all the same, for the next run
		}
	} else {
		x.Status = Done
	}
	if err := c.journal.write(end); err != nil {
		x.fail(fmt.Errorf("the journal cannot be written: %w", err), c.o)
	}
}

// ours reports whether the output of a stage still is what an earlier run wrote.
func (c *course) ours(ctx context.Context, e *entry) bool {
	for _, p := range e.Outputs {
		if !c.prints.same(ctx, p, c.o.Recheck) {
			return false
		}
	}
	return len(e.Outputs) > 0
}

// placed reports whether what is there in place of the output of a stage is what a run
// that was killed gave those names: of several files none may be another.
func (c *course) placed(ctx context.Context, e *entry) bool {
	ours := map[string]bool{}
	for _, p := range e.Placed {
		now, err := stamp(p.Path, c.o.open(ctx))
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		ours[p.Path] = ours[p.Path] || err == nil && p.Modified != "" && p.Size == now.Size && p.Modified == now.Modified
	}
	for _, is := range ours {
		if !is {
			return false
		}
	}
	return len(ours) > 0
}

// written takes the prints of what a stage wrote.
func (c *course) written(ctx context.Context, s *Stage, output string) ([]Print, error) {
	files := []string{output}
	if makesImage(s.Work) {
		i := Image{Path: output}
		if w, ok := s.Work.(*Convert); ok {
			f, _ := w.format()
			if format.KnownWrapped(f) {
				i.Format = f
			}
			if w.Options["split_size"] != "" && f == "raw" {
				i = Image{Path: output + ".001"}
			}
		}
		files = c.prints.files(ctx, i)
	}
	return c.take(ctx, files)
}

// tries runs work until it succeeds, or may not be tried again.
func (c *course) tries(ctx context.Context, s *Stage, x *StageReport, work func(context.Context) (any, error)) (result any, err error) {
	policy := retry.Policy{Attempts: 1}
	if s.Retry != nil {
		policy = *s.Retry
	}
	if policy.Total == 0 {
		policy.Total = 1 << 62
	}
	before := policy.Notify
	policy.Notify = func(err error, pause time.Duration) {
		c.notify(Event{Image: c.job.Name, Stage: x.ID, Err: err, Pause: pause})
		if before != nil {
			before(err, pause)
		}
	}
	_, err = retry.Do(ctx, policy, func(ctx context.Context) (struct{}, error) {
		x.Tries++
		if s.Timeout > 0 {
			var cancel context.CancelFunc
			ctx, cancel = context.WithTimeoutCause(ctx, s.Timeout, fmt.Errorf("it took longer than %s: %w", s.Timeout, os.ErrDeadlineExceeded))
			defer cancel()
		}
		r, err := work(ctx)
		result = r
		if err != nil && ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		if err != nil && !mayPass(err) {
			err = retry.Permanent(err)
		}
		return struct{}{}, err
	})
	return result, err
}

// keepResult keeps what an inspection found, for conditions.
func (c *course) keepResult(i int, result json.RawMessage) {
	if _, ok := c.p.Stages[i].Work.(*Inspect); !ok || len(result) == 0 {
		return
	}
	var r InspectResult
	if json.Unmarshal(result, &r) == nil {
		c.task[i] = &r
	}
}
