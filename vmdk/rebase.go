package vmdk

import (
	"context"
	"fmt"
	"strconv"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/blocks"
	"github.com/guestkit/guestkit/internal/overlays"
)

// RebaseOptions says what Rebase puts behind an image. Old and New are VMDKs.
type RebaseOptions = block.RebaseOptions

// Rebase puts a delta disk upon another parent, or upon none. What the disk reads does
// not change: where the parents differ and the image holds nothing, it goes into the
// image. If it is interrupted, the image lies upon the old parent or the new one.
//
// The descriptor of an image in several files is one of them. Where f has a method
// Replace(b []byte) error, as convert.Storage has it, that lets it hold b, or what it
// held, whatever interrupts it; without it such images are refused.
func Rebase(ctx context.Context, f block.Storage, o *RebaseOptions, opts *Options) error {
	e, err := editAll(ctx, f, opts)
	if err != nil {
		return err
	}
	refuse := func(class error, detail string, args ...any) error {
		return block.Errorf(format, "rebase", -1, class, detail, args...)
	}
	if err := overlays.Allowed(format, e.im.Info().Subformat, e.delta(), o); err != nil {
		return err
	}
	if !plainText(o.Backing) {
		return invalid("the name of the parent %q cannot be said in a descriptor", o.Backing)
	}
	cid, hint := uint32(noParent), ""
	if o.Backing != "" {
		parent, err := overlays.NamedParent[*Image](format, e.im.size, o)
		if err != nil {
			return err
		}
		if cid, hint = parent.CID(), `"`+o.Backing+`"`; !isCID(cid) {
			return refuse(block.ErrRefused, "the parent has no content ID")
		}
	}
	keys := [][2]string{{"parentCID", fmt.Sprintf("%08x", cid)}, {"parentFileNameHint", hint}, {secondKey, ""}}
	_, text, err := e.text.withKeys(keys...)
	if err != nil {
		return err
	}
	if d, err := parseDescriptor(text); err != nil {
		return block.Locate(format, "descriptor", -1, err)
	} else if d.parentCID != cid || d.parentHint != o.Backing {
		return refuse(block.ErrUnsupported, "the descriptor would name the parent %q, not %q", d.parentHint, o.Backing)
	}
	parts, err := overlays.Parts(ctx, format, e.im, o, e.unit())
	if err != nil {
		return err
	}
	upon, err := e.open()
	if err != nil {
		return err
	}
	upon.parent = overlays.OrNone(o.Old)
	if err := e.holds(parts, upon); err != nil {
		return err
	}
	if err := e.store(ctx, parts, upon); err != nil {
		return err
	}
	return e.setKeys(ctx, keys...)
}

// secondKey is a second content ID that the parent may have, while a commit gives it
// another one: programs that do not know it refuse the chain then.
const secondKey = "ddb.guestkit.parentCID"

// second is that ID; ok tells whether there is one.
func (d *descriptor) second() (cid uint32, ok bool) {
	cid, err := parseCID(d.ddb[secondKey])
	return cid, err == nil && isCID(cid)
}

// isCID reports whether a content ID tells one content from another: two values say
// that there is none.
func isCID(cid uint32) bool { return cid != 0 && cid != noParent }

// CommitInto writes into the image in base what a disk that lies upon it has of its
// own: that of less than depth (block.Extent.Depth). The image gets a new content ID,
// by which others that lie upon it tell that it has changed; child, which has it for
// its parent, is told. If it is interrupted, the disk reads the same, and base may
// hold a part: commit again then. Until that is done, other programs may refuse
// child, since the content IDs differ.
func CommitInto(ctx context.Context, base, child block.Storage, disk block.Device, depth int, opts *Options) error {
	b, err := editAll(ctx, base, opts)
	if err != nil {
		return err
	}
	c, err := editAll(ctx, child, opts)
	if err != nil {
		return err
	}
	second, two := c.im.d.second()
	switch now := b.im.CID(); {
	case !c.delta():
		return block.Errorf(format, "commit", -1, block.ErrUnsupported, "the disk has no parent")
	case disk.Size() != b.im.size:
		return block.Errorf(format, "commit", -1, block.ErrRefused, "the disk has %d bytes, and that of the parent %d", disk.Size(), b.im.size)
	case !isCID(now) || now != c.im.d.parentCID && !(two && now == second):
		return block.Errorf(format, "commit", -1, block.ErrRefused, "the content ID of the parent is %08x, not %08x", now, c.im.d.parentCID)
	}
	parts, err := overlays.Held(ctx, disk, depth, b.unit())
	if err != nil {
		return err
	}
	if len(parts) == 0 && !two {
		return nil // others may lie upon the base, and its content stays
	}
	if err := b.holds(parts, disk); err != nil {
		return err
	}
	// The base may have its second ID from a run that was interrupted, and others may
	// lie upon that by now: what it becomes is another content again.
	said := fmt.Sprintf("%08x", newCID())
	if err := c.setKeys(ctx, [2]string{"parentCID", fmt.Sprintf("%08x", b.im.CID())}, [2]string{secondKey, strconv.Quote(said)}); err != nil {
		return err
	}
	if err := b.setKeys(ctx, [2]string{"CID", said}); err != nil {
		return err
	}
	if err := b.store(ctx, parts, disk); err != nil {
		return err
	}
	return c.setKeys(ctx, [2]string{"parentCID", said}, [2]string{secondKey, ""})
}

// Empty takes all from a delta disk, which its parent holds too, and gives the room
// back; a flat extent stays as it is. If it is interrupted, each extent is as before or
// empty.
func Empty(ctx context.Context, f block.Storage, opts *Options) error {
	e, err := editAll(ctx, f, opts)
	if err != nil {
		return err
	}
	if !e.delta() {
		return block.Errorf(format, "commit", -1, block.ErrUnsupported, "the disk has no parent")
	}
	for _, x := range e.extents {
		s := x.sparse
		if s == nil {
			continue
		}
		s.given = blocks.NewWithin([]block.Range{{Len: s.g.size}})
		if err := s.pack(ctx); err != nil {
			return err
		}
	}
	return nil
}
