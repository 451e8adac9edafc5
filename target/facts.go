package target

import (
	"archive/tar"
	"context"
	"errors"
	"io"
	"strings"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/format"
	"github.com/guestkit/guestkit/internal/wrapped"
)

// Facts are what the rules look at: what an image is, or what one that is to be
// written will be.
type Facts struct {
	Format     string // "vhd"; "tar.gz" for a compressed archive
	Subformat  string
	Size       int64 // of the disk in bytes
	SectorSize int   // that the format states, 0 if none
	FileSize   int64 // -1 for what is not written yet
	Parent     string
	DataFile   string
	Encryption string
	Adapter    string // of a VMDK: the controller it was made for
	Version    uint32 // of the header of a sparse VMDK, 0 if there is none
	Disks      []*Facts
	Members    []member // of a compressed archive
}

// A member is a file in a compressed archive.
type member struct {
	name string
	size int64
	old  bool // in the format that GNU tar calls oldgnu
}

// maxArchive bounds how many members of an archive are looked at.
const maxArchive = 100

// Look gathers the facts of the image in r. stated is its format, "" to probe.
func Look(ctx context.Context, r block.Reader, stated string) (*Facts, error) {
	if stated == "" {
		if found, err := format.Probe(r); err == nil && found.Format == "gz" {
			return lookArchive(ctx, r)
		}
	}
	info, _, err := format.Describe(r, &format.Options{Format: stated})
	if err != nil {
		return nil, err
	}
	f := factsOf(info)
	for _, d := range info.Disks {
		if d.Member != "" { // a blank disk has no file
			f.Disks = append(f.Disks, factsOf(d))
		}
	}
	return f, nil
}

func factsOf(info *format.Info) *Facts {
	f := &Facts{Format: info.Format, Subformat: info.Subformat, Size: info.VirtualSize, SectorSize: info.SectorSize, FileSize: info.FileSize, Encryption: info.Encryption}
	if info.Backing != nil {
		f.Parent = info.Backing.Name
	}
	if info.DataFile != nil {
		f.DataFile = info.DataFile.Name
	}
	if v := info.VMDK; v != nil {
		f.Adapter, f.Version = v.Adapter, v.Version
		if v.ParentCID != 0xffffffff && f.Parent == "" {
			f.Parent = "unnamed"
		}
	}
	return f
}

// lookArchive lists a tar archive that is compressed with gzip, all of it.
func lookArchive(ctx context.Context, r block.Reader) (*Facts, error) {
	f := &Facts{Format: "tar.gz", FileSize: r.Size()}
	z, err := wrapped.NewReader("gz", cancelled{ctx, io.NewSectionReader(r, 0, r.Size())}, wrapped.Limits{})
	if err != nil {
		return nil, err
	}
	first := &headerReader{r: z}
	for t := tar.NewReader(first); ; {
		first.head = first.head[:0]
		h, err := t.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, archiveError(ctx, err)
		}
		if len(f.Members) == maxArchive {
			return nil, block.Errorf("tar", "archive", -1, block.ErrLimit, "more than %d members", maxArchive)
		}
		old := len(first.head) >= 265 && string(first.head[257:265]) == "ustar  \x00"
		f.Members = append(f.Members, member{h.Name, h.Size, old})
		f.Size = max(f.Size, h.Size)
	}
	// What follows, and with it the checksum.
	if _, err := io.Copy(io.Discard, z); err != nil {
		return nil, archiveError(ctx, err)
	}
	return f, nil
}

func archiveError(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	var e *block.Error
	if errors.As(err, &e) { // of the compression
		return err
	}
	class := block.ErrCorrupt
	if errors.Is(err, io.ErrUnexpectedEOF) {
		class = block.ErrTruncated
	}
	return block.Errorf("tar", "archive", -1, class, "%v", err)
}

// headerReader keeps the last block of 512 bytes that was read as such: a
// header, since content is read in larger pieces.
type headerReader struct {
	r    io.Reader
	head []byte
}

func (h *headerReader) Read(p []byte) (int, error) {
	n, err := h.r.Read(p)
	if len(p) <= 512 && len(h.head) < 512 {
		h.head = append(h.head, p[:n]...)
	} else if len(p) > 512 {
		h.head = h.head[:0]
	}
	return n, err
}

// cancelled ends a read when ctx ends.
type cancelled struct {
	ctx context.Context
	r   io.Reader
}

func (c cancelled) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.r.Read(p)
}

// known reports whether s is one of the words.
func known(s string, words ...string) bool {
	for _, w := range words {
		if strings.EqualFold(s, w) {
			return true
		}
	}
	return false
}
