package remote

import (
	"io"
	"io/fs"

	"github.com/guestkit/guestkit/block"
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
	case off >= s.size:
		return 0, io.EOF
	}
	short := false
	if int64(len(p)) > s.size-off {
		p, short = p[:s.size-off], true
	}
	n, err := s.read(p, off)
	if err == nil && short {
		err = io.EOF
	}
	return n, err
}

func (s *source) read(p []byte, off int64) (int, error) {
	done := 0
	for done < len(p) {
		at := off + int64(done)
		if b, ok, err := s.fromAhead(at); err != nil {
			return done, err
		} else if ok {
			done += copy(p[done:], b)
			continue
		}
		page := int64(s.o.PageBytes)
		rest := int64(len(p) - done)
		if rest >= 2*page {
			n := min(rest, aheadPiece)
			b, err := s.get(at, n)
			if err != nil {
				return done, err
			}
			done += copy(p[done:], b)
			s.readOn(at, at+n)
			continue
		}
		i := at / page
		b, err := s.page(i)
		if err != nil {
			return done, err
		}
		skip := at - i*page
		if skip >= int64(len(b)) {
			return done, s.fail(block.ErrTruncated, "page %d has %d bytes", i, len(b))
		}
		done += copy(p[done:], b[skip:])
		s.readOn(at, off+int64(done))
	}
	return done, nil
}

// page returns a page, from memory, the folder or the server.
func (s *source) page(i int64) ([]byte, error) {
	return s.pages.Get(i, func() ([]byte, int64, error) {
		off := i * int64(s.o.PageBytes)
		n := min(int64(s.o.PageBytes), s.size-off)
		if b, ok := s.disk.read(i, n); ok {
			return b, n, nil
		}
		b, err := s.get(off, n)
		if err == nil {
			s.disk.write(i, b)
		}
		return b, n, err
	})
}

// readAhead is what is fetched before it is asked for.
type readAhead struct {
	next   int64 // where the next read of a reader in order begins
	run    int64 // bytes that were read in order so far
	pieces []*piece
}

// A piece is a range on its way or there.
type piece struct {
	off, n int64
	done   chan struct{}
	b      []byte
	err    error
}

// fromAhead returns what was read ahead at off and behind it, if anything was. It
// waits for what is on its way.
func (s *source) fromAhead(off int64) ([]byte, bool, error) {
	s.mu.Lock()
	var hit *piece
	for _, p := range s.ahead.pieces {
		if off >= p.off && off < p.off+p.n {
			hit = p
		}
	}
	s.mu.Unlock()
	if hit == nil {
		return nil, false, nil
	}
	<-hit.done
	if hit.err != nil { // the reader asks for itself
		s.drop(hit)
		return nil, false, nil
	}
	s.mu.Lock()
	s.ahead.next = max(s.ahead.next, off)
	s.more(hit.off + hit.n)
	s.mu.Unlock()
	return hit.b[off-hit.off:], true, nil
}

func (s *source) drop(p *piece) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, q := range s.ahead.pieces {
		if q == p {
			s.ahead.pieces = append(s.ahead.pieces[:i:i], s.ahead.pieces[i+1:]...)
			return
		}
	}
}

// readOn notes a read from off to end, and begins to read ahead where reads follow
// each other.
func (s *source) readOn(off, end int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	// Several goroutines read in turns: near is in order too.
	if d := off - s.ahead.next; d >= -8*aheadPiece && d <= 8*aheadPiece && s.ahead.next > 0 {
		s.ahead.run += end - off
	} else {
		s.ahead.run = 0
	}
	s.ahead.next = max(end, s.ahead.next*boolToInt(s.ahead.run > 0))
	if s.ahead.run >= aheadPiece {
		s.more(s.ahead.next)
	}
}

func boolToInt(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

// more begins what is to be read from off on, if that is not under way. s.mu is
// held.
func (s *source) more(off int64) {
	keep := s.ahead.pieces[:0]
	end := off
	for _, p := range s.ahead.pieces {
		if p.off+p.n > off-2*aheadPiece { // others may still be behind
			keep = append(keep, p)
			end = max(end, p.off+p.n)
		}
	}
	s.ahead.pieces = keep
	for len(s.ahead.pieces) < aheadPieces+2 && end < s.size && end < off+aheadPieces*aheadPiece && !s.closed {
		p := &piece{off: end, n: min(aheadPiece, s.size-end), done: make(chan struct{})}
		s.ahead.pieces = append(s.ahead.pieces, p)
		end += p.n
		s.running.Go(func() {
			p.b, p.err = s.get(p.off, p.n)
			close(p.done)
		})
	}
}
