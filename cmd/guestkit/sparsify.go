package main

import (
	"os"

	"github.com/spf13/cobra"

	"github.com/guestkit/guestkit/convert"
	"github.com/guestkit/guestkit/format"
	"github.com/guestkit/guestkit/internal/terminal"
	"github.com/guestkit/guestkit/qcow2"
	"github.com/guestkit/guestkit/vacant"
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
	After   int64       `json:"after"` // what the file took on the host's disk; equal to before with dry_run
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
		Short: "Shrink a raw or qcow2 image to what its filesystems use, in place",
		Long: `Gives the room back that an image takes for what nobody needs: blocks that ext2/3/4,
XFS, NTFS, FAT, exFAT and Btrfs call free, swap space, free extents of LVM, and gaps
between partitions. A raw image gets holes; of a qcow2 image clusters are freed, data
moves down, but in one encrypted by LUKS, and the file is cut. Images of other formats:
'convert --skip-free' to a new one.

A volume with a journal to replay, on which a system hibernates, that is encrypted,
unknown, damaged, shared with a snapshot or a mirror is kept whole, and the report
says why. Deleted files cannot be undeleted afterwards. Interrupted at any moment,
nothing that the guest uses has changed. An image that a running QEMU has open is
refused. Images that lie upon this one, as overlays, see zeros there as well.

The bar of a volume has # for what is kept, - for what is or was saved, and . for
what took no room.`,
		Example: `  guestkit sparsify --dry-run disk.qcow2
  guestkit sparsify disk.raw`,
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
	if !dry && info.Format != "raw" && info.Format != "qcow2" {
		return usagef("%s is a %s image, and raw and qcow2 ones are sparsified in place; use 'guestkit convert --skip-free' to write a smaller copy", path, info.Format)
	}
	if info.Format == "raw" && (img.Size() != fileSize(path) || len(info.Parts)+len(info.Files) > 0 || info.Disk != "" || info.Wrapper != "") {
		return usagef("%s is not a raw disk in one file; use 'guestkit convert --skip-free' to write a smaller copy", path)
	}
	rep, err := vacant.Find(a.ctx, img)
	if err != nil {
		return pathError(path, err)
	}
	doc := sparsifyDoc{Schema: schema("sparsify"), Path: path, Format: info.Format, DryRun: dry, Size: img.Size(), Free: rep.Free(), Volumes: []vacantDoc{}}
	for i := range rep.Volumes {
		v := &rep.Volumes[i]
		held, err := vacant.Held(a.ctx, img, v.Runs)
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
	doc.Before = room(path)
	if !dry {
		img.Close()
		if err := a.giveBack(s, info.Format, rep.Runs); err != nil {
			return pathError(path, err)
		}
	}
	doc.After = room(path)
	if a.json {
		return a.document(doc)
	}
	a.showVacant(&doc)
	return nil
}

// giveBack frees what is vacant in an image.
func (a *app) giveBack(s *convert.Storage, name string, runs []vacant.Run) error {
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

// room is what a file takes on the host's disk.
func room(path string) int64 {
	fi, err := os.Stat(path)
	if err != nil {
		return -1
	}
	if n := format.Allocated(fi); n >= 0 {
		return n
	}
	return fi.Size()
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
