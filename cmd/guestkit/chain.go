package main

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/format"
	"github.com/guestkit/guestkit/internal/terminal"
)

// The exit codes of chain, which are those of check.
const (
	chainBroken = 2
	chainOdd    = 3
)

type chainDoc struct {
	Schema string    `json:"schema"`
	Path   string    `json:"path"`
	Sound  bool      `json:"sound"` // all of it can be read, and nothing is odd
	Error  string    `json:"error,omitempty"`
	Links  []linkDoc `json:"links"`
}

// A linkDoc is one image of a chain, the first the one that was named.
type linkDoc struct {
	Path        string   `json:"path"`
	Format      string   `json:"format,omitempty"`
	VirtualSize int64    `json:"virtual_size,omitempty"`
	FileSize    int64    `json:"file_size,omitempty"`
	Modified    string   `json:"modified,omitempty"`
	ID          string   `json:"id,omitempty"`        // a VMDK's CID, a VHD's or VDI's UUID, a VHDX's DataWriteGUID
	ParentID    string   `json:"parent_id,omitempty"` // that the parent must have
	Backing     *refDoc  `json:"backing,omitempty"`
	Error       string   `json:"error,omitempty"`
	Odd         []string `json:"odd,omitempty"`
}

func newChain(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "chain [flags] IMAGE",
		Short: "Show and verify a whole backing chain",
		Long: `Lists the image and all that lie behind it: format, size, identity, what each names,
and what is wrong: one that is missing, is not the one that its child was made for
(by the CID of a VMDK, the UUID of a VHD, VHDX or VDI), leads in a circle, has
another size, is cut short, or was written to after its child. Tables are read, and no
data: 'guestkit check' looks closer at one image.

Exit codes: 0 it is sound, 1 it could not be looked at, 2 it is broken, 3 something
is odd.`,
		Example: `  guestkit chain overlay.qcow2
  guestkit chain --json vm-000002.vmdk`,
		Args: args(1, 1, "an image"),
	}
	src := a.storedFlags(cmd)
	a.jsonFlag(cmd)
	cmd.RunE = func(_ *cobra.Command, args []string) error { return a.chain(args[0], src) }
	return cmd
}

func (a *app) chain(path string, src *source) error {
	if err := src.check(); err != nil {
		return err
	}
	if err := a.usable(path); err != nil {
		return err
	}
	o := src.stored()
	o.Unwrap = true
	links, err := format.Links(path, o)
	if err != nil && links[0].Info == nil {
		return err
	}
	if err == nil {
		if err = a.mapped(path, o); a.ctx.Err() != nil {
			return err
		}
	}
	doc := chainDoc{Schema: schema("chain"), Path: shownImage(path), Sound: err == nil}
	if err != nil {
		doc.Error = inFlags(err)
	}
	for i := range links {
		d := newLinkDoc(&links[i])
		doc.Sound = doc.Sound && len(d.Odd) == 0
		doc.Links = append(doc.Links, d)
	}
	if a.json {
		if err := a.document(doc); err != nil {
			return err
		}
	} else if !a.quiet {
		a.showChain(&doc)
	}
	switch {
	case err != nil:
		return exit(chainBroken)
	case !doc.Sound:
		return exit(chainOdd)
	}
	return nil
}

// mapped goes over the tables of an image and of those behind it: what they lead to must
// lie in the files. Data is not read.
func (a *app) mapped(path string, o *format.Options) error {
	img, err := format.OpenFile(path, o)
	if err != nil {
		return err
	}
	defer img.Close()
	for _, err := range block.Extents(img, 0, img.Size()) {
		if err != nil {
			return err
		}
		if a.ctx.Err() != nil {
			return context.Cause(a.ctx)
		}
	}
	return nil
}

func newLinkDoc(l *format.Link) linkDoc {
	d := linkDoc{Path: l.Name}
	if !l.Modified.IsZero() {
		d.Modified = l.Modified.UTC().Format(time.RFC3339)
	}
	if l.Err != nil {
		d.Error = inFlags(l.Err)
	}
	for _, err := range l.Odd {
		d.Odd = append(d.Odd, inFlags(err))
	}
	i := l.Info
	if i == nil {
		return d
	}
	d.Format, d.VirtualSize, d.FileSize = i.Format, i.VirtualSize, i.FileSize
	if i.Backing != nil {
		d.Backing = &refDoc{Name: i.Backing.Name, Format: i.Backing.Format}
	}
	d.ID = i.ID
	if i.Backing != nil {
		d.ParentID = i.ParentID
	}
	return d
}

func (a *app) showChain(doc *chainDoc) {
	said := false
	for i, l := range doc.Links {
		said = said || l.Error != ""
		if l.Format == "" {
			a.out.Printf("%d  %s\n", i, l.Path)
		} else {
			a.out.Printf("%d  %s: %s, %s, %s on disk\n", i, l.Path, l.Format, terminal.Size(l.VirtualSize), terminal.Size(l.FileSize))
		}
		if l.ID != "" {
			a.out.Printf("   identity %s\n", l.ID)
		}
		if l.ParentID != "" {
			a.out.Printf("   its parent has %s\n", l.ParentID)
		}
		for _, odd := range l.Odd {
			a.out.Printf("   %s %s\n", terminal.Yellow.In("odd:"), odd)
		}
		if l.Error != "" {
			a.out.Printf("   %s %s\n", terminal.Red.In("broken:"), l.Error)
		}
	}
	switch {
	case doc.Error != "":
		if !said {
			a.out.Printf("%s %s\n", terminal.Red.In("broken:"), doc.Error)
		}
		a.out.Printf("the chain is broken\n")
	case !doc.Sound:
		a.out.Printf("the chain can be read, and something is odd\n")
	default:
		n := len(doc.Links)
		a.out.Printf("the chain is sound: %d image%s\n", n, iff(n != 1, "s"))
	}
}
