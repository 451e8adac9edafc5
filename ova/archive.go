package ova

import (
	"archive/tar"
	"errors"
	"io"
	"strings"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/problem"
)

// A member is a regular file of the archive.
type member struct {
	name      string // without a leading "./"
	off, size int64
}

// An archive is the index of a tar file: where the bytes of each member lie.
type archive struct {
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
	a := &archive{r: r, byName: map[string]int{}}
	at := position{io.NewSectionReader(r, 0, r.Size())}
	tr := tar.NewReader(at)
	for n := 0; ; n++ {
		start := at.offset()
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
		a.add(h, at.offset(), problems)
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

// add takes a member into the index, if its bytes lie in the archive and its
// name can be that of a file of the package.
func (a *archive) add(h *tar.Header, off int64, problems *problem.List) {
	odd := func(class error, detail string, args ...any) {
		problems.Add(block.Errorf(format, "member "+quote(h.Name), off, class, detail, args...))
	}
	name := strings.TrimPrefix(h.Name, "./")
	switch h.Typeflag {
	case tar.TypeReg:
	case tar.TypeDir, tar.TypeXGlobalHeader:
		return
	default:
		odd(block.ErrRefused, "it is no regular file (type %q) and holds nothing", h.Typeflag)
		return
	}
	for key := range h.PAXRecords {
		if strings.HasPrefix(key, "GNU.sparse.") {
			odd(block.ErrUnsupported, "it is stored sparse")
			return
		}
	}
	if base := name[strings.LastIndexByte(name, '/')+1:]; strings.HasPrefix(base, "._") || base == ".DS_Store" || strings.HasPrefix(name, "__MACOSX/") {
		return // what macOS adds to archives
	}
	if reason := badName(name); reason != "" {
		odd(block.ErrRefused, "%s", reason)
		return
	}
	if off > a.r.Size() || h.Size > a.r.Size()-off {
		odd(block.ErrTruncated, "%d bytes, and the archive has %d from there", h.Size, max(a.r.Size()-off, 0))
		return
	}
	if _, ok := a.byName[name]; ok {
		odd(block.ErrCorrupt, "a second member of that name, the first one counts")
		return
	}
	a.byName[name] = len(a.members)
	a.members = append(a.members, member{name, off, h.Size})
}

// open returns the bytes of a member.
func (a *archive) open(name string) (block.Device, bool) {
	i, ok := a.byName[name]
	if !ok {
		return nil, false
	}
	m := a.members[i]
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
