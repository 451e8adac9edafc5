package main

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/guestkit/guestkit"
	"github.com/guestkit/guestkit/concern"
	"github.com/guestkit/guestkit/inspect"
	"github.com/guestkit/guestkit/internal/terminal"
	"github.com/guestkit/guestkit/target"
)

// An inspectDoc is all that is known of one guest.
type inspectDoc struct {
	Schema   string            `json:"schema"`
	Images   []imageDoc        `json:"images"`
	Volumes  []volumeDoc       `json:"volumes"`
	Systems  []*inspect.System `json:"systems"`
	Concerns []concern.Concern `json:"concerns"` // of all systems, or those against the --target
	Complete bool              `json:"complete"` // every volume was read, or holds nothing to read
	Problems []string          `json:"problems"`
	Run      *runDoc           `json:"run,omitempty"` // of a batch
}

// An inspection is one run of the command.
type inspection struct {
	*app
	src       *source
	packages  bool // --packages
	required  bool // --require-complete
	initramfs bool
	files     bool
	licences  bool
	jobs      int    // --jobs
	since     string // --since
	progress  string // --progress
	target    string // --target
	failOn    string // --fail-on
	output    string // --output
	sbom      string // --sbom
	by        string // which program this is, and what else decides what it says
}

func newInspect(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "inspect [flags] IMAGE|DIR…",
		Short: "Tell which operating systems are on a disk",
		Long: `Tells which operating systems are on a disk: product and version, architecture,
host name, kernels, mounts, boot firmware and the installed packages; of Windows
its drives, drivers, and what stands in the way of a migration. Each image is a
guest of its own; -a adds further disks to the same guest.

A folder stands for all images in it and below. With one, or with --jobs or
--since, several images are inspected at a time: --json prints a line for each as
it is done, and people get a table at the end. An image that cannot be read keeps
no other from its turn; it makes the exit code 1.

What can go wrong on another platform is listed with what to do; --target names the
platform, and --fail-on makes the exit code 5 (docs/concerns.md has them all).

The exit code is 3 if no system is found. 'detect' and 'info' tell about the
image file alone, 'volumes' about the partitions, 'manifest' about the files.`,
		Example: `  guestkit inspect disk.qcow2
  guestkit inspect system.vmdk -a data.vmdk
  guestkit inspect --json disk.qcow2 | jq '.systems[].packages.items[].name'
  guestkit inspect --target kubevirt --fail-on critical disk.vmdk
  guestkit inspect --output html disk.qcow2 >disk.html
  guestkit inspect --sbom cyclonedx disk.qcow2 >disk.cdx.json
  guestkit inspect --json /var/lib/images >today.jsonl
  guestkit inspect --json --since today.jsonl /var/lib/images >tomorrow.jsonl`,
	}
	c := &inspection{app: a, src: a.sourceFlags(cmd)}
	a.jsonFlag(cmd)
	f := cmd.Flags()
	f.BoolVar(&c.packages, "packages", false, "list the installed packages too")
	f.BoolVar(&c.files, "package-files", false, "list the files of each package in JSON and YAML, where the database has them")
	f.BoolVar(&c.licences, "package-licenses", false, "read the licences of Debian packages, each out of its copyright file")
	f.BoolVar(&c.initramfs, "initramfs", false, "unpack the initramfs of each kernel, to list the drivers in it (with --target always)")
	f.BoolVar(&c.required, "require-complete", false, "exit with 4 if some volume was not read")
	f.IntVarP(&c.jobs, "jobs", "j", 0, "inspect `N` images at a time (default: as many as there are processors)")
	f.StringVar(&c.since, "since", "", "skip images that are what they were in this `FILE`, the output of --json of a former run")
	platformFlag(cmd, &c.target, "list the concerns that stand against this `PLATFORM` alone")
	f.StringVar(&c.failOn, "fail-on", "", "exit with 5 if there is a concern as grave as `SEVERITY`: critical, warning or information")
	cmd.RegisterFlagCompletionFunc("fail-on", cobra.FixedCompletions([]string{"critical", "warning", "information"}, cobra.ShellCompDirectiveNoFileComp))
	f.StringVar(&c.output, "output", "", "print a `FORM`: "+strings.Join(outputs, ", ")+" (default: human)")
	cmd.RegisterFlagCompletionFunc("output", cobra.FixedCompletions(outputs, cobra.ShellCompDirectiveNoFileComp))
	f.StringVar(&c.sbom, "sbom", "", "print the installed software as a bill of materials in this `FORM`: cyclonedx or spdx")
	cmd.RegisterFlagCompletionFunc("sbom", cobra.FixedCompletions([]string{"cyclonedx", "spdx"}, cobra.ShellCompDirectiveNoFileComp))
	f.StringVar(&c.progress, "progress", "", "bar, json (lines on stderr) or none (`FORM`; default: bar on a terminal)")
	f.Lookup("progress").NoOptDefVal = "bar"
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		if err := c.check(); err != nil {
			return err
		}
		if c.isBatch(cmd, args) {
			c.by = madeBy(cmd)
			return c.batch(args)
		}
		guests, err := c.src.each(args)
		if err != nil {
			return err
		}
		if len(guests) > 1 && c.single() {
			return usagef("a document of the form %s is one of one guest", c.output)
		}
		collectLate()
		return a.forEach(guests, true, c.one)
	}
	return cmd
}

// check refuses values of flags that there are not.
func (c *inspection) check() error {
	if c.target != "" {
		if _, err := target.Named(c.target); err != nil {
			return err
		}
	}
	if c.output != "" && !slices.Contains(outputs, c.output) {
		return usagef("--output is one of %s, not %q", strings.Join(outputs, ", "), c.output)
	}
	if c.json && c.output != "" && c.output != "json" {
		return usagef("both --json and --output %s", c.output)
	}
	c.json = c.json || c.output == "json"
	switch {
	case c.sbom == "":
	case c.sbom != "cyclonedx" && c.sbom != "spdx":
		return usagef("--sbom is cyclonedx or spdx, not %q", c.sbom)
	case c.json || c.output != "":
		return usagef("--sbom is a form of its own, beside which there is no --output")
	default:
		c.output = c.sbom
	}
	if c.failOn != "" {
		if _, err := concern.ParseSeverity(c.failOn); err != nil {
			return usagef("--fail-on: %w", err)
		}
	}
	return nil
}

// A finding is all that is known of one guest.
type finding struct {
	*inspect.Report
	guest    *guestkit.Guest
	concerns []concern.Concern
	problems []error
}

// find inspects a guest.
func (c *inspection) find(ctx context.Context, g *guestkit.Guest) (*finding, error) {
	rep, err := g.Inspect(ctx)
	if err != nil {
		return nil, err
	}
	list, errs := concern.Of(ctx, rep)
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	return &finding{rep, g, concern.For(list, c.target), append(problems(g, rep), errs...)}, nil
}

// one inspects one guest and prints what it is.
func (c *inspection) one(disks []string) error {
	bar, err := c.newProgress(c.progress)
	if err != nil {
		return err
	}
	g, err := c.src.open(disks, &inspect.Options{Progress: bar.inspection(), Initramfs: c.unpacks(), PackageFiles: c.files, PackageLicenses: c.licences})
	if err != nil {
		return err
	}
	defer g.Close()
	f, err := c.find(c.ctx, g)
	bar.clear()
	if err != nil {
		return err
	}
	c.noteVolumes(f.Report)
	if err := c.show(f); err != nil {
		return err
	}
	c.noteTime()
	return c.verdict(strings.Join(disks, " "), f)
}

// unpacks reports whether the drivers of each initramfs are asked for.
func (c *inspection) unpacks() bool { return c.initramfs || c.target != "" }

// verdict is the error that what was found asks for.
func (c *inspection) verdict(path string, f *finding) error {
	if err := incomplete(f.Report, c.required); err != nil {
		return err
	}
	if len(f.Systems) == 0 {
		return pathError(path, noSystem(f.Report))
	}
	for _, x := range f.concerns {
		if c.fails(x.Severity) {
			return &exitError{code: exitConcern, err: fmt.Errorf("%s: %s: %s: %s", shownImage(path), x.Severity, x.ID, x.Message)}
		}
	}
	return nil
}

// fails reports whether --fail-on fails at a concern of a severity, "" for none.
func (c *inspection) fails(s concern.Severity) bool {
	return c.failOn != "" && s != "" && s.AtLeast(concern.Severity(c.failOn))
}

// noSystem says why no system was found: a volume that is damaged is a failure,
// all else means that there is none.
func noSystem(rep *inspect.Report) error {
	if err := damage(rep); err != nil {
		return err
	}
	if why := unread(rep); why != "" {
		return nothingf("no operating system was found, and not all could be read: %s", why)
	}
	return nothingf("no operating system was found")
}

func (f *finding) doc() inspectDoc {
	return inspectDoc{Schema: schema("inspect"), Images: imageDocs(f.guest), Volumes: volumeDocs(f.Report), Systems: notNil(f.Systems),
		Concerns: f.concerns, Complete: f.Complete(), Problems: texts(f.problems)}
}

// show prints what a guest is.
func (c *inspection) show(f *finding) error {
	switch {
	case c.json:
		return c.document(f.doc())
	case c.output != "" && c.output != "human":
		return c.write(f)
	case c.quiet:
		return nil
	}
	c.showImages(f.guest)
	for _, sys := range f.Systems {
		c.out.Printf("\n")
		c.showSystem(f.Report, sys, c.packages)
	}
	c.showConcerns(f)
	c.out.Printf("\n")
	c.showVolumes(f.Report, false)
	c.showProblems(f.problems)
	return nil
}

// severityStyles are the colours of severities.
var severityStyles = map[concern.Severity]terminal.Style{concern.Critical: terminal.Red, concern.Warning: terminal.Yellow, concern.Information: terminal.Dim}

// showConcerns prints what can go wrong; what is only good to know, for a platform
// that was named.
func (c *inspection) showConcerns(f *finding) {
	t := &terminal.Table{Indent: 2}
	t.Head("SEVERITY", "CONCERN", "WHAT, AND WHAT TO DO")
	for _, x := range f.concerns {
		if x.Severity == concern.Information && c.target == "" {
			continue
		}
		of := ""
		if len(f.Systems) > 1 {
			of = x.System + ": "
		}
		t.Row(severityStyles[x.Severity].In(x.Severity), x.ID, of+x.Message)
		t.Row("", "", terminal.Dim.In(x.Remedy))
	}
	switch {
	case t.Len() > 1:
		c.out.Printf("\n")
		c.out.Table(t)
	case c.target != "" && len(f.Systems) > 0:
		c.out.Printf("\nNothing is known that stands against %s.\n", c.target)
	}
}

// showImages prints a line for each disk of a guest.
func (a *app) showImages(g *guestkit.Guest) {
	for _, img := range g.Images() {
		info := img.Info()
		a.out.Printf("%s  %s, %s", terminal.Bold.In(shownName(info)), info.Format, terminal.Size(info.VirtualSize))
		for _, below := range info.Chain {
			a.out.Printf(" on %s (%s)", below.Name, below.Format)
		}
		a.out.Printf("\n")
	}
}

// showSystem prints what a system is. What is not known is left out: JSON has
// it all.
func (a *app) showSystem(rep *inspect.Report, sys *inspect.System, packages bool) {
	name := sys.ProductName
	if !known(name) {
		name = string(sys.Type) + " system"
	}
	a.out.Printf("  %s\n", terminal.Bold.In(name))
	t := &terminal.Table{Indent: 2}
	row := func(title string, value any, more ...any) {
		if s := fmt.Sprint(value); s != "" && s != inspect.Unknown {
			t.Row(append([]any{terminal.Dim.In(title), value}, more...)...)
		}
	}
	row("system", describe(sys))
	if sys.Kind != inspect.KindInstalled {
		row("kind", sys.Kind)
	}
	row("architecture", sys.Arch)
	row("host name", hostname(sys))
	row("time zone", iff(sys.Windows == nil, sys.TimeZone))
	row("init", strings.TrimSuffix(sys.Init.Name+" "+sys.Init.Version, " "+inspect.Unknown))
	if sys.Windows == nil && sys.Installed != nil {
		row("installed", sys.Installed.Format(time.DateOnly))
	}
	if sys.LastBoot != nil {
		row("last start", sys.LastBoot.Format(time.DateTime))
	}
	row("firmware", firmware(sys))
	row("root", sys.Volume+rootDir(sys.Root)+rootDir(iff(sys.Image == "", "/")+sys.Image))
	row("missing", strings.Join(sys.Missing, ", "))
	row("Windows in", sys.SystemRoot)
	if sys.Windows != nil {
		windowsRows(sys, row)
	} else {
		row("packages", packageLine(sys))
	}
	for i, a := range sys.Agents {
		row(first(i, "guest tools"), a.Name)
	}
	for i, n := range sys.Interfaces {
		row(first(i, "network"), networkLine(n))
	}
	for i, k := range sys.Kernels {
		title := "kernel"
		if i > 0 {
			title = ""
		}
		v := k.Version
		if k.Default {
			v += " (default)"
		}
		t.Row(terminal.Dim.In(title), v)
		if x := k.Initramfs; x != nil {
			t.Row("", terminal.Dim.In("initramfs: "+cmp.Or(strings.Join(x.Drivers, " "), "no driver of a hypervisor")))
		}
	}
	bootRows(sys, row)
	a.out.Table(t)
	a.showMounts(sys)
	a.showDrives(sys)
	if packages && len(sys.Packages.Items) > 0 {
		a.out.Printf("\n")
		t := &terminal.Table{Indent: 2}
		t.Head(iff(sys.Windows == nil, "PACKAGE")+iff(sys.Windows != nil, "PROGRAM"), "VERSION", "ARCHITECTURE")
		for _, p := range sys.Packages.Items {
			t.Row(p.Name, p.Version, p.Arch)
		}
		a.out.Table(t)
	}
}

// bootRows adds the boot loaders, and what each starts.
func bootRows(sys *inspect.System, row func(title string, value any, more ...any)) {
	for i := range sys.BootLoaders {
		b := &sys.BootLoaders[i]
		at := b.Path
		if b.Volume != "" {
			at = strings.TrimSpace(at + " on " + b.Volume)
		}
		row(first(i, "boot loader"), fmt.Sprintf("%s, %s", b.Name, at))
		e := b.DefaultEntry()
		if e == nil {
			row("", terminal.Dim.In(b.Reason))
			continue
		}
		row("", terminal.Dim.In(fmt.Sprintf("starts %s: %s", cmp.Or(e.Title, e.ID, "this"), strings.TrimSpace(e.Kernel+" "+e.Options))))
	}
}

// networkLine is the configuration of an interface in a line.
func networkLine(n inspect.Interface) string {
	s := n.Name
	if n.MAC != "" {
		s = strings.TrimSpace(s + " (" + n.MAC + ")")
	}
	if n.DHCP {
		s += ", DHCP"
	}
	for _, addr := range n.Addresses {
		s += ", " + addr
	}
	return strings.TrimPrefix(s, ", ")
}

func (a *app) showMounts(sys *inspect.System) {
	t := &terminal.Table{Indent: 2}
	t.Head("MOUNTED AT", "VOLUME", "TYPE", "AS")
	for _, m := range sys.Mounts {
		where := m.Path
		if where == "" {
			where = m.Type
		}
		volume := terminal.Plain.In(m.Volume)
		if m.Volume == "" {
			volume = terminal.Yellow.In("-")
		}
		as := m.Spec
		if m.Reason != "" {
			as += "  (" + m.Reason + ")"
		}
		t.Row(where, volume, m.Type, as)
	}
	if t.Len() > 1 {
		a.out.Printf("\n")
		a.out.Table(t)
	}
}

// showProblems prints what is odd, if anything is.
func (a *app) showProblems(errs []error) {
	if len(errs) == 0 {
		return
	}
	a.out.Printf("\n%s\n", terminal.Yellow.In("Problems"))
	for _, err := range errs {
		a.out.Printf("  %s\n", err)
	}
}

// describe is the short form of a system's identity: "debian 12.11 (bookworm),
// of the debian family".
func describe(sys *inspect.System) string {
	if sys.Windows != nil {
		return describeWindows(sys)
	}
	s := string(sys.Type)
	if known(sys.Distro) {
		s = sys.Distro
	}
	if known(sys.Version) {
		s += " " + sys.Version
	}
	if known(sys.Codename) {
		s += " (" + sys.Codename + ")"
	}
	if f := string(sys.Family); known(f) && f != sys.Distro && f != string(inspect.FamilyOther) {
		s += ", " + f + " family"
	}
	return s
}

func firmware(sys *inspect.System) string {
	s := string(sys.Firmware)
	if !known(s) {
		return ""
	}
	var why []string
	for _, e := range sys.Because("firmware") {
		switch {
		case len(why) == 3:
		case e.Path != "":
			why = append(why, e.Path+" on "+e.Volume)
		case e.Detail != "":
			why = append(why, e.Detail+" on "+e.Volume)
		}
	}
	if len(why) > 0 {
		s += " (" + strings.Join(why, ", ") + ")"
	}
	return s
}

func packageLine(sys *inspect.System) string {
	p := sys.Packages
	format := p.Format
	if format == "" {
		format = sys.PackageFormat
	}
	var s string
	switch p.Status {
	case inspect.PackagesRead:
		s = fmt.Sprintf("%d %s", len(p.Items), format)
	case inspect.PackagesPartial:
		s = fmt.Sprintf("%d %s, and more: %s", len(p.Items), format, p.Reason)
	case inspect.PackagesNotRead:
		s = fmt.Sprintf("%s, not read: %s", format, p.Reason)
	default:
		return ""
	}
	if known(sys.PackageManager) {
		s += ", managed by " + sys.PackageManager
	}
	return s
}

func rootDir(dir string) string {
	if dir == "/" {
		return ""
	}
	return ", in " + dir
}

func known(s string) bool { return s != "" && s != inspect.Unknown }

// notNil keeps null out of JSON where a list is meant.
func notNil[T any](s []T) []T {
	if s == nil {
		return []T{}
	}
	return s
}
