package vhd

import (
	"context"
	"encoding/binary"
	"time"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/guid"
	"github.com/guestkit/guestkit/internal/overlays"
	"github.com/guestkit/guestkit/internal/wide"
)

// RebaseOptions says what Rebase puts behind an image. Old and New are VHDs.
type RebaseOptions = block.RebaseOptions

// Rebase puts a differencing image upon another parent, or without one makes it a
// dynamic image. What the disk reads does not change: where the parents differ and
// the image holds nothing, it goes into the image. If it is interrupted, the image
// lies upon the old parent or the new one; the footer at the end may be missing
// then, for which there is the copy at the beginning, and the next run writes it.
func Rebase(ctx context.Context, f block.Storage, o *RebaseOptions, opts *Options) error {
	im, err := edit(ctx, f, opts, "rebase")
	if err != nil {
		return err
	}
	if err := overlays.Allowed(format, im.Info().Subformat, im.f.diskType == typeDifferencing, o); err != nil {
		return err
	}
	h, locators, err := im.headerFor(o)
	if err != nil {
		return err
	}
	parts, err := overlays.Parts(ctx, format, im, o, granularity)
	if err != nil {
		return err
	}
	if o.Backing == "" {
		if parts, err = im.withGaps(parts); err != nil {
			return err
		}
	}
	if len(parts) > 0 {
		upon, err := open(f, opts)
		if err != nil {
			return err
		}
		upon.parent = o.Old
		if err := im.store(ctx, f, parts, upon); err != nil {
			return err
		}
		if im, err = open(f, opts); err != nil {
			return err
		}
	}
	diskType := uint32(typeDifferencing)
	if o.Backing == "" {
		diskType = typeDynamic
	}
	if err := im.putHeader(f, *h, diskType, locators); err != nil {
		return err
	}
	return settle(f, opts)
}

// headerFor makes the dynamic header of the image upon another parent, and the data
// of its locators.
func (im *Image) headerFor(o *RebaseOptions) (*dynamicHeader, [][]byte, error) {
	h := im.h
	h.parentID, h.parentTime, h.parentName, h.locators = guid.UUID{}, 0, [512]byte{}, [8]locator{}
	if o.Backing == "" {
		return &h, nil, nil
	}
	parent, err := overlays.NamedParent[*Image](format, im.size, o)
	if err != nil {
		return nil, nil, err
	}
	p := Parent{Name: o.Backing, UUID: parent.UUID(), Size: parent.Size()}
	if m, ok := o.New.(interface{ Modified() time.Time }); ok {
		p.Modified = m.Modified()
	}
	l := Layout{Size: im.size, BlockSize: int64(im.h.blockSize), Parent: &p}
	l = l.withDefaults()
	if err := l.validate(); err != nil {
		return nil, nil, err
	}
	made := l.dynamic(&im.f)
	h.parentID, h.parentTime, h.parentName = made.parentID, made.parentTime, made.parentName
	h.locators[0].code = made.locators[0].code
	return &h, [][]byte{wide.Append(nil, p.locator(), binary.LittleEndian)}, nil
}

// withGaps joins to parts the whole of each block of which the image holds but some
// sectors: other programs do not look at the bitmaps of a dynamic image.
func (im *Image) withGaps(parts []block.Range) (out []block.Range, err error) {
	bs := int64(im.h.blockSize)
	for i := range im.h.entries {
		bitmap, err := im.entry(i)
		if err != nil {
			return nil, err
		}
		off, end := i*bs, min((i+1)*bs, im.size)
		if bitmap >= 0 {
			for at := off; at < end; {
				x, err := im.runAt(at)
				if err != nil {
					return nil, err
				}
				if !x.stored {
					out = append(out, block.Range{Off: off, Len: end - off})
					break
				}
				at += x.n
			}
		}
		for len(parts) > 0 && parts[0].Off < end {
			p := parts[0]
			if n := p.Off + p.Len - end; n > 0 { // the rest belongs to the next block
				parts[0] = block.Range{Off: end, Len: n}
				p.Len -= n
			} else {
				parts = parts[1:]
			}
			if bitmap < 0 {
				out = append(out, p)
			}
		}
	}
	return out, nil
}
