package ova

import (
	"context"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"slices"
	"strings"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/pattern"
)

// A Checksum is a line of the manifest.
type Checksum struct {
	File      string
	Algorithm string // "SHA1", "SHA256" or "SHA512"
	Sum       []byte
}

// Checksums returns what the manifest says, nothing if there is none.
func (p *Package) Checksums() []Checksum { return append([]Checksum(nil), p.sums...) }

// line is "SHA256(name)= hex", as OpenSSL prints it.
var line = pattern.Of(`^([A-Za-z0-9-]+)\s*\((.+)\)\s*=\s*([0-9A-Fa-f]+)$`)

// listed is "hex  name", as sha256sum and its like print it.
var listed = pattern.Of(`^([0-9A-Fa-f]{40}|[0-9A-Fa-f]{64}|[0-9A-Fa-f]{128}) [ *](.+)$`)

func newHash(algorithm string) hash.Hash {
	switch strings.ReplaceAll(algorithm, "-", "") {
	case "SHA1":
		return sha1.New()
	case "SHA256":
		return sha256.New()
	case "SHA512":
		return sha512.New()
	}
	return nil
}

// beside is the name of the file beside the descriptor with that extension.
func (p *Package) beside(ext string) string {
	return strings.TrimSuffix(p.Descriptor, extension(p.Descriptor)) + ext
}

// readManifest reads the manifest beside the descriptor, if there is one, and
// looks for the certificate of a descriptor outside of an archive.
func (p *Package) readManifest() error {
	off := int64(0)
	if p.archive == nil {
		if f, err := p.named(p.beside(".cert"), "certificate"); err == nil {
			block.Close(f)
			p.Certificate = p.beside(".cert")
		}
	} else if i, ok := p.archive.byName[p.beside(".mf")]; ok {
		off = p.archive.members[i].off
	}
	f, err := p.named(p.beside(".mf"), "manifest")
	switch {
	case errors.Is(err, errAbsent) || errors.Is(err, block.ErrParent):
		return nil
	case err != nil:
		return block.Locate(format, "manifest", off, err)
	}
	defer block.Close(f)
	text, err := block.ReadBytes(f, 0, f.Size(), MaxManifest)
	if err != nil {
		return block.Locate(format, "manifest", off, err)
	}
	for n, s := range strings.Split(string(text), "\n") {
		if s = strings.TrimSpace(s); s == "" {
			continue
		}
		fault := func(class error, detail string) error {
			return block.Errorf(format, fmt.Sprintf("manifest line %d", n+1), off, class, "%s", detail)
		}
		fields := line().FindStringSubmatch(s)
		if bare := listed().FindStringSubmatch(s); fields == nil && bare != nil {
			fields = []string{s, map[int]string{40: "SHA1", 64: "SHA256", 128: "SHA512"}[len(bare[1])], bare[2], bare[1]}
		}
		if fields == nil {
			p.problems.Add(fault(block.ErrCorrupt, quote(s)+" is no checksum"))
			continue
		}
		fields[1] = strings.ToUpper(fields[1])
		h := newHash(fields[1])
		if h == nil {
			p.problems.Add(fault(block.ErrUnsupported, "the algorithm "+quote(fields[1])))
			continue
		}
		sum, err := hex.DecodeString(fields[3])
		if err != nil || len(sum) != h.Size() {
			p.problems.Add(fault(block.ErrCorrupt, quote(fields[3])+" is no sum of "+fields[1]))
			continue
		}
		if len(p.sums) == MaxMembers {
			return fault(block.ErrLimit, fmt.Sprintf("more than %d checksums", MaxMembers))
		}
		p.sums = append(p.sums, Checksum{strings.TrimPrefix(fields[2], "./"), strings.ReplaceAll(fields[1], "-", ""), sum})
	}
	return nil
}

// ErrNoManifest says that there is nothing to verify a package by.
var ErrNoManifest = errors.New("ova: there is no manifest")

// errAbsent says that an archive has no member of a name.
var errAbsent = errors.New("there is no such member")

// named opens a file of the package by its name: a member, or what the Opener
// has beside the descriptor.
func (p *Package) named(name, kind string) (block.Device, error) {
	switch reason := badName(name); {
	case reason != "":
		return nil, block.Errorf(format, "file "+quote(name), -1, block.ErrRefused, "%s", reason)
	case p.archive != nil:
		for _, at := range []string{name, p.folder() + name} {
			if f, ok := p.archive.open(at); ok {
				return f, nil
			}
		}
		return nil, errAbsent
	case name == p.o.Name:
		return block.Plain(p.r), nil
	case p.o.Opener == nil:
		return nil, block.Errorf(format, "file "+quote(name), -1, block.ErrRefused, "")
	}
	return p.o.Opener(block.Ref{Kind: kind, Name: name, Format: "raw", From: p.r})
}

// Verify reads all that the manifest names and compares the checksums. It
// returns a fault of class block.ErrCorrupt for each file that differs, is
// missing, or is not named although the package has it. The error is one of
// the run: ctx ended, something could not be read, or ErrNoManifest.
func (p *Package) Verify(ctx context.Context) ([]error, error) {
	switch {
	case p.noSums != nil:
		return nil, p.noSums
	case len(p.sums) == 0:
		return nil, ErrNoManifest
	}
	var faults []error
	fault := func(name, detail string, args ...any) {
		faults = append(faults, block.Errorf(format, "file "+quote(name), -1, block.ErrCorrupt, detail, args...))
	}
	named := map[string]bool{}
	for _, sum := range p.sums {
		if named[sum.File] {
			fault(sum.File, "the manifest names it twice")
			continue
		}
		named[sum.File] = true
		var odd *block.Error
		switch err := p.compare(ctx, sum); {
		case errors.Is(err, errAbsent) || errors.Is(err, block.ErrParent):
			fault(sum.File, "the manifest names it, and it is not there")
			continue
		case errors.Is(err, block.ErrRefused):
			fault(sum.File, "the manifest names it, and it is no file of the package: %v", err)
			continue
		case errors.As(err, &odd) && errors.Is(err, block.ErrCorrupt) && odd.What == "file "+quote(sum.File):
			faults = append(faults, err)
		case err != nil:
			return faults, err
		}
	}
	for _, name := range p.contents() {
		if !named[name] && !named[strings.TrimPrefix(name, p.folder())] {
			fault(name, "the manifest does not name it")
		}
	}
	return faults, nil
}

// Sound reads a file of the package and returns an error that wraps
// block.ErrCorrupt if it is not what the manifest says, or the archive that has
// checksums of its own. What neither has a checksum of is taken as it is.
func (p *Package) Sound(ctx context.Context, f *File) error {
	names := map[string]bool{}
	for _, name := range []string{f.Href, unescape(f.Href)} {
		name = strings.TrimPrefix(name, "./")
		names[name], names[p.folder()+name] = true, true
	}
	for _, sum := range p.sums {
		name := sum.File
		if n := len(name) - len("."+"000000000"); f.Chunked && n > 0 && name[n] == '.' {
			name = name[:n]
		}
		if !names[name] {
			continue
		}
		if err := p.compare(ctx, sum); err != nil {
			return err
		}
	}
	d, err := p.stored(f)
	if err != nil {
		return err
	}
	defer func() {
		if p.archive == nil {
			block.Close(d)
		}
	}()
	if s, ok := d.(interface{ Sound(context.Context) error }); ok {
		return s.Sound(ctx)
	}
	return nil
}

// compare compares the file of a checksum with it.
func (p *Package) compare(ctx context.Context, sum Checksum) error {
	f, err := p.named(sum.File, "file of the manifest")
	if err != nil {
		return err
	}
	defer block.Close(f)
	h := newHash(sum.Algorithm)
	if err := digest(ctx, h, f); err != nil {
		return err
	}
	if got := h.Sum(nil); string(got) != string(sum.Sum) {
		return block.Errorf(format, "file "+quote(sum.File), -1, block.ErrCorrupt, "its %s is %x, and the manifest says %x", sum.Algorithm, got, sum.Sum)
	}
	return nil
}

// contents are the names of the files that a manifest has to name: all members
// of an archive, or the descriptor and the files that it refers to, but for the
// manifest and the certificate.
func (p *Package) contents() []string {
	var out []string
	if p.archive != nil {
		for _, m := range p.archive.members {
			if ext := strings.ToLower(extension(m.name)); ext != ".mf" && ext != ".cert" {
				out = append(out, m.name)
			}
		}
		return out
	}
	out = append(out, p.Descriptor)
	for _, f := range p.Files {
		name := strings.TrimPrefix(unescape(f.Href), "./")
		if f.Chunked {
			name += fmt.Sprintf(chunkName, 0) // and the others are alike
		}
		if badName(name) == "" && !slices.Contains(out, name) { // others are no files of the package
			out = append(out, name)
		}
	}
	return out
}

// digest reads all of r into h.
func digest(ctx context.Context, h hash.Hash, r block.Reader) error {
	buf := make([]byte, 1<<20)
	for off := int64(0); off < r.Size(); {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		b := buf[:min(int64(len(buf)), r.Size()-off)]
		if err := block.ReadFull(r, b, off); err != nil {
			return block.Locate(format, "member", off, err)
		}
		h.Write(b)
		off += int64(len(b))
	}
	return nil
}
