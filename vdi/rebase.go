package vdi

import (
	"context"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/blocks"
	"github.com/guestkit/guestkit/internal/guid"
	"github.com/guestkit/guestkit/internal/overlays"
)

// RebaseOptions says what Rebase puts behind an image. Old and New are VDIs. Of the
// name of the new one nothing is stored: a VDI tells its parent by UUID alone.
type RebaseOptions = block.RebaseOptions

// Rebase puts a differencing image upon another parent, or without one makes it a
// dynamic image. What the disk reads does not change, and so the UUID of its content
// stays: where the parents differ and the image holds nothing, it goes into the image.
// If it is interrupted, the image lies upon the old parent or the new one.
func Rebase(ctx context.Context, f block.Storage, o *RebaseOptions, opts *Options) error {
	s, err := edit(ctx, f, opts, "rebase")
	if err != nil {
		return err
	}
	if err := overlays.Allowed(format, s.im.Info().Subformat, s.h.differencing(), o); err != nil {
		return err
	}
	var link, modify guid.GUID
	if o.Backing != "" {
		parent, err := overlays.Parent[*Image](format, s.im.Size(), o)
		if err != nil {
			return err
		}
		if link, modify = parent.h.uuidCreate, parent.h.uuidModify; link.IsZero() {
			return block.Errorf(format, "rebase", -1, block.ErrRefused, "the parent has no UUID")
		}
		if link == s.h.uuidCreate {
			return block.Errorf(format, "rebase", -1, block.ErrLoop, "the parent has the UUID of the image itself")
		}
	}
	parts, err := overlays.Parts(ctx, format, s.im, o, int64(s.h.cbBlock))
	if err != nil {
		return err
	}
	upon, err := open(f, &Options{})
	if err != nil {
		return err
	}
	upon.parent = overlays.OrNone(o.Old)
	if err := s.store(ctx, parts, upon); err != nil {
		return err
	}
	if s.h.uuidLinkage, s.h.uuidParent = link, modify; o.Backing == "" && s.h.imageType == typeDiff {
		s.h.imageType = typeDynamic
	}
	return s.putHeader()
}

// CommitInto writes into the image in base what a disk that lies upon it has of its
// own: that of less than depth (block.Extent.Depth). The image gets a new UUID of its
// content, by which others that lie upon it tell that it has changed; child, which has
// it for its parent, is told, and says of no content meanwhile. If it is interrupted,
// the disk reads the same, and base may hold a part: commit again then.
func CommitInto(ctx context.Context, base, child block.Storage, disk block.Device, depth int, opts *Options) error {
	b, err := edit(ctx, base, opts, "commit")
	if err != nil {
		return err
	}
	im, err := open(child, &Options{})
	if err != nil {
		return err
	}
	c := &session{f: child, im: im, h: im.h}
	refuse := func(class error, detail string, args ...any) error {
		return block.Errorf(format, "commit", -1, class, detail, args...)
	}
	switch {
	case !c.h.differencing():
		return refuse(block.ErrUnsupported, "a %s image has no parent", im.Info().Subformat)
	case disk.Size() != b.im.Size():
		return refuse(block.ErrRefused, "the disk has %d bytes, and that of the parent %d", disk.Size(), b.im.Size())
	case c.h.uuidLinkage != b.h.uuidCreate:
		return refuse(block.ErrRefused, "the UUID of the parent is %s, not %s", b.h.uuidCreate, c.h.uuidLinkage)
	case !c.h.uuidParent.IsZero() && c.h.uuidParent != b.h.uuidModify:
		return refuse(block.ErrRefused, "the parent was written to after the image was made of it: its content is %s, not %s", b.h.uuidModify, c.h.uuidParent)
	}
	parts, err := overlays.Held(ctx, disk, depth, int64(b.h.cbBlock))
	if err != nil {
		return err
	}
	if len(parts) == 0 && !c.h.uuidParent.IsZero() {
		return nil // others may lie upon the base, and its content stays
	}
	c.h.uuidParent = guid.GUID{}
	if err := c.putHeader(); err != nil {
		return err
	}
	b.h.uuidModify = guid.New()
	if err := b.putHeader(); err != nil {
		return err
	}
	if err := b.store(ctx, parts, disk); err != nil {
		return err
	}
	c.h.uuidParent = b.h.uuidModify
	return c.putHeader()
}

// Empty takes all from a differencing image, which its parent holds too, and gives
// the room back. If it is interrupted, the image is as before or empty.
func Empty(ctx context.Context, f block.Storage, opts *Options) error {
	s, err := edit(ctx, f, opts, "commit")
	if err != nil {
		return err
	}
	if !s.h.differencing() {
		return block.Errorf(format, "commit", -1, block.ErrUnsupported, "a %s image has no parent", s.im.Info().Subformat)
	}
	for i, e := range s.entries {
		if e != blockFree {
			s.changes = append(s.changes, blocks.Change{I: int64(i), V: blockFree})
		}
	}
	if len(s.changes) > 0 {
		if err := s.switchOver(ctx); err != nil {
			return err
		}
	}
	return s.pack(ctx)
}
