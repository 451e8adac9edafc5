package inspect

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/fs/iso9660"
	"github.com/guestkit/guestkit/fs/vfs"
	"github.com/guestkit/guestkit/internal/sessions"
	"github.com/guestkit/guestkit/volume"
	"github.com/guestkit/guestkit/volume/probe"
)

// The kinds of volumes that lie in the filesystem of another one.
const (
	kindSubvolume = "subvolume"
	kindBoot      = "boot"
	kindSession   = "session"
)

// parts sets what lies in the filesystem of v and is a volume of its own.
func (s *scan) parts(v *Volume) {
	switch v.Content {
	case "btrfs":
		s.subvolumes(v)
	case "iso9660", "udf":
		starts := s.sessions(v)
		s.bootImages(v, starts)
		s.earlier(v, starts)
	}
}

func (s *scan) subvolumes(v *Volume) {
	subs, err := vfs.Subvolumes(v.fsys)
	s.rep.problem(v.Name, err)
	for _, sub := range subs {
		if sub.Path == "." {
			continue
		}
		words := []string{fmt.Sprint("ID ", sub.ID)}
		if sub.Default {
			words = append(words, "the default one")
		}
		if sub.ReadOnly {
			words = append(words, "read-only")
		}
		if sub.ParentUUID != "" {
			words = append(words, "a snapshot")
		}
		v.Parts = append(v.Parts, &Volume{Name: "btrfs:" + v.Name + "/" + sub.Path, Parent: v.Name, Kind: kindSubvolume, Disk: v.Disk, Offset: v.Offset, Content: v.Content,
			UUID: sub.UUID, Status: StatusRead, Reason: strings.Join(words, ", "), Role: RoleUnknown, vol: v.vol, of: v, dir: sub.Path})
	}
}

// sessions finds the sessions of a disc, which its parts are told then.
func (s *scan) sessions(v *Volume) []int64 {
	starts, err := sessions.Find(v.vol.Device)
	err = block.Locate(v.Content, "sessions", -1, err)
	if err != nil && !slices.ContainsFunc(v.fsys.Problems(), func(said error) bool { return said.Error() == err.Error() }) {
		s.rep.problem(v.Name, err)
	}
	return starts
}

// bootImages lists what El Torito boots from a disc, in the order of its catalog.
func (s *scan) bootImages(v *Volume, starts []int64) {
	images, err := iso9660.BootImages(sessions.Known(v.vol.Device, starts))
	if !errors.Is(err, block.ErrFormat) { // a disc of UDF alone
		s.rep.problem(v.Name, err)
	}
	for i, b := range images {
		size := min(b.Size, v.Size-b.Off)
		if size <= 0 {
			s.rep.problem(v.Name, block.Errorf("iso9660", "boot image", b.Off, block.ErrTruncated, "it has %d bytes, and the volume %d", b.Size, v.Size))
			continue
		}
		p := s.part(v, kindBoot, i+1, b.Off, size, []int64{0})
		p.Facts = append(p.Facts, volume.Fact{Name: "boots", Value: b.String()})
		if p.Status == StatusUnknown {
			p.setStatus(StatusReserved, "a boot loader: "+b.String())
		} else if p.Reason == "" {
			p.Reason = b.String()
		}
	}
}

// earlier lists what a disc was before each of its later sessions.
func (s *scan) earlier(v *Volume, starts []int64) {
	for i, next := range starts[1:] {
		p := s.part(v, kindSession, i+1, 0, next*sessions.Sector, starts[:i+1])
		if p.Reason == "" {
			p.Reason = fmt.Sprintf("the disc before its session %d", i+2)
		}
	}
}

// part adds a run of bytes of v, a disc whose sessions start there.
func (s *scan) part(v *Volume, kind string, number int, off, size int64, starts []int64) *Volume {
	d := sessions.Known(block.Section(v.vol.Device, off, size), starts)
	found, err := probe.Volume(d)
	vol := &volume.Volume{Name: fmt.Sprintf("%s:%s%d", v.Name, kind, number), Kind: volume.Kind(kind), DiskIndex: v.Disk, Parents: []*volume.Volume{v.vol},
		Device: d, Off: v.Offset + off, Size: size, Found: found, Err: err, Shared: true}
	p := &Volume{Name: vol.Name, Parent: v.Name, Kind: kind, Disk: v.Disk, Offset: vol.Off, Size: size, Content: Unknown, Role: RoleUnknown, vol: vol}
	s.fill(p)
	v.Parts = append(v.Parts, p)
	return p
}

// each calls fn for the volumes of the report, each followed by what lies in it.
func (r *Report) each(fn func(*Volume)) {
	for _, v := range r.Volumes {
		fn(v)
		for _, p := range v.Parts {
			fn(p)
		}
	}
}
