package main

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/guestkit/guestkit/block"
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
	OutputSize   int64     `json:"output_size"`       // of all its files; -1 of a stream
	Data         int64     `json:"data"`              // bytes of the disk that were written
	Zero         int64     `json:"zero"`              // and left out as zeros
	Cloned       int64     `json:"cloned"`            // the part of data that shares blocks with the source
	Elapsed      float64   `json:"elapsed"`           // seconds
	Lost         []lostDoc `json:"lost"`              // unreadable, zeros in the output (--salvage)
	Overlap      string    `json:"overlap,omitempty"` // blocks of the source that lie over each other (--salvage)
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

	output, snapshot, target         string
	backing, backingFormat           string
	flatten                          bool
	force, device, noCreate          bool
	verify, salvage, noClone, noSync bool
	noSpace                          bool
	workers                          int
	sparse, memory                   sizeFlag
	maxOutput, offset                sizeFlag
	length                           sizeFlag
}

func newConvert(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "convert [flags] SOURCE OUTPUT",
		Short: "Copy a disk into an image of another format",
		Long: `Copies the disk of an image into a new image. What the source does not hold and
what is all zeros takes no room. A chain of images is flattened, unless --backing
keeps the output an overlay.

The output appears complete or not at all: it is written beside its name and
renamed at the end. Standard output ("-", raw only) and block devices (--device)
are the exceptions: after a failure they hold a part of the disk.

Files that are compressed as a whole (gzip, xz, zstd, bzip2) are read as what
they hold, without a scratch file: a raw disk in one pass, an image of another
format in several. The source "-" is standard input, which may be compressed too;
it must be a raw disk, since it is read once. A raw disk has no mark at its end:
if the program that writes it fails, it is only shorter. --length SIZE makes that
an error.`,
		Example: `  guestkit convert disk.vmdk disk.qcow2
  guestkit convert -c disk.raw small.qcow2
  guestkit convert -O qcow2 -o cluster_size=2M,compat=1.1 disk.img out.qcow2
  guestkit convert disk.raw.xz disk.qcow2
  curl -s https://example.org/disk.raw.zst | guestkit convert - disk.qcow2
  guestkit convert --target azure disk.qcow2 disk.vhd
  guestkit convert disk.qcow2 - | ssh host 'dd of=/dev/vg/disk'`,
	}
	c := &convertFlags{src: a.sourceFlags(cmd), sparse: 4096, memory: 64 << 20, length: -1}
	c.layout.flags(cmd, "output-format", "O")
	c.progress = a.progressFlag(cmd)
	a.jsonFlag(cmd)
	f := cmd.Flags()
	f.StringVar(&c.output, "output", "", "the `FILE` to write, in place of the second argument")
	f.StringVar(&c.target, "target", "", "write what this `PLATFORM` takes: "+strings.Join(target.Names(), ", "))
	cmd.RegisterFlagCompletionFunc("target", cobra.FixedCompletions(target.Names(), cobra.ShellCompDirectiveNoFileComp))
	f.StringVarP(&c.layout.compress, "compress", "c", "", "compress; `TYPE[,LEVEL]`, zlib or zstd, stands behind a = as in -c=zstd,9")
	f.Lookup("compress").NoOptDefVal = "auto"
	f.StringVarP(&c.snapshot, "snapshot", "l", "", "copy the internal snapshot of this `ID` or name")
	f.StringVarP(&c.backing, "backing", "B", "", "make an overlay (qcow2, vmdk, vhd) of the backing `FILE`, which the source has too: write only what differs from it")
	f.StringVarP(&c.backingFormat, "backing-format", "F", "", "the `FORMAT` of the backing file")
	f.BoolVar(&c.flatten, "flatten", false, "write all of the disk (the default)")
	f.BoolVar(&c.force, "force", false, "replace the output if it exists")
	f.BoolVar(&c.device, "device", false, "the output is a block device, which is overwritten")
	f.BoolVarP(&c.noCreate, "no-create", "n", false, "the same as --device: write into a target that is there")
	f.BoolVar(&c.verify, "verify", false, "read the output again and compare it before it gets its name")
	f.BoolVar(&c.salvage, "salvage", false, "go on where the source cannot be read; list what is lost and exit with 1")
	f.BoolVar(&c.noClone, "no-clone", false, "copy even where files could share blocks")
	f.BoolVar(&c.noSpace, "no-space-check", false, "begin even if the data does not seem to fit onto the file system of the output")
	f.BoolVar(&c.noSync, "no-sync", false, "do not wait for the disk at the end")
	f.IntVarP(&c.workers, "workers", "m", 0, "work on `N` pieces at once; 0 takes two for each processor")
	f.VarP(&c.sparse, "sparse", "S", "leave out runs of zeros in the data of at least this length; with 0 only what the source does not hold")
	f.Var(&c.memory, "memory", "memory for buffers")
	f.Var(&c.maxOutput, "max-output", "stop when more data than this is written; 0 is no bound")
	f.Var(&c.offset, "offset", "start at this byte of the disk")
	f.Var(&c.length, "length", "copy this much of the disk")
	var unordered bool
	f.BoolVarP(&unordered, "unordered", "W", false, "accepted for qemu-img's sake: writes are always out of order where that helps")
	cmd.RunE = func(_ *cobra.Command, args []string) error { return a.convert(c, args) }
	return cmd
}

func (a *app) convert(c *convertFlags, args []string) error {
	disks, rest, err := c.src.one(args)
	if err != nil {
		return err
	}
	if c.output == "" {
		if len(rest) == 0 {
			return usagef("no output is given")
		}
		c.output, rest = rest[0], rest[1:]
	}
	if len(rest) > 0 {
		return usagef("convert takes one source and one output")
	}
	if c.workers < 0 {
		return usagef("--workers is a number of pieces, not %d", c.workers)
	}
	show, err := a.newProgress(*c.progress)
	if err != nil {
		return err
	}
	stream := c.output == "-"
	if stream && c.layout.format == "" {
		c.layout.format = "raw"
	}
	if c.target != "" && c.layout.format == "" {
		t, err := target.Named(c.target)
		if err != nil {
			return usagef("%w", err)
		}
		c.layout.format = t.Formats()[0]
		if named := convert.FormatOf(c.output); slices.Contains(t.Formats(), named) {
			c.layout.format = named
		}
	}
	out, err := c.layout.output(c.output)
	if err != nil {
		return err
	}
	if stream && out.Format != "raw" {
		return usagef("standard output takes raw images only")
	}
	if stream && out.SplitSize != 0 {
		return usagef("standard output is not cut into parts")
	}
	if len(disks) > 1 && out.Format != "ova" {
		return usagef("%s images hold one disk; an OVA takes several", out.Format)
	}
	o := c.src.options()
	o.Snapshot = strings.TrimPrefix(strings.TrimPrefix(c.snapshot, "snapshot.id="), "snapshot.name=")
	var in *input
	if disks[0] == "-" && (out.Format == "ova" || c.target != "") {
		if disks[0] = regularStdin(a.in); disks[0] == "" {
			return usagef("an OVA, and what --target writes, need a disk of a known size, which a pipe has not; save it to a file first")
		}
	}
	if out.Format == "ova" {
		in, err = a.openMachine(disks, o)
	} else if c.target != "" { // whose rules are of a disk of a known size
		in, err = a.openDisk(disks[0], o)
	} else {
		in, err = a.openInput(disks[0], o, stream || convert.Grows(out.Format))
	}
	if err != nil {
		return err
	}
	defer in.Close()
	if err := c.src.chosen(in.info); err != nil {
		return err
	}

	opts := &convert.Options{Compress: c.layout.compress != "", NoClone: c.noClone, Salvage: c.salvage, Workers: c.workers,
		Sparse: int64(c.sparse), Memory: int64(c.memory), MaxOutput: int64(c.maxOutput), Progress: show.callback()}
	if c.sparse == 0 {
		opts.Sparse = -1
	}
	out.Verify, out.Device = c.verify, c.device || c.noCreate
	out.File = convert.FileOptions{Replace: c.force, NoSync: c.noSync, NoSpaceCheck: c.noSpace, Sources: in.paths()}
	if err := c.overlay(out, opts, in.info); err != nil {
		return err
	}
	if out.Format == "ova" {
		if err := a.machine(out, disks[0], in.info, o); err != nil {
			return err
		}
	}
	if c.layout.format == "" {
		a.note("the name %s means the format %s", c.output, out.Format)
	}
	a.tidies.Store(!stream && !out.Device)
	if stream {
		if err := a.finish(); err != nil {
			return err
		}
	}
	var res convert.Result
	if in.stream != nil {
		res, err = a.copyStream(c, in, out, opts, stream)
	} else {
		res, err = a.copyDisk(c, in, out, opts, stream)
	}
	show.end()
	if err != nil {
		err = hint(pathError(c.output, err), "--no-space-check begins all the same", convert.ErrSpace)
		return hint(err, "--force replaces it", os.ErrExist)
	}
	return a.converted(c, in.info, out, res, stream)
}

// copyDisk copies an image.
func (a *app) copyDisk(c *convertFlags, in *input, out *convert.Output, opts *convert.Options, stream bool) (convert.Result, error) {
	var src block.Device = in.img
	if c.offset > 0 || c.length >= 0 {
		n, rest := int64(c.length), src.Size()-int64(c.offset)
		if n < 0 {
			n = rest
		}
		if n < 0 || n > rest {
			return convert.Result{}, pathError(in.info.Name, block.Errorf("", "disk", -1, block.ErrTruncated, "it ends at %d, before the part that is to be copied", src.Size()))
		}
		src = ranged{block.Section(src, int64(c.offset), n), in.img}
	}
	disks := []block.Device{src}
	for _, img := range in.all[min(1, len(in.all)):] {
		disks = append(disks, img)
	}
	if c.target != "" {
		for i, d := range disks {
			fit, err := a.plan(c.target, out, d)
			if err != nil {
				return convert.Result{}, err
			}
			disks[i] = fit
		}
	}
	if stream {
		return convert.ToStream(a.ctx, disks[0], a.raw, opts)
	}
	if len(disks) > 1 {
		return convert.ToOVA(a.ctx, disks, out, opts)
	}
	return convert.ToFile(a.ctx, disks[0], out, opts)
}

// copyStream copies what is read once.
func (a *app) copyStream(c *convertFlags, in *input, out *convert.Output, opts *convert.Options, stream bool) (convert.Result, error) {
	var src convert.Stream = in.stream
	if c.offset > 0 || c.length >= 0 {
		r, err := cutStream(in.stream, int64(c.offset), int64(c.length))
		if err != nil {
			return convert.Result{}, err
		}
		src = r
	}
	if stream {
		return convert.StreamToStream(a.ctx, src, a.raw, opts)
	}
	return convert.StreamToFile(a.ctx, src, out, opts)
}

// converted tells what was done.
func (a *app) converted(c *convertFlags, info *format.Info, out *convert.Output, res convert.Result, stream bool) error {
	size := res.File
	if stream {
		size = -1
	}
	doc := convertDoc{Schema: schema("convert"), Source: info.Name, SourceFormat: info.Format, Output: c.output, OutputFormat: out.Format,
		VirtualSize: res.Size, OutputSize: size, Data: res.Data, Zero: res.Zero, Cloned: res.Cloned, Elapsed: time.Since(a.start).Seconds(), Lost: []lostDoc{}}
	for _, l := range res.Lost {
		doc.Lost = append(doc.Lost, lostDoc{l.Off, l.Len})
		a.err.Printf("%s %s at %s could not be read; they are zeros now\n", terminal.Yellow.In("guestkit: lost:"), fmt.Sprintf("%d bytes", l.Len), fmt.Sprintf("%#x", l.Off))
	}
	if res.Overlap != nil {
		doc.Overlap = res.Overlap.Error()
	}
	switch {
	case a.json && !stream:
		if err := a.document(doc); err != nil {
			return err
		}
	case !a.quiet && !stream:
		a.out.Printf("%s: %s, %s of data in %s\n", c.output, out.Format, terminal.Size(res.Data), time.Since(a.start).Round(time.Millisecond))
	}
	if res.Overlap != nil {
		a.err.Printf("%s %s\n", terminal.Yellow.In("guestkit: lost:"), res.Overlap)
	}
	if len(res.Lost) > 0 || res.Overlap != nil {
		return exit(exitFailed)
	}
	return nil
}

// overlay makes the output an overlay if it is to be one.
func (c *convertFlags) overlay(out *convert.Output, opts *convert.Options, info *format.Info) error {
	if err := setBacking(out, c.backing, c.backingFormat); err != nil {
		return err
	}
	name, _ := backingOf(out)
	if name == "" {
		return nil
	}
	if c.flatten {
		return usagef("--flatten and a backing file exclude each other")
	}
	// What comes from the backing file of the source stays there if that is the
	// same file.
	fi, err := os.Stat(besideOutput(out, name))
	if err != nil {
		return err
	}
	for i, below := range info.Chain {
		if bfi, err := os.Stat(below.Name); err == nil && os.SameFile(fi, bfi) {
			if out.Qcow2.BackingFormat == "" {
				out.Qcow2.BackingFormat = below.Format
			}
			opts.KeepDepth = i + 1
		}
	}
	if _, stated := backingOf(out); stated == "" {
		return usagef("state the format of the backing file with -F")
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
