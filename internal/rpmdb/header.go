package rpmdb

import (
	"bytes"
	"encoding/binary"
	"time"

	"github.com/guestkit/guestkit/block"
)

// MaxHeader bounds the header of one package, in bytes.
const MaxHeader = 64 << 20

// Further limits of a header, those of rpm and tighter.
const (
	maxTags   = 65536
	maxData   = 64 << 20
	maxString = 64 << 10
)

// A Package is what one header says. Strings are raw bytes.
type Package struct {
	Name, Version, Release, Arch string
	Epoch                        int
	HasEpoch                     bool
	SourceRPM, Vendor, Summary   string
	URL                          string
	License, Group               string
	Installed                    time.Time // zero if not said
	Modularity                   string    // the label of the module that it is of: "nodejs:18:…"

	files fileTags
}

// fileTags are the tags that the names of a package's files are in: one array, or, since
// rpm 4, names, folders, and the folder of each name.
type fileTags struct {
	old, base, dirs, index        []byte
	oldCount, baseCount, dirCount uint32
	indexCount                    uint32
}

// MaxFiles bounds the files of one package.
const MaxFiles = 1 << 20

// Files returns the paths of the package's files, as rpm -ql prints them.
func (p *Package) Files() ([]string, error) {
	fault := func(detail string, args ...any) error {
		return block.Errorf("rpm", "files", -1, block.ErrCorrupt, detail, args...)
	}
	f := &p.files
	if max(f.oldCount, f.baseCount, f.dirCount, f.indexCount) > MaxFiles {
		return nil, block.Errorf("rpm", "files", -1, block.ErrLimit, "more than %d files", MaxFiles)
	}
	if f.oldCount > 0 && f.baseCount == 0 {
		out, ok := texts(f.old, f.oldCount)
		if !ok {
			return nil, fault("the list does not end")
		}
		return out, nil
	}
	base, ok1 := texts(f.base, f.baseCount)
	dirs, ok2 := texts(f.dirs, f.dirCount)
	if !ok1 || !ok2 || f.indexCount != f.baseCount || len(f.index) < 4*len(base) {
		return nil, fault("%d names, %d folders, %d places", f.baseCount, f.dirCount, f.indexCount)
	}
	for i := range base {
		n := binary.BigEndian.Uint32(f.index[4*i:])
		if int64(n) >= int64(len(dirs)) {
			return nil, fault("the folder %d of %d", n, len(dirs))
		}
		base[i] = dirs[n] + base[i]
	}
	return base, nil
}

// texts parts an array of texts, each ended by a zero.
func texts(b []byte, count uint32) ([]string, bool) {
	var out []string
	for range count {
		end := bytes.IndexByte(b, 0)
		if end < 0 {
			return nil, false
		}
		out = append(out, string(b[:end]))
		b = b[end+1:]
	}
	return out, true
}

// Tags that are read, and the types that they may have.
const (
	tagName        = 1000
	tagVersion     = 1001
	tagRelease     = 1002
	tagEpoch       = 1003
	tagSummary     = 1004
	tagInstallTime = 1008
	tagVendor      = 1011
	tagLicense     = 1014
	tagGroup       = 1016
	tagURL         = 1020
	tagArch        = 1022
	tagSourceRPM   = 1044
	tagOldFiles    = 1027
	tagDirIndexes  = 1116
	tagBaseNames   = 1117
	tagDirNames    = 1118
	tagModularity  = 5096

	typeInt32       = 4
	typeString      = 6
	typeStringArray = 8
	typeI18N        = 9
)

// parseHeader reads one header. The error wraps a class of package block; its
// offset is in the header.
func parseHeader(b []byte) (p Package, err error) {
	fault := func(off int64, class error, detail string, args ...any) error {
		return block.Errorf("rpm", "header", off, class, detail, args...)
	}
	if len(b) < 8 {
		return p, fault(0, block.ErrTruncated, "%d bytes", len(b))
	}
	be := binary.BigEndian
	il, dl := int64(be.Uint32(b)), int64(be.Uint32(b[4:]))
	switch {
	case il > maxTags:
		return p, fault(0, block.ErrLimit, "%d tags, at most %d are read", il, maxTags)
	case dl > maxData:
		return p, fault(4, block.ErrLimit, "%d bytes of data, at most %d are read", dl, maxData)
	case il == 0:
		return p, fault(0, block.ErrCorrupt, "no tags")
	case 8+16*il+dl > int64(len(b)):
		return p, fault(0, block.ErrTruncated, "%d tags and %d bytes of data in %d bytes", il, dl, len(b))
	}
	data := b[8+16*il : 8+16*il+dl]
	for i := range il {
		at := 8 + 16*i
		tag, typ, off, count := be.Uint32(b[at:]), be.Uint32(b[at+4:]), be.Uint32(b[at+8:]), be.Uint32(b[at+12:])
		if list, n := p.files.field(tag); list != nil && int64(off) < dl {
			*list, *n = data[off:], count
			continue
		}
		text, number := p.field(tag)
		if text == nil && number == nil {
			continue
		}
		if int64(off) >= dl || count == 0 {
			return p, fault(at, block.ErrCorrupt, "tag %d lies outside of the data", tag)
		}
		v := data[off:]
		switch {
		case text != nil && (typ == typeString || typ == typeStringArray || typ == typeI18N):
			end := bytes.IndexByte(v, 0)
			if end < 0 {
				return p, fault(at, block.ErrCorrupt, "tag %d does not end", tag)
			}
			if end > maxString {
				return p, fault(at, block.ErrLimit, "tag %d has %d bytes, at most %d are read", tag, end, maxString)
			}
			if *text = string(v[:end]); *text == "(none)" { // rpm stores it in what it makes of keys
				*text = ""
			}
		case number != nil && typ == typeInt32:
			if len(v) < 4 {
				return p, fault(at, block.ErrCorrupt, "tag %d lies outside of the data", tag)
			}
			number(be.Uint32(v))
		default:
			return p, fault(at, block.ErrCorrupt, "tag %d has the type %d", tag, typ)
		}
	}
	if p.Name == "" || p.Version == "" || p.Release == "" {
		return p, fault(0, block.ErrCorrupt, "no name, version or release")
	}
	return p, nil
}

// field returns where the bytes of a tag and how many it has go.
func (f *fileTags) field(tag uint32) (*[]byte, *uint32) {
	switch tag {
	case tagOldFiles:
		return &f.old, &f.oldCount
	case tagBaseNames:
		return &f.base, &f.baseCount
	case tagDirNames:
		return &f.dirs, &f.dirCount
	case tagDirIndexes:
		return &f.index, &f.indexCount
	}
	return nil, nil
}

// field returns where the value of a tag goes: text, or a number.
func (p *Package) field(tag uint32) (text *string, number func(uint32)) {
	switch tag {
	case tagName:
		return &p.Name, nil
	case tagVersion:
		return &p.Version, nil
	case tagRelease:
		return &p.Release, nil
	case tagArch:
		return &p.Arch, nil
	case tagSummary:
		return &p.Summary, nil
	case tagVendor:
		return &p.Vendor, nil
	case tagLicense:
		return &p.License, nil
	case tagURL:
		return &p.URL, nil
	case tagGroup:
		return &p.Group, nil
	case tagModularity:
		return &p.Modularity, nil
	case tagSourceRPM:
		return &p.SourceRPM, nil
	case tagEpoch:
		return nil, func(n uint32) { p.Epoch, p.HasEpoch = int(n), true }
	case tagInstallTime:
		return nil, func(n uint32) { p.Installed = time.Unix(int64(n), 0).UTC() }
	}
	return nil, nil
}
