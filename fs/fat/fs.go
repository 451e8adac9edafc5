package fat

import (
	"bytes"
	"encoding/binary"
	"strings"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/fs/vfs"
	"github.com/guestkit/guestkit/internal/crosslink"
	"github.com/guestkit/guestkit/internal/lru"
	"github.com/guestkit/guestkit/internal/problem"
)

const (
	format = "vfat" // as blkid names all three

	defaultCache = 16 << 20
	minCache     = 256 << 10 // below it everything would be read again and again
)

// Options says how a volume is read. The zero value, or nil, is safe.
type Options struct {
	// CacheBytes bounds the memory that is kept of the FAT and directories; 0
	// means 16 MiB, and the least is 256 KiB.
	CacheBytes int64
}

// volume is an open FAT filesystem.
type volume struct {
	geometry
	r           block.Device
	rootCluster uint32
	pages       *lru.Cache[int64, []byte]
	dirs        *lru.Cache[uint32, *dir]
	problems    problem.List
	info        vfs.Info
	files       crosslink.Files
}

// Open opens the FAT12, FAT16 or FAT32 volume on r. What is none wraps
// block.ErrFormat, a volume whose sizes contradict each other ErrCorrupt.
func Open(r block.Reader, opts *Options) (vfs.FS, error) {
	v, err := openVolume(r, opts)
	if err != nil {
		return nil, err
	}
	return vfs.New(v)
}

func openVolume(r block.Reader, opts *Options) (*volume, error) {
	if opts == nil {
		opts = &Options{}
	}
	cache := opts.CacheBytes
	if cache <= 0 {
		cache = defaultCache
	}
	cache = max(cache, minCache)
	b, g, err := readBPB(r)
	if err != nil {
		return nil, err
	}
	v := &volume{
		geometry:    *g,
		r:           block.Plain(r),
		rootCluster: b.rootCluster,
		pages:       lru.New[int64, []byte](cache / 4),
		dirs:        lru.New[uint32, *dir](cache - cache/4),
	}
	if v.size > r.Size() {
		v.problems.Add(block.Errorf(format, "BPB", 0x13, block.ErrTruncated, "the volume has %d bytes, and %d are there", v.size, r.Size()))
	}
	if v.shortFAT {
		v.problems.Add(block.Errorf(format, "BPB", 0x16, block.ErrCorrupt, "the FAT has no entries for the last clusters, which are not used"))
	}
	if err := v.fillInfo(b); err != nil {
		return nil, err
	}
	return v, nil
}

// readBPB reads sector 0. Without the mark of a boot sector or a FAT's own it
// is not FAT, whatever the other bytes are.
func readBPB(r block.Reader) (*bpb, *geometry, error) {
	if r.Size() < bpbLen {
		return nil, nil, block.Errorf(format, "BPB", 0, block.ErrFormat, "%d bytes", r.Size())
	}
	s, err := block.ReadBytes(r, 0, bpbLen, bpbLen)
	if err != nil {
		return nil, nil, block.Locate(format, "BPB", 0, err)
	}
	b := new(bpb)
	b.decode(s)
	g, err := b.validate()
	if err != nil && !signed(s) {
		return nil, nil, block.Errorf(format, "BPB", 0, block.ErrFormat, "")
	}
	return b, g, err
}

// signed reports whether a boot sector says that it is one of a FAT. The text
// is no proof, but with it a bad BPB is a damaged FAT and not something else.
func signed(s []byte) bool {
	return s[510] == 0x55 && s[511] == 0xAA &&
		(bytes.HasPrefix(s[0x36:], []byte("FAT1")) || bytes.HasPrefix(s[0x52:], []byte("FAT32")))
}

func (v *volume) Root() (vfs.Inode, error) { return v.root(), nil }
func (v *volume) Info() vfs.Info           { return v.info }
func (v *volume) Problems() []error        { return v.problems.All() }

func (v *volume) fillInfo(b *bpb) error {
	v.info = vfs.Info{
		Type:            format,
		Version:         v.version(),
		Label:           b.volumeLabel(),
		BlockSize:       int(v.cluster),
		Size:            v.size,
		Free:            v.free(b),
		CaseInsensitive: true,
	}
	if b.bootSig == 0x28 || b.bootSig == 0x29 {
		v.info.UUID = Serial(b.serial)
	}
	if label, ok := v.rootLabel(); ok {
		v.info.Label = label
	}
	flags, err := v.entry(1)
	if err != nil {
		return err
	}
	clean := uint32(1) << (min(v.bits, 28) - 1)
	v.info.Dirty = b.state&dirtyState != 0 || v.bits > 12 && flags&clean == 0
	return nil
}

// Serial writes the serial number of a volume as blkid does.
func Serial(n uint32) string {
	const hex = "0123456789ABCDEF"
	var s strings.Builder
	for i := range 8 {
		if i == 4 {
			s.WriteByte('-')
		}
		s.WriteByte(hex[n>>(28-4*i)&15])
	}
	return s.String()
}

// rootLabel looks for the entry of the root directory that holds the label.
func (v *volume) rootLabel() (string, bool) {
	pieces, err := v.pieces(v.rootCluster)
	if err != nil {
		return "", false // listing the root says why
	}
	for _, p := range pieces {
		for off := p.off; off < p.off+p.n; off += direntLen {
			b, err := v.meta("directory", off, direntLen)
			if err != nil || b[0] == endMark {
				return "", false
			}
			var e dirent
			e.decode(b)
			if b[0] == deletedMark || e.attr&allAttrs == longName || e.attr&(volumeID|directory) != volumeID {
				continue
			}
			if e.name[0] == 0x05 {
				e.name[0] = 0xE5
			}
			return strings.TrimRight(string(e.name[:]), " "), true
		}
	}
	return "", false
}

// free returns the bytes that the FSInfo sector of FAT32 says are free, -1
// where there is none that can be true.
func (v *volume) free(b *bpb) int64 {
	if v.bits != 32 || b.infoSector == 0 || b.infoSector == 0xFFFF || b.infoSector >= b.reserved {
		return -1
	}
	s, err := v.meta("FSInfo", int64(b.infoSector)*v.sectorLen, 512)
	if err != nil {
		return -1
	}
	count := binary.LittleEndian.Uint32(s[0x1E8:])
	if binary.LittleEndian.Uint32(s) != 0x41615252 || binary.LittleEndian.Uint32(s[0x1E4:]) != 0x61417272 || count > v.clusters {
		return -1
	}
	return int64(count) * v.cluster
}
