package blocks

import (
	"cmp"
	"context"
	"slices"
	"sort"

	"github.com/guestkit/guestkit/block"
)

// A Block is block I of the disk, which lies at Off of the file.
type Block struct{ I, Off int64 }

// A Move says that block I goes from one place of the file to another.
type Move struct{ I, From, To int64 }

// A Packing says what lies in a file whose blocks are to move down.
type Packing struct {
	Format string
	What   string        // the table, for errors
	Fixed  []block.Range // what stays where it is: headers and tables
	Blocks []Block       // in any order
	Size   int64         // of a block in the file; the last one may be cut short
	// Align and Rest say where a block may lie: at offsets that leave Rest when
	// divided by Align.
	Align, Rest int64
}

// MaxBlocks is how many blocks are packed: 16 bytes each are held, and 24 of one
// that moves.
const MaxBlocks = 4 << 20

// Add notes that block i lies at off.
func (p *Packing) Add(i, off int64) error {
	if len(p.Blocks) >= MaxBlocks {
		return block.Errorf(p.Format, p.What, -1, block.ErrLimit, "more than %d blocks are stored; a conversion with Options.SkipFree writes a smaller copy of any size", MaxBlocks)
	}
	p.Blocks = append(p.Blocks, Block{i, off})
	return nil
}

// AlignAs sets the largest alignment from least to most that all blocks have.
func (p *Packing) AlignAs(least, most int64) {
	p.Align, p.Rest = least, 0
	if len(p.Blocks) == 0 {
		return
	}
	rest := p.Blocks[0].Off % most
	for _, b := range p.Blocks {
		if b.Off%most != rest {
			return
		}
	}
	p.Align, p.Rest = most, rest
}

// End is where what lies in the file ends, as it is.
func (p *Packing) End() (end int64) {
	for _, f := range p.Fixed {
		end = max(end, f.Off+f.Len)
	}
	for _, b := range p.Blocks {
		end = max(end, b.Off+p.Size)
	}
	return end
}

// up is the first place at off or behind it.
func (p *Packing) up(off int64) int64 { return off + ((p.Rest-off)%p.Align+p.Align)%p.Align }

// Plan moves the last blocks into the gaps before them, so that the file can end
// sooner. No block goes where another one is or was, so that all of them can be
// copied before the table is changed. It returns the moves by rising blocks of the
// disk, and where the file ends then.
func (p *Packing) Plan() (moves []Move, end int64, err error) {
	slices.SortFunc(p.Blocks, func(a, b Block) int { return cmp.Compare(a.Off, b.Off) })
	slices.SortFunc(p.Fixed, func(a, b block.Range) int { return cmp.Compare(a.Off, b.Off) })
	if err := p.overlap(); err != nil {
		return nil, 0, err
	}
	at, fixed, low, high := int64(0), 0, 0, len(p.Blocks)-1
	for low <= high {
		// The gap from at on ends where the next thing begins.
		next := block.Range{Off: p.Blocks[low].Off, Len: p.Size}
		stays := fixed < len(p.Fixed) && p.Fixed[fixed].Off <= next.Off
		if stays {
			next = p.Fixed[fixed]
		}
		for to := p.up(at); low <= high && to+p.Size <= next.Off; to = p.up(at) {
			moves = append(moves, Move{p.Blocks[high].I, p.Blocks[high].Off, to})
			at = to + p.Size
			high--
		}
		at = max(at, next.Off+next.Len)
		if stays {
			fixed++
		} else {
			low++
		}
	}
	// The places were given to the last block first: keep the order of the file.
	for i, j := 0, len(moves)-1; i < j; i, j = i+1, j-1 {
		moves[i].To, moves[j].To = moves[j].To, moves[i].To
	}
	for _, f := range p.Fixed {
		end = max(end, f.Off+f.Len)
	}
	if n := len(p.Blocks) - len(moves); n > 0 {
		end = max(end, p.Blocks[n-1].Off+p.Size)
	}
	for _, m := range moves {
		end = max(end, m.To+p.Size)
	}
	slices.SortFunc(moves, func(a, b Move) int { return cmp.Compare(a.I, b.I) })
	return moves, end, nil
}

// overlap refuses a file in which one thing lies over another: moving would make
// it worse.
func (p *Packing) overlap() error {
	end, fixed := int64(0), 0
	for i := 0; i <= len(p.Blocks); i++ {
		limit := int64(1<<63 - 1)
		if i < len(p.Blocks) {
			limit = p.Blocks[i].Off
		}
		for ; fixed < len(p.Fixed) && p.Fixed[fixed].Off <= limit; fixed++ {
			f := p.Fixed[fixed]
			if f.Off < end {
				return block.Errorf(p.Format, p.What, f.Off, block.ErrCorrupt, "something lies over what ends at %#x", end)
			}
			end = max(end, f.Off+f.Len)
		}
		if i == len(p.Blocks) {
			return nil
		}
		if limit < end {
			return block.Errorf(p.Format, p.What, limit, block.ErrCorrupt, "block %d lies over what ends at %#x", p.Blocks[i].I, end)
		}
		end = limit + p.Size
	}
	return nil
}

// Copy copies the blocks to their new places, of size bytes as far as the file has
// them, and waits until they are there.
func Copy(ctx context.Context, f block.Storage, moves []Move, size int64) error {
	if len(moves) == 0 {
		return nil
	}
	buf := make([]byte, min(size, 4<<20))
	end := f.Size()
	for _, m := range moves {
		for at := int64(0); at < size && m.From+at < end; at += int64(len(buf)) {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			b := buf[:min(size-at, int64(len(buf)), end-m.From-at)]
			if err := block.ReadFull(f, b, m.From+at); err != nil {
				return err
			}
			if _, err := f.WriteAt(b, m.To+at); err != nil {
				return err
			}
		}
	}
	return f.Sync()
}

// A Change gives entry I of a table the value V.
type Change struct {
	I int64
	V uint64
}

// Changes are those of a table that moves make: entry says what the place in the
// file is in the table.
func Changes(moves []Move, entry func(m Move) Change) []Change {
	out := make([]Change, len(moves))
	for i, m := range moves {
		out[i] = entry(m)
	}
	return out
}

// Patch reads the pages of a table of entries of n bytes at off in which entries
// change, has put change them, and gives each to write. The changes must rise.
func Patch(f block.Reader, off, n, page int64, changes []Change, put func(b []byte, v uint64), write func(b []byte, off int64) error) error {
	for len(changes) > 0 {
		at := (off + n*changes[0].I) / page * page
		b := make([]byte, min(page, f.Size()-at))
		if err := block.ReadFull(f, b, at); err != nil {
			return err
		}
		for len(changes) > 0 && off+n*changes[0].I < at+page {
			put(b[off+n*changes[0].I-at:], changes[0].V)
			changes = changes[1:]
		}
		if err := write(b, at); err != nil {
			return err
		}
	}
	return nil
}

// Within passes over the parts of a disk that are given in rising order, to tell
// which of its blocks lie in one of them as a whole.
type Within struct {
	parts []block.Range
}

// NewWithin takes parts in rising order. Those that touch count as one.
func NewWithin(parts []block.Range) *Within {
	var all []block.Range
	for _, p := range parts {
		if n := len(all); n > 0 && all[n-1].Off+all[n-1].Len >= p.Off {
			all[n-1].Len = max(all[n-1].Len, p.Off+p.Len-all[n-1].Off)
			continue
		}
		all = append(all, p)
	}
	return &Within{all}
}

// Has reports whether the n bytes at off are in a part.
func (w *Within) Has(off, n int64) bool {
	i := sort.Search(len(w.parts), func(i int) bool { return w.parts[i].Off+w.parts[i].Len > off })
	return n > 0 && i < len(w.parts) && w.parts[i].Off <= off && off+n <= w.parts[i].Off+w.parts[i].Len
}
