package format

import (
	"errors"
	"os"
	"path/filepath"
	"strings"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/parts"
)

// A splitFile is a file that was cut into name.001, name.002 and so on, all of
// one size but the last.
type splitFile struct {
	block.Device // the parts, one behind the other
	parts        []*HostFile
}

// FileSource opens the file or block device at path or, where it is the first
// part of a split file, all parts.
//
// No policy of references is needed for the others: it is the name that the
// user gave that names them, and nothing in the image. They are regular files,
// reached through the first one's folder, so that no link leads out of it.
func FileSource(path string) (Source, error) {
	h, err := OpenHostFile(path)
	if err != nil {
		return nil, err
	}
	name, isFirst := strings.CutSuffix(filepath.Base(path), parts.First)
	if !isFirst || name == "" || !h.before.Mode().IsRegular() {
		return h, nil
	}
	s := &splitFile{parts: []*HostFile{h}}
	if err := s.openOthers(filepath.Dir(path), name); err != nil {
		s.Close()
		return nil, err
	}
	if len(s.parts) == 1 {
		return h, nil // a name, and no more
	}
	if err := s.join(); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// PathSource opens what a user names: by Options.Remote where it is an address,
// and like FileSource otherwise.
func PathSource(name string, opts *Options) (Source, error) {
	if opts != nil && opts.Remote != nil && IsAddress(name) {
		return opts.Remote(name)
	}
	return FileSource(name)
}

// IsAddress reports whether a name begins with a scheme of two letters or more and
// "://". (One letter is a drive of Windows.)
func IsAddress(name string) bool {
	scheme, _, ok := strings.Cut(name, "://")
	return ok && len(scheme) > 1 && strings.Trim(scheme, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+-.") == ""
}

// openOthers opens the parts after the first one.
func (s *splitFile) openOthers(dir, name string) error {
	folder, err := newHostFolder(dir)
	if err != nil {
		return err
	}
	names, err := folder.Names()
	if err != nil {
		return err
	}
	last := 1
	for _, part := range names {
		last = max(last, parts.Number(name, part))
	}
	for n := 2; n <= last; n++ {
		part := parts.Name(name, n)
		f, err := folder.Open(part)
		if errors.Is(err, os.ErrNotExist) {
			return block.Errorf("", "part "+part, -1, block.ErrTruncated, "it is missing, and %s is there", parts.Name(name, last))
		}
		if err != nil {
			return err
		}
		s.parts = append(s.parts, f.(*HostFile))
	}
	return nil
}

// join lays the parts one behind the other.
func (s *splitFile) join() error {
	size := s.parts[0].Size()
	var devices []block.Device
	for i, p := range s.parts {
		last := i == len(s.parts)-1
		if p.Size() > size || p.Size() < size && !last || p.Size() == 0 {
			return block.Errorf("", "part "+filepath.Base(p.Name()), -1, block.ErrTruncated, "it has %d bytes, and the first part %d", p.Size(), size)
		}
		devices = append(devices, p)
	}
	s.Device = block.Concat(devices...)
	return nil
}

// names are the paths of the parts.
func (s *splitFile) names() []string {
	var out []string
	for _, p := range s.parts {
		out = append(out, filepath.Join(filepath.Dir(s.parts[0].Name()), filepath.Base(p.Name())))
	}
	return out
}

// Name is that of the first part.
func (s *splitFile) Name() string { return s.parts[0].Name() }

// Folder is that of the first part.
func (s *splitFile) Folder() Folder { return s.parts[0].Folder() }

// Same reports whether the other one has a file in common with it.
func (s *splitFile) Same(other Source) bool { return sameFiles(s, other) }

// SectorSize is not known of files.
func (s *splitFile) SectorSize() int { return 0 }

func (s *splitFile) Allocated() int64 {
	sum := int64(0)
	for _, p := range s.parts {
		n := p.Allocated()
		if n < 0 {
			return -1
		}
		sum += n
	}
	return sum
}

func (s *splitFile) infos() []os.FileInfo {
	var out []os.FileInfo
	for _, p := range s.parts {
		out = append(out, p.before)
	}
	return out
}

// Changed returns an error that wraps block.ErrChanged if a part is not what it
// was when it was opened.
func (s *splitFile) Changed() error {
	for _, p := range s.parts {
		if err := p.Changed(); err != nil {
			return err
		}
	}
	return nil
}

// Close closes all parts.
func (s *splitFile) Close() error {
	var errs []error
	for _, p := range s.parts {
		errs = append(errs, p.Close())
	}
	return errors.Join(errs...)
}
