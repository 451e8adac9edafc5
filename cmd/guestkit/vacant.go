package main

import (
	"github.com/spf13/cobra"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/format"
	"github.com/guestkit/guestkit/internal/terminal"
	"github.com/guestkit/guestkit/vacant"
)

// A keptDoc is a volume whose free blocks are kept.
type keptDoc struct {
	Volume string `json:"volume"`
	Type   string `json:"type,omitempty"`
	Reason string `json:"reason"`
}

func skipFreeFlag(cmd *cobra.Command, to *bool) {
	cmd.Flags().BoolVar(to, "skip-free", false, "take blocks that the filesystems call free, swap space and gaps between partitions for zeros")
}

// skipFree lays zeros over what of an image nobody needs, if it is asked for, and
// says what is kept.
func (a *app) skipFree(img format.Image, do bool) (block.Device, error) {
	if !do {
		return img, nil
	}
	rep, err := vacant.Find(a.ctx, img)
	if err != nil {
		return nil, pathError(shownName(img.Info()), err)
	}
	a.noteVacant(rep)
	return rep.Over(img), nil
}

// noteVacant tells which volumes are kept whole, and with --verbose what of the
// others is free.
func (a *app) noteVacant(rep *vacant.Report) {
	for i := range rep.Volumes {
		v := &rep.Volumes[i]
		switch {
		case v.Err != nil && !a.quiet:
			a.err.Printf("guestkit: %s is kept whole: %s\n", v.Name, v.Err)
		case v.Err == nil:
			a.note("volume %s: %s of %s are free", v.Name, terminal.Size(v.Free()), terminal.Size(v.Size))
		}
	}
}

// vacantDocs are what a document tells of what is left out; nil where nothing was
// asked for.
func vacantDocs(reports []*vacant.Report) (free *int64, kept []keptDoc) {
	for _, rep := range reports {
		if free == nil {
			free = new(int64)
		}
		*free += rep.Free()
		for i := range rep.Volumes {
			if v := &rep.Volumes[i]; v.Err != nil {
				kept = append(kept, keptDoc{v.Name, v.Type, inFlags(v.Err)})
			}
		}
	}
	return free, kept
}
