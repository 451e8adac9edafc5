package convert

import "sync"

// turns lets goroutines do something in the order of their numbers.
type turns struct {
	mu      sync.Mutex
	cond    sync.Cond
	next    int64
	stopped bool
}

func newTurns() *turns {
	t := &turns{}
	t.cond.L = &t.mu
	return t
}

// wait returns when it is the turn of number n, or false when no more turns
// will come.
func (t *turns) wait(n int64) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	for t.next != n && !t.stopped {
		t.cond.Wait()
	}
	return !t.stopped
}

// done ends the turn that wait has given.
func (t *turns) done() {
	t.mu.Lock()
	t.next++
	t.mu.Unlock()
	t.cond.Broadcast()
}

// stop sends everybody home.
func (t *turns) stop() {
	t.mu.Lock()
	t.stopped = true
	t.mu.Unlock()
	t.cond.Broadcast()
}
