package ova

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/guestkit/guestkit/block"
)

// Open returns the bytes of a file of the package, inflated if it is
// compressed. The caller closes what it gets if that is an [io.Closer]. The
// error wraps block.ErrRefused for a name that leads out of the package, and
// block.ErrTruncated for a file that is not in it.
func (p *Package) Open(f *File) (block.Device, error) {
	d, err := p.stored(f)
	if err != nil || f.Compression == "" {
		return d, err
	}
	if f.Compression != "gzip" {
		block.Close(d)
		return nil, block.Errorf(format, "File "+quote(f.ID), -1, block.ErrUnsupported, "the compression %.40q", f.Compression)
	}
	z, err := p.inflated.open(f.Href, d)
	if err != nil {
		block.Close(d)
		return nil, block.Locate(format, "File "+quote(f.ID), 0, err)
	}
	return z, nil
}

// OpenRef opens a file that a disk of the package names: its parent, or an
// extent. It is a block.Opener that knows the files of the package by their
// names, and nothing else.
func (p *Package) OpenRef(ref block.Ref) (block.Device, error) {
	for _, f := range p.Files {
		if f.Href == ref.Name {
			return p.Open(f)
		}
	}
	return nil, block.Errorf(format, ref.Kind, -1, block.ErrRefused, "%.80q is no file of the package", ref.Name)
}

// chunkName is what follows the name of a file in that of a chunk.
const chunkName = ".%09d"

// A storedFile is what the archive has of a file, or why it has nothing.
type storedFile struct {
	device block.Device
	err    error
}

// A fileKey is by what files of the descriptor are the same file.
type fileKey struct {
	href    string
	chunked bool
	size    int64
}

// findFiles looks for the files of the descriptor in the archive, once: any
// number of files and disks may share the same chunks.
func (p *Package) findFiles() {
	p.found = map[fileKey]storedFile{}
	left := maxChunks
	for _, f := range p.Files {
		key := fileKey{f.Href, f.Chunked, f.Size}
		if _, ok := p.found[key]; !ok {
			d, err := p.assemble(f, &left)
			p.found[key] = storedFile{d, err}
		}
	}
}

// stored returns the bytes of a file as they are stored.
func (p *Package) stored(f *File) (block.Device, error) {
	if s, ok := p.found[fileKey{f.Href, f.Chunked, f.Size}]; ok {
		return s.device, s.err
	}
	left := maxChunks
	return p.assemble(f, &left)
}

// assemble opens a file, whose chunks it takes off left.
func (p *Package) assemble(f *File, left *int) (block.Device, error) {
	if !f.Chunked {
		return p.piece(f, "")
	}
	c := &chunks{}
	for i := 0; ; i++ {
		part, err := p.piece(f, fmt.Sprintf(chunkName, i))
		if i > 0 && (errors.Is(err, block.ErrTruncated) || errors.Is(err, block.ErrParent)) {
			break // the last one was the one before
		}
		if err == nil && *left == 0 {
			err = block.Errorf(format, "File "+quote(f.ID), -1, block.ErrLimit, "more than %d chunks", maxChunks)
		}
		*left--
		if err != nil {
			c.Close()
			return nil, err
		}
		c.parts = append(c.parts, part)
	}
	c.Device = block.Concat(c.parts...)
	if f.Size > c.Size() {
		c.Close()
		return nil, block.Errorf(format, "File "+quote(f.ID), -1, block.ErrTruncated, "its %d chunks have %d bytes, and it has %d", len(c.parts), c.Size(), f.Size)
	}
	return c, nil
}

// piece opens a file, or one chunk of it.
func (p *Package) piece(f *File, suffix string) (block.Device, error) {
	fault := func(class error, detail string, args ...any) error {
		return block.Errorf(format, "File "+quote(f.ID), -1, class, detail, args...)
	}
	if f.Href == "" {
		return nil, fault(block.ErrCorrupt, "it has no href")
	}
	if p.archive != nil && p.archive.disks() {
		if d, ok := p.archive.open(f.Href); ok && suffix == "" {
			return d, nil
		}
		return nil, fault(block.ErrTruncated, "there is no disk %.80q in the archive", f.Href)
	}
	// A name is looked for as it is written, and as the URI that it is.
	names := []string{f.Href + suffix, unescape(f.Href) + suffix}
	if names[1] == names[0] {
		names = names[:1]
	}
	var last error
	for _, name := range names {
		if reason := badName(strings.TrimPrefix(name, "./")); reason != "" {
			return nil, fault(block.ErrRefused, "%.80q: %s", name, reason)
		}
		name = strings.TrimPrefix(name, "./")
		if p.archive != nil {
			for _, at := range []string{p.folder() + name, name} {
				if d, ok := p.archive.open(at); ok {
					return d, nil
				}
			}
			last = fault(block.ErrTruncated, "there is no member %.80q in the archive", name)
			continue
		}
		if p.o.Opener == nil {
			return nil, fault(block.ErrRefused, "%.80q", name)
		}
		d, err := p.o.Opener(block.Ref{Kind: "file of the package", Name: name, Format: "raw", From: p.r})
		if err == nil {
			return d, nil
		}
		last = block.Locate(format, "File "+quote(f.ID), -1, err)
	}
	return nil, last
}

// folder is that of the descriptor in the archive, with its slash, or "".
func (p *Package) folder() string { return p.Descriptor[:strings.LastIndexByte(p.Descriptor, '/')+1] }

// unescape resolves the escapes of a URI, %20 for a space. What is none stays.
func unescape(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '%' && i+2 < len(s) {
			if n, err := strconv.ParseUint(s[i+1:i+3], 16, 8); err == nil {
				b.WriteByte(byte(n))
				i += 2
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// chunks is a file that lies in pieces.
type chunks struct {
	block.Device
	parts []block.Device
}

// Sound tells whether the checksums that an archive has of the pieces are right.
func (c *chunks) Sound(ctx context.Context) error {
	for _, d := range c.parts {
		if s, ok := d.(interface{ Sound(context.Context) error }); ok {
			if err := s.Sound(ctx); err != nil {
				return err
			}
		}
	}
	return nil
}

func (c *chunks) Close() error {
	var errs []error
	for _, d := range c.parts {
		errs = append(errs, block.Close(d))
	}
	return errors.Join(errs...)
}
