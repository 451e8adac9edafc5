package vhdx

import (
	"context"
	"strings"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/blocks"
	"github.com/guestkit/guestkit/internal/guid"
	"github.com/guestkit/guestkit/internal/overlays"
	"github.com/guestkit/guestkit/internal/wide"
)

// RebaseOptions says what Rebase puts behind an image. Old and New are VHDXs.
type RebaseOptions = block.RebaseOptions

// alter opens an image for changes in place, without its parent. A log that was left
// is replayed onto it.
func alter(ctx context.Context, f block.Storage, what string) (*session, *Image, error) {
	res, err := Check(ctx, f, nil, nil)
	if err != nil {
		return nil, nil, err
	}
	if res.Corruptions > 0 {
		return nil, nil, block.Errorf(format, what, -1, block.ErrCorrupt, "the image has %d faults, see 'guestkit check'", res.Corruptions)
	}
	s, err := begin(f, false)
	if err != nil {
		return nil, nil, err
	}
	im, err := open(f, &Options{})
	return s, im, err
}

// Rebase puts a differencing image upon another parent, or without one makes it a
// dynamic image. What the disk reads does not change: blocks in which the parents
// differ and of which the image holds not all go into it. If it is interrupted, the
// image lies upon the old parent or the new one.
func Rebase(ctx context.Context, f block.Storage, o *RebaseOptions) error {
	im, err := open(f, &Options{})
	if err != nil {
		return err
	}
	if err := overlays.Allowed(format, im.Info().Subformat, im.m.hasParent, o); err != nil {
		return err
	}
	var keys map[string]string
	if o.Backing != "" {
		parent, err := overlays.NamedParent[*Image](format, im.m.size, o)
		if err != nil {
			return err
		}
		if n := wide.Len(o.Backing); n > maxName {
			return block.Errorf(format, "rebase", -1, block.ErrRefused, "a name of the parent of %d characters, at most %d are stored", n, maxName)
		}
		keys = map[string]string{linkageKey: braced(parent.h.dataWriteGUID)}
		key, name := named(o.Backing)
		keys[key] = name
	}
	parts, err := overlays.Parts(ctx, format, im, o, im.m.blockSize)
	if err != nil {
		return err
	}
	s, im, err := alter(ctx, f, "rebase")
	if err != nil {
		return err
	}
	upon, err := open(f, &Options{})
	if err != nil {
		return err
	}
	upon.parent = o.Old
	if o.Backing == "" { // there is no bitmap in an image without a parent
		partial, err := im.partials()
		if err != nil {
			return err
		}
		if err := s.store(ctx, im, partial, upon); err != nil {
			return err
		}
		if im, err = open(f, &Options{}); err != nil {
			return err
		}
	}
	if err := s.store(ctx, im, parts, upon); err != nil {
		return err
	}
	if o.Backing == "" {
		if err := s.dropBitmaps(im); err != nil {
			return err
		}
	}
	if err := s.relink(im, keys); err != nil {
		return err
	}
	if o.Backing != "" {
		return nil
	}
	if im, err = open(f, &Options{}); err != nil {
		return err
	}
	return s.pack(ctx, im)
}

// maxName is the longest name of a parent: a locator counts its bytes in 16 bits, and
// what named puts before it too.
const maxName = 1<<15 - 3

// named is a name as a locator has it, and by which key.
func named(name string) (key, value string) {
	value = strings.ReplaceAll(name, "/", `\`)
	if value[0] == '\\' || len(value) > 1 && value[1] == ':' {
		return "absolute_win32_path", value
	}
	return "relative_path", `.\` + strings.TrimPrefix(value, `.\`)
}

func braced(g guid.GUID) string { return "{" + g.String() + "}" }

// CommitInto writes into the image in base what a disk that lies upon it has of its
// own: that of less than depth (block.Extent.Depth). The data gets a new identity, by
// which other images that lie upon it tell that it has changed; child, which has it
// for its parent, is told, and until all is done knows both. If it is interrupted, the
// disk reads the same, and base may hold a part: commit again then.
func CommitInto(ctx context.Context, base, child block.Storage, disk block.Device, depth int) error {
	im, err := open(base, &Options{})
	if err != nil {
		return err
	}
	upon, err := open(child, &Options{})
	if err != nil {
		return err
	}
	refuse := func(class error, detail string, args ...any) error {
		return block.Errorf(format, "commit", -1, class, detail, args...)
	}
	switch {
	case !upon.m.hasParent:
		return refuse(block.ErrUnsupported, "a %s image has no parent", upon.Info().Subformat)
	case disk.Size() != im.m.size:
		return refuse(block.ErrRefused, "the disk has %d bytes, and that of the parent %d", disk.Size(), im.m.size)
	case !upon.linkage()[im.h.dataWriteGUID]:
		return refuse(block.ErrRefused, "the data of the parent have the identity %s, not %s", im.DataWriteGUID(), upon.m.locator[linkageKey])
	}
	const unit = 64 << 10
	parts, err := overlays.Held(ctx, disk, depth, unit)
	if err != nil {
		return err
	}
	if _, two := upon.m.locator[secondKey]; len(parts) == 0 && !two {
		return nil // others may lie upon the base, and its content stays
	}
	b, im, err := alter(ctx, base, "commit")
	if err != nil {
		return err
	}
	c, upon, err := alter(ctx, child, "commit")
	if err != nil {
		return err
	}
	// The base may have its second identity from a run that was interrupted, and others
	// may lie upon that by now: what it becomes is another content again.
	id, keys := guid.New(), upon.m.locator
	keys[linkageKey], keys[secondKey] = braced(im.h.dataWriteGUID), braced(id)
	if err := c.relink(upon, keys); err != nil {
		return err
	}
	b.h.dataWriteGUID = id
	if err := b.putHeader(); err != nil {
		return err
	}
	if err := b.store(ctx, im, parts, disk); err != nil {
		return err
	}
	if upon, err = open(child, &Options{}); err != nil {
		return err
	}
	keys[linkageKey] = braced(id)
	delete(keys, secondKey)
	return c.relink(upon, keys)
}

// Empty takes all from a differencing image, which its parent holds too, and gives the
// room back. If it is interrupted, each block is as before or gone.
func Empty(ctx context.Context, f block.Storage) error {
	s, im, err := alter(ctx, f, "commit")
	if err != nil {
		return err
	}
	if !im.m.hasParent {
		return block.Errorf(format, "commit", -1, block.ErrUnsupported, "a %s image has no parent", im.Info().Subformat)
	}
	var changes []blocks.Change
	for i := range im.blocks() {
		state, _, err := im.blockEntry(i)
		if err != nil {
			return err
		}
		if state != blockNotPresent {
			changes = append(changes, blocks.Change{I: i + i/im.chunk, V: blockNotPresent})
		}
	}
	if err := s.writeBAT(im.bat, changes); err != nil {
		return err
	}
	if im, err = open(f, &Options{}); err != nil {
		return err
	}
	if err := s.dropBitmaps(im); err != nil {
		return err
	}
	if im, err = open(f, &Options{}); err != nil {
		return err
	}
	return s.pack(ctx, im)
}
