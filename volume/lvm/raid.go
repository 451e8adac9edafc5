package lvm

import (
	"encoding/binary"
	"math"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/raid"
)

// raidTypes are the types of segments with parity, as device-mapper maps them
// to levels and layouts of Linux (drivers/md/dm-raid.c, raid_types).
var raidTypes = map[string]struct {
	level  int
	layout raid.Layout
}{
	"raid4":      {5, raid.ParityFirst},
	"raid5":      {5, raid.LeftSymmetric},
	"raid5_n":    {5, raid.ParityLast},
	"raid5_ls":   {5, raid.LeftSymmetric},
	"raid5_rs":   {5, raid.RightSymmetric},
	"raid5_la":   {5, raid.LeftAsymmetric},
	"raid5_ra":   {5, raid.RightAsymmetric},
	"raid6":      {6, raid.RotatingZeroRestart},
	"raid6_zr":   {6, raid.RotatingZeroRestart},
	"raid6_nr":   {6, raid.RotatingNRestart},
	"raid6_nc":   {6, raid.RotatingNContinue},
	"raid6_n_6":  {6, raid.ParityLast},
	"raid6_ls_6": {6, raid.LeftSymmetric6},
	"raid6_rs_6": {6, raid.RightSymmetric6},
	"raid6_la_6": {6, raid.LeftAsymmetric6},
	"raid6_ra_6": {6, raid.RightAsymmetric6},
}

const (
	raidMagic         = 0x64526d44 // "DmRd"
	raidSuperSize     = 512
	raidSupports190   = 1 << 0
	raidReshapeActive = 1 << 0
)

// raidSuper is the superblock of a leg, in the first sector of its metadata
// (struct dm_raid_superblock).
type raidSuper struct {
	magic      uint32 // 0x00
	compat     uint32 // 0x04
	devices    uint32 // 0x08
	position   uint32 // 0x0c
	events     uint64 // 0x10
	failed     uint64 // 0x18 one bit a leg
	recovery   uint64 // 0x20 sectors that were rebuilt
	resync     uint64 // 0x28 sectors of the array that are in sync
	level      int32  // 0x30
	layout     uint32 // 0x34
	chunk      uint32 // 0x38 sectors
	flags      uint32 // 0x3c from here on only where compat says so
	dataOffset uint64 // 0x60 sectors
	incompat   uint32 // 0x90
}

func (s *raidSuper) decode(b []byte) {
	le := binary.LittleEndian
	s.magic, s.compat, s.devices, s.position = le.Uint32(b), le.Uint32(b[0x04:]), le.Uint32(b[0x08:]), le.Uint32(b[0x0c:])
	s.events, s.failed, s.recovery, s.resync = le.Uint64(b[0x10:]), le.Uint64(b[0x18:]), le.Uint64(b[0x20:]), le.Uint64(b[0x28:])
	s.level, s.layout, s.chunk = int32(le.Uint32(b[0x30:])), le.Uint32(b[0x34:]), le.Uint32(b[0x38:])
	if s.compat&raidSupports190 != 0 {
		s.flags, s.dataOffset, s.incompat = le.Uint32(b[0x3c:]), le.Uint64(b[0x60:]), le.Uint32(b[0x90:])
	}
}

// A leg is one of the parts of a raid.
type leg struct {
	raid.Member
	super *raidSuper // nil if it has none
	err   error      // why it is missing
	pvs   []*PhysicalVolume
}

// raid makes the device of a raid.
func (b *builder) raid(v *lv, g *segment) (block.Device, error) {
	legs, err := b.legs(v, g)
	if err != nil {
		return nil, err
	}
	for i := range legs {
		v.on(legs[i].pvs...)
	}
	judgeLegs(v, g, legs)
	n := int64(len(legs))
	members := make([]raid.Member, n)
	for i := range legs {
		members[i] = legs[i].Member
	}
	if g.typ == "raid1" {
		a, err := raid.NewMirror(members, g.size)
		return b.array(v, g, a, err)
	}
	chunk, err := b.chunk(g)
	if err != nil {
		return nil, err
	}
	switch g.typ {
	case "raid0", "raid0_meta":
		sizes := make([]int64, n)
		for i := range sizes {
			if sizes[i] = g.size / n; legs[i].err != nil {
				return nil, legs[i].err
			}
		}
		a, err := raid.NewStriped(chunk, sizes, members, false)
		return b.array(v, g, a, err)
	case "raid10", "raid10_near":
		copies := int64(2)
		if c, ok := g.s.values["data_copies"]; ok {
			copies = c.num
		}
		if copies < 1 || copies > n {
			return nil, bad(g.what, "%d copies on %d legs", copies, n)
		}
		each := (g.size + n - 1) / n * copies
		a, err := raid.NewTen(raid.Ten{Near: int(copies), Far: 1}, chunk, (each+chunk-1)/chunk*chunk, members)
		return b.array(v, g, a, err)
	}
	t, ok := raidTypes[g.typ]
	if !ok {
		return nil, block.Errorf(format, g.what, -1, block.ErrUnsupported, "segments of the type %.40q", g.typ)
	}
	data := n - 1
	if t.level == 6 {
		data = n - 2
	}
	if data < 1 || g.size%data != 0 {
		return nil, bad(g.what, "%d legs for %d extents", n, g.count)
	}
	a, err := raid.NewParity(t.level, t.layout, chunk, g.size/data, members)
	return b.array(v, g, a, err)
}

// legs opens the legs of a raid and reads their superblocks. A leg that is not
// there has an err.
func (b *builder) legs(v *lv, g *segment) ([]leg, error) {
	list, step := g.s.values["raids"].list, 2
	if len(list) == 0 {
		list, step = g.s.values["raid0_lvs"].list, 1
	}
	n := g.s.values["device_count"].num
	if n == 0 {
		n = g.s.values["stripe_count"].num
	}
	if n < 1 || n > maxStripes || int64(len(list)) != n*int64(step) {
		return nil, bad(g.what, "%d legs in a list of %d", n, len(list))
	}
	legs := make([]leg, n)
	for i := range legs {
		l := &legs[i]
		names := list[i*step : (i+1)*step]
		l.Name, l.Synced = names[step-1].str, -1
		image, err := b.open(l.Name, g.what)
		if err != nil {
			if !lacking(err) {
				return nil, err
			}
			l.err = err
			continue
		}
		l.Dev, l.pvs = image.raw, image.PhysicalVolumes
		if step == 2 {
			if err := b.legSuper(g, l, names[0].str); err != nil {
				return nil, err
			}
		}
	}
	return legs, nil
}

// legSuper reads the superblock of a leg and lets the leg begin where that says.
func (b *builder) legSuper(g *segment, l *leg, name string) error {
	meta, err := b.open(name, g.what)
	if lacking(err) {
		return nil
	}
	if err != nil {
		return err
	}
	raw, err := block.ReadBytes(meta.raw, 0, raidSuperSize, raidSuperSize)
	if err != nil {
		return block.Locate(format, "metadata of "+l.Name, 0, err)
	}
	var s raidSuper
	if s.decode(raw); s.magic != raidMagic {
		return nil
	}
	fault := func(off int64, class error, detail string, args ...any) error {
		return block.Errorf(format, "metadata of "+l.Name, off, class, detail, args...)
	}
	switch {
	case s.flags&raidReshapeActive != 0:
		return block.Errorf(format, g.what, -1, block.ErrUnsupported, "a reshape is under way: let it end on the machine that has the group")
	case s.incompat != 0:
		return fault(0x90, block.ErrUnsupported, "features %#x that are not known", s.incompat)
	case s.dataOffset > math.MaxInt64/sectorSize/2:
		return fault(0x60, block.ErrCorrupt, "data from sector %d on", s.dataOffset)
	case s.dataOffset > 0:
		off := int64(s.dataOffset) * sectorSize
		l.Dev = block.Section(l.Dev, off, l.Dev.Size()-off)
	}
	l.super = &s
	return nil
}

// judgeLegs leaves out legs that are stale, and says what is missing.
func judgeLegs(v *lv, g *segment, legs []leg) {
	var top *raidSuper
	for i := range legs {
		if s := legs[i].super; s != nil && (top == nil || s.events > top.events) {
			top = s
		}
	}
	problem := func(class error, detail string, args ...any) {
		v.Problems = append(v.Problems, block.Errorf(format, g.what, -1, class, detail, args...))
	}
	degraded := false
	for i := range legs {
		l := &legs[i]
		switch s := l.super; {
		case l.err != nil:
			problem(block.ErrMissing, "the leg %s is missing; its bytes come from the others (%v)", l.Name, l.err)
		case top == nil:
			continue
		case s == nil:
			problem(block.ErrMissing, "the leg %s has no superblock: it was not built yet, and is not used", l.Name)
			l.Dev = nil
		case i < 64 && top.failed>>i&1 != 0 || top.events-s.events > 1:
			problem(block.ErrMissing, "the leg %s is stale: it saw %d events of %d, and is not used", l.Name, s.events, top.events)
			l.Dev = nil
		case s.recovery != math.MaxUint64 && s.recovery < uint64(l.Dev.Size()/sectorSize):
			l.Synced = int64(s.recovery) * sectorSize
			problem(block.ErrMissing, "the leg %s was rebuilt up to byte %d; the rest comes from the others", l.Name, l.Synced)
		default:
			continue
		}
		degraded = true
	}
	if degraded && top != nil && top.resync != math.MaxUint64 && raidTypes[g.typ].level > 0 {
		problem(block.ErrDirty, "it was not stopped in order: what is computed from parity may be wrong where it was being written")
	}
}
