package nbd

import (
	"errors"
	"io"
	"math"
	"sort"
	"sync"

	"github.com/guestkit/guestkit/block"
)

// A statusMap keeps what a server said last of what is data.
type statusMap struct {
	mu      sync.Mutex
	answers []answer
}

// An answer is that to one block status: runs that follow each other.
type answer struct {
	off, end int64
	ends     []int64 // of each run
	states   []uint32
}

const maxAnswers = 16

// find returns the run at off, if one is known.
func (m *statusMap) find(off int64) (block.Extent, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for i := len(m.answers) - 1; i >= 0; i-- {
		a := &m.answers[i]
		if off < a.off || off >= a.end {
			continue
		}
		j := sort.Search(len(a.ends), func(j int) bool { return a.ends[j] > off })
		zero := a.states[j]&stateZero != 0
		return block.Extent{Off: off, Len: a.ends[j] - off, Zero: zero, Unset: zero && a.states[j]&stateHole != 0}, true
	}
	return block.Extent{}, false
}

func (m *statusMap) add(off int64, runs []extent, size int64) {
	a := answer{off: off, end: off}
	for _, r := range runs {
		if a.end >= size {
			break
		}
		a.end += min(r.n, size-a.end)
		if last := len(a.states) - 1; last >= 0 && a.states[last] == r.state {
			a.ends[last] = a.end
			continue
		}
		a.ends, a.states = append(a.ends, a.end), append(a.states, r.state)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.answers) == maxAnswers {
		m.answers = append(m.answers[:0:0], m.answers[1:]...)
	}
	m.answers = append(m.answers, a)
}

// Extent asks the server, where it tells, what the bytes at off are.
func (c *Client) Extent(off int64) (block.Extent, error) {
	if err := c.usable(); err != nil {
		return block.Extent{}, err
	}
	if off < 0 || off >= c.e.size {
		return block.Extent{}, io.EOF
	}
	if !c.e.status {
		return block.Extent{Off: off, Len: max(c.e.size-off, 1)}, nil
	}
	if e, ok := c.known.find(off); ok {
		return e, nil
	}
	least := int64(c.e.least)
	from := off / least * least
	n := min(c.e.size-from, math.MaxUint32/least*least) / least * least
	if n == 0 {
		return block.Extent{Off: off, Len: max(c.e.size-off, 1)}, nil
	}
	q, err := c.do(func() *call { return &call{typ: cmdBlockStatus, off: from, n: uint32(n)} })
	var s *serverError
	if errors.As(err, &s) { // it does not know: then it is to be read
		return block.Extent{Off: off, Len: min(clientPiece, c.e.size-off)}, nil
	}
	if err != nil {
		return block.Extent{}, block.Locate("nbd", "block status", off, err)
	}
	c.known.add(from, q.runs, c.e.size)
	if e, ok := c.known.find(off); ok {
		return e, nil
	}
	return block.Extent{Off: off, Len: min(least-(off-from), c.e.size-off)}, nil
}
