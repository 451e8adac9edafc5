package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/guestkit/guestkit"
	"github.com/guestkit/guestkit/batch"
	"github.com/guestkit/guestkit/concern"
	"github.com/guestkit/guestkit/format"
	"github.com/guestkit/guestkit/inspect"
	"github.com/guestkit/guestkit/internal/terminal"
)

// A runDoc is what a line of a batch says of the run: enough for a later one to
// tell whether the image is still the same.
type runDoc struct {
	Path      string       `json:"path"`
	By        string       `json:"by"`      // the program and the flags that decide what it says
	Started   time.Time    `json:"started"` // when the files were looked at
	Files     []batch.File `json:"files"`   // that were read; none of what is no file of the host
	Unchanged bool         `json:"unchanged,omitempty"`
	Error     string       `json:"error,omitempty"`
}

// A batchDoc is the line of an image that was not inspected.
type batchDoc struct {
	Schema string `json:"schema"`
	Run    runDoc `json:"run"`
}

// isBatch reports whether images are inspected several at a time.
func (c *inspection) isBatch(cmd *cobra.Command, args []string) bool {
	if cmd.Flags().Changed("jobs") || cmd.Flags().Changed("since") {
		return true
	}
	return slices.ContainsFunc(args, func(path string) bool {
		fi, err := os.Stat(path)
		return err == nil && fi.IsDir()
	})
}

// The flags that do not change what is said of an image. Keys may: what lacks one
// is incomplete, and is inspected again in any case.
var sayNothing = []string{"jobs", "since", "progress", "json", "output", "packages", "require-complete", "verbose", "quiet",
	"image", "source", "key", "key-file", "keys-from-stdin", "force-share", "cache-dir", "header", "netrc"}

// madeBy says what a line depends on besides its image.
func madeBy(cmd *cobra.Command) string {
	s := "guestkit " + buildVersion()
	cmd.Flags().Visit(func(f *pflag.Flag) {
		if !slices.Contains(sayNothing, f.Name) {
			s += " --" + f.Name + "=" + f.Value.String()
		}
	})
	return s
}

// An outcome is what became of an image of a batch.
type outcome struct {
	line []byte // of JSON
	row  batchRow
	code int
	err  error
}

// A batchRow is an image in the table at the end.
type batchRow struct {
	path, system, arch, firmware, packages string
	state                                  terminal.Styled
}

// batch inspects all images that the arguments stand for.
func (c *inspection) batch(args []string) error {
	if len(c.src.disks) > 0 {
		return usagef("-a adds disks to one guest, and a batch has many")
	}
	if c.output != "" && c.output != "human" && c.output != "json" {
		return usagef("of several images at a time the form is human or json, not %s", c.output)
	}
	if c.src.image != "" {
		args = append([]string{c.src.image}, args...)
	}
	if len(args) == 0 {
		return usagef("no image is given")
	}
	if c.jobs < 0 || c.jobs > 1024 {
		return usagef("--jobs is 1 to 1024, not %d", c.jobs)
	}
	if err := c.src.check(); err != nil {
		return err
	}
	c.src.keys.list.Ask = nil // who would be asked for which of them?
	former, err := c.former()
	if err != nil {
		return err
	}
	bar, err := c.newProgress(c.progress)
	if err != nil {
		return err
	}
	count := counter{progress: bar}
	show := !c.json && !c.quiet || c.json && c.errTerminal && !c.outTerminal
	var rows []batchRow
	code := exitDone
	find := batch.Find{Skipped: func(path, why string) { c.note("skipped %s: %s", path, why) }}
	err = batch.Run(c.ctx, find.Images(c.ctx, args), c.jobs,
		func(ctx context.Context, img batch.Image) outcome {
			return c.look(ctx, img, former[shownImage(img.Path)])
		},
		func(_ batch.Image, o outcome) error {
			if o.err != nil {
				count.clear()
				o.code = c.sayError(o.err, o.code)
			}
			code = graver(code, o.code)
			if c.json {
				if _, err := c.raw.Write(o.line); err != nil {
					return err
				}
			}
			if show {
				rows = append(rows, o.row)
			}
			count.add(o)
			return c.raw.Flush()
		})
	count.clear()
	if err != nil {
		return err
	}
	if show {
		c.table(rows, count)
	}
	if count.done == 0 {
		for i := range args {
			args[i] = shownImage(args[i])
		}
		return nothingf("no images were found in %s", strings.Join(args, ", "))
	}
	c.noteTime()
	return exit(code)
}

// graver is the code of two images, whichever was done first.
func graver(a, b int) int {
	if a == exitFailed || b == exitFailed {
		return exitFailed
	}
	return max(a, b)
}

// look inspects one image. Nothing that is in it ends the run.
func (c *inspection) look(ctx context.Context, img batch.Image, former *runDoc) (o outcome) {
	run := runDoc{Path: shownImage(img.Path), By: c.by, Started: time.Now().UTC(), Files: []batch.File{}}
	o.row.path = run.Path
	defer func() {
		if x := recover(); x != nil {
			o.err = pathError(img.Path, fmt.Errorf("internal error, a bug: %v", x))
			o.line = nil
		}
		if o.err != nil {
			o.row.state = terminal.Red.In(o.err)
		}
		if o.line == nil {
			if o.err != nil {
				run.Error = inFlags(o.err)
			}
			o.line, _ = marshal(batchDoc{schema("batch"), run}, "", "")
		}
	}()
	if o.err = pathError(img.Path, img.Err); o.err != nil {
		return o
	}
	if f, err := batch.Look(img.Path); err == nil {
		f.Path = run.Path
		run.Files = append(run.Files, f)
	}
	if former != nil && former.By == c.by && batch.Unchanged(former.Files, former.Started) {
		// The times count that were looked at first, for the run after this one.
		run.Files, run.Started, run.Unchanged = former.Files, former.Started, true
		o.row.state = terminal.Dim.In("unchanged")
		c.note("skipped %s: it is unchanged since the former run", img.Path)
		return o
	}
	g, err := c.src.open([]string{img.Path}, &inspect.Options{Initramfs: c.unpacks(), PackageFiles: c.files, PackageLicenses: c.licences})
	if err != nil {
		o.err = pathError(img.Path, err)
		return o
	}
	defer func() {
		g.Close()
		c.disown(g)
	}()
	for _, name := range filesOf(g)[1:] {
		f, err := batch.Look(name)
		if err != nil {
			f = batch.File{Path: name, Size: -1} // nothing tells whether it changes
		}
		run.Files = append(run.Files, f)
	}
	f, err := c.find(ctx, g)
	if err != nil {
		o.err = pathError(img.Path, err)
		return o
	}
	doc := f.doc()
	var e *exitError
	if err := c.verdict(img.Path, f); errors.As(err, &e) {
		o.code = e.code // the line says it
	} else if o.err = err; err != nil {
		run.Error = inFlags(err)
	}
	doc.Run = &run
	if o.line, err = marshal(doc, "", ""); err != nil {
		o.err = pathError(img.Path, err)
	}
	o.row = newBatchRow(run.Path, f)
	return o
}

// filesOf are all files of the host that the disks of a guest lie in, that which
// was named first.
func filesOf(g *guestkit.Guest) []string {
	var out []string
	add := func(names ...string) {
		for _, n := range names {
			if n != "" && !slices.Contains(out, n) {
				out = append(out, n)
			}
		}
	}
	var walk func(i *format.Info)
	walk = func(i *format.Info) {
		add(i.Name)
		add(i.Parts...)
		add(i.Files...)
		for _, below := range i.Chain {
			walk(below)
		}
		for _, d := range i.Disks {
			walk(d)
		}
	}
	for _, img := range g.Images() {
		walk(img.Info())
	}
	return append(out, "")[:max(len(out), 1)]
}

// former reads what a former run says of the images that it looked at whole.
func (c *inspection) former() (map[string]*runDoc, error) {
	if c.since == "" {
		return nil, nil
	}
	f, err := os.Open(c.since)
	if err != nil {
		return nil, pathError(c.since, err)
	}
	defer f.Close()
	out := map[string]*runDoc{}
	for d := json.NewDecoder(f); ; {
		var line struct {
			Schema   string            `json:"schema"`
			Complete bool              `json:"complete"`
			Systems  []struct{}        `json:"systems"`
			Concerns []concern.Concern `json:"concerns"`
			Run      *runDoc           `json:"run"`
		}
		err := d.Decode(&line)
		switch {
		case errors.Is(err, io.EOF):
			return out, nil
		case errors.Is(err, io.ErrUnexpectedEOF): // a run that was ended
			c.warn([]error{pathError(c.since, errors.New("its last line is cut off; that image is inspected again"))})
			return out, nil
		case err != nil:
			return nil, pathError(c.since, fmt.Errorf("it is no output of 'guestkit inspect --json': %w", err))
		case line.Schema != schema("inspect") && line.Schema != schema("batch") || line.Run == nil:
			return nil, pathError(c.since, errors.New("it is no output of 'guestkit inspect --json' of several images"))
		}
		// What ended with another code than 0 does so again. A line of an image that was
		// unchanged has no systems and concerns: it had systems, and no concern as
		// grave, in a run with the same flags.
		if r := line.Run; r.Error == "" && (line.Complete && len(line.Systems) > 0 || r.Unchanged) && !c.fails(concern.Worst(line.Concerns)) {
			out[r.Path] = r
		}
	}
}

func newBatchRow(path string, rep *finding) batchRow {
	r := batchRow{path: path, state: terminal.Green.In("complete")}
	var names, packages []string
	for _, s := range rep.Systems {
		name := s.ProductName
		if !known(name) {
			name = describe(s)
		}
		names = append(names, name)
		if p := packageLine(s); p != "" {
			packages = append(packages, fmt.Sprint(len(s.Packages.Items)))
		}
	}
	r.system, r.packages = strings.Join(names, ", "), strings.Join(packages, ", ")
	if len(rep.Systems) > 0 {
		r.arch, r.firmware = iff(known(rep.Systems[0].Arch), rep.Systems[0].Arch), iff(known(string(rep.Systems[0].Firmware)), string(rep.Systems[0].Firmware))
	}
	switch {
	case len(rep.Systems) == 0:
		r.state = terminal.Yellow.In("no system")
	case !rep.Complete():
		r.state = terminal.Yellow.In("incomplete")
	}
	for _, sev := range []concern.Severity{concern.Critical, concern.Warning} {
		n := 0
		for _, x := range rep.concerns {
			if x.Severity == sev {
				n++
			}
		}
		if n > 0 {
			r.state.Text += fmt.Sprintf(", %d %s", n, sev)
		}
		if n > 0 && sev == concern.Critical {
			r.state.Style = terminal.Red
		}
	}
	return r
}

// table prints all images of a batch, by their paths.
func (c *inspection) table(rows []batchRow, count counter) {
	out := c.out
	if c.json {
		out = c.err
	}
	slices.SortFunc(rows, func(a, b batchRow) int { return strings.Compare(a.path, b.path) })
	t := &terminal.Table{Right: "----r"}
	t.Head("IMAGE", "SYSTEM", "ARCHITECTURE", "FIRMWARE", "PACKAGES", "STATE")
	for _, r := range rows {
		t.Row(r.path, r.system, r.arch, r.firmware, r.packages, r.state)
	}
	if len(rows) > 0 {
		out.Table(t)
		out.Printf("\n%s\n", count.String())
	}
}

// A counter counts the images of a batch, and shows it while it goes on.
type counter struct {
	*progress
	done, failed, unchanged int
}

func (n *counter) add(o outcome) {
	n.done++
	switch {
	case o.err != nil:
		n.failed++
	case o.row.state.Text == "unchanged":
		n.unchanged++
	}
	p := n.progress
	if p == nil || time.Since(p.last.at) < 100*time.Millisecond {
		return
	}
	p.last.at = time.Now()
	if p.json {
		line, err := json.Marshal(map[string]any{"done": n.done, "failed": n.failed, "unchanged": n.unchanged, "elapsed": time.Since(p.a.start).Seconds()})
		if err == nil {
			p.a.err.Printf("%s\n", string(line))
		}
		return
	}
	line := fmt.Sprintf("%s, %.0f/s", n, float64(n.done)/max(time.Since(p.a.start).Seconds(), 1e-3))
	p.a.err.Printf("\r%s%s", line, strings.Repeat(" ", max(0, p.last.width-terminal.Width(line))))
	p.last.width, p.shown = terminal.Width(line), true
}

func (n counter) String() string {
	s := fmt.Sprintf("%d images", n.done)
	if n.done == 1 {
		s = "1 image"
	}
	if n.unchanged > 0 {
		s += fmt.Sprintf(", %d unchanged", n.unchanged)
	}
	if n.failed > 0 {
		s += fmt.Sprintf(", %d failed", n.failed)
	}
	return s
}
