package remote

import (
	"io/fs"
)

// ReadAt reads through the pages in memory. What is read in order is read ahead;
// what is larger than a few pages goes into p itself.
func (s *source) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, fs.ErrInvalid
	}
	s.mu.Lock()
	closed, changed := s.closed, s.changed
	s.mu.Unlock()
	switch {
	case closed:
		return 0, fs.ErrClosed
	case changed != nil: // nothing that is read now would fit what was read before
		return 0, changed
	}
	return s.cache.ReadAt(p, off)
}

// An object is what lies on the server: each read is a request, but for pages that
// are in the folder.
type object source

func (o *object) Size() int64 { return o.size }

// ReadAt fills p, which lies within the object.
func (o *object) ReadAt(p []byte, off int64) (int, error) {
	s := (*source)(o)
	page := int64(s.o.PageBytes)
	i, n := off/page, int64(len(p))
	whole := off == i*page && n == min(page, s.size-off)
	switch {
	case whole && i == 0 && s.takeFirst(p):
	case whole && s.disk.read(i, p):
	default:
		if _, err := s.fetch(p, off, false); err != nil {
			return 0, err
		}
		if whole {
			s.disk.write(i, p)
		}
	}
	return len(p), nil
}

// takeFirst gives what came with the first answer, once.
func (s *source) takeFirst(p []byte) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	b := s.firstPage
	s.firstPage = nil
	return len(b) > 0 && copy(p, b) == len(p)
}
