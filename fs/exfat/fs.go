package exfat

import (
	"encoding/binary"
	"fmt"
	"math/bits"
	"unicode/utf16"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/fs/vfs"
	"github.com/guestkit/guestkit/internal/crosslink"
	"github.com/guestkit/guestkit/internal/lru"
	"github.com/guestkit/guestkit/internal/onetree"
	"github.com/guestkit/guestkit/internal/paged"
	"github.com/guestkit/guestkit/internal/problem"
)

// Options say how a volume is read. The zero value, or nil, is safe.
type Options struct {
	// CacheBytes bounds the memory that is kept of the FAT and directories; 0
	// means 16 MiB, and the least is 1 MiB.
	CacheBytes int64
}

const (
	defaultCache = 16 << 20
	minCache     = 1 << 20
)

// Open opens the exFAT volume on r. What is none wraps [block.ErrFormat].
func Open(r block.Reader, opts *Options) (vfs.FS, error) {
	v, err := open(r, opts)
	if err != nil {
		return nil, err
	}
	return vfs.New(v)
}

// volume implements vfs.Driver.
type volume struct {
	boot     *bootSector
	dev      block.Device
	fatOff   int64
	heapOff  int64
	cluster  int64 // bytes
	fat      *paged.Cache
	listings *lru.Cache[uint32, *listing]
	dirs     onetree.Dirs
	upcase   []uint16 // what it has no entry for is its own
	bitmap   *inode   // nil if there is none
	root     *inode
	label    string
	free     int64
	problems problem.List
	files    crosslink.Files
}

func open(r block.Reader, opts *Options) (*volume, error) {
	cache := int64(defaultCache)
	if opts != nil && opts.CacheBytes > 0 {
		cache = max(opts.CacheBytes, minCache)
	}
	b, err := readBoot(r)
	if err != nil {
		return nil, err
	}
	v := &volume{boot: b, dev: block.Plain(r), cluster: 1 << (b.sectorShift + b.clusterShift), free: -1,
		fat: paged.New(r, 4096, cache/4), listings: lru.New[uint32, *listing](cache - cache/4)}
	v.fatOff = int64(b.fatOffset) << b.sectorShift
	if b.flags&flagActive != 0 {
		v.fatOff += int64(b.fatLength) << b.sectorShift
	}
	v.heapOff = int64(b.heapOffset) << b.sectorShift
	v.problems.Add(b.checkRegion(r))
	if size := int64(b.volumeLength) << b.sectorShift; size > r.Size() {
		v.problems.Add(badBoot(0x48, block.ErrTruncated, "the volume has %d bytes, and %d are there", size, r.Size()))
	}
	runs, err := v.chain("root directory", b.rootCluster, -1)
	if err != nil {
		return nil, err
	}
	v.root = newRoot(v, runs)
	v.readRoot()
	return v, nil
}

// valid reports whether c is a cluster.
func (v *volume) valid(c uint32) bool { return c >= 2 && c-2 < v.boot.clusters }

func (v *volume) offset(c uint32) int64 { return v.heapOff + int64(c-2)*v.cluster }

// A run is clusters that lie one behind the other.
type run struct {
	index   int64 // in the file, in clusters
	cluster uint32
	n       int64
}

const (
	maxRuns  = 1 << 20
	maxDir   = 256 << 20 // bytes, as the specification has it
	endChain = 0xFFFFFFFF
)

// chain follows the FAT from first on: for want clusters, or where that is
// negative to its end, which must come within those of the largest directory.
func (v *volume) chain(what string, first uint32, want int64) (runs []run, err error) {
	c := first
	most := want
	if want < 0 {
		most = maxDir / v.cluster
	}
	for n := int64(0); n != want; {
		switch {
		case !v.valid(c):
			return nil, block.Errorf(format, what, -1, block.ErrCorrupt, "cluster %d of %d follows in its chain", c, v.boot.clusters)
		case n >= most, n >= int64(v.boot.clusters):
			return nil, block.Errorf(format, what, v.offset(first), block.ErrLoop, "its chain does not end after %d clusters", n)
		}
		if l := len(runs); l > 0 && runs[l-1].cluster+uint32(runs[l-1].n) == c {
			runs[l-1].n++
		} else {
			if l >= maxRuns {
				return nil, block.Errorf(format, what, v.offset(first), block.ErrLimit, "more than %d fragments", maxRuns)
			}
			runs = append(runs, run{n, c, 1})
		}
		n++
		if n == want {
			break
		}
		off := v.fatOff + 4*int64(c)
		b, err := v.fat.View(off, 4)
		if err != nil {
			return nil, block.Locate(format, "FAT", off, err)
		}
		next := binary.LittleEndian.Uint32(b)
		if next == endChain {
			if want < 0 {
				break
			}
			return nil, block.Errorf(format, what, v.offset(first), block.ErrCorrupt, "its chain ends after %d of %d clusters", n, want)
		}
		c = next
	}
	return runs, nil
}

// readRoot reads the entries of the root that are about the volume.
func (v *volume) readRoot() {
	le := binary.LittleEndian
	tables := map[byte]bool{}
	err := v.root.eachEntry(func(off int64, e []byte) error {
		switch e[0] {
		case 0x83:
			u := make([]uint16, min(e[1], 11))
			for i := range u {
				u[i] = le.Uint16(e[2+2*i:])
			}
			v.label = string(utf16.Decode(u))
		case 0x81, 0x82:
			if e[0] == 0x81 && e[1]&1 != uint8(v.boot.flags&flagActive) || tables[e[0]] {
				return nil
			}
			tables[e[0]] = true
			s := &inode{v: v, off: off, first: le.Uint32(e[20:]), valid: int64(le.Uint64(e[24:]) & (1<<62 - 1))}
			s.stat.Size = s.valid
			if e[0] == 0x81 {
				v.bitmap = s
				v.problems.Add(v.countFree(s))
			} else {
				v.problems.Add(v.readUpcase(s, le.Uint32(e[4:])))
			}
		}
		return nil
	})
	v.problems.Add(err)
	if v.upcase == nil {
		v.problems.Add(block.Errorf(format, "up-case table", -1, block.ErrCorrupt, "there is none; names are found in the case of ASCII alone"))
		v.upcase = make([]uint16, 128)
		for i := range v.upcase {
			if v.upcase[i] = uint16(i); i >= 'a' && i <= 'z' {
				v.upcase[i] -= 'a' - 'A'
			}
		}
	}
}

// countFree counts the clusters that the bitmap has as free.
func (v *volume) countFree(s *inode) error {
	if s.stat.Size < (int64(v.boot.clusters)+7)/8 {
		return block.Errorf(format, "allocation bitmap", s.off, block.ErrCorrupt, "%d bytes for %d clusters", s.stat.Size, v.boot.clusters)
	}
	d, err := s.content()
	if err != nil {
		return err
	}
	buf := make([]byte, 64<<10)
	used, left := int64(0), int64(v.boot.clusters)
	for off := int64(0); left > 0; off += int64(len(buf)) {
		b := buf[:min(int64(len(buf)), (left+7)/8)]
		if err := block.ReadFull(d, b, off); err != nil {
			return block.Locate(format, "allocation bitmap", s.off, err)
		}
		if left < int64(len(b))*8 {
			b[len(b)-1] &= byte(1<<(left%8) - 1)
		}
		for _, c := range b {
			used += int64(bits.OnesCount8(c))
		}
		left -= int64(len(b)) * 8
	}
	v.free = (int64(v.boot.clusters) - used) * v.cluster
	return nil
}

// readUpcase reads the table that names are compared by.
func (v *volume) readUpcase(s *inode, want uint32) error {
	const what = "up-case table"
	if s.stat.Size > 128<<10 {
		return block.Errorf(format, what, s.off, block.ErrLimit, "%d bytes", s.stat.Size)
	}
	d, err := s.content()
	if err != nil {
		return err
	}
	b, err := block.ReadBytes(d, 0, s.stat.Size, 128<<10)
	if err != nil {
		return block.Locate(format, what, s.off, err)
	}
	sum := uint32(0)
	for _, c := range b {
		sum = sum<<31 | sum>>1
		sum += uint32(c)
	}
	le := binary.LittleEndian
	for i := 0; i+1 < len(b) && len(v.upcase) < 1<<16; i += 2 {
		c := le.Uint16(b[i:])
		if c == 0xFFFF && i+3 < len(b) { // so many are their own
			i += 2
			for n := le.Uint16(b[i:]); n > 0 && len(v.upcase) < 1<<16; n-- {
				v.upcase = append(v.upcase, uint16(len(v.upcase)))
			}
			continue
		}
		v.upcase = append(v.upcase, c)
	}
	if sum != want {
		return block.Errorf(format, what, s.off, block.ErrCorrupt, "checksum %#08x, computed %#08x", want, sum)
	}
	return nil
}

// fold gives names that are the same one form.
func (v *volume) fold(u []uint16) string {
	out := make([]byte, 0, 2*len(u))
	for _, c := range u {
		if int(c) < len(v.upcase) {
			c = v.upcase[c]
		}
		out = append(out, byte(c), byte(c>>8))
	}
	return string(out)
}

// Root implements vfs.Driver.
func (v *volume) Root() (vfs.Inode, error) {
	v.dirs.Claim(uint64(v.root.first), onetree.Place{})
	return v.root, nil
}

// Info implements vfs.Driver.
func (v *volume) Info() vfs.Info {
	b := v.boot
	return vfs.Info{Type: format, Version: fmt.Sprintf("%d.%d", b.revision>>8, b.revision&0xFF), Label: v.label,
		UUID: fmt.Sprintf("%04X-%04X", b.serial>>16, b.serial&0xFFFF), BlockSize: int(v.cluster), Size: int64(b.volumeLength) << b.sectorShift,
		Free: v.free, Dirty: b.flags&flagDirty != 0, CaseInsensitive: true}
}

// Problems implements vfs.Driver.
func (v *volume) Problems() []error { return v.problems.All() }
