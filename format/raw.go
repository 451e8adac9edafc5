package format

import (
	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/format/raw"
)

func openRaw(r block.Reader, _ *Options) (opened, *Info, error) {
	im, err := raw.Open(r, nil)
	if err != nil {
		return nil, nil, err
	}
	return im, &Info{VirtualSize: im.Size(), SectorSize: im.SectorSize()}, nil
}
