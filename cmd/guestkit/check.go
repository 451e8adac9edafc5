package main

import (
	"errors"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/convert"
	"github.com/guestkit/guestkit/format"
	"github.com/guestkit/guestkit/internal/terminal"
	"github.com/guestkit/guestkit/qcow2"
)

// The exit codes of check, which are those of qemu-img check.
const (
	checkUnfinished  = 1
	checkCorrupt     = 2
	checkLeaks       = 3
	checkUnsupported = 63
)

type checkDoc struct {
	Schema      string     `json:"schema"`
	Path        string     `json:"path"`
	Format      string     `json:"format"`
	Unit        string     `json:"unit"` // what is counted: clusters, grains, blocks
	Corruptions int64      `json:"corruptions"`
	Leaks       int64      `json:"leaks"`
	Dirty       bool       `json:"dirty"`   // a program did not close the image
	Corrupt     bool       `json:"corrupt"` // a program marked it
	Repaired    bool       `json:"repaired"`
	ImageEnd    int64      `json:"image_end"`
	Clusters    int64      `json:"clusters"`
	Allocated   int64      `json:"allocated_clusters"`
	Compressed  int64      `json:"compressed_clusters"`
	Faults      []faultDoc `json:"faults"`
	Notes       []string   `json:"notes,omitempty"` // what there is to say besides
	*packageCheckDoc
}

// A packageCheckDoc is what there is to say of a package besides.
type packageCheckDoc struct {
	Checksums   int            `json:"checksums"`
	Certificate string         `json:"certificate,omitempty"`
	Disks       []diskCheckDoc `json:"disks"`
}

type diskCheckDoc struct {
	Disk        string `json:"disk"`
	Member      string `json:"member"`
	Format      string `json:"format"`
	State       string `json:"state"` // checked, nothing to check, or unfinished
	Error       string `json:"error,omitempty"`
	Unit        string `json:"unit"`
	Corruptions int64  `json:"corruptions"`
	Leaks       int64  `json:"leaks"`
	Clusters    int64  `json:"clusters"`
	Allocated   int64  `json:"allocated_clusters"`
	Compressed  int64  `json:"compressed_clusters"`
}

// How far the check of a disk in a package came.
const (
	stateChecked     = "checked"
	stateUncheckable = "nothing to check"
	stateUnfinished  = "unfinished"
)

func newPackageCheckDoc(p *format.PackageCheck) *packageCheckDoc {
	if p == nil {
		return nil
	}
	doc := &packageCheckDoc{Checksums: p.Checksums, Certificate: p.Certificate, Disks: []diskCheckDoc{}}
	for _, c := range p.Disks {
		d := diskCheckDoc{Disk: c.Disk, Member: c.Member, Format: c.Format, State: stateUncheckable}
		if r := c.Result; r != nil {
			d.State, d.Unit, d.Corruptions, d.Leaks = stateChecked, r.Unit, r.Corruptions, r.Leaks
			d.Clusters, d.Allocated, d.Compressed = r.Total, r.Allocated, r.Compressed
		}
		if c.Err != nil {
			d.State, d.Error = stateUnfinished, inFlags(c.Err)
		}
		doc.Disks = append(doc.Disks, d)
	}
	return doc
}

// unfinished is the first disk of a package whose check was not finished, and
// idle tells that there was nothing to check in a package at all.
func (d *packageCheckDoc) unfinished() error {
	if d != nil {
		for _, c := range d.Disks {
			if c.State == stateUnfinished {
				return errors.New("disk " + c.Disk + ": " + c.Error)
			}
		}
	}
	return nil
}

func (d *packageCheckDoc) idle() bool {
	return d != nil && d.Checksums == 0 && !slices.ContainsFunc(d.Disks, func(c diskCheckDoc) bool { return c.State != stateUncheckable })
}

// maxFaults is how many faults a document lists. A hostile image has as many as
// it likes.
const maxFaults = 1 << 16

type faultDoc struct {
	Kind     string `json:"kind"` // leak or corruption
	Clusters int64  `json:"clusters"`
	Text     string `json:"text"`
	Disk     string `json:"disk,omitempty"` // of a package
}

func newCheck(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "check [flags] IMAGE",
		Short: "Check the metadata of an image, and repair it",
		Long: `Follows every reference in the metadata of an image: in a qcow2 image all of
them are compared with the refcounts; of an OVA or OVF, all files with its
manifest, and each disk is checked as its own format demands.
Faults are listed one by one; past 1,000 (qcow2: all; JSON: 65,536) the rest are
only counted.

In qcow2 images, --repair=leaks frees clusters that nothing uses; --repair=all
also corrects refcounts and flags. Interrupted at any moment, the image is as it
was or repaired. What cannot be repaired without losing data is left alone.

Exit codes: 0 nothing is wrong, 1 the check was not finished, 2 the image is
corrupt, 3 it has leaks only, 63 its format cannot be checked. Of a package it is
that of its worst part: 2 before 1 before 3.`,
		Example: `  guestkit check disk.qcow2
  guestkit check --repair=leaks disk.qcow2
  guestkit check --untrusted --max-virtual-size 1T upload.img`,
		Args: args(1, 1, "an image"),
	}
	var repair string
	src := a.storedFlags(cmd)
	compat := compatFlag(cmd, "check")
	f := cmd.Flags()
	f.StringVarP(&repair, "repair", "r", "", "repair `WHAT`: leaks or all")
	forceShare(cmd)
	var untrusted bool
	var platform string
	platformFlag(cmd, &platform, "list what keeps a `PLATFORM` from taking the image")
	ignoredFlags(cmd, "T")
	gate := &convert.Gate{}
	limits := gateFlags(cmd, gate)
	f.BoolVar(&untrusted, "untrusted", false, "vet an untrusted image: list every reason to reject it, exit 2 if there is one")
	a.jsonFlag(cmd)
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		qemu, err := compat.qemu()
		if err != nil {
			return err
		}
		path, err := a.stdin(args[0])
		if err != nil {
			return err
		}
		if err := src.check(); err != nil {
			return err
		}
		if repair != "" && repair != "leaks" && repair != "all" {
			return usagef("--repair is leaks or all, not %q", repair)
		}
		for _, f := range []string{"untrusted", "repair", "compat"} {
			if platform != "" && cmd.Flags().Changed(f) {
				return usagef("--target and --%s exclude each other", f)
			}
			if untrusted && f != "untrusted" && cmd.Flags().Changed(f) {
				return usagef("--untrusted and --%s exclude each other", f)
			}
		}
		if platform != "" {
			return a.checkTarget(platform, path, src)
		}
		for _, name := range limits {
			if f.Changed(name) && !untrusted {
				return usagef("--%s goes with --untrusted", name)
			}
		}
		if untrusted {
			gate.Format = src.format
			return a.untrusted(path, src, gate)
		}
		return a.check(path, src, repair, qemu)
	}
	return cmd
}

// gateFlags gives check the limits of --untrusted, one flag each, and returns
// their names.
func gateFlags(cmd *cobra.Command, gate *convert.Gate) []string {
	q := &gate.Qcow2
	*q = qcow2.DefaultLimits()
	gate.MaxVirtualSize, gate.MaxRatio = convert.DefaultMaxVirtualSize, convert.DefaultMaxRatio
	var names []string
	for _, l := range []struct {
		name, what string
		value      *int64
	}{
		{"max-virtual-size", "a larger disk", &gate.MaxVirtualSize},
		{"max-ratio", "a disk that claims more data than `N` times the size of its file", &gate.MaxRatio},
		{"max-l1-table", "a larger L1 table of qcow2", &q.L1Table},
		{"max-refcount-table", "a larger refcount table of qcow2", &q.RefcountTable},
		{"max-snapshots", "more than `N` internal snapshots", &q.Snapshots},
		{"max-snapshot-table", "a larger table of snapshots", &q.SnapshotTable},
		{"max-bitmaps", "more than `N` bitmaps", &q.Bitmaps},
		{"max-bitmap-directory", "a larger directory of bitmaps", &q.BitmapDir},
		{"max-zstd-window", "zstd with a larger window", &q.ZstdWindowSize},
	} {
		cmd.Flags().Var((*sizeFlag)(l.value), l.name, "with --untrusted: refuse "+l.what)
		names = append(names, l.name)
	}
	return names
}

func (a *app) check(path string, src *source, repair string, qemu bool) error {
	if err := a.usable(path); err != nil {
		return &exitError{code: checkUnfinished, err: err}
	}
	o := src.stored()
	o.Unwrap = repair == ""
	info, _, err := format.DescribeFile(path, o)
	if err != nil {
		return &exitError{code: checkUnfinished, err: err}
	}
	switch {
	case !format.Checks(info.Format):
		return &exitError{code: checkUnsupported, err: fmt.Errorf("%s: %s images have nothing to check", shownImage(path), info.Format)}
	case repair != "" && info.Format != "qcow2":
		return &exitError{code: checkUnsupported, err: fmt.Errorf("%s: %s images cannot be repaired", path, info.Format)}
	}
	doc := checkDoc{Schema: schema("check"), Path: shownImage(path), Format: info.Format, Faults: []faultDoc{}}
	untold := map[string]int64{}
	report := func(f format.Fault) {
		kind := "corruption"
		if f.Leak {
			kind = "leak"
		}
		if a.json && !qemu {
			if len(doc.Faults) < maxFaults {
				doc.Faults = append(doc.Faults, faultDoc{kind, f.Count, inFlags(f.Err), f.Disk})
			} else {
				untold[kind] += f.Count
			}
		} else if !a.quiet && !qemu {
			a.out.Printf("%s %s%s\n", terminal.Red.In(kind+":"), iff(f.Disk != "", "disk "+f.Disk+": "), f.Err)
		}
	}
	var res *format.CheckResult
	var rerr error
	if repair == "" {
		res, err = format.CheckFile(a.ctx, path, o, report)
	} else {
		res, rerr = a.repair(path, repair == "all", report)
		if res == nil {
			err = rerr
		}
	}
	if err != nil {
		return &exitError{code: checkUnfinished, err: pathError(path, err)}
	}
	doc.packageCheckDoc = newPackageCheckDoc(res.Package)
	for _, kind := range []string{"corruption", "leak"} {
		if n := untold[kind]; n > 0 {
			doc.Faults = append(doc.Faults, faultDoc{Kind: kind, Clusters: n, Text: "more faults are not listed"})
		}
	}
	doc.Repaired = repair != "" && rerr == nil && (!res.Clean() || res.Dirty)
	doc.Corruptions, doc.Leaks, doc.Dirty, doc.Corrupt = res.Corruptions, res.Leaks, res.Dirty, res.Corrupt
	for _, note := range res.Notes {
		doc.Notes = append(doc.Notes, flagWords.In(note))
	}
	doc.Unit, doc.ImageEnd, doc.Clusters, doc.Allocated, doc.Compressed = res.Unit, res.ImageEnd, res.Total, res.Allocated, res.Compressed
	if err := a.checked(&doc, res, qemu); err != nil {
		return err
	}
	switch {
	case rerr != nil && !errors.Is(rerr, block.ErrCorrupt):
		return &exitError{code: checkUnfinished, err: pathError(path, rerr)}
	case rerr != nil:
		return &exitError{code: checkCorrupt, err: pathError(path, rerr)}
	case doc.Repaired:
		return nil
	case res.Corruptions > 0 || res.Corrupt:
		return exit(checkCorrupt)
	case doc.unfinished() != nil:
		return &exitError{code: checkUnfinished, err: pathError(path, doc.unfinished())}
	case doc.idle():
		return &exitError{code: checkUnsupported, err: pathError(path, errors.New("it has no manifest, and its disks have nothing to check"))}
	case res.Leaks > 0:
		return exit(checkLeaks)
	}
	return nil
}

// repair repairs a qcow2 image. With an error it returns what was found, if
// the check before it was finished.
func (a *app) repair(path string, all bool, report func(format.Fault)) (*format.CheckResult, error) {
	f, err := convert.OpenStorage(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	a.tidies.Store(true)
	return qcow2.Repair(a.ctx, f, all, nil, report)
}

// checked prints the sum.
func (a *app) checked(d *checkDoc, res *format.CheckResult, qemu bool) error {
	switch {
	case qemu:
		m := map[string]any{"filename": d.Path, "format": d.Format, "check-errors": 0}
		for k, n := range map[string]int64{"image-end-offset": d.ImageEnd, "total-clusters": d.Clusters, "allocated-clusters": d.Allocated,
			"fragmented-clusters": res.Fragmented, "compressed-clusters": d.Compressed, "corruptions": d.Corruptions, "leaks": d.Leaks} {
			if n > 0 {
				m[k] = n
			}
		}
		return a.document(m)
	case a.json:
		return a.document(d)
	case a.quiet:
		return nil
	}
	state := "nothing is wrong"
	switch {
	case d.Repaired:
		state = "repaired"
	case res.Corrupt && res.Corruptions == 0 && res.Leaks == 0:
		state = "marked as corrupt, and nothing else is wrong"
	case !res.Clean():
		state = fmt.Sprintf("%d corruptions, %d leaked %s", d.Corruptions, d.Leaks, d.Unit)
	}
	if d.packageCheckDoc.unfinished() != nil {
		state += ", and not all of it was checked"
	}
	a.out.Printf("%s: %s\n", d.Path, state)
	a.showPackageCheck(d.packageCheckDoc)
	for _, note := range d.Notes {
		a.out.Printf("  %s\n", note)
	}
	if d.Clusters > 0 {
		a.out.Printf("  %d of %d %s are allocated, %d of them compressed", d.Allocated, d.Clusters, d.Unit, d.Compressed)
		if d.ImageEnd > 0 {
			a.out.Printf("; the image ends at %s", terminal.Size(d.ImageEnd))
		}
		a.out.Printf("\n")
	}
	return nil
}

// showPackageCheck tells how each part of a package was checked.
func (a *app) showPackageCheck(d *packageCheckDoc) {
	if d == nil {
		return
	}
	a.out.Printf("  manifest: %s\n", iff(d.Checksums > 0, fmt.Sprintf("%d checksums", d.Checksums))+iff(d.Checksums == 0, "none, so that no file was compared with its checksum"))
	if d.Certificate != "" {
		a.out.Printf("  certificate: %s, whose signature is not judged\n", d.Certificate)
	}
	for _, c := range d.Disks {
		text := c.State
		switch {
		case c.State == stateUnfinished:
			text += ": " + c.Error
		case c.Corruptions > 0 || c.Leaks > 0:
			text = fmt.Sprintf("%d corruptions, %d leaked %s", c.Corruptions, c.Leaks, c.Unit)
		case c.State == stateChecked && c.Clusters > 0:
			text += fmt.Sprintf(", %d of %d %s are allocated", c.Allocated, c.Clusters, c.Unit)
		}
		a.out.Printf("  disk %s (%s), %s: %s\n", c.Disk, c.Member, c.Format, text)
	}
}

// untrusted is check --untrusted.
func (a *app) untrusted(path string, src *source, gate *convert.Gate) error {
	if err := a.usable(path); err != nil {
		return &exitError{code: checkUnfinished, err: err}
	}
	f, err := src.bytes(path)
	if err != nil {
		return &exitError{code: checkUnfinished, err: err}
	}
	defer f.Close()
	reasons, err := convert.CheckUntrusted(a.ctx, f, gate)
	if err != nil {
		return &exitError{code: checkUnfinished, err: pathError(path, err)}
	}
	if a.json {
		doc := checkDoc{Schema: schema("check"), Path: shownImage(path), Format: gate.Format, Unit: "reasons", Corruptions: int64(len(reasons)), Faults: []faultDoc{}}
		if found, err := format.Probe(f); err == nil && doc.Format == "" {
			doc.Format = found.Format
		}
		for _, r := range reasons {
			doc.Faults = append(doc.Faults, faultDoc{Kind: "refusal", Text: inFlags(r)})
		}
		if err := a.document(doc); err != nil {
			return err
		}
	} else if !a.quiet {
		for _, r := range reasons {
			a.out.Printf("%s %s\n", terminal.Red.In("refused:"), r)
		}
		if len(reasons) == 0 {
			a.out.Printf("%s: no reason to refuse it\n", shownImage(path))
		}
	}
	if len(reasons) > 0 {
		return exit(checkCorrupt)
	}
	return nil
}
