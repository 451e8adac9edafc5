package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/guestkit/guestkit/convert"
	"github.com/guestkit/guestkit/format"
	"github.com/guestkit/guestkit/internal/terminal"
	"github.com/guestkit/guestkit/qcow2"
)

type snapshotsDoc struct {
	Schema    string        `json:"schema"`
	Path      string        `json:"path"`
	Snapshots []snapshotDoc `json:"snapshots"`
}

func newSnapshot(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "snapshot [-l | -c NAME | -a NAME | -d NAME] IMAGE",
		Short: "List, create, apply and delete the snapshots in a qcow2 image",
		Long: `Lists the internal snapshots of an image, or changes them in place: -c keeps the
state of the disk under a name, -a brings the disk back to a snapshot (what it is
now is lost), -d gives a snapshot up. -a and -d take an id, or else
a name; snapshot.id=ID and snapshot.name=NAME tell which.

Interrupted at any moment, the image is as before or as after. An image that a
running QEMU has open is refused.`,
		Example: `  guestkit snapshot disk.qcow2
  guestkit snapshot -c before-upgrade disk.qcow2
  guestkit snapshot -a before-upgrade disk.qcow2
  guestkit snapshot -d before-upgrade disk.qcow2`,
		Args: args(1, 1, "an image"),
	}
	src := a.storedFlags(cmd)
	var list bool
	var create, apply, del string
	f := cmd.Flags()
	f.BoolVarP(&list, "list", "l", false, "list the snapshots; what is done without a flag")
	f.StringVarP(&create, "create", "c", "", "create a snapshot of this `NAME`")
	f.StringVarP(&apply, "apply", "a", "", "bring the disk back to the snapshot of this `NAME` or id")
	f.StringVarP(&del, "delete", "d", "", "delete the snapshot of this `NAME` or id")
	a.jsonFlag(cmd)
	forceShare(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		var done int
		for _, name := range []string{"list", "create", "apply", "delete"} {
			if f.Changed(name) {
				done++
			}
		}
		if done > 1 {
			return usagef("one of -l, -c, -a and -d at a time")
		}
		path := args[0]
		switch {
		case f.Changed("create"):
			return a.inPlace(path, src, func(s *convert.Storage) (string, error) {
				made, err := qcow2.CreateSnapshot(a.ctx, s, create, time.Now())
				return fmt.Sprintf("snapshot %s, %q, was created", made.ID, made.Name), err
			})
		case f.Changed("apply"):
			return a.inPlace(path, src, func(s *convert.Storage) (string, error) {
				return fmt.Sprintf("the disk is that of snapshot %q", apply), qcow2.ApplySnapshot(a.ctx, s, apply)
			})
		case f.Changed("delete"):
			return a.inPlace(path, src, func(s *convert.Storage) (string, error) {
				return fmt.Sprintf("snapshot %q was deleted", del), qcow2.DeleteSnapshot(a.ctx, s, del)
			})
		}
		return a.listSnapshots(path, src)
	}
	return cmd
}

// inPlace changes a qcow2 image in place, and says what do says of it.
func (a *app) inPlace(path string, src *source, do func(*convert.Storage) (string, error)) error {
	return a.inPlaceOf(path, src, []string{"qcow2"}, func(s *convert.Storage, _ string) (string, error) { return do(s) })
}

// inPlaceOf is inPlace for images of some formats, which do is told.
func (a *app) inPlaceOf(path string, src *source, formats []string, do func(s *convert.Storage, name string) (string, error)) error {
	if err := src.check(); err != nil {
		return err
	}
	if err := plainFile(path); err != nil { // one that is in use is refused
		return err
	}
	info, _, err := format.DescribeFile(path, src.stored())
	if err != nil {
		return err
	}
	if !slices.Contains(formats, info.Format) {
		return usagef("%s is a %s image, and only %s images can be changed so", path, info.Format, strings.Join(formats, ", "))
	}
	s, err := convert.OpenStorage(path)
	if err != nil {
		return err
	}
	defer s.Close()
	a.tidies.Store(true)
	said, err := do(s, info.Format)
	if err != nil {
		return pathError(path, err)
	}
	if !a.quiet && said != "" {
		a.out.Printf("%s: %s\n", path, said)
	}
	a.noteTime()
	return nil
}

func (a *app) listSnapshots(path string, src *source) error {
	if err := src.check(); err != nil {
		return err
	}
	path, err := a.stdin(path)
	if err == nil {
		err = a.usable(path)
	}
	if err != nil {
		return err
	}
	o := src.stored()
	o.Unwrap = true
	info, faults, err := format.DescribeFile(path, o)
	if err != nil {
		return err
	}
	a.warn(faults)
	if a.json {
		doc := snapshotsDoc{Schema: schema("snapshot"), Path: shownImage(path), Snapshots: notNil(newImageDoc(info).Snapshots)}
		if doc.Snapshots == nil {
			doc.Snapshots = []snapshotDoc{}
		}
		return a.document(doc)
	}
	if len(info.Snapshots) == 0 {
		return nil
	}
	t := &terminal.Table{}
	t.Row("ID", "NAME", "VM STATE", "DATE", "VM CLOCK", "DISK")
	for _, s := range info.Snapshots {
		t.Row(s.ID, s.Name, terminal.Size(s.VMStateSize), s.Date.Local().Format("2006-01-02 15:04:05"), clock(s.VMClock), terminal.Size(s.DiskSize))
	}
	a.out.Table(t)
	return nil
}

// clock is a time that a guest ran, as qemu-img writes it.
func clock(d time.Duration) string {
	s := int64(d / time.Second)
	return strings.TrimSpace(fmt.Sprintf("%02d:%02d:%02d.%03d", s/3600, s/60%60, s%60, d%time.Second/time.Millisecond))
}
