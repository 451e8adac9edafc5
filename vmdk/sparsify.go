package vmdk

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/blocks"
	"github.com/guestkit/guestkit/internal/charset"
	"github.com/guestkit/guestkit/internal/paged"
	"github.com/guestkit/guestkit/internal/problem"
)

// Sparsify gives back what lies in the given parts of the disk, in rising order; it reads
// as zeros from then on. Of a sparse file it is the grains that lie in them as a whole:
// those behind them move down, and the file is cut. Flat extents get holes, for which
// their files need a method Punch(off, n int64) error, as convert.Storage has it. If it
// is interrupted, the image is whole; of each sparse file the grains are as before or all
// of them read as zeros: each grain has an entry in two tables, so that the header is
// switched to other tables at the end of the file by one write, and back when those in
// their place are on the disk. It returns how many bytes of the disk were given back, of
// flat extents all that was given. The image gets a new content ID, by which an image
// that lies upon it tells that it has changed.
//
// For images in several files see [Rebase].
func Sparsify(ctx context.Context, f block.Storage, parts []block.Range, opts *Options) (int64, error) {
	e, err := editAll(ctx, f, opts)
	if err != nil {
		return 0, err
	}
	if e.delta() {
		return 0, block.Errorf(format, "sparsify", -1, block.ErrUnsupported, "a delta disk is not made smaller in place")
	}
	freed, do := int64(0), []func() error{}
	for _, x := range e.extents {
		own := within(parts, x.off, x.size, 1)
		switch {
		case x.sparse != nil:
			n, some, err := x.sparse.give(own)
			if err != nil {
				return 0, err
			}
			if freed += n; some {
				do = append(do, func() error { return x.sparse.pack(ctx) })
			}
		case len(own) == 0 || x.zeros:
		case x.flat == nil:
			return 0, block.Errorf(format, "sparsify", x.off, block.ErrUnsupported, "something would be given back of an extent that is not written to: %s", x.why)
		default:
			p, ok := x.flat.(puncher)
			if !ok {
				return 0, notInPlace("descriptor", "a flat extent whose file cannot get holes")
			}
			for _, r := range own {
				freed += r.Len
			}
			do = append(do, func() error { return punch(ctx, p, own, x.at) })
		}
	}
	if freed > 0 {
		if err := e.text.setKeys([2]string{"CID", fmt.Sprintf("%08x", newCID())}); err != nil {
			return 0, err
		}
	}
	for _, do := range do {
		if err := do(); err != nil {
			return 0, err
		}
	}
	return freed, nil
}

// A puncher is a file that can get holes.
type puncher interface {
	block.Storage
	Punch(off, n int64) error
}

// punch lets parts of a flat extent, which begins at at in its file, take no room.
func punch(ctx context.Context, p puncher, parts []block.Range, at int64) error {
	for _, r := range parts {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err := p.Punch(at+r.Off, r.Len); err != nil {
			return err
		}
	}
	return p.Sync()
}

// give notes the grains that lie in parts as a whole. some tells whether there is
// anything to do: grains to give back, or room between others.
func (s *editor) give(parts []block.Range) (freed int64, some bool, err error) {
	s.given = blocks.NewWithin(parts)
	err = s.each(func(i int64, _ place) error {
		if s.gone(i) {
			freed += s.g.need(i)
		}
		return nil
	})
	if err != nil {
		return 0, false, err
	}
	p, err := s.packing()
	if err != nil {
		return 0, false, err
	}
	moves, end, err := p.Plan()
	return freed, freed > 0 || len(moves) > 0 || end < s.f.Size(), err
}

// pack frees the grains that are given back, moves the others down and cuts the file
// behind them.
func (s *editor) pack(ctx context.Context) error {
	p, err := s.packing()
	if err != nil {
		return err
	}
	// The new tables lie behind all else, and lead to what is left.
	if err := s.shadow(ctx); err != nil {
		return err
	}
	moves, end, err := p.Plan()
	if err != nil {
		return err
	}
	if err := blocks.Copy(ctx, s.f, moves, s.d.grain); err != nil {
		return err
	}
	s.moves = moves
	if err := s.home(ctx, s.d, false); err != nil {
		return err
	}
	if end = (end + sectorSize - 1) / sectorSize * sectorSize; end < s.size {
		s.size = end
	}
	if err := s.f.Truncate(s.size); err != nil {
		return err
	}
	return s.f.Sync()
}

// An editor changes a sparse file in place.
type editor struct {
	f     block.Storage
	g     *grains
	d     *directory
	h     sparseHeader
	size  int64 // of the file when its tables are in their place
	delta bool  // what it does not hold the parent has

	total int64          // grains of the disk
	whole int64          // of the file, of which a descriptor may use less
	given *blocks.Within // the parts of the disk that are given back, or nil
	moves []blocks.Move  // of grains, by their numbers
	spare int64          // where there is room for new tables
	opts  *Options
}

// edit opens an image in one file, with its descriptor inside, for changes in place.
func edit(ctx context.Context, f block.Storage, opts *Options) (*Image, *editor, error) {
	im, err := describe(f, opts)
	if err != nil {
		return nil, nil, err
	}
	if im.d == nil || im.info.Compressed || im.d.createType != MonolithicSparse {
		return nil, nil, notInPlace("descriptor", "a %s image", im.info.Subformat)
	}
	if err := sound(ctx, f, opts); err != nil {
		return nil, nil, err
	}
	s, err := editSparse(ctx, f, im.d.parentCID != noParent, opts)
	if err != nil {
		return nil, nil, err
	}
	text, err := s.text()
	if err != nil {
		return nil, nil, err
	}
	if err := unmarked(text); err != nil {
		return nil, nil, err
	}
	if back, err := s.textBack(); err != nil {
		return nil, nil, err
	} else if back {
		return edit(ctx, f, opts)
	}
	return im, s, nil
}

func notInPlace(what, detail string, args ...any) error {
	return block.Errorf(format, what, -1, block.ErrUnsupported, "%s is not changed in place", fmt.Sprintf(detail, args...))
}

// unmarked refuses a descriptor that begins with a byte order mark.
func unmarked(text []byte) error {
	if _, marked := charset.Marked(text); marked {
		return notInPlace("descriptor", "one with a byte order mark")
	}
	return nil
}

// sound refuses an image that has faults.
func sound(ctx context.Context, f block.Storage, opts *Options) error {
	res, err := Check(ctx, f, opts, nil)
	if err == nil && res.Corruptions > 0 {
		err = block.Errorf(format, "image", -1, block.ErrCorrupt, "it has %d faults, see 'guestkit check'", res.Corruptions)
	}
	return err
}

// editSparse opens a sparse file for changes in place. The tables that an interrupted
// run has left in another place are brought back.
func editSparse(ctx context.Context, f block.Storage, delta bool, opts *Options) (*editor, error) {
	var problems problem.List
	g, h, _, err := openHosted(f, opts, &problems)
	if err != nil {
		return nil, err
	}
	d, ok := g.table.(*directory)
	if !ok || g.inf != nil {
		return nil, notInPlace("sparse header", "a compressed file")
	}
	if len(problems.All()) > 0 && h.uncleanShutdown == 0 {
		return nil, problems.All()[0]
	}
	s := &editor{f: f, g: g, d: d, h: *h, size: f.Size(), delta: delta, opts: opts}
	s.total = (g.size + g.grain - 1) / g.grain
	if back, err := s.goBack(ctx); err != nil {
		return nil, err
	} else if back {
		return editSparse(ctx, f, delta, opts)
	}
	return s, nil
}

// awayMark is in the header, behind all that the format has there, while the
// tables are not in their place: then follow where they belong and the flags.
const (
	awayMark = "GKTB"
	awayAt   = 0x60
	awaySize = 4 + 8 + 8 + 4
)

// goBack ends what an interrupted run has left: the tables are written to their
// place again. back tells that there was such.
func (s *editor) goBack(ctx context.Context) (back bool, err error) {
	b, err := block.ReadBytes(s.f, awayAt, awaySize, awaySize)
	if err != nil || string(b[:4]) != awayMark {
		return false, block.Locate(format, "sparse header", awayAt, err)
	}
	le := binary.LittleEndian
	h := s.h
	h.rgdOffset, h.gdOffset, h.flags = le.Uint64(b[4:]), le.Uint64(b[12:]), le.Uint32(b[20:])
	var problems problem.List
	home := &directory{pages: s.d.pages, fileSize: s.d.fileSize, entries: s.d.entries, perTable: s.d.perTable, grain: s.d.grain, problems: &problems}
	if err := home.place(&h, nil); err != nil || len(problems.All()) > 0 {
		return false, errors.Join(append(problems.All(), err)...)
	}
	s.h = h
	return true, s.home(ctx, home, true)
}

func (s *editor) gone(i int64) bool {
	return s.given != nil && s.given.Has(i*s.d.grain, s.g.need(i))
}

// each calls do for each grain that is stored.
func (s *editor) each(do func(i int64, p place) error) error {
	for i := int64(0); i < s.total; {
		p, err := s.d.find(i, s.g.need(i))
		if err != nil {
			return err
		}
		if p.kind != placeStored {
			i += max(p.same, 1)
			continue
		}
		if err := do(i, p); err != nil {
			return err
		}
		i++
	}
	return nil
}

// packing lists what lies in the file.
func (s *editor) packing() (*blocks.Packing, error) {
	p := &blocks.Packing{Format: format, What: "grain table", Size: s.d.grain}
	// What lies before the first grain belongs to nobody else.
	head := min(int64(min(s.h.overHead, uint64(s.size)/sectorSize))*sectorSize, s.size)
	end := int64(headerSize)
	err := s.each(func(i int64, at place) error {
		head = min(head, at.off)
		if s.gone(i) {
			return nil
		}
		return p.Add(i, at.off)
	})
	if err != nil {
		return nil, err
	}
	for i := s.total; i < s.whole; i++ {
		if at, err := s.d.find(i, 0); err != nil || at.kind != placeUnset {
			return nil, errors.Join(err, block.Errorf(format, "grain table", -1, block.ErrUnsupported, "grain %d is there, and the descriptor uses %d of the extent", i, s.total))
		}
	}
	p.AlignAs(sectorSize, s.d.grain)
	tables, err := s.tables()
	if err != nil {
		return nil, err
	}
	for _, t := range tables {
		if t.end <= head {
			end = max(end, t.end)
			continue
		}
		p.Fixed = append(p.Fixed, block.Range{Off: t.off, Len: t.end - t.off})
	}
	p.Fixed = append(p.Fixed, block.Range{Len: max(end, head)})
	return p, nil
}

// tables lists where the header, the descriptor, the directories and the grain tables
// lie.
func (s *editor) tables() ([]span, error) {
	all := append([]span(nil), s.d.taken...)
	for _, dir := range []int64{s.d.off, s.d.redundant} {
		for n := int64(0); dir != 0 && n < s.d.entries; n++ {
			off, err := s.d.entry(dir, n)
			if err != nil {
				return nil, err
			}
			if off != 0 {
				all = append(all, span{"grain table", off, off + 4*s.d.perTable})
			}
		}
	}
	return all, nil
}

// table reads grain table n, and takes out of it what is given back. found tells
// whether there is one, changed whether it is another now.
func (s *editor) table(n int64, b []byte) (found, changed bool, err error) {
	off, err := s.d.table(n)
	if err != nil || off == 0 {
		return false, false, err
	}
	if err := block.ReadFull(s.f, b, off); err != nil {
		return false, false, block.Locate(format, "grain table", off, err)
	}
	for k := range s.d.perTable {
		i := n*s.d.perTable + k
		e := b[4*k : 4*k+4]
		if binary.LittleEndian.Uint32(e) == 0 {
			continue
		}
		if s.gone(i) { // what is behind the disk has no place
			clear(e)
			changed = true
		}
	}
	return true, changed, nil
}

// shadow writes tables behind all else, and switches the header to them.
func (s *editor) shadow(ctx context.Context) error {
	at := (s.size + s.d.grain - 1) / s.d.grain * s.d.grain
	directory := make([]byte, (4*s.d.entries+sectorSize-1)/sectorSize*sectorSize)
	next := at + int64(len(directory))
	size := (4*s.d.perTable + sectorSize - 1) / sectorSize * sectorSize
	if next+s.d.entries*size > sectorSize<<32 {
		return block.Errorf(format, "grain directory", -1, block.ErrLimit, "there is no room for other tables in 2 TiB")
	}
	b := make([]byte, size)
	for n := range s.d.entries {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		found, _, err := s.table(n, b[:4*s.d.perTable])
		if err != nil {
			return err
		}
		if !found || len(bytes.Trim(b, "\x00")) == 0 {
			continue
		}
		binary.LittleEndian.PutUint32(directory[4*n:], uint32(next/sectorSize))
		if _, err := s.f.WriteAt(b, next); err != nil {
			return err
		}
		next += size
	}
	if _, err := s.f.WriteAt(directory, at); err != nil {
		return err
	}
	if err := s.f.Sync(); err != nil {
		return err
	}
	h := s.h
	h.gdOffset, h.rgdOffset, h.flags = uint64(at/sectorSize), 0, h.flags&^flagRedundant
	return s.putHeader(&h)
}

// home writes the tables to their place, with what is given back and what has
// moved, and switches the header back to them. All of them, or those that change.
func (s *editor) home(ctx context.Context, to *directory, all bool) error {
	b := make([]byte, 4*s.d.perTable)
	moves := s.moves
	for n := range s.d.entries {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		found, changed, err := s.table(n, b)
		if err != nil {
			return err
		}
		if !found {
			clear(b)
		}
		moved := false
		for len(moves) > 0 && moves[0].I < (n+1)*s.d.perTable {
			binary.LittleEndian.PutUint32(b[4*(moves[0].I-n*s.d.perTable):], uint32(moves[0].To/sectorSize))
			moves, moved = moves[1:], true
		}
		if !changed && !moved && !all {
			continue
		}
		if all && !found {
			if err := s.halfTable(to, n); err != nil {
				return err
			}
		}
		for _, dir := range []int64{to.off, to.redundant} {
			if dir == 0 {
				continue
			}
			off, err := to.entry(dir, n)
			if err != nil {
				return err
			}
			switch {
			case off == 0 && !moved && len(bytes.Trim(b, "\x00")) > 0:
				return block.Errorf(format, "grain directory", dir+4*n, block.ErrCorrupt, "it lacks the table of grains that are stored")
			case off == 0 && !moved:
				continue // and never was there
			case off == 0:
				if off, err = s.newTable(dir, n); err != nil {
					return err
				}
			}
			if _, err := s.f.WriteAt(b, off); err != nil {
				return err
			}
		}
	}
	if err := s.f.Sync(); err != nil {
		return err
	}
	return s.putHeader(&s.h)
}

// halfTable takes a grain table out of the directories which an interrupted run has
// entered into one of them only: nothing is in it.
func (s *editor) halfTable(to *directory, n int64) error {
	if to.redundant == 0 {
		return nil
	}
	first, err := to.entry(to.off, n)
	if err != nil {
		return err
	}
	second, err := to.entry(to.redundant, n)
	if err != nil || (first == 0) == (second == 0) {
		return err
	}
	at := to.off + 4*n
	if first == 0 {
		at = to.redundant + 4*n
	}
	if _, err := s.f.WriteAt(make([]byte, 4), at); err != nil {
		return err
	}
	to.pages = paged.New(s.f, 4096, s.opts.tableBudget()) // which has read it
	return nil
}

// putHeader writes what an editor changes of the header; the rest of its sector
// stays as it is.
func (s *editor) putHeader(h *sparseHeader) error {
	b, err := block.ReadBytes(s.f, 0, headerSize, headerSize)
	if err != nil {
		return block.Locate(format, "sparse header", 0, err)
	}
	now := h.encode()
	copy(b[0x08:0x0c], now[0x08:])
	copy(b[0x30:0x40], now[0x30:])
	clear(b[awayAt : awayAt+awaySize])
	if h != &s.h {
		le := binary.LittleEndian
		copy(b[awayAt:], awayMark)
		le.PutUint64(b[awayAt+4:], s.h.rgdOffset)
		le.PutUint64(b[awayAt+12:], s.h.gdOffset)
		le.PutUint32(b[awayAt+20:], s.h.flags)
	}
	if _, err := s.f.WriteAt(b, 0); err != nil {
		return err
	}
	return s.f.Sync()
}

// newCID is a random one.
func newCID() uint32 {
	for {
		var b [4]byte
		rand.Read(b[:])
		if id := binary.LittleEndian.Uint32(b[:]); isCID(id) {
			return id
		}
	}
}
