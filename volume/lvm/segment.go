package lvm

import (
	"errors"
	"io"
	"strings"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/raid"
)

// A segment is one segment of a volume.
type segment struct {
	s     *section
	typ   string
	what  string
	start int64 // bytes in the volume
	count int64 // extents
	size  int64 // bytes
}

// knownFlags may follow the type of a segment, each after a plus: they keep
// older versions of LVM from segments that these would misread.
var knownFlags = map[string]bool{
	"METADATA_FORMAT":     true, // of a cache; the superblock says it too
	"CACHE_USES_CACHEVOL": true, // metadata and data of a cache are in one volume
}

// segmentType reads the type of a segment. A flag that is not known is kept.
func segmentType(s *section) string {
	typ, flags, _ := strings.Cut(s.values["type"].str, "+")
	for flag := range strings.SplitSeq(flags, "+") {
		if flag != "" && !knownFlags[flag] {
			typ += "+" + flag
		}
	}
	return typ
}

// segment makes the device of a segment.
func (b *builder) segment(v *lv, g *segment) (block.Device, error) {
	switch {
	case g.typ == "striped" || g.typ == "linear":
		return b.striped(v, g)
	case g.typ == "mirror":
		return b.mirror(v, g)
	case strings.HasPrefix(g.typ, "raid"):
		return b.raid(v, g)
	case g.typ == "thin":
		return b.thin(v, g)
	case g.typ == "cache":
		return b.cache(v, g)
	case g.typ == "zero":
		return hole(g.size), nil
	case g.typ == "error":
		return nil, block.Errorf(format, g.what, -1, block.ErrMissing, "a part of it was on a physical volume that was removed")
	case g.typ == "snapshot" || isPool(g.typ):
		return nil, block.Errorf(format, g.what, -1, block.ErrUnsupported, "a %s has no content of its own", g.typ)
	case g.typ == "writecache":
		return nil, block.Errorf(format, g.what, -1, block.ErrUnsupported, "a write cache may hold what it lacks: detach it with lvconvert --splitcache")
	case g.typ == "integrity", g.typ == "vdo":
		return nil, block.Errorf(format, g.what, -1, block.ErrUnsupported, "dm-%s", g.typ)
	}
	return nil, block.Errorf(format, g.what, -1, block.ErrUnsupported, "segments of the type %.40q", g.typ)
}

// A part is a part of a segment: extents of a physical volume, or of a volume.
type part struct {
	dev block.Device
	pvs []*PhysicalVolume
}

// areas reads a list of names and first extents, of which each part has count
// extents. Parts that are missing are nil; err is the error of the first.
func (b *builder) areas(g *segment, key string, n, count int64) (parts []part, missing error, err error) {
	list := g.s.values[key].list
	if n < 1 || n > maxStripes || int64(len(list)) != 2*n {
		return nil, nil, bad(g.what, "%d %s in a list of %d", n, key, len(list))
	}
	for i := range n {
		p, err := b.area(g, list[2*i].str, list[2*i+1].num, count)
		if err != nil && !lacking(err) {
			return nil, nil, err
		}
		if err != nil && missing == nil {
			missing = err
		}
		parts = append(parts, p)
	}
	return parts, missing, nil
}

// lacking reports whether an error says that something is not there, which
// others may make up for.
func lacking(err error) bool {
	return errors.Is(err, block.ErrMissing) || errors.Is(err, block.ErrTruncated)
}

func (b *builder) area(g *segment, name string, first, count int64) (part, error) {
	t, ok := b.m.pvs[name]
	if !ok {
		v, err := b.open(name, g.what)
		if err != nil {
			return part{}, err
		}
		if first < 0 || first > v.Size/b.m.extent || count > v.Size/b.m.extent-first {
			return part{}, bad(g.what, "%d extents of %.40q from %d on, which has %d", count, name, first, v.Size/b.m.extent)
		}
		return part{block.Section(v.raw, first*b.m.extent, count*b.m.extent), v.PhysicalVolumes}, nil
	}
	if first < 0 || first > t.count || count > t.count-first {
		return part{}, bad(g.what, "%d extents from %d on, %.40q has %d", count, first, name, t.count)
	}
	pv := b.byID[t.id]
	if pv == nil {
		return part{}, block.Errorf(format, g.what, -1, block.ErrMissing, "physical volume %s%s is missing; add its disk with -a", dashed(t.id), was(t.device))
	}
	off := t.start + first*b.m.extent
	if end := off + count*b.m.extent; off < t.start || end < off || end > pv.Device.Size() {
		return part{}, block.Errorf(format, g.what, -1, block.ErrTruncated, "it ends at %d of the physical volume %s, which has %d bytes", end, pv.UUID, pv.Device.Size())
	}
	return part{block.Section(pv.Device, off, count*b.m.extent), []*PhysicalVolume{pv}}, nil
}

// was says where a physical volume was last.
func was(device string) string {
	if device == "" {
		return ""
	}
	return " (it was " + device + ")"
}

// place notes where a volume lies.
func (v *lv) place(parts []part) {
	for _, p := range parts {
		v.on(p.pvs...)
	}
}

// striped is one part, or several that take turns.
func (b *builder) striped(v *lv, g *segment) (block.Device, error) {
	n := g.s.values["stripe_count"].num
	if n < 1 || n > maxStripes || g.count%n != 0 {
		return nil, bad(g.what, "%d stripes over %d extents", n, g.count)
	}
	var chunk int64
	if n > 1 {
		var err error
		if chunk, err = b.chunk(g); err != nil {
			return nil, err
		}
	}
	parts, missing, err := b.areas(g, "stripes", n, g.count/n)
	v.place(parts)
	if err == nil {
		err = missing
	}
	if err != nil || n == 1 {
		if err != nil {
			return nil, err
		}
		return parts[0].dev, nil
	}
	members, sizes := make([]raid.Member, n), make([]int64, n)
	for i, p := range parts {
		members[i], sizes[i] = raid.Member{Dev: p.dev, Synced: -1}, p.dev.Size()
	}
	a, err := raid.NewStriped(chunk, sizes, members, false)
	return b.array(v, g, a, err)
}

// chunk reads the size of the stripes of a segment.
func (b *builder) chunk(g *segment) (int64, error) {
	sectors := g.s.values["stripe_size"].num
	if sectors < 1 || sectors > b.m.extent/sectorSize || b.m.extent%(sectors*sectorSize) != 0 {
		return 0, bad(g.what, "stripes of %d sectors", sectors)
	}
	return sectors * sectorSize, nil
}

// array is an array as the device of a segment, which may use less of it.
func (b *builder) array(v *lv, g *segment, a *raid.Array, err error) (block.Device, error) {
	if err != nil {
		return nil, block.Locate(format, g.what, -1, err)
	}
	if a.Size() < g.size {
		return nil, bad(g.what, "its parts have %d bytes, it has %d", a.Size(), g.size)
	}
	if err := a.Complete(); err != nil {
		return nil, block.Errorf(format, g.what, -1, block.ErrMissing, "more of its legs are missing than the others make up for")
	}
	v.arrays = append(v.arrays, a)
	if a.Size() == g.size {
		return a, nil
	}
	return block.Section(a, 0, g.size), nil
}

// mirror is a mirror of the old kind. Its first leg has all that was written;
// the others may lack what the log does not say, and serve where it is missing.
// So are the extents that pvmove was moving.
func (b *builder) mirror(v *lv, g *segment) (block.Device, error) {
	n := g.s.values["mirror_count"].num
	parts, missing, err := b.areas(g, "mirrors", n, g.count)
	v.place(parts)
	if err != nil {
		return nil, err
	}
	members := make([]raid.Member, n)
	for i, p := range parts {
		members[i] = raid.Member{Name: g.s.values["mirrors"].list[2*i].str, Dev: p.dev, Synced: -1}
	}
	if moved, ok := g.s.values["extents_moved"]; ok {
		// What was not moved yet is on the first leg alone.
		for i := 1; i < len(members); i++ {
			members[i].Synced = min(max(moved.num, 0), g.count) * b.m.extent
		}
	}
	if missing != nil {
		v.Problems = append(v.Problems, missing)
		if parts[0].dev == nil {
			v.Problems = append(v.Problems, block.Errorf(format, g.what, -1, block.ErrDirty, "its first leg is missing: the others may lack what was written last"))
		}
	}
	a, err := raid.NewMirror(members, g.size)
	return b.array(v, g, a, err)
}

// thin is a volume of a thin pool.
func (b *builder) thin(v *lv, g *segment) (block.Device, error) {
	name, id := g.s.values["thin_pool"].str, g.s.values["device_id"].num
	p, err := b.pool(v, name, g.what)
	if err != nil {
		return nil, err
	}
	var origin block.Device
	if ext := g.s.values["external_origin"].str; ext != "" {
		o, err := b.open(ext, g.what)
		if err != nil {
			return nil, err
		}
		origin = o.raw
	}
	if id < 1 || id >= 1<<24 {
		return nil, bad(g.what, "device %d of its pool", id)
	}
	t, err := p.device(uint64(id), g.start+g.size, origin)
	if err != nil {
		return nil, err
	}
	if g.start > 0 {
		return block.Section(t, g.start, g.size), nil
	}
	return t, nil
}

// pool opens a thin pool, once.
func (b *builder) pool(v *lv, name, what string) (*pool, error) {
	p := b.pools[name]
	if p == nil {
		l := b.lvs[name]
		var s *section
		if l != nil {
			s = l.s.child("segment1")
		}
		if s == nil || segmentType(s) != "thin-pool" {
			return nil, bad(what, "its pool %.40q is none", name)
		}
		meta, err := b.open(s.values["metadata"].str, what)
		if err != nil {
			return nil, err
		}
		data, err := b.open(s.values["pool"].str, what)
		if err != nil {
			return nil, err
		}
		if p, err = openPool(b.m.name+"/"+name, meta.raw, data.raw); err != nil {
			return nil, err
		}
		if sectors := s.values["chunk_size"].num; sectors*sectorSize != p.block {
			return nil, bad(what, "blocks of %d sectors in its pool, whose metadata says %d", sectors, p.block/sectorSize)
		}
		if id := s.values["transaction_id"].num; id != int64(p.super.transID) {
			p.problems = append(p.problems, block.Errorf(format, "thin pool "+b.m.name+"/"+name, -1, block.ErrDirty, "its metadata is of transaction %d, the group is at %d: it was changed and not started since, or restored", p.super.transID, id))
		}
		p.problems = append(p.problems, append(meta.Problems, data.Problems...)...)
		p.pvs = data.PhysicalVolumes
		b.pools[name] = p
	}
	v.Problems = append(v.Problems, p.problems...)
	v.on(p.pvs...)
	return p, nil
}

// cache is a volume with a cache.
func (b *builder) cache(v *lv, g *segment) (block.Device, error) {
	if g.start != 0 {
		return nil, block.Errorf(format, g.what, -1, block.ErrUnsupported, "a cache of a part of a volume")
	}
	origin, err := b.open(g.s.values["origin"].str, g.what)
	if err != nil {
		return nil, err
	}
	v.on(origin.PhysicalVolumes...)
	v.Problems = append(v.Problems, origin.Problems...)
	if origin.raw.Size() < g.size {
		return nil, bad(g.what, "its origin has %d bytes, it has %d", origin.raw.Size(), g.size)
	}
	meta, data, mode, err := b.cacheParts(g)
	if lacking(err) && mode != "writeback" {
		v.Problems = append(v.Problems, block.Errorf(format, g.what, -1, block.ErrMissing, "its cache is missing; it was written through, so the origin has all: %v", err))
		return origin.raw, nil
	}
	if err != nil {
		return nil, err
	}
	c, err := openCache(b.m.name+"/"+v.Name, block.Section(origin.raw, 0, g.size), meta, data)
	if err != nil {
		return nil, err
	}
	return c, nil
}

// cacheParts finds the metadata and the data of a cache: a pool of two volumes,
// or both in one.
func (b *builder) cacheParts(g *segment) (meta, data block.Device, mode string, err error) {
	name := g.s.values["cache_pool"].str
	mode = g.s.values["cache_mode"].str
	l := b.lvs[name]
	if l == nil {
		return nil, nil, mode, bad(g.what, "its cache %.40q is none", name)
	}
	if s := l.s.child("segment1"); s != nil && segmentType(s) == "cache-pool" {
		mode = s.values["cache_mode"].str
		m, err := b.open(s.values["metadata"].str, g.what)
		if err != nil {
			return nil, nil, mode, err
		}
		d, err := b.open(s.values["data"].str, g.what)
		if err != nil {
			return nil, nil, mode, err
		}
		return m.raw, d.raw, mode, nil
	}
	d, err := b.open(name, g.what)
	if err != nil {
		return nil, nil, mode, err
	}
	cut := func(key string) block.Device {
		start, n := g.s.values[key+"_start"].num, g.s.values[key+"_len"].num
		const most = 1 << 52
		return block.Section(d.raw, min(max(start, 0), most)*sectorSize, min(max(n, 0), most)*sectorSize)
	}
	return cut("metadata"), cut("data"), mode, nil
}

// hole is a device of zeros.
type hole int64

func (h hole) Size() int64 { return int64(h) }

func (h hole) ReadAt(p []byte, off int64) (int, error) {
	q, eof := block.Clip(p, off, int64(h))
	clear(q)
	return len(q), eof
}

func (h hole) Extent(off int64) (block.Extent, error) {
	if off < 0 || off >= int64(h) {
		return block.Extent{}, io.EOF
	}
	return block.Extent{Off: off, Len: int64(h) - off, Zero: true, Unset: true}, nil
}
