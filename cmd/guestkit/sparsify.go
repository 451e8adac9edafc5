package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/convert"
	"github.com/guestkit/guestkit/format"
	"github.com/guestkit/guestkit/internal/extentname"
	"github.com/guestkit/guestkit/internal/terminal"
	"github.com/guestkit/guestkit/qcow2"
	"github.com/guestkit/guestkit/vacant"
	"github.com/guestkit/guestkit/vdi"
	"github.com/guestkit/guestkit/vhd"
	"github.com/guestkit/guestkit/vhdx"
	"github.com/guestkit/guestkit/vmdk"
)

type sparsifyDoc struct {
	Schema  string      `json:"schema"`
	Path    string      `json:"path"`
	Format  string      `json:"format"`
	DryRun  bool        `json:"dry_run"`
	Size    int64       `json:"virtual_size"`
	Free    int64       `json:"free"` // bytes of the disk that nobody needs
	Held    int64       `json:"held"` // those of them for which the image had room
	Before  int64       `json:"before"`
	After   int64       `json:"after"` // what its files took on the host's disk; equal to before with dry_run
	Volumes []vacantDoc `json:"volumes"`
}

// A vacantDoc says what of a volume nobody needs.
type vacantDoc struct {
	Volume string `json:"volume"`
	Type   string `json:"type,omitempty"`
	Size   int64  `json:"size"`
	Free   int64  `json:"free"`
	Held   int64  `json:"held"`
	Reason string `json:"reason,omitempty"` // why all of it is kept
}

func newSparsify(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "sparsify [flags] IMAGE",
		Short: "Shrink an image to what its filesystems use, in place",
		Long: `Gives the room back that an image takes for what nobody needs: blocks that ext2/3/4,
XFS, NTFS, FAT, exFAT and Btrfs call free, swap space, free extents of LVM, and gaps
between partitions. A raw image and flat extents of a VMDK get holes. Of a qcow2, VHDX,
VHD, VDI or VMDK image clusters, blocks or grains are freed, but none of which a part is
in use; data moves down, and each file is cut. What snapshots, compression or LUKS tie to
its place in a qcow2 image stays there, and the report says how much that is. Fixed VHD,
VHDX and VDI images, compressed ones, those with extents of ESXi's snapshots (COWD,
seSparse), and those that lie upon another one or that another one lies upon, or may
where it cannot be read: 'convert --skip-free' to a new one. Such others are looked for
in the same folder, in its folder Snapshots, and where a link leads.

A volume with a journal to replay, on which a system hibernates, that is encrypted,
unknown, damaged, shared with a snapshot or a mirror is kept whole, and the report
says why. Deleted files cannot be undeleted afterwards. Interrupted at any moment,
nothing that the guest uses has changed. An image that a running QEMU has open is
refused. qcow2 images that lie upon this one see zeros there as well.

The bar of a volume has # for what is kept, - for what is or was saved, and . for
what took no room.`,
		Example: `  guestkit sparsify --dry-run disk.qcow2
  guestkit sparsify disk.raw
  guestkit sparsify ext4.vhdx`,
		Args: args(1, 1, "an image"),
	}
	src := a.storedFlags(cmd)
	var dry bool
	cmd.Flags().BoolVarP(&dry, "dry-run", "n", false, "report what would be saved and change nothing")
	cmd.Flags().Bool("in-place", true, "ignored, for virt-sparsify's sake")
	cmd.Flags().MarkHidden("in-place")
	a.jsonFlag(cmd)
	cmd.RunE = func(_ *cobra.Command, args []string) error { return a.sparsify(args[0], src, dry) }
	return cmd
}

func (a *app) sparsify(path string, src *source, dry bool) error {
	if err := src.check(); err != nil {
		return err
	}
	if err := plainFile(path); err != nil {
		return err
	}
	var s *convert.Storage
	if !dry { // nobody else writes from here on
		var err error
		if s, err = convert.OpenStorage(path); err != nil {
			return err
		}
		defer s.Close()
		a.tidies.Store(true)
	} else if err := a.usable(path); err != nil {
		return err
	}
	img, err := format.OpenFile(path, src.stored())
	if err != nil {
		return err
	}
	defer img.Close()
	info := img.Info()
	a.warn(img.Problems())
	if why := fixedShape(info); why != "" && (!dry || info.Format == "raw") {
		return usagef("%s is %s; use 'guestkit convert --skip-free' to write a smaller copy", path, why)
	}
	if !dry && shrinks[info.Format] != nil {
		if err := a.noChildren(path, info); err != nil {
			return err
		}
	}
	if info.Format == "raw" && (img.Size() != fileSize(path) || len(info.Parts)+len(info.Files) > 0 || info.Disk != "" || info.Wrapper != "") {
		return usagef("%s is not a raw disk in one file; use 'guestkit convert --skip-free' to write a smaller copy", path)
	}
	rep, err := vacant.Find(a.ctx, img)
	if err != nil {
		return pathError(path, err)
	}
	whole := wholeBlocks(rep.Runs, info, img.Size())
	doc := sparsifyDoc{Schema: schema("sparsify"), Path: path, Format: info.Format, DryRun: dry, Size: img.Size(), Free: rep.Free(), Volumes: []vacantDoc{}}
	for i := range rep.Volumes {
		v := &rep.Volumes[i]
		held, err := vacant.Held(a.ctx, img, both(v.Runs, whole))
		if err != nil {
			return pathError(path, err)
		}
		d := vacantDoc{Volume: v.Name, Type: v.Type, Size: v.Size, Free: v.Free(), Held: held}
		if v.Err != nil {
			d.Reason = inFlags(v.Err)
		}
		doc.Held += held
		doc.Volumes = append(doc.Volumes, d)
	}
	files := append([]string{path}, info.Files...)
	doc.Before = room(files)
	if !dry {
		img.Close()
		if err := a.giveBack(s, info.Format, rep.Runs, src); err != nil {
			return pathError(path, err)
		}
	}
	doc.After = room(files)
	if a.json {
		return a.document(doc)
	}
	a.showVacant(&doc)
	return nil
}

// giveBack frees what is vacant in an image.
func (a *app) giveBack(s *convert.Storage, name string, runs []vacant.Run, src *source) error {
	if name == "raw" {
		for _, r := range runs {
			if err := a.ctx.Err(); err != nil {
				return err
			}
			if err := s.Punch(r.Off, r.Len); err != nil {
				return err
			}
		}
		return s.Sync()
	}
	if shrink := shrinks[name]; shrink != nil {
		parts := make([]block.Range, len(runs))
		for i, r := range runs {
			parts[i] = block.Range(r)
		}
		return shrink(a.ctx, s, parts, src)
	}
	parts := make([]qcow2.Range, len(runs))
	for i, r := range runs {
		parts[i] = qcow2.Range(r)
	}
	n, err := qcow2.Discard(a.ctx, s, parts)
	if err != nil || n == 0 {
		return err
	}
	return qcow2.Pack(a.ctx, s)
}

// shrinks are the formats whose packages do all of it.
var shrinks = map[string]func(ctx context.Context, s *convert.Storage, parts []block.Range, src *source) error{
	"vhd": func(ctx context.Context, s *convert.Storage, parts []block.Range, src *source) error {
		_, err := vhd.Sparsify(ctx, s, parts, src.vhd())
		return err
	},
	"vhdx": func(ctx context.Context, s *convert.Storage, parts []block.Range, _ *source) error {
		_, err := vhdx.Sparsify(ctx, s, parts, nil)
		return err
	},
	"vdi": func(ctx context.Context, s *convert.Storage, parts []block.Range, _ *source) error {
		_, err := vdi.Sparsify(ctx, s, parts, nil)
		return err
	},
	"vmdk": func(ctx context.Context, s *convert.Storage, parts []block.Range, _ *source) error {
		_, err := vmdk.Sparsify(ctx, s, parts, vmdkFiles())
		return err
	},
}

// fixedShape says what keeps an image from being made smaller in place; "" if
// nothing does.
func fixedShape(i *format.Info) string {
	switch {
	case i.Wrapper != "" || len(i.Parts) > 0 || i.Disk != "":
		return "not an image in one file"
	case i.Format == "raw" || i.Format == "qcow2":
		return ""
	case shrinks[i.Format] == nil:
		return "a " + i.Format + " image, which is not changed in place"
	case i.Backing != nil || i.Subformat == "differencing":
		return "a " + i.Format + " image that lies upon another one"
	case i.VMDK != nil && (i.VMDK.Compressed || i.Subformat == "vmfsSparse"), i.Subformat == "fixed", i.Subformat == "static":
		return "a " + i.Subformat + " " + i.Format + " image"
	case i.VMDK != nil && slices.ContainsFunc(i.VMDK.Extents, func(e vmdk.ExtentInfo) bool { return !flat(e) && e.Kind != "SPARSE" }):
		return "a " + i.Subformat + " " + i.Format + " image with extents that are not changed in place"
	}
	return ""
}

// flat reports whether an extent of a VMDK is as the disk is.
func flat(e vmdk.ExtentInfo) bool { return e.Kind == "FLAT" || e.Kind == "VMFS" || e.Kind == "ZERO" }

// maxSiblings is how many images of a folder are looked at.
const maxSiblings = 4096

// noChildren refuses an image that others lie upon. They may name the file that a link
// leads to, and lie beside that.
func (a *app) noChildren(path string, own *format.Info) error {
	if err := a.noChild(path, own); err != nil {
		return err
	}
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return err
	}
	here, err := os.Stat(filepath.Dir(path))
	if err != nil {
		return err
	}
	if there, err := os.Stat(filepath.Dir(real)); err != nil || filepath.Base(real) == filepath.Base(path) && os.SameFile(here, there) {
		return err
	}
	return a.noChild(real, own)
}

// noChild refuses an image that another one says that it lies upon, which would be of
// no use afterwards. It looks at the images in the same folder, and in that which
// VirtualBox has beside a machine's disks; where it cannot tell, the image is refused.
func (a *app) noChild(path string, own *format.Info) error {
	dir, base := filepath.Split(path)
	siblings, err := imagesIn(nil, cmp.Or(dir, "."))
	if err == nil {
		siblings, err = imagesIn(siblings, filepath.Join(dir, "Snapshots"))
	}
	if err != nil {
		return err
	}
	if len(siblings) > maxSiblings {
		return fmt.Errorf("%s: %w: its folder has more than %d images, and any of them may lie upon it; 'guestkit convert --skip-free' writes a smaller copy", path, block.ErrRefused, maxSiblings)
	}
	for _, at := range siblings {
		if err := a.ctx.Err(); err != nil {
			return err
		}
		if at == filepath.Clean(path) {
			continue
		}
		child, err := liesUpon(at, base, own)
		if err != nil {
			return fmt.Errorf("%s: %w: %w; it may lie upon it, and would be of no use: see to it that it can be read, or use 'guestkit convert --skip-free' to write a smaller copy", path, block.ErrRefused, err)
		}
		if child {
			return fmt.Errorf("%s: %w: %s lies upon it, and would be of no use", path, block.ErrRefused, filepath.Base(at))
		}
	}
	return nil
}

// imagesIn appends the paths of the files of a folder that are called like images, as
// many as are looked at and one more.
func imagesIn(paths []string, dir string) ([]string, error) {
	d, err := os.Open(dir)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			err = nil
		}
		return paths, err
	}
	defer d.Close()
	for {
		names, err := d.Readdirnames(1024)
		for _, name := range names {
			if f := format.Promised(name); len(paths) <= maxSiblings && f != "qcow2" && shrinks[f] != nil {
				paths = append(paths, filepath.Join(dir, name))
			}
		}
		if err == io.EOF || len(paths) > maxSiblings {
			return paths, nil
		}
		if err != nil {
			return nil, err
		}
	}
}

// liesUpon reports whether the image at path says that it lies upon one of that name or
// identity. An error leaves that open.
func liesUpon(path, base string, own *format.Info) (bool, error) {
	fi, err := os.Stat(path)
	if err != nil || !fi.Mode().IsRegular() {
		if errors.Is(err, fs.ErrNotExist) {
			err = nil // a link to nowhere
		}
		return false, err
	}
	info, _, err := format.DescribeFile(path, nil)
	if err != nil {
		// What is no image, an extent, whose descriptor beside it says what the disk
		// lies upon, and what is called after another format.
		_, extent := extentname.Descriptor(path)
		extent = extent && (errors.Is(err, block.ErrUnsupported) || errors.Is(err, block.ErrParent))
		if extent || errors.Is(err, block.ErrFormat) || format.Promised(path) != own.Format {
			err = nil
		}
		return false, err
	}
	if info.Format != own.Format || info.Backing == nil && info.Subformat != "differencing" {
		return false, nil
	}
	said := ""
	if info.Backing != nil {
		said = info.Backing.Name
	}
	return strings.EqualFold(said[strings.LastIndexAny(said, `/\`)+1:], base) || own.ID != "" && own.ID == info.ParentID && own.ID != freshCID, nil
}

// freshCID is the identity of content that each VMDK has which was never written to.
const freshCID = "fffffffe"

// wholeBlocks cuts runs to the blocks of an image that they hold as a whole, where
// only those are given back.
func wholeBlocks(runs []vacant.Run, i *format.Info, size int64) []vacant.Run {
	bs := i.ClusterSize
	switch {
	case bs <= 0 || i.Format == "raw":
		return runs
	case i.VMDK == nil || len(i.VMDK.Extents) < 2:
		return wholeWithin(runs, vacant.Run{Len: size}, bs)
	}
	var out []vacant.Run
	at := int64(0)
	for _, e := range i.VMDK.Extents { // in each of them blocks are counted anew
		in := vacant.Run{Off: at, Len: e.Size}
		if flat(e) {
			out = append(out, both(runs, []vacant.Run{in})...)
		} else {
			out = append(out, wholeWithin(runs, in, bs)...)
		}
		at += e.Size
	}
	return out
}

// wholeWithin cuts runs to the blocks of a part of a disk; the last one may be cut short.
func wholeWithin(runs []vacant.Run, in vacant.Run, bs int64) (out []vacant.Run) {
	for _, r := range runs {
		off, end := max(r.Off-in.Off, 0), min(r.Off+r.Len-in.Off, in.Len)
		if off = (off + bs - 1) / bs * bs; end < in.Len {
			end = end / bs * bs
		}
		if off < end {
			out = append(out, vacant.Run{Off: in.Off + off, Len: end - off})
		}
	}
	return out
}

// both returns what is in two lists of runs, which rise.
func both(a, b []vacant.Run) (out []vacant.Run) {
	for len(a) > 0 && len(b) > 0 {
		off, end := max(a[0].Off, b[0].Off), min(a[0].Off+a[0].Len, b[0].Off+b[0].Len)
		if off < end {
			out = append(out, vacant.Run{Off: off, Len: end - off})
		}
		if a[0].Off+a[0].Len < b[0].Off+b[0].Len {
			a = a[1:]
		} else {
			b = b[1:]
		}
	}
	return out
}

// room is what files take on the host's disk; -1 if that cannot be told.
func room(paths []string) (n int64) {
	for _, path := range paths {
		fi, err := os.Stat(path)
		if err != nil {
			return -1
		}
		if took := format.Allocated(fi); took >= 0 {
			n += took
		} else {
			n += fi.Size()
		}
	}
	return n
}

func fileSize(path string) int64 {
	fi, err := os.Stat(path)
	if err != nil {
		return -1
	}
	return fi.Size()
}

func (a *app) showVacant(doc *sparsifyDoc) {
	if a.quiet {
		return
	}
	t := &terminal.Table{Right: "--rrr"}
	saved := "saved"
	if doc.DryRun {
		saved = "would save"
	}
	t.Head("volume", "type", "size", "free", saved, "")
	for _, v := range doc.Volumes {
		last := bar(v.Size, v.Free, v.Held)
		if v.Reason != "" {
			last = "kept whole: " + v.Reason
		}
		t.Row(v.Volume, v.Type, terminal.Size(v.Size), terminal.Size(v.Free), terminal.Size(v.Held), last)
	}
	a.out.Table(t)
	if doc.DryRun {
		a.out.Printf("%s: takes %s; %s of what it holds are free\n", doc.Path, terminal.Size(doc.Before), terminal.Size(doc.Held))
		return
	}
	a.out.Printf("%s: takes %s, it was %s\n", doc.Path, terminal.Size(doc.After), terminal.Size(doc.Before))
}
