package main

import (
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/guestkit/guestkit"
	"github.com/guestkit/guestkit/inspect"
	"github.com/guestkit/guestkit/internal/terminal"
)

type volumesDoc struct {
	Schema   string      `json:"schema"`
	Images   []imageDoc  `json:"images"`
	Volumes  []volumeDoc `json:"volumes"`
	Complete bool        `json:"complete"`
	Problems []string    `json:"problems"`
}

// A volumeDoc is a volume with its entry in the partition table.
type volumeDoc struct {
	*inspect.Volume
	Partition *partitionDoc `json:"partition,omitempty"`
}

type partitionDoc struct {
	Number     int    `json:"number"`
	Type       string `json:"type"`
	TypeName   string `json:"type_name,omitempty"`
	Name       string `json:"name,omitempty"`
	UUID       string `json:"uuid,omitempty"`
	Attributes uint64 `json:"attributes,omitempty"`
	Bootable   bool   `json:"bootable,omitempty"`
	Logical    bool   `json:"logical,omitempty"`
	Extended   bool   `json:"extended,omitempty"`
}

func volumeDocs(rep *inspect.Report) []volumeDoc {
	out := []volumeDoc{}
	for _, v := range rep.Volumes {
		d := volumeDoc{Volume: v}
		if p := v.Partition; p != nil {
			d.Partition = &partitionDoc{p.Number, p.Type, p.TypeName, p.Name, p.UUID, p.Attributes, p.Bootable, p.Logical, p.Extended}
		}
		out = append(out, d)
	}
	return out
}

func newVolumes(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "volumes [flags] IMAGE…",
		Short: "Print the tree of partitions and what each holds",
		Long: `Prints the tree of the volumes of a disk, and what each holds. Their names are
what --volume takes in 'ls', 'cat' and 'manifest'. Below a filesystem come its
subvolumes, what El Torito boots from it, and what a disc was before each of its
later sessions. The bar of a disk shows where
its partitions lie and, with dots, what is in none; the smallest are drawn wider
than they are.

'info' describes the image file, 'inspect' the systems on the volumes.`,
		Example: `  guestkit volumes disk.qcow2
  guestkit volumes system.vhd -a data.vhd --json
  guestkit volumes laptop.vhdx --key gpt3:key:PASSPHRASE`,
	}
	src := a.sourceFlags(cmd)
	a.jsonFlag(cmd)
	required := completeFlag(cmd)
	features := cmd.Flags().Bool("features", false, "list the features of each filesystem too, as its own tools name them")
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		guests, err := src.each(args)
		if err != nil {
			return err
		}
		return a.forEach(guests, true, func(disks []string) error {
			g, err := src.open(disks, nil)
			if err != nil {
				return err
			}
			defer g.Close()
			rep, err := g.Volumes(a.ctx)
			if err != nil {
				return err
			}
			a.noteVolumes(rep)
			if err := a.listVolumes(g, rep, *features); err != nil {
				return err
			}
			a.noteTime()
			if err := incomplete(rep, *required); err != nil {
				return err
			}
			return pathError(strings.Join(disks, " "), nothingRead(rep))
		})
	}
	return cmd
}

// nothingRead is what is wrong where no volume could be read because of damage.
func nothingRead(rep *inspect.Report) error {
	for _, v := range rep.Volumes {
		if v.Status == inspect.StatusRead {
			return nil
		}
	}
	return damage(rep)
}

func (a *app) listVolumes(g *guestkit.Guest, rep *inspect.Report, features bool) error {
	switch {
	case a.json:
		return a.document(volumesDoc{schema("volumes"), imageDocs(g), volumeDocs(rep), rep.Complete(), texts(problems(g, rep))})
	case a.quiet:
		return nil
	}
	a.showImages(g)
	a.out.Printf("\n")
	a.showBars(rep)
	a.showVolumes(rep, features)
	a.showProblems(problems(g, rep))
	return nil
}

// showVolumes prints the volumes as a tree.
func (a *app) showVolumes(rep *inspect.Report, features bool) {
	children := map[string][]*inspect.Volume{}
	for _, v := range rep.Volumes {
		children[v.Parent] = append(children[v.Parent], v)
	}
	t := &terminal.Table{Indent: 2, Right: "-rr"}
	t.Head("VOLUME", "SIZE", "USED", "HOLDS", "LABEL", "UUID", "STATUS")
	var walk func(v *inspect.Volume, own, below string)
	walk = func(v *inspect.Volume, own, below string) {
		size := terminal.Size(v.Size)
		if v.Kind == "subvolume" {
			size = ""
		}
		t.Row(own+v.Name, size, used(v), holds(v), v.Label, v.UUID, status(v))
		inner := append(slices.Clone(v.Parts), children[v.Name]...)
		for i, c := range inner {
			if i == len(inner)-1 {
				walk(c, below+"└─ ", below+"   ")
			} else {
				walk(c, below+"├─ ", below+"│  ")
			}
		}
	}
	for _, v := range children[""] {
		walk(v, "", "")
	}
	a.out.Table(t)
	for _, v := range rep.Volumes {
		a.showFacts(v, features)
	}
}

// used is how full a filesystem is.
func used(v *inspect.Volume) string {
	if v.Usage == nil || v.Usage.Used == nil {
		return ""
	}
	return percent(*v.Usage.Used, v.Usage.Size)
}

// showFacts prints what else is known of a volume.
func (a *app) showFacts(v *inspect.Volume, features bool) {
	features = features && len(v.Features) > 0
	if len(v.Facts) == 0 && !features {
		return
	}
	a.out.Printf("\n%s\n", v.Name)
	t := &terminal.Table{Indent: 2}
	if features {
		t.Row("features", strings.Join(v.Features, " "))
	}
	for _, f := range v.Facts {
		t.Row(f.Name, f.Value)
	}
	a.out.Table(t)
}

// holds says what is on a volume, or failing that, what its partition is for.
func holds(v *inspect.Volume) string {
	switch {
	case known(v.Content):
		return v.Content
	case v.Partition != nil && v.Partition.TypeName != "":
		return "(" + v.Partition.TypeName + ")"
	}
	return ""
}

// status says what became of a volume, with the reason where it was not read.
func status(v *inspect.Volume) terminal.Styled {
	switch v.Status {
	case inspect.StatusContainer:
		return terminal.Plain.In("")
	case inspect.StatusRead:
		text := string(v.Status)
		if known(string(v.Role)) {
			text += ", " + string(v.Role)
		}
		if v.Reason != "" {
			text += ", " + v.Reason
		}
		return terminal.Green.In(text)
	}
	if v.Status.Done() {
		return terminal.Dim.In(v.Status)
	}
	return terminal.Yellow.In(because(string(v.Status), v.Reason))
}
