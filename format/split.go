package format

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/parts"
)

// A source is what an image is read from: a file or block device, or the parts
// of a split file.
type source interface {
	block.Device
	block.SectorSizer
	io.Closer
	Changed() error
	Allocated() int64
	infos() []os.FileInfo
}

func (h *HostFile) infos() []os.FileInfo { return []os.FileInfo{h.before} }

// A splitFile is a file that was cut into name.001, name.002 and so on, all of
// one size but the last.
type splitFile struct {
	block.Device // the parts, one behind the other
	parts        []*HostFile
}

// openSource opens the file or block device at path or, where it is the first
// part of a split file, all parts.
//
// No policy of references is needed for the others: it is the name that the
// user gave that names them, and nothing in the image. They are regular files,
// reached through the first one's folder, so that no link leads out of it.
func openSource(path string) (source, error) {
	h, err := OpenHostFile(path)
	if err != nil {
		return nil, err
	}
	name, isFirst := strings.CutSuffix(filepath.Base(path), parts.First)
	if !isFirst || name == "" || !h.before.Mode().IsRegular() {
		return h, nil
	}
	others, err := openParts(filepath.Dir(path), name)
	if err != nil {
		h.Close()
		return nil, err
	}
	if len(others) == 0 {
		return h, nil // a name, and no more
	}
	s := &splitFile{parts: append([]*HostFile{h}, others...)}
	if err := s.join(); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// openParts opens the parts after the first one.
func openParts(dir, name string) (out []*HostFile, err error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	last, err := lastPart(root, name)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			for _, p := range out {
				p.Close()
			}
		}
	}()
	for n := 2; n <= last; n++ {
		part := parts.Name(name, n)
		fi, err := root.Stat(part)
		if errors.Is(err, os.ErrNotExist) {
			return out, block.Errorf("", "part "+part, -1, block.ErrTruncated, "it is missing, and %s is there", parts.Name(name, last))
		}
		if err == nil {
			err = usable(part, fi, false)
		}
		if err != nil {
			return out, err
		}
		f, err := root.OpenFile(part, os.O_RDONLY|openFlags, 0)
		if err != nil {
			return out, err
		}
		h, err := newHostFile(f, false)
		if err != nil {
			return out, err
		}
		out = append(out, h)
	}
	return out, nil
}

// lastPart is the highest number of a part in the folder.
func lastPart(root *os.Root, name string) (int, error) {
	d, err := root.Open(".")
	if err != nil {
		return 0, err
	}
	defer d.Close()
	names, err := d.Readdirnames(-1)
	if err != nil {
		return 0, err
	}
	last := 1
	for _, part := range names {
		last = max(last, parts.Number(name, part))
	}
	return last, nil
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
