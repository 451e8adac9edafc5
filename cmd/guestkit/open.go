package main

import (
	"errors"
	"fmt"

	"github.com/guestkit/guestkit/format"
	"github.com/guestkit/guestkit/internal/terminal"
)

// formatName is the format of an image, with what is around it: "raw in xz".
func formatName(i *format.Info) string {
	if i.Wrapper != "" {
		return i.Format + " in " + i.Wrapper
	}
	return i.Format
}

// openSource opens the image of a command that reads one.
func openSource(path string, o *format.Options, a *app) (format.Image, error) {
	if err := a.usable(path); err != nil {
		return nil, err
	}
	img, err := format.OpenFile(path, o)
	if err != nil {
		var several *format.DisksError
		if errors.As(err, &several) && len(several.Disks) > 1 {
			err = fmt.Errorf("%w; choose with --disk", err)
		}
		return nil, err
	}
	if err := fits(path, img.Size(), o); err != nil {
		img.Close()
		return nil, err
	}
	a.note("opened %s: %s, %s", shownName(img.Info()), formatName(img.Info()), terminal.Size(img.Size()))
	a.warn(img.Problems())
	a.noteFiles(img.Info())
	return img, nil
}

// noteFiles says with --verbose what was opened besides the file of an image,
// and warns of those that are being written to.
func (a *app) noteFiles(i *format.Info) {
	for _, below := range i.Chain {
		a.warnInUse(below.Name)
	}
	for _, name := range i.Files {
		a.note("opened %s, which holds a part of the disk", name)
	}
	for _, below := range i.Chain {
		a.note("opened %s, which lies behind it: %s, %s", below.Name, below.Format, terminal.Size(below.VirtualSize))
		for _, name := range below.Files {
			a.note("opened %s, which holds a part of that", name)
		}
	}
}
