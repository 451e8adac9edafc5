package main

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/guestkit/guestkit"
	"github.com/guestkit/guestkit/convert"
	"github.com/guestkit/guestkit/format"
	"github.com/guestkit/guestkit/internal/terminal"
	"github.com/guestkit/guestkit/target"
)

type convertDoc struct {
	Schema       string    `json:"schema"`
	Source       string    `json:"source"`
	SourceFormat string    `json:"source_format"`
	Output       string    `json:"output"`
	OutputFormat string    `json:"output_format"`
	VirtualSize  int64     `json:"virtual_size"`
	OutputSize   int64     `json:"output_size"`            // of all its files; -1 of a stream
	Data         int64     `json:"data"`                   // bytes of the disk that were written
	Zero         int64     `json:"zero"`                   // and left out as zeros
	Cloned       int64     `json:"cloned"`                 // the part of data that shares blocks with the source
	Elapsed      float64   `json:"elapsed"`                // seconds
	SkippedFree  *int64    `json:"skipped_free,omitempty"` // free bytes of the disk that were left out (--skip-free)
	Kept         []keptDoc `json:"kept,omitempty"`         // volumes whose free blocks were copied all the same
	Lost         []lostDoc `json:"lost"`                   // unreadable, zeros in the output (--salvage)
	Overlap      string    `json:"overlap,omitempty"`      // blocks of the source that lie over each other (--salvage)
	Unsound      string    `json:"unsound,omitempty"`      // a checksum of what the source is packed in that is wrong (--salvage)
}

type lostDoc struct {
	Offset int64 `json:"offset"`
	Length int64 `json:"length"`
}

// convertFlags are the flags of convert.
type convertFlags struct {
	src      *source
	layout   layout
	progress *string
	part     *convert.Range

	output, snapshot, target         string
	backing, backingFormat           *string
	flatten                          bool
	force, device, noCreate          bool
	verify, salvage, noClone, noSync bool
	skipFree                         bool
	noSpace                          bool
	workers                          int
	sparse, memory                   sizeFlag
	maxOutput                        sizeFlag

	bitmaps bool
	behind  []string // images whose disks follow that of the source

	there int64 // size of the disk that -n writes onto
}

func newConvert(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "convert [flags] SOURCE… OUTPUT",
		Short: "Copy a disk into an image of another format",
		Long: `Copies the disk of an image into a new image. What the source does not hold and
what is all zeros takes no room. A chain of images is flattened, unless --backing
keeps the output an overlay. The disks of several sources lie in the output one
after the other.

The output appears complete or not at all: it gets its name at the end, and so do
all its files where it has several. Standard output ("-", raw only) and block
devices (--device) are the exceptions: after a failure they hold a part of the disk.

Files that are compressed as a whole (gzip, xz, zstd, bzip2, lzop) are read as what
they hold, without a scratch file: a raw disk in one pass, an image of another
format in several. The source "-" is standard input, which may be compressed too;
it must be a raw disk, since it is read once. A raw disk has no mark at its end:
if the program that writes it fails, it is only shorter. --length SIZE makes that
an error.`,
		Example: `  guestkit convert disk.vmdk disk.qcow2
  guestkit convert -c disk.raw small.qcow2
  guestkit convert -O qcow2 -o cluster_size=2M,compat=1.1 disk.img out.qcow2
  guestkit convert disk.raw.xz disk.qcow2
  guestkit convert --skip-free -c disk.vmdk small.qcow2
  curl -s https://example.org/disk.raw.zst | guestkit convert - disk.qcow2
  guestkit convert --target azure disk.qcow2 disk.vhd
  guestkit convert disk.qcow2 - | ssh host 'dd of=/dev/vg/disk'`,
	}
	c := &convertFlags{src: a.sourceFlags(cmd), sparse: 4096, memory: 64 << 20}
	c.layout.flags(cmd, "output-format", "O")
	c.layout.compressFlag(cmd)
	c.progress = a.progressFlag(cmd)
	a.jsonFlag(cmd)
	platformFlag(cmd, &c.target, "write what this `PLATFORM` takes")
	snapshotFlag(cmd, &c.snapshot, "copy")
	c.backing, c.backingFormat = backingFlags(cmd, "B", "write an overlay on `FILE`, which must be in the source's own chain or read the same")
	c.src.backing = c.backing
	forceFlag(cmd, &c.force)
	c.part = rangeFlags(cmd, "copy", "", "")
	ignoredFlags(cmd, "tTCWr")
	f := cmd.Flags()
	f.StringVar(&c.output, "output", "", "the `FILE` to write, in place of the second argument")
	f.BoolVar(&c.flatten, "flatten", false, "write all of the disk (the default)")
	f.BoolVar(&c.device, "device", false, "overwrite the block device that the output names")
	f.BoolVarP(&c.noCreate, "no-create", "n", false, "write onto a block device, or replace an image of the same size")
	f.Bool("target-is-zero", false, "ignored, for qemu-img's sake: zeros are written where they cost nothing")
	f.BoolVar(&c.verify, "verify", false, "read the output again and compare it before it gets its name")
	skipFreeFlag(cmd, &c.skipFree)
	f.BoolVar(&c.bitmaps, "bitmaps", false, "copy the dirty bitmaps of a qcow2 image too")
	f.Bool("skip-broken-bitmaps", false, "ignored, for qemu-img's sake: bitmaps that were in use are never copied, which is said")
	f.BoolVar(&c.salvage, "salvage", false, "go on where the source cannot be read; list what is lost and exit with 1")
	f.BoolVar(&c.noClone, "no-clone", false, "copy even where files could share blocks")
	f.BoolVar(&c.noSpace, "no-space-check", false, "begin even if the data does not seem to fit")
	f.BoolVar(&c.noSync, "no-sync", false, "do not wait for the disk at the end")
	f.IntVarP(&c.workers, "workers", "m", 0, "work on `N` pieces at once; 0 takes two for each processor")
	f.VarP(&c.sparse, "sparse", "S", "leave out runs of zeros of at least this length; 0 leaves out holes of the source only")
	f.Var(&c.memory, "memory", "memory for buffers")
	f.Var(&c.maxOutput, "max-output", "stop when more data than this is written; 0 is no bound")
	cmd.RunE = func(_ *cobra.Command, args []string) error { return a.convert(c, args) }
	return cmd
}

func (a *app) convert(c *convertFlags, args []string) error {
	if c.layout.wantsHelp() {
		name := c.output
		if name == "" && len(args) > 1 {
			name = args[len(args)-1]
		}
		return c.layout.help(a, name)
	}
	src, err := c.names(args)
	if err != nil {
		return err
	}
	show, err := a.newProgress(*c.progress)
	if err != nil {
		return err
	}
	o, err := c.options(a, show)
	if err != nil {
		return err
	}
	for _, path := range slices.Concat([]string{src}, o.Append, o.Add) {
		if err := a.usable(path); path != "-" && err != nil {
			return err
		}
	}
	res, err := guestkit.Convert(a.ctx, src, c.output, o)
	show.end()
	if err != nil {
		return c.failed(err, res != nil)
	}
	return a.converted(c, res)
}

// names takes the source and the output from the arguments.
func (c *convertFlags) names(args []string) (src string, err error) {
	if src = c.src.image; src == "" {
		if len(args) == 0 {
			return "", usagef("no image is given")
		}
		src, args = args[0], args[1:]
	}
	if c.output == "" {
		if len(args) == 0 {
			return "", usagef("no output is given")
		}
		c.output, args = args[len(args)-1], args[:len(args)-1]
	}
	c.behind = args
	switch {
	case len(args) > 0 && (src == "-" || slices.Contains(args, "-")):
		return "", usagef("standard input is one source; several are read from files")
	case len(args) > 0 && (*c.backing != "" || c.snapshot != "" || c.src.image != ""):
		return "", usagef("several sources make a disk of their own: without --backing, --snapshot and --image")
	case c.workers < 0:
		return "", usagef("--workers is a number of pieces, not %d", c.workers)
	}
	if err := backingFile(*c.backing); err != nil {
		return "", err
	}
	return src, c.src.check()
}

// options are the flags as the library takes them.
func (c *convertFlags) options(a *app, show *progress) (*guestkit.ConvertOptions, error) {
	o := &guestkit.ConvertOptions{Format: c.src.options(), Add: c.src.disks, AddFormat: c.src.added.options(c.src.options()), MaxVirtualSize: int64(c.src.max), Platform: c.target,
		SkipFree: c.skipFree, Bitmaps: c.bitmaps, Append: c.behind, Backing: *c.backing, BackingFormat: *c.backingFormat, Stdin: a.in, Stdout: a.raw}
	o.Format.Snapshot = c.snapshot
	if c.part.Off > 0 || c.part.Len >= 0 {
		o.Part = c.part
	}
	o.Copy = convert.Options{Compress: c.layout.compress != "", NoClone: c.noClone, Salvage: c.salvage, Workers: c.workers,
		Sparse: int64(c.sparse), Memory: int64(c.memory), MaxOutput: int64(c.maxOutput), Progress: show.callback()}
	if c.sparse == 0 {
		o.Copy.Sparse = -1
	}
	out := &o.Output
	out.Verify, out.Device = c.verify, c.device
	out.File = convert.FileOptions{Replace: c.force, NoSync: c.noSync, NoSpaceCheck: c.noSpace, Removed: a.removed}
	if c.output == "-" && a.outTerminal {
		return nil, usagef("a disk image is not printed on a terminal; send standard output to a program or a file")
	}
	var err error
	if out.Format, err = c.format(); err != nil {
		return nil, err
	}
	out.Path = c.output
	if err := c.layout.apply(out); err != nil {
		return nil, err
	}
	if name, _ := out.Backing(); c.flatten && (name != "" || o.Backing != "") {
		return nil, usagef("--flatten and a backing file exclude each other")
	}
	if c.noCreate && !c.device {
		if err := c.onto(a, o); err != nil {
			return nil, err
		}
	}
	o.Begin = func(x *guestkit.Conversion) error { return a.begin(c, x) }
	return o, nil
}

// format is the format of the output, as the flags or its name state it.
func (c *convertFlags) format() (string, error) {
	switch {
	case c.layout.format != "":
		name := convert.FormatNamed(c.layout.format)
		if name == "" {
			return "", usagef("cannot write format %q (supported: %s)", c.layout.format, strings.Join(convert.Formats(), ", "))
		}
		return name, nil
	case c.output == "-":
		return "raw", nil
	case c.target != "":
		t, err := target.Named(c.target)
		if err != nil {
			return "", err
		}
		return t.FormatFor(c.output)
	}
	name := convert.FormatOf(c.output)
	if name == "" {
		return "", usagef("the name %q tells no format; state one with -O", c.output)
	}
	return name, nil
}

// onto is -n: the output is there already. A block device is written to, an
// image whose disk has the same size is replaced when the new one is complete.
func (c *convertFlags) onto(a *app, o *guestkit.ConvertOptions) error {
	fi, err := os.Stat(c.output)
	if err != nil {
		return err
	}
	if !fi.Mode().IsRegular() {
		o.Output.Device = true
		return nil
	}
	there, _, err := format.DescribeFile(c.output, &format.Options{Format: o.Output.Format})
	if err != nil {
		return fmt.Errorf("-n writes onto an image that is there: %w", err)
	}
	if what := unlike(there); what != "" && !c.force {
		return usagef("-n replaces the image at %s, and its %s would be lost (--force replaces it)", c.output, what)
	}
	o.Output.File.Replace = true
	c.there = there.VirtualSize
	return nil
}

// unlike is what an image has beside its disk that one which replaces it has not; ""
// if that is nothing.
func unlike(i *format.Info) string {
	switch {
	case len(i.Snapshots) > 0:
		return "snapshots"
	case len(i.Bitmaps) > 0:
		return "bitmaps"
	case i.Encryption != "":
		return "encryption"
	}
	return ""
}

// begin tells what is going to be done.
func (a *app) begin(c *convertFlags, x *guestkit.Conversion) error {
	for _, i := range x.Sources {
		a.note("opened %s: %s, %s", shownName(i), formatName(i), terminal.Size(i.VirtualSize))
		a.noteFiles(i)
	}
	a.warn(x.Problems)
	for _, rep := range x.Vacant {
		a.noteVacant(rep)
	}
	if c.layout.format == "" && !x.Stream {
		a.note("the name %s means the format %s", c.output, x.Output.Format)
	}
	if x.Added > 0 && !a.quiet {
		a.err.Printf("guestkit: %s takes disks of other sizes: %s of zeros follow the disk; the backup of a GPT is no longer at its end\n", c.target, terminal.Size(x.Added))
	}
	if size := x.Sources[0].VirtualSize; c.noCreate && !x.Output.Device && c.part.Len < 0 && size != c.there {
		return usagef("the disk at %s has %d bytes and the source %d; -n needs the same size (--force replaces it)", c.output, c.there, size)
	}
	a.tidies.Store(!x.Stream && !x.Output.Device)
	if x.Stream {
		return a.finish()
	}
	return nil
}

// removed tells what a run that was killed had left.
func (a *app) removed(l convert.Leftover) {
	switch {
	case a.quiet:
	case l.Restored != "":
		a.err.Printf("guestkit: %s is back, which a run that was killed had put away\n", l.Restored)
	default:
		a.err.Printf("guestkit: removed %s, which a run that was killed had left\n", l.Path)
	}
}

// failed says what to do about an error.
func (c *convertFlags) failed(err error, begun bool) error {
	if begun || errors.Is(err, os.ErrExist) {
		err = pathError(c.output, err)
	}
	err = hint(err, "--no-space-check begins all the same", convert.ErrSpace)
	err = hint(err, "--device writes to it", convert.ErrDevice)
	var several *format.DisksError
	if errors.As(err, &several) {
		err = fmt.Errorf("%w; choose with --disk", err)
	}
	return hint(err, "--force replaces it", os.ErrExist)
}

// converted tells what was done.
func (a *app) converted(c *convertFlags, x *guestkit.Conversion) error {
	size := x.File
	if x.Stream {
		size = -1
	}
	doc := convertDoc{Schema: schema("convert"), Source: x.Sources[0].Name, SourceFormat: x.Sources[0].Format, Output: c.output, OutputFormat: x.Output.Format,
		VirtualSize: x.Size, OutputSize: size, Data: x.Data, Zero: x.Zero, Cloned: x.Cloned, Elapsed: time.Since(a.start).Seconds(), Lost: []lostDoc{}}
	doc.SkippedFree, doc.Kept = vacantDocs(x.Vacant)
	for _, l := range x.Lost {
		doc.Lost = append(doc.Lost, lostDoc{l.Off, l.Len})
		a.err.Printf("%s %d bytes at %#x could not be read; they are zeros now\n", terminal.Yellow.In("guestkit: lost:"), l.Len, l.Off)
	}
	if x.Overlap != nil {
		doc.Overlap = inFlags(x.Overlap)
		a.err.Printf("%s %s\n", terminal.Yellow.In("guestkit: lost:"), x.Overlap)
	}
	if x.Unsound != nil {
		doc.Unsound = x.Unsound.Error()
		a.err.Printf("%s %s\n", terminal.Yellow.In("guestkit: lost:"), x.Unsound)
	}
	switch {
	case a.json:
		if err := a.documentBeside(x.Stream, doc); err != nil {
			return err
		}
	case !a.quiet && !x.Stream:
		a.out.Printf("%s: %s, %s of data in %s\n", c.output, x.Output.Format, terminal.Size(x.Data), time.Since(a.start).Round(time.Millisecond))
	}
	if len(x.Lost) > 0 || x.Overlap != nil || x.Unsound != nil {
		return exit(exitFailed)
	}
	return nil
}

// hint adds what to do about an error of that class.
func hint(err error, text string, class error) error {
	if errors.Is(err, class) {
		return fmt.Errorf("%w (%s)", err, text)
	}
	return err
}
