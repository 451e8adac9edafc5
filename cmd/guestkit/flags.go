package main

import (
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/guestkit/guestkit/convert"
	"github.com/guestkit/guestkit/format"
	gfs "github.com/guestkit/guestkit/fs"
	"github.com/guestkit/guestkit/target"
	"github.com/guestkit/guestkit/vhd"
)

// Every flag that several commands have is defined in this file, once: its
// name, its letter and what help says of it. A command takes the groups that it
// needs:
//
//	sourceFlags   the disks of a guest, and how they are opened
//	runSource     how the images of a plan are opened
//	storedFlags   the one image that check and resize look at as a file
//	volumeFlag    what is looked at within a guest
//	layout.flags  what is written (layout.go)
//
// What qemu-img's commands take and has no meaning here is accepted by
// ignoredFlags.

// source is the disks that a command reads, and how.
type source struct {
	a      *app
	image  string   // --image, in place of the first argument
	added           // -a, further disks of the same guest
	format string   // -f
	allow  []string // --allow-dir
	disk   string   // --disk, of a package
	typ    string   // --type, of --volume
	max    sizeFlag // --max-virtual-size
	ratio  sizeFlag // --max-ratio
	remote remotes
	keys   keySource

	devices devicesOf // --device-of

	// snapshot is one of a qcow2, where the command lets it be named.
	snapshot string

	diskFormat    string  // --disk-format, of what a package holds
	backingFormat string  // --backing-format, where an image does not say it
	backing       *string // --backing of what is written, to which the format belongs then
	vhdSize       string  // --vhd-size
}

// sourceFlags gives a command the flags of its disks.
func (a *app) sourceFlags(cmd *cobra.Command) *source {
	s := &source{a: a, max: sizeFlag(format.DefaultWrappedLimits().Size), ratio: sizeFlag(format.DefaultWrappedLimits().Ratio)}
	f := cmd.Flags()
	s.formatFlag(cmd)
	f.VarP(&s.added, "add", "a", "add a `DISK` to the same guest; repeatable. DISK,format=FORMAT states its format in place of -f")
	s.deviceFlag(cmd)
	s.allowFlag(cmd)
	s.keyFlags(cmd)
	s.remoteFlags(cmd)
	f.StringVar(&s.disk, "disk", "", "take only this `DISK` of an OVA or OVF: its number, id or file")
	f.Var((*formatFlag)(&s.diskFormat), "disk-format", "take the disks of an OVA or OVF to be of this `FORMAT`")
	short := ""
	if cmd.Name() == "convert" { // elsewhere -F is another flag's
		short = "F"
	}
	f.VarP((*formatFlag)(&s.backingFormat), "backing-format", short, "the `FORMAT` of a backing file, where the image does not say it")
	s.vhdFlag(cmd)
	f.Var(&s.max, "max-virtual-size", "refuse larger disks, and compressed files that unpack to more")
	f.Var(&s.ratio, "max-ratio", "refuse a compressed file that expands to more than `N` times its size")
	forceShare(cmd)
	f.StringVar(&s.image, "image", "", "the `IMAGE`, in place of the first argument")
	f.StringVar(&s.image, "source", "", "the same as --image (`IMAGE`)")
	return s
}

// runSource gives run the flags of how images are opened; a plan says which.
func (a *app) runSource(cmd *cobra.Command) *source {
	s := &source{a: a, max: sizeFlag(format.DefaultWrappedLimits().Size), ratio: sizeFlag(format.DefaultWrappedLimits().Ratio)}
	f := cmd.Flags()
	s.allowFlag(cmd)
	s.keyFlags(cmd)
	s.remoteFlags(cmd)
	s.vhdFlag(cmd)
	f.Var(&s.max, "max-virtual-size", "refuse compressed files that unpack to more")
	f.Var(&s.ratio, "max-ratio", "refuse a compressed file that expands to more than `N` times its size")
	return s
}

// storedFlags gives a command the flags of one image that is looked at as a
// file.
func (a *app) storedFlags(cmd *cobra.Command) *source {
	s := &source{a: a}
	s.formatFlag(cmd)
	s.allowFlag(cmd)
	s.remoteFlags(cmd)
	s.vhdFlag(cmd)
	return s
}

func (s *source) vhdFlag(cmd *cobra.Command) {
	cmd.Flags().StringVar(&s.vhdSize, "vhd-size", "", "which `SIZE` of a VHD counts: current, in bytes, or geometry")
	cmd.RegisterFlagCompletionFunc("vhd-size", cobra.FixedCompletions([]string{"current", "geometry"}, cobra.ShellCompDirectiveNoFileComp))
}

// vhdSizes are what --vhd-size may say.
var vhdSizes = map[string]vhd.SizeRule{"": vhd.SizeByCreator, "current": vhd.SizeCurrent, "geometry": vhd.SizeGeometry}

func (s *source) formatFlag(cmd *cobra.Command) {
	cmd.Flags().VarP((*formatFlag)(&s.format), "format", "f", "take the image to be of this `FORMAT`, without probing")
	cmd.RegisterFlagCompletionFunc("format", cobra.FixedCompletions(format.Names(), cobra.ShellCompDirectiveNoFileComp))
}

func (s *source) allowFlag(cmd *cobra.Command) {
	cmd.Flags().StringArrayVar(&s.allow, "allow-dir", nil, "let an image name files in `DIR` as well as in its own folder; repeatable")
	cmd.MarkFlagDirname("allow-dir")
}

// volumeFlag gives a command the flags --volume and --type.
func (s *source) volumeFlag(cmd *cobra.Command) *string {
	typ := "type"
	if cmd.Name() == "find" { // there --type is find's own
		typ = "volume-type"
	}
	cmd.Flags().StringVar(&s.typ, typ, "", "take the filesystem of --volume to be of this `TYPE`, whatever is found there")
	cmd.RegisterFlagCompletionFunc(typ, cobra.FixedCompletions(gfs.Types(), cobra.ShellCompDirectiveNoFileComp))
	v := cmd.Flags().String("volume", "", "work on this `VOLUME` alone, as 'guestkit volumes' names it")
	cmd.RegisterFlagCompletionFunc("volume", s.completeVolumes)
	return v
}

// A formatFlag is the name of a format, in any case.
type formatFlag string

func (f *formatFlag) String() string { return string(*f) }
func (f *formatFlag) Type() string   { return "FORMAT" }
func (f *formatFlag) Set(text string) error {
	*f = formatFlag(strings.ToLower(text))
	return nil
}

// backingFlags are those of what is written as an overlay.
func backingFlags(cmd *cobra.Command, letter, help string) (name, format *string) {
	name, format = new(string), new(string)
	cmd.Flags().StringVarP(name, "backing", letter, "", help)
	if f := cmd.Flags().Lookup("backing-format"); f != nil { // that of what is read too
		return name, (*string)(f.Value.(*formatFlag))
	}
	cmd.Flags().VarP((*formatFlag)(format), "backing-format", "F", "the `FORMAT` of the backing file")
	return name, format
}

// backingFile refuses an address as what an overlay lies on.
func backingFile(name string) error {
	if format.IsAddress(name) {
		return usagef("%s is an address, and an overlay lies on a file", shownImage(name))
	}
	return nil
}

// jsonFlag gives a command the flag --json.
func (a *app) jsonFlag(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&a.json, "json", false, "print a JSON document; docs/json.md describes it")
}

// compatFlag gives a command the flag --compat, and with it --output as
// qemu-img has it.
func compatFlag(cmd *cobra.Command, command string) *compat {
	c := &compat{}
	cmd.Flags().StringVar(&c.program, "compat", "", "print JSON as another `PROGRAM` does: qemu, that of qemu-img "+command)
	cmd.Flags().StringVar(&c.output, "output", "", "human, or json for what --compat=qemu prints (`FORM`)")
	return c
}

// compat is whose JSON a command prints.
type compat struct{ program, output string }

// qemu reports whether qemu-img's JSON is asked for.
func (c *compat) qemu() (bool, error) {
	switch {
	case c.program != "" && c.program != "qemu":
		return false, usagef("--compat is qemu, not %q", c.program)
	case c.output != "" && c.output != "json" && c.output != "human":
		return false, usagef("--output is json or human, not %q", c.output)
	}
	return c.program == "qemu" || c.output == "json", nil
}

// completeFlag gives a command the flag --require-complete.
func completeFlag(cmd *cobra.Command) *bool {
	return cmd.Flags().Bool("require-complete", false, "exit with 4 if some volume was not read")
}

// progressFlag gives a command the flag --progress.
func (a *app) progressFlag(cmd *cobra.Command) *string {
	how := cmd.Flags().StringP("progress", "p", "", "show progress: bar, json (lines on stderr) or none (`FORM`; default: bar on a terminal)")
	cmd.Flags().Lookup("progress").NoOptDefVal = "bar"
	return how
}

// platformFlag gives a command the flag --target.
func platformFlag(cmd *cobra.Command, p *string, help string) {
	cmd.Flags().StringVar(p, "target", "", help+": "+strings.Join(target.Names(), ", "))
	cmd.RegisterFlagCompletionFunc("target", cobra.FixedCompletions(target.Names(), cobra.ShellCompDirectiveNoFileComp))
}

// snapshotFlag gives a command the flag --snapshot.
func snapshotFlag(cmd *cobra.Command, p *string, verb string) {
	cmd.Flags().StringVarP(p, "snapshot", "l", "", verb+" the internal snapshot of this `ID` or name")
}

// forceFlag gives a command the flag --force.
func forceFlag(cmd *cobra.Command, p *bool) {
	cmd.Flags().BoolVar(p, "force", false, "replace the output if it exists")
}

// forceShare gives a command the flag -U of qemu-img, which asks for what is
// always so here.
func forceShare(cmd *cobra.Command) {
	cmd.Flags().BoolP("force-share", "U", false, "ignored, for qemu-img's sake: images are opened without locking them")
}

// The modes of caches that qemu-img takes.
var cacheModes = []string{"none", "writeback", "writethrough", "directsync", "unsafe"}

// A cacheFlag is a mode of caches, which is checked and ignored.
type cacheFlag string

func (f *cacheFlag) String() string { return string(*f) }
func (f *cacheFlag) Type() string   { return "MODE" }
func (f *cacheFlag) Set(text string) error {
	if !slices.Contains(cacheModes, text) {
		return usagef("%q is not one of %s", text, strings.Join(cacheModes, ", "))
	}
	*f = cacheFlag(text)
	return nil
}

// ignoredFlags accepts flags of qemu-img that change nothing here: "t" and "T"
// (caches), "C" (copy offloading), "W" (unordered writes), "r" (a rate).
func ignoredFlags(cmd *cobra.Command, letters string) {
	f := cmd.Flags()
	for _, letter := range letters {
		switch letter {
		case 't':
			f.VarP(new(cacheFlag), "cache", "t", "ignored, for qemu-img's sake: a `MODE` of caches")
		case 'T':
			f.VarP(new(cacheFlag), "source-cache", "T", "ignored, for qemu-img's sake: a `MODE` of caches")
		case 'C':
			f.BoolP("copy-range", "C", false, "ignored, for qemu-img's sake: blocks are shared where the system can")
		case 'r':
			f.VarP(new(sizeFlag), "rate", "r", "ignored, for qemu-img's sake: a rate of bytes a second")
		case 'W':
			f.BoolP("unordered", "W", false, "ignored, for qemu-img's sake: writes are out of order where that helps")
		}
	}
}

// rangeFlags gives a command the flags of a part of the disk, by qemu-img's
// names as well, which have the letters start and most.
func rangeFlags(cmd *cobra.Command, verb, start, most string) *convert.Range {
	r := &convert.Range{Len: -1}
	f := cmd.Flags()
	f.Var((*sizeFlag)(&r.Off), "offset", "start at this byte of the disk")
	f.Var((*sizeFlag)(&r.Len), "length", verb+" this much of the disk")
	f.VarP((*sizeFlag)(&r.Off), "start-offset", start, "the same as --offset")
	f.VarP((*sizeFlag)(&r.Len), "max-length", most, "the same as --length")
	return r
}
