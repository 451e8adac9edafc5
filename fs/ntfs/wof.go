package ntfs

import (
	"encoding/binary"
	"io"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/fs/ntfs/internal/lzx"
	"github.com/guestkit/guestkit/fs/ntfs/internal/xpress"
)

// wofStream is the stream that holds the compressed content of a file of the
// Windows Overlay Filter ("CompactOS"). $DATA is sparse and has its size.
const wofStream = "WofCompressedData"

// A wofInfo is the data of reparse tag 0x80000017.
type wofInfo struct {
	version   uint32 // 0x00 always 1
	provider  uint32 // 0x04
	provided  uint32 // 0x08 version of the provider's part, always 1
	algorithm uint32 // 0x0C
}

const (
	wofInfoSize     = 0x10
	wofProviderWIM  = 1 // the content lies in a WIM archive elsewhere
	wofProviderFile = 2
)

func (h *wofInfo) decode(b []byte) {
	h.version = binary.LittleEndian.Uint32(b)
	h.provider = binary.LittleEndian.Uint32(b[0x04:])
	h.provided = binary.LittleEndian.Uint32(b[0x08:])
	h.algorithm = binary.LittleEndian.Uint32(b[0x0C:])
}

// A decoder fills dst with the content of one chunk.
type decoder interface{ Decode(dst, src []byte) error }

// wofAlgorithms are XPRESS4K, LZX, XPRESS8K and XPRESS16K, numbered as in
// wofInfo.
var wofAlgorithms = [4]struct {
	chunk   int64
	decoder func() decoder
}{
	{4 << 10, func() decoder { return new(xpress.Decoder) }},
	{lzx.ChunkSize, func() decoder { return new(lzx.Decoder) }},
	{8 << 10, func() decoder { return new(xpress.Decoder) }},
	{16 << 10, func() decoder { return new(xpress.Decoder) }},
}

// wofGroup is how much content is decompressed at once: a few chunks, which
// lie side by side.
const wofGroup = 64 << 10

// wof is the content of a file in compressed chunks:
//
//	table   = where each chunk but the first starts, from the end of the table
//	          (u32, or u64 in files of 4 GiB and more)
//	chunks  = side by side; one as long as its content is not compressed
type wof struct {
	n         *inode
	data      block.Device // WofCompressedData
	key       unitKey
	size      int64
	algorithm int
	chunk     int64 // bytes
	chunks    int64
	entry     int64 // bytes of a table entry
}

func (n *inode) unsupported(detail string, args ...any) error {
	return block.Errorf("ntfs", recordName(n.rec.num), n.v.recordOffset(n.rec.num), block.ErrUnsupported, detail, args...)
}

func (n *inode) openWOF() (block.Device, error) {
	if len(n.link.data) < 8 {
		return nil, n.corrupt("its WOF reparse point has %d bytes", len(n.link.data))
	}
	var h wofInfo
	b := make([]byte, wofInfoSize)
	copy(b, n.link.data)
	h.decode(b)
	switch {
	case h.version == 1 && h.provider == wofProviderWIM:
		return nil, n.unsupported("its content lies in a WIM archive (WIMBoot)")
	case h.version != 1 || h.provider != wofProviderFile || h.provided != 1:
		return nil, n.unsupported("WOF version %d, provider %d of version %d", h.version, h.provider, h.provided)
	case len(n.link.data) < wofInfoSize:
		return nil, n.corrupt("its WOF reparse point has %d bytes", len(n.link.data))
	case h.algorithm >= uint32(len(wofAlgorithms)):
		return nil, n.unsupported("WOF compression %d", h.algorithm)
	}
	a, err := n.named(attrData, wofStream)
	if err != nil {
		return nil, err
	}
	if a == nil {
		return nil, n.corrupt("it has no stream %s", wofStream)
	}
	w := &wof{n: n, size: n.size, algorithm: int(h.algorithm), chunk: wofAlgorithms[h.algorithm].chunk, entry: 4,
		key: unitKey{num: n.rec.num, instance: a.instance}}
	w.chunks = (w.size-1)/w.chunk + 1
	if w.size == 0 {
		w.chunks = 0
	}
	if w.size >= 4<<30 {
		w.entry = 8
	}
	if w.data, err = n.open(a); err != nil {
		return nil, err
	}
	if w.data.Size() < w.table() {
		return nil, n.corrupt("%s has %d bytes, its chunk table needs %d", wofStream, w.data.Size(), w.table())
	}
	return w, nil
}

// table returns the length of the chunk table.
func (w *wof) table() int64 { return max(w.chunks-1, 0) * w.entry }

func (w *wof) Size() int64 { return w.size }

// starts returns where the count chunks from first on start in the stream, and
// where the last of them ends.
func (w *wof) starts(first, count int64) ([]int64, error) {
	out := make([]int64, 1, count+1) // the first chunk of all starts at 0
	from := max(first-1, 0)
	n := min(first+count, w.chunks-1) - from
	b := make([]byte, n*w.entry)
	if err := block.ReadFull(w.data, b, from*w.entry); err != nil {
		return nil, err
	}
	if first > 0 {
		out = out[:0]
	}
	for ; len(b) > 0; b = b[w.entry:] {
		if w.entry == 8 {
			out = append(out, int64(binary.LittleEndian.Uint64(b)))
		} else {
			out = append(out, int64(binary.LittleEndian.Uint32(b)))
		}
	}
	end := w.data.Size() - w.table()
	if first+count == w.chunks {
		out = append(out, end)
	}
	for i, at := range out {
		if at < 0 || at > end || i > 0 && (at < out[i-1] || at-out[i-1] > w.chunk) {
			return nil, w.n.corrupt("%s: chunk %d starts at %d", wofStream, first+int64(i), at)
		}
	}
	return out, nil
}

// group returns the content of a group of chunks.
func (w *wof) group(g int64) ([]byte, error) {
	key := w.key
	key.index = g
	return w.n.v.units.Get(key, func() ([]byte, int64, error) {
		per := wofGroup / w.chunk
		first := g * per
		count := min(per, w.chunks-first)
		starts, err := w.starts(first, count)
		if err != nil {
			return nil, 0, err
		}
		in := make([]byte, starts[count]-starts[0])
		if err := block.ReadFull(w.data, in, w.table()+starts[0]); err != nil {
			return nil, 0, err
		}
		out := make([]byte, min(count*w.chunk, w.size-first*w.chunk))
		dec := wofAlgorithms[w.algorithm].decoder()
		for i := range count {
			src := in[starts[i]-starts[0] : starts[i+1]-starts[0]]
			dst := out[i*w.chunk : min((i+1)*w.chunk, int64(len(out)))]
			if len(src) == len(dst) {
				copy(dst, src)
			} else if err := dec.Decode(dst, src); err != nil {
				return nil, 0, w.n.corrupt("%s: chunk %d: %v", wofStream, first+i, err)
			}
		}
		return out, int64(len(out)), nil
	})
}

func (w *wof) ReadAt(p []byte, off int64) (int, error) {
	q, end := block.Clip(p, off, w.size)
	for done := 0; done < len(q); {
		pos := off + int64(done)
		b, err := w.group(pos / wofGroup)
		if err != nil {
			return done, err
		}
		done += copy(q[done:], b[pos%wofGroup:])
	}
	return len(q), end
}

func (w *wof) Extent(off int64) (block.Extent, error) {
	if off < 0 || off >= w.size {
		return block.Extent{}, io.EOF
	}
	return block.Extent{Off: off, Len: w.size - off, Compressed: true}, nil
}
