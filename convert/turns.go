package convert

import "sync"

// turns lets goroutines do something in the order of their numbers. Each waits
// on a slot of its own, so that the end of a turn wakes up one of them.
type turns struct {
	slots   []chan struct{} // by number; one holds a token while it is its turn
	stopped chan struct{}
	once    sync.Once
}

// newTurns is for at most n goroutines with numbers in a row from 0.
func newTurns(n int) *turns {
	t := &turns{slots: make([]chan struct{}, n), stopped: make(chan struct{})}
	for i := range t.slots {
		t.slots[i] = make(chan struct{}, 1)
	}
	t.slots[0] <- struct{}{}
	return t
}

func (t *turns) slot(n int64) chan struct{} { return t.slots[n%int64(len(t.slots))] }

// wait returns when it is the turn of number n, or false when no more turns
// will come.
func (t *turns) wait(n int64) bool {
	select {
	case <-t.slot(n):
	case <-t.stopped:
	}
	select {
	case <-t.stopped:
		return false
	default:
		return true
	}
}

// done ends the turn of number n.
func (t *turns) done(n int64) { t.slot(n + 1) <- struct{}{} }

// stop sends everybody home.
func (t *turns) stop() { t.once.Do(func() { close(t.stopped) }) }
