package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/guestkit/guestkit/format"
	"github.com/guestkit/guestkit/internal/terminal"
	"github.com/guestkit/guestkit/pipeline"
)

// runFlags are the flags of run.
type runFlags struct {
	a         *app
	src       *source
	results   string
	publish   string
	index, of int
	parallel  int
	dry       bool
	recheck   bool
	schema    bool
}

// indexVariable is set by Kubernetes in each pod of an Indexed Job.
const indexVariable = "JOB_COMPLETION_INDEX"

func newRun(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "run [flags] PLAN",
		Short: "Take images through the stages of a plan",
		Long: `Takes disk images through the stages of a plan, a YAML file: check, convert, verify,
inspect, sbom and copy, each with tries, a time and a condition. docs/pipeline.md in the
source describes plans, --schema prints their JSON Schema.

With a folder for results (results: in the plan, or --results) a run that was killed
goes on where it was when it is started again, and the report and a table of all
stages are left there.

--index I --of N takes a share of the images, for N processes on as many machines as
there are; in an Indexed Job of Kubernetes --of is enough.

The exit code is 1 if an image failed, 2 if the plan is wrong.`,
		Example: `  guestkit run plan.yaml
  guestkit run --dry-run plan.yaml
  guestkit run --results out --index 3 --of 10 --json plan.yaml`,
	}
	r := &runFlags{a: a, src: a.runSource(cmd)}
	f := cmd.Flags()
	f.StringVar(&r.results, "results", "", "keep the journal, the report and its rows in `DIR`")
	f.StringVar(&r.publish, "publish", "", "put the report and its rows to `ADDRESS` (s3://BUCKET/PREFIX) as well when the run ends")
	f.IntVar(&r.index, "index", 0, "take share `I` of the images, from 0")
	f.IntVar(&r.of, "of", 0, "of `N` shares")
	f.IntVar(&r.parallel, "parallel", 0, "work on `N` images at once")
	f.BoolVar(&r.dry, "dry-run", false, "print what would be done, and do nothing")
	f.BoolVar(&r.recheck, "recheck", false, "read again what an earlier run did, before it is taken for done")
	f.BoolVar(&r.schema, "schema", false, "print the JSON Schema of plans")
	cmd.MarkFlagDirname("results")
	a.jsonFlag(cmd)
	cmd.ValidArgsFunction = func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return []string{"yaml", "yml", "json"}, cobra.ShellCompDirectiveFilterFileExt
	}
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		if r.schema {
			return a.document(pipeline.Schema())
		}
		if len(args) != 1 {
			return usagef("run takes a plan, got %s", count(len(args)))
		}
		if err := r.share(cmd.Flags().Changed("index"), cmd.Flags().Changed("of")); err != nil {
			return err
		}
		return r.run(args[0])
	}
	return cmd
}

// share takes the share from the flags, or from the environment.
func (r *runFlags) share(index, of bool) error {
	if text, ok := os.LookupEnv(indexVariable); ok && !index && text != "" {
		n, err := strconv.Atoi(text)
		if err != nil {
			return usagef("%s=%q is no number", indexVariable, text)
		}
		if !of {
			return usagef("%s is set, so this is a share of the images: --of says of how many", indexVariable)
		}
		r.index, index = n, true
	}
	switch {
	case index != of:
		return usagef("--index and --of belong together")
	case of && r.of < 1:
		return usagef("--of is a number of shares, not %d", r.of)
	case of && (r.index < 0 || r.index >= r.of):
		return usagef("the index of %d shares is 0 to %d, not %d", r.of, r.of-1, r.index)
	case r.parallel < 0:
		return usagef("--parallel is a number of images, not %d", r.parallel)
	}
	return nil
}

func (r *runFlags) run(path string) error {
	a := r.a
	if err := r.src.check(); err != nil {
		return err
	}
	p, err := pipeline.LoadFile(path)
	if err != nil {
		return a.planError(path, err)
	}
	if r.results != "" {
		if p.Results, err = filepath.Abs(r.results); err != nil {
			return err
		}
	}
	if r.publish != "" {
		p.Publish = r.publish
	}
	if r.parallel > 0 {
		p.Parallel = r.parallel
	}
	o := &pipeline.Options{Index: r.index, Of: r.of, DryRun: r.dry, Recheck: r.recheck, Format: r.src.options(), Notify: r.say, Words: inFlags,
		Remote: func(ctx context.Context, address string) (format.Source, error) {
			return r.src.openAddressIn(ctx, address)
		}, Put: r.src.putAddress}
	a.tidies.Store(true) // what is half written goes, and the report is kept
	rep, err := pipeline.Run(a.ctx, p, o)
	if rep == nil {
		return a.planError(path, err)
	}
	if a.json {
		if derr := a.document(rep); derr != nil {
			return derr
		}
	} else {
		r.show(rep)
	}
	switch {
	case err != nil:
		return err
	case rep.Failed > 0:
		return exit(exitFailed)
	}
	return nil
}

// planError says which plan is wrong, a line for each fault.
func (a *app) planError(path string, err error) error {
	var wrong *pipeline.PlanError
	if !errors.As(err, &wrong) {
		return pathError(path, err)
	}
	faults := strings.Split(wrong.Error(), "\n")
	last := len(faults) - 1
	for _, fault := range faults[:last] {
		a.err.Printf("%s %s: %s\n", terminal.Red.In("guestkit:"), path, fault)
	}
	return &exitError{code: exitUsage, err: fmt.Errorf("%s: %s", path, faults[last])}
}

// say tells of a moment of the run.
func (r *runFlags) say(e pipeline.Event) {
	if r.a.quiet && (e.Status != pipeline.Failed || e.Err == nil) {
		return
	}
	what := terminal.Bold.In(e.Image + " " + e.Stage)
	switch {
	case e.Status == "" && e.Err != nil:
		r.a.err.Printf("%s: %v; again in %s\n", what, e.Err, e.Pause.Round(time.Millisecond))
	case e.Status == "":
		r.a.note("%s begins", e.Image+" "+e.Stage)
	case e.Err != nil:
		r.a.err.Printf("%s: %s: %v\n", what, terminal.Red.In("failed"), e.Err)
	case r.a.json:
	case e.Resumed:
		r.a.err.Printf("%s: done before\n", what)
	case e.Reason != "":
		r.a.err.Printf("%s: %s: %s\n", what, string(e.Status), e.Reason)
	default:
		r.a.err.Printf("%s: %s in %s\n", what, string(e.Status), e.Elapsed.Round(time.Millisecond))
	}
}

// show prints what was done, or would be.
func (r *runFlags) show(rep *pipeline.Report) {
	if r.a.quiet {
		return
	}
	t := &terminal.Table{}
	t.Head("IMAGE", "STAGE", "STATUS", "")
	for _, i := range rep.Images {
		for n, s := range i.Stages {
			name := i.Name
			if n > 0 {
				name = ""
			}
			status := string(s.Status)
			if s.Resumed {
				status += " before"
			}
			detail := s.Reason
			if detail == "" && s.Output != "" {
				detail = "→ " + s.Output
			}
			t.Row(name, s.ID, status, detail)
		}
	}
	r.a.out.Table(t)
	if rep.DryRun {
		return
	}
	r.a.out.Printf("%d done, %d failed", rep.Done, rep.Failed)
	if rep.Stopped > 0 {
		r.a.out.Printf(", %d stopped", rep.Stopped)
	}
	r.a.out.Printf("\n")
}
