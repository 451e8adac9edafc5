package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/guestkit/guestkit/format"
	"github.com/guestkit/guestkit/internal/terminal"
	"github.com/guestkit/guestkit/vmdk"
)

type infoDoc struct {
	Schema   string   `json:"schema"`
	Image    imageDoc `json:"image"`
	Digest   string   `json:"digest,omitempty"` // with --digest
	Problems []string `json:"problems"`
}

func newInfo(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "info [flags] IMAGE…",
		Short: "Describe an image file: format, sizes, chain, features, snapshots",
		Long: `Describes an image file: its format, sizes, features, internal snapshots and the
files that it names. Those are opened only where the rules allow it, and an
image that cannot be read, such as an encrypted one, is described all the same.

'detect' tells the format in a word, 'volumes' what is on the disk, 'inspect'
which systems.`,
		Example: `  guestkit info disk.qcow2
  guestkit info --json *.qcow2 | jq .image.virtual_size`,
	}
	src := a.sourceFlags(cmd)
	a.jsonFlag(cmd)
	verify := cmd.Flags().Bool("verify", false, "compare the files of an OVA or OVF with its manifest; exit with 1 if they differ")
	sum := cmd.Flags().Bool("digest", false, "read the disk, and print its digest too (see 'guestkit digest')")
	compat := compatFlag(cmd, "info")
	backing := cmd.Flags().Bool("backing-chain", false, "with --compat=qemu: list the images behind it too")
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		qemu, err := compat.qemu()
		if err != nil {
			return err
		}
		guests, err := src.each(args)
		if err != nil {
			return err
		}
		var files [][]string // each disk is described for itself
		for _, disks := range guests {
			for _, path := range disks {
				files = append(files, []string{path})
			}
		}
		return a.forEach(files, true, func(disks []string) error {
			if qemu {
				return a.qemuInfo(disks[0], src.options(), *backing)
			}
			return a.info(disks[0], src.options(), *verify, *sum)
		})
	}
	return cmd
}

func (a *app) info(path string, o *format.Options, verify, sum bool) error {
	if err := a.usable(path); err != nil {
		return err
	}
	info, faults, err := format.DescribeFile(path, o)
	if err != nil {
		return err
	}
	a.note("opened %s", shownImage(path))
	// What lies behind it can be described only if it can be opened.
	if info.Backing != nil || info.DataFile != nil || len(extentFiles(info)) > 0 {
		img, err := format.OpenFile(path, o)
		if err == nil {
			info, faults = img.Info(), img.Problems()
			defer img.Close()
			a.noteFiles(info)
		} else {
			faults = append(faults, err)
		}
	}
	if info.Format == "ovf" { // its disks are files beside it, too
		if images, err := format.OpenFileDisks(path, o); err == nil {
			info.Disks = nil
			for _, img := range images {
				info.Disks = append(info.Disks, img.Info())
				faults = img.Problems() // with those of the package
				defer img.Close()
			}
		} else {
			faults = append(faults, err)
		}
	}
	var sums []error
	if verify {
		if sums, err = a.verifyPackage(path, o); err != nil {
			return err
		}
		faults = append(faults, sums...)
	}
	digest := ""
	if sum {
		if digest, err = a.diskDigest(path, o); err != nil {
			return err
		}
	}
	if a.json {
		if err := a.document(infoDoc{schema("info"), newImageDoc(info), digest, texts(faults)}); err != nil {
			return err
		}
	} else if !a.quiet {
		a.showInfo(info)
		if digest != "" {
			a.out.Printf("digest: %s (%s)\n", digest, digestAlgorithm)
		}
		a.showProblems(faults)
	}
	a.noteTime()
	if len(sums) > 0 {
		return exit(exitFailed)
	}
	return nil
}

func (a *app) showInfo(i *format.Info) {
	a.out.Printf("%s\n", terminal.Bold.In(i.Name))
	t := &terminal.Table{Indent: 2}
	row := func(title string, value string) {
		if value != "" {
			t.Row(terminal.Dim.In(title), value)
		}
	}
	row("format", formatLine(i))
	row("read by", i.ReadBy)
	row("virtual size", fmt.Sprintf("%s (%d bytes)", terminal.Size(i.VirtualSize), i.VirtualSize))
	if v := i.VHD; v != nil {
		row("sizes", fmt.Sprintf("%d bytes (current), %d by geometry; creator %q", v.CurrentSize, v.GeometrySize, v.Creator))
	}
	size := terminal.Size(i.FileSize)
	if i.Allocated >= 0 {
		size += fmt.Sprintf(", %s on disk", terminal.Size(i.Allocated))
	}
	row("file size", size)
	if i.SectorSize > 0 {
		row("sector size", fmt.Sprintf("%d bytes", i.SectorSize))
	}
	if i.ClusterSize > 0 {
		row("cluster size", terminal.Size(i.ClusterSize))
	}
	row("compression", i.CompressionType)
	row("encryption", i.Encryption)
	if i.RefcountBits > 0 {
		row("refcounts", fmt.Sprintf("%d bits", i.RefcountBits)+iff(i.LazyRefcounts, ", lazy"))
	}
	row("subclusters", iff(i.ExtendedL2, "yes, the L2 tables are extended"))
	row("state", strings.TrimPrefix(iff(i.Dirty, ", was not closed")+iff(i.Corrupt, ", marked as corrupt"), ", "))
	var features []string
	for _, f := range i.Features {
		name := f.Name
		if name == "" {
			name = fmt.Sprintf("unknown %s bit %d", f.Type, f.Bit)
		}
		features = append(features, name)
	}
	row("features", strings.Join(features, ", "))
	row("backing file", refLine(i.Backing))
	row("data file", refLine(i.DataFile))
	row("parts", partLine(i.Parts))
	row("extents", extentLine(extentFiles(i)))
	for n, below := range i.Chain {
		title := ""
		if n == 0 {
			title = "chain"
		}
		t.Row(terminal.Dim.In(title), fmt.Sprintf("%s (%s, %s)", below.Name, below.Format, terminal.Size(below.VirtualSize)))
	}
	a.out.Table(t)
	a.showMachines(i)

	if len(i.Snapshots) > 0 {
		a.out.Printf("\n")
		t := &terminal.Table{Indent: 2, Right: "---rr"}
		t.Head("SNAPSHOT", "NAME", "DATE (UTC)", "DISK", "VM STATE")
		for _, s := range i.Snapshots {
			t.Row(s.ID, s.Name, s.Date.UTC().Format(time.DateTime), terminal.Size(s.DiskSize), terminal.Size(s.VMStateSize))
		}
		a.out.Table(t)
	}
	if len(i.Bitmaps) > 0 {
		a.out.Printf("\n")
		t := &terminal.Table{Indent: 2, Right: "-r"}
		t.Head("BITMAP", "GRANULARITY", "STATE")
		for _, b := range i.Bitmaps {
			t.Row(b.Name, terminal.Size(b.Granularity), strings.TrimPrefix(iff(b.InUse, ", in use")+iff(b.Auto, ", auto"), ", "))
		}
		a.out.Table(t)
	}
}

func formatLine(i *format.Info) string {
	s := i.Format
	if i.Version != "" {
		s += " version " + i.Version
	}
	if i.Compat != "" {
		s += " (compat " + i.Compat + ")"
	}
	if i.Subformat != "" {
		s += ", " + i.Subformat
	}
	return s + iff(i.Wrapper != "", ", in "+i.Wrapper) + iff(i.Stated, ", as stated")
}

func refLine(r *format.Reference) string {
	if r == nil {
		return ""
	}
	return r.Name + " (" + iff(r.Format != "", r.Format) + iff(r.Format == "", "its format is not stated") + ")"
}

// extentFiles are the extents of a VMDK whose descriptor is a file of its own.
func extentFiles(i *format.Info) []vmdk.ExtentInfo {
	if i.VMDK == nil || i.VMDK.Version > 0 { // one file, which holds its descriptor
		return nil
	}
	return i.VMDK.Extents
}

// extentLine names the files of extents; those without one are zeros.
func extentLine(extents []vmdk.ExtentInfo) string {
	const most = 8
	var names []string
	for _, e := range extents {
		if e.Name != "" && (len(names) == 0 || names[len(names)-1] != e.Name) {
			names = append(names, e.Name)
		}
	}
	if n := len(names); n > most {
		return fmt.Sprintf("%d files, %s to %s", n, names[0], names[n-1])
	}
	return strings.Join(names, ", ")
}

// iff is s if the condition holds, else nothing.
func iff(condition bool, s string) string {
	if condition {
		return s
	}
	return ""
}
