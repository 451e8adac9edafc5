// Package digest computes a checksum of a disk that does not depend on the format
// of its image, and that costs next to nothing where the disk is empty.
//
// It is the construction of the blkhash project (block based hash, as its tool
// blksum prints it), with SHA-256, blocks of 64 KiB and 64 streams. With block k
// belonging to stream k mod 64 it is
//
//	H( H(stream 0) || H(stream 1) || … || H(stream 63) )
//	H(stream i) = H( H(block i) || H(block i+64) || … )
//
// The last block is as short as the disk ends. Releases of blksum with other
// numbers of streams print other checksums.
package digest

import (
	"context"
	"crypto/sha256"
	"hash"
	"runtime"
	"sync"

	"github.com/guestkit/guestkit/block"
)

const (
	// BlockSize is how many bytes of the disk are hashed at once.
	BlockSize = 64 << 10
	// Streams is how many hashes the blocks are dealt to.
	Streams = 64

	batch = 16 // blocks that a worker reads at once
)

// Sum reads a disk, as far as it is not known to be zeros, and returns its
// checksum. workers is how many processors to use, 0 for all. progress may be
// nil; it is called with the bytes that are done.
func Sum(ctx context.Context, d block.Device, workers int, progress func(done, total int64)) ([sha256.Size]byte, error) {
	if workers <= 0 {
		workers = runtime.GOMAXPROCS(0)
	}
	s := &sum{d: d, size: d.Size(), zero: sha256.Sum256(make([]byte, BlockSize))}
	for i := range s.streams {
		s.streams[i] = sha256.New()
	}
	type piece struct {
		digests [][sha256.Size]byte
		err     error
	}
	pieces := make([]piece, workers)
	bufs := make([][]byte, workers)
	for off := int64(0); off < s.size; {
		if err := ctx.Err(); err != nil {
			return [sha256.Size]byte{}, context.Cause(ctx)
		}
		n, err := s.zeros(off)
		if err != nil {
			return [sha256.Size]byte{}, err
		}
		if n > 0 {
			for range n / BlockSize {
				s.add(s.zero)
			}
			off += n
		} else {
			var wg sync.WaitGroup
			for i := range pieces {
				start := off + int64(i)*batch*BlockSize
				pieces[i] = piece{}
				if start >= s.size {
					continue
				}
				if bufs[i] == nil {
					bufs[i] = make([]byte, batch*BlockSize)
				}
				wg.Go(func() {
					pieces[i].digests, pieces[i].err = s.read(bufs[i], start)
				})
			}
			wg.Wait()
			for _, p := range pieces {
				if p.err != nil {
					return [sha256.Size]byte{}, p.err
				}
				for _, x := range p.digests {
					s.add(x)
				}
			}
			off = min(off+int64(workers)*batch*BlockSize, s.size)
		}
		if progress != nil {
			progress(off, s.size)
		}
	}
	if p, ok := d.(interface{ Sound(context.Context) error }); ok {
		if err := p.Sound(ctx); err != nil {
			return [sha256.Size]byte{}, err
		}
	}
	root := sha256.New()
	for _, h := range s.streams {
		root.Write(h.Sum(nil))
	}
	return [sha256.Size]byte(root.Sum(nil)), nil
}

type sum struct {
	d       block.Device
	size    int64
	zero    [sha256.Size]byte
	streams [Streams]hash.Hash
	next    int64
}

// add takes the digest of the next block.
func (s *sum) add(x [sha256.Size]byte) {
	s.streams[s.next%Streams].Write(x[:])
	s.next++
}

// zeros returns how many bytes at off, which is where a block begins, are known to
// be whole blocks of zeros.
func (s *sum) zeros(off int64) (int64, error) {
	n := int64(0)
	for off+n < s.size {
		e, err := s.d.Extent(off + n)
		if err != nil {
			return 0, block.Locate("", "extent", off+n, err)
		}
		if !e.Zero {
			break
		}
		n += min(e.Len, s.size-off-n)
		if n > 1<<40 {
			break // so that there is progress to be seen
		}
	}
	return n / BlockSize * BlockSize, nil
}

// read hashes the blocks at off that fit into p.
func (s *sum) read(p []byte, off int64) ([][sha256.Size]byte, error) {
	p = p[:min(int64(len(p)), s.size-off)]
	if err := block.ReadFull(s.d, p, off); err != nil {
		return nil, err
	}
	var out [][sha256.Size]byte
	for len(p) > 0 {
		n := min(len(p), BlockSize)
		out = append(out, sha256.Sum256(p[:n]))
		p = p[n:]
	}
	return out, nil
}
