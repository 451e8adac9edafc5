package btrfs

import (
	"bytes"
	"slices"
	"sync"
	"testing"

	"github.com/guestkit/guestkit/internal/testimg"
)

// A sealer repairs the checksums of tree blocks and superblocks that were damaged.
type sealer struct {
	sb    *superblock
	nodes []int64 // offsets of tree blocks, in order
}

// blockReader notes where whole tree blocks are read.
type blockReader struct {
	*bytes.Reader
	size int
	mu   sync.Mutex
	offs map[int64]bool
}

func (r *blockReader) ReadAt(p []byte, off int64) (int, error) {
	if len(p) == r.size {
		r.mu.Lock()
		r.offs[off] = true
		r.mu.Unlock()
	}
	return r.Reader.ReadAt(p, off)
}

func newSealer(t testing.TB, image []byte) *sealer {
	t.Helper()
	sb, err := readSuperblock(bytes.NewReader(image))
	if err != nil {
		t.Fatal(err)
	}
	r := &blockReader{Reader: bytes.NewReader(image), size: int(sb.nodeSize), offs: map[int64]bool{}}
	if err := testimg.Explore(r, openFS, false); err != nil {
		t.Fatal(err)
	}
	s := &sealer{sb: sb}
	for off := range r.offs {
		s.nodes = append(s.nodes, off)
	}
	slices.Sort(s.nodes)
	return s
}

func (s *sealer) seal(p *testimg.Patch, changed []int64) {
	var sum [32]byte
	for _, off := range changed {
		start, n := superblockOffs[0], int64(superblockSize)
		if off < start || off >= start+n {
			i, found := slices.BinarySearch(s.nodes, off)
			if !found {
				i--
			}
			n = int64(s.sb.nodeSize)
			if i < 0 || off >= s.nodes[i]+n {
				continue
			}
			start = s.nodes[i]
		}
		s.sb.csumType.sum(&sum, p.Image[start+32:start+n])
		p.Write(start, sum[:s.sb.csumType.size()])
	}
}
