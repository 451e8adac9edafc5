package fs

import (
	"errors"
	"io"
	"os"
	"sync"

	"github.com/guestkit/guestkit/block"
)

// MaxProcesses is how many processes one Processes takes. Each may be a virtual
// machine.
const MaxProcesses = 8

// Processes are those of other programs that read filesystems for guestkit.
// Whoever opens such a filesystem owns them and ends them by Close. The zero
// value is ready to use, by several goroutines at once.
type Processes struct {
	mu     sync.Mutex
	all    []io.Closer
	closed bool
}

// Add takes a process, which its Close ends, at any time. It is refused after
// Close, and where there are MaxProcesses (an error that wraps block.ErrUnsupported:
// one more volume that is not read).
func (p *Processes) Add(c io.Closer) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.closed:
		return os.ErrClosed
	case len(p.all) >= MaxProcesses:
		return block.Errorf("", "processes", -1, block.ErrUnsupported, "other programs read %d filesystems already", len(p.all))
	}
	p.all = append(p.all, c)
	return nil
}

// Close ends all processes, and returns when they have ended. What they read
// is read no more.
func (p *Processes) Close() error {
	p.mu.Lock()
	all := p.all
	p.all, p.closed = nil, true
	p.mu.Unlock()
	errs := make([]error, len(all))
	var wait sync.WaitGroup
	for i, c := range all {
		wait.Go(func() { errs[i] = c.Close() })
	}
	wait.Wait()
	return errors.Join(errs...)
}
