package qcow2

import (
	"encoding/binary"
	"sync"

	"github.com/klauspost/compress/zstd"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/deflate"
)

// EncodeSize is the size of the pieces that are compressed: the cluster.
func (w *Writer) EncodeSize() int64 { return w.l.ClusterSize }

// Encode compresses src, a cluster, and appends it to dst. It returns false if
// that does not make it smaller: then it is to be written as it is. The last
// cluster of the disk is padded with zeros before it comes here. It is safe for
// concurrent use.
func (w *Writer) Encode(dst, src []byte) ([]byte, bool, error) {
	start := len(dst)
	dst, err := w.enc.encode(dst, src)
	return dst, err == nil && len(dst)-start < len(src), err
}

// WriteEncoded writes what Encode made of the cluster at off. Compressed
// clusters lie one behind the other without regard to cluster borders.
func (w *Writer) WriteEncoded(off int64, enc []byte) error {
	cs := w.l.ClusterSize
	n := min(cs, w.l.Size-off)
	if w.l.DataFile != "" || len(enc) == 0 || int64(len(enc)) >= cs {
		return errOrder
	}
	if err := w.accept(off, n, cs); err != nil {
		return err
	}
	if err := w.seek(off); err != nil {
		return err
	}
	host, err := w.pack.place(&w.refs, int64(len(enc)))
	if err != nil {
		return err
	}
	width := 62 - (w.h.clusterBits - 8)
	sectors := (host+int64(len(enc))-1)>>9 - host>>9
	if host>>width != 0 {
		return block.Errorf(format, "compressed cluster", host, block.ErrLimit, "its offset does not fit into %d bits", width)
	}
	binary.BigEndian.PutUint64(w.l2[w.entryAt(off):], flagCompressed|uint64(sectors)<<width|uint64(host))
	w.used = true
	return w.pack.write(w.f, enc, host)
}

// A packer lays compressed clusters one behind the other and collects them into
// larger writes.
type packer struct {
	free int64  // the next byte of a cluster that has room, 0 if none has
	max  uint64 // the largest refcount
	buf  []byte
	at   int64 // host offset of buf
}

const packWrite = 1 << 20

// close gives up the rest of the cluster that has room: its refcount is final.
func (p *packer) close() { p.free = 0 }

// place finds room for n bytes. Each host cluster that they touch is counted
// once more.
func (p *packer) place(r *refWriter, n int64) (int64, error) {
	host := p.free
	border := host + (-host)&(r.cs-1)
	fits := n <= border-host
	if host == 0 || r.of(host/r.cs) >= p.max || !fits && border != r.next {
		p.free = 0
		var err error
		if host, err = r.alloc((n + r.cs - 1) / r.cs); err != nil {
			return 0, err
		}
	} else {
		r.add(host / r.cs)
		if !fits {
			p.free = 0
			if _, err := r.alloc((n - (border - host) + r.cs - 1) / r.cs); err != nil {
				return 0, err
			}
		}
	}
	end := host + n
	p.free = 0
	if end&(r.cs-1) != 0 && r.counts(end/r.cs) {
		p.free = end
	}
	return host, nil
}

// write puts enc at host, at once or later.
func (p *packer) write(f block.File, enc []byte, host int64) error {
	if host != p.at+int64(len(p.buf)) || len(p.buf) >= packWrite {
		if err := p.flush(f); err != nil {
			return err
		}
		p.at = host
	}
	p.buf = append(p.buf, enc...)
	return nil
}

func (p *packer) flush(f block.File) error {
	if len(p.buf) == 0 {
		return nil
	}
	_, err := f.WriteAt(p.buf, p.at)
	p.buf = p.buf[:0]
	return err
}

// encoders keeps compressors for reuse.
type encoders struct {
	layout *Layout
	pool   sync.Pool
}

// zlibWindow is what QEMU inflates with: windowBits -12.
const zlibWindow = 4096

// EncodeMemory is what an encoder takes: of zstd, at its highest levels, tables
// of many times a cluster.
func (w *Writer) EncodeMemory() int64 {
	if w.l.Compression != "zstd" {
		return 256 << 10
	}
	switch w.enc.level() {
	case zstd.SpeedBestCompression:
		return 36<<20 + w.l.ClusterSize
	case zstd.SpeedBetterCompression:
		return 5<<20 + w.l.ClusterSize
	}
	return 2<<20 + w.l.ClusterSize
}

// level is the zstd encoder's own for the one of the layout.
func (e *encoders) level() zstd.EncoderLevel {
	if e.layout.Level > 0 {
		return zstd.EncoderLevelFromZstd(e.layout.Level)
	}
	return zstd.SpeedDefault
}

func (e *encoders) encode(dst, src []byte) ([]byte, error) {
	if e.layout.Compression == "zstd" {
		z, ok := e.pool.Get().(*zstd.Encoder)
		if !ok {
			var err error
			z, err = zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(e.level()), zstd.WithEncoderCRC(false),
				zstd.WithWindowSize(int(max(e.layout.ClusterSize, zstd.MinWindowSize))), zstd.WithLowerEncoderMem(true))
			if err != nil {
				return nil, err
			}
		}
		defer e.pool.Put(z)
		return z.EncodeAll(src, dst), nil
	}
	z, ok := e.pool.Get().(*deflate.Encoder)
	if !ok {
		z = deflate.NewEncoder(zlibWindow, e.layout.Level)
	}
	defer e.pool.Put(z)
	return z.Append(dst, src), nil
}
