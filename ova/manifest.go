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
	"regexp"
	"strings"

	"github.com/guestkit/guestkit/block"
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
var line = regexp.MustCompile(`^([A-Z0-9-]+)\s*\((.+)\)\s*=\s*([0-9A-Fa-f]+)$`)

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

// readManifest reads the manifest beside the descriptor, if there is one.
func (p *Package) readManifest() error {
	name := strings.TrimSuffix(p.Descriptor, extension(p.Descriptor)) + ".mf"
	i, ok := p.archive.byName[name]
	if !ok {
		return nil
	}
	m := p.archive.members[i]
	text, err := block.ReadBytes(p.r, m.off, m.size, MaxManifest)
	if err != nil {
		return block.Locate(format, "manifest", m.off, err)
	}
	for n, s := range strings.Split(string(text), "\n") {
		if s = strings.TrimSpace(s); s == "" {
			continue
		}
		fault := func(class error, detail string) error {
			return block.Errorf(format, fmt.Sprintf("manifest line %d", n+1), m.off, class, "%s", detail)
		}
		fields := line.FindStringSubmatch(s)
		if fields == nil {
			p.problems.Add(fault(block.ErrCorrupt, quote(s)+" is no checksum"))
			continue
		}
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

// Verify reads all that the manifest names and compares the checksums. It
// returns a fault of class block.ErrCorrupt for each file that differs, is
// missing, or is not named although the package has it. The error is one of
// the run: ctx ended, something could not be read, or ErrNoManifest.
func (p *Package) Verify(ctx context.Context) ([]error, error) {
	if p.archive == nil || len(p.sums) == 0 {
		return nil, ErrNoManifest
	}
	var faults []error
	fault := func(name, detail string, args ...any) {
		faults = append(faults, block.Errorf(format, "member "+quote(name), -1, block.ErrCorrupt, detail, args...))
	}
	named := map[string]bool{}
	for _, sum := range p.sums {
		if named[sum.File] {
			fault(sum.File, "the manifest names it twice")
			continue
		}
		named[sum.File] = true
		r, ok := p.archive.open(sum.File)
		if !ok {
			fault(sum.File, "the manifest names it, and the archive has it not")
			continue
		}
		h := newHash(sum.Algorithm)
		if err := digest(ctx, h, r); err != nil {
			return faults, err
		}
		if got := h.Sum(nil); string(got) != string(sum.Sum) {
			fault(sum.File, "its %s is %x, and the manifest says %x", sum.Algorithm, got, sum.Sum)
		}
	}
	for _, m := range p.archive.members {
		if ext := strings.ToLower(extension(m.name)); !named[m.name] && ext != ".mf" && ext != ".cert" {
			fault(m.name, "the manifest does not name it")
		}
	}
	return faults, nil
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
