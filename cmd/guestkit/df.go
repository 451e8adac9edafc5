package main

import (
	"cmp"
	"fmt"
	"math/bits"

	"github.com/spf13/cobra"

	"github.com/guestkit/guestkit/inspect"
	"github.com/guestkit/guestkit/internal/terminal"
)

// dfDoc is a line of df --json: a filesystem of a guest.
type dfDoc struct {
	Image  string   `json:"image"`
	Volume string   `json:"volume"`
	Type   string   `json:"type"`
	Label  string   `json:"label,omitempty"`
	Mounts []string `json:"mounts"`
	*inspect.Usage
}

func newDf(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "df [flags] IMAGE…",
		Short: "Show how full the filesystems of guests are",
		Long: `Shows each filesystem of each guest: its size, what is used and free, and where the
guest mounts it. Sizes are in KiB; the numbers are those of the superblock, after
its journal.`,
		Example: `  guestkit df -h disk.qcow2
  guestkit df -i *.qcow2
  guestkit df --json disk.vmdk`,
	}
	src := a.sourceFlags(cmd)
	a.jsonFlag(cmd)
	var human bool
	humanFlag(cmd, &human)
	cmd.Flags().BoolP("print-type", "T", false, "")
	cmd.Flags().MarkHidden("print-type") // it is printed
	inodes := cmd.Flags().BoolP("inodes", "i", false, "show inodes in place of bytes")
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		guests, err := src.each(args)
		if err != nil {
			return err
		}
		t := &terminal.Table{Right: "--rrrr"}
		several := len(guests) > 1
		head := []string{"volume", "type", "size", "used", "free", "use%", "mounted on"}
		if *inodes {
			head[2] = "inodes"
		}
		if several {
			head = append([]string{"image"}, head...)
			t.Right = "-" + t.Right
		}
		t.Head(head...)
		code := exitDone
		for _, disks := range guests {
			docs, err := src.df(disks)
			if a.ctx.Err() != nil || brokenPipe(err) {
				return err
			}
			if err != nil {
				code = a.sayError(pathError(disks[0], err), code)
			}
			for _, d := range docs {
				if a.json {
					if err := a.line(d); err != nil {
						return err
					}
					continue
				}
				row := d.row(human, *inodes)
				if several {
					row = append([]any{d.Image}, row...)
				}
				t.Row(row...)
			}
		}
		if !a.json && t.Len() > 1 {
			a.out.Table(t)
		}
		a.noteTime()
		if code != exitDone {
			return exit(code)
		}
		return a.out.Err()
	}
	return cmd
}

// df lists the filesystems of one guest.
func (s *source) df(disks []string) ([]dfDoc, error) {
	g, err := s.open(disks, &inspect.Options{NoPackages: true})
	if err != nil {
		return nil, err
	}
	defer g.Close()
	rep, err := g.Inspect(s.a.ctx)
	if err != nil {
		return nil, err
	}
	s.a.noteVolumes(rep)
	mounts := map[string][]string{}
	for _, sys := range rep.Systems {
		for _, m := range sys.Mounts {
			if m.Volume != "" {
				mounts[m.Volume] = append(mounts[m.Volume], m.Path)
			}
		}
	}
	var out []dfDoc
	for _, v := range rep.Volumes {
		if v.Usage == nil {
			continue
		}
		d := dfDoc{Image: shownImage(disks[0]), Volume: v.Name, Type: v.Content, Label: v.Label, Mounts: notNil(mounts[v.Name]), Usage: v.Usage}
		out = append(out, d)
	}
	if len(out) == 0 {
		return nil, nothingf("there is no filesystem that can be read")
	}
	return out, nil
}

func (d *dfDoc) row(human, inodes bool) []any {
	size, used, free := &d.Size, d.Used, d.Free
	text := func(n int64) string { return fmt.Sprint((n + 1023) / 1024) }
	switch {
	case inodes:
		size, used, free = d.Inodes, nil, d.InodesFree
		if size != nil && free != nil {
			n := *size - *free
			used = &n
		}
		text = func(n int64) string { return fmt.Sprint(n) }
	case human:
		text = terminal.Size
	}
	cell := func(n *int64) string {
		if n == nil {
			return "-"
		}
		return text(*n)
	}
	use := ""
	if used != nil && size != nil {
		use = percent(*used, *size)
	}
	mount := ""
	for i, m := range d.Mounts {
		if i > 0 {
			mount += ", "
		}
		mount += m
	}
	return []any{d.Volume, d.Type, cell(size), cell(used), cell(free), cmp.Or(use, "-"), mount}
}

// percent is a part of a whole, rounded up; "" if it is no part of it.
func percent(part, whole int64) string {
	if part < 0 || part > whole || whole == 0 {
		return ""
	}
	hi, lo := bits.Mul64(100, uint64(part)) // both are lies of a superblock, maybe
	lo, carry := bits.Add64(lo, uint64(whole)-1, 0)
	n, _ := bits.Div64(hi+carry, lo, uint64(whole))
	return fmt.Sprintf("%d%%", n)
}
