package ova

import (
	"archive/tar"
	"errors"
	"io"
	"strings"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/problem"
	"github.com/guestkit/guestkit/internal/tarhead"
)

// A member is a regular file of the archive.
type member struct {
	name      string // without a leading "./"
	off, size int64
	device    block.Device // its bytes, nil where they are those of the archive from off on
}

// An archive is the index of a file that holds others: where the bytes of each
// member lie.
type archive struct {
	kind    string // "tar", "zip", "xva" or "vma"
	r       block.Reader
	members []member
	byName  map[string]int
}

// position is what archive/tar reads, and where it is. It seeks over the bytes
// of members.
type position struct{ *io.SectionReader }

func (p position) offset() int64 {
	n, _ := p.Seek(0, io.SeekCurrent) // cannot fail
	return n
}

// readArchive reads the headers of all members. A fault after the first of them
// ends the archive and is a problem: what lies before it can be read.
func readArchive(r block.Reader, problems *problem.List) (*archive, error) {
	a := &archive{kind: "tar", r: r, byName: map[string]int{}}
	at := position{io.NewSectionReader(r, 0, r.Size())}
	tr := tar.NewReader(at)
	start := int64(0) // of the next header
	for n := 0; ; n++ {
		h, err := tr.Next()
		if err == io.EOF {
			return a, nil
		}
		if err != nil {
			err = block.Errorf(format, "tar header", start, tarClass(err), "%v", err)
			if n == 0 {
				return nil, err
			}
			problems.Add(err)
			return a, nil
		}
		if n == MaxMembers {
			return nil, block.Errorf(format, "archive", start, block.ErrLimit, "more than %d members", MaxMembers)
		}
		start = a.add(h, start, at.offset(), problems)
	}
}

// tarClass tells an archive that ends early from one that is damaged.
func tarClass(err error) error {
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF):
		return block.ErrTruncated
	case errors.Is(err, tar.ErrHeader):
		return block.ErrCorrupt
	}
	return err
}

// add takes a member into the index, if its bytes lie in the archive. Its headers
// begin at start and its bytes at off. It returns where the next header is.
func (a *archive) add(h *tar.Header, start, off int64, problems *problem.List) int64 {
	odd := func(class error, detail string, args ...any) {
		problems.Add(block.Errorf(format, "member "+quote(h.Name), off, class, detail, args...))
	}
	switch h.Typeflag {
	case tar.TypeReg, tar.TypeGNUSparse:
	case tar.TypeDir, tar.TypeXGlobalHeader:
		return tarhead.Padded(off)
	case tar.TypeLink, tar.TypeSymlink, tar.TypeChar, tar.TypeBlock, tar.TypeFifo:
		odd(block.ErrRefused, "it is no regular file (type %q) and holds nothing", h.Typeflag)
		return off
	default:
		odd(block.ErrRefused, "it is no regular file (type %q) and holds nothing", h.Typeflag)
		return off + tarhead.Padded(min(h.Size, a.r.Size()))
	}
	m := member{name: strings.TrimPrefix(h.Name, "./"), off: off, size: h.Size}
	n := min(h.Size, a.r.Size())
	if tarhead.IsSparse(h) {
		s, err := readSparse(a.r, h, start, off)
		if err != nil {
			problems.Add(err)
			return off // of the next one nothing is known but what archive/tar finds
		}
		m.device, n = s, s.stored()
	} else if off > a.r.Size() || h.Size > a.r.Size()-off {
		odd(block.ErrTruncated, "%d bytes, and the archive has %d from there", h.Size, max(a.r.Size()-off, 0))
		return off
	}
	a.take(m, problems)
	return off + tarhead.Padded(n)
}

// take takes a member into the index, if its name can be that of a file of the
// package.
func (a *archive) take(m member, problems *problem.List) {
	odd := func(class error, detail string, args ...any) {
		problems.Add(block.Errorf(format, "member "+quote(m.name), m.off, class, detail, args...))
	}
	if base := m.name[strings.LastIndexByte(m.name, '/')+1:]; strings.HasPrefix(base, "._") || base == ".DS_Store" || strings.HasPrefix(m.name, "__MACOSX/") {
		return // what macOS adds to archives
	}
	if reason := badName(m.name); reason != "" {
		odd(block.ErrRefused, "%s", reason)
		return
	}
	if _, ok := a.byName[m.name]; ok {
		odd(block.ErrCorrupt, "a second member of that name, the first one counts")
		return
	}
	a.byName[m.name] = len(a.members)
	a.members = append(a.members, m)
}

// disks reports whether the members are disks, and no files with paths.
func (a *archive) disks() bool { return a.kind == "xva" || a.kind == "vma" }

// open returns the bytes of a member.
func (a *archive) open(name string) (block.Device, bool) {
	i, ok := a.byName[name]
	if !ok {
		return nil, false
	}
	m := a.members[i]
	if m.device != nil {
		return m.device, true
	}
	return block.Section(block.Plain(a.r), m.off, m.size), true
}

// badName says why a name cannot be that of a file of a package, or "".
func badName(name string) string {
	switch {
	case name == "":
		return "it has no name"
	case len(name) > maxName:
		return "its name is too long"
	case strings.ContainsAny(name, "\\:\x00"):
		return "its name is no plain relative path"
	case strings.HasPrefix(name, "/"):
		return "its name is absolute"
	}
	for part := range strings.SplitSeq(name, "/") {
		if part == ".." || part == "." || part == "" {
			return "its name does not stay in the package"
		}
	}
	return ""
}
