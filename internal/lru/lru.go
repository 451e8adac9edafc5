// Package lru is a cache of bounded cost whose misses are filled once: callers
// that want a value while it is being made wait for that one fill, and no lock
// is held across it.
package lru

import (
	"errors"
	"sync"
)

// A Cache keeps recently used values up to a total cost. The zero value is not
// usable; see New. It is safe for concurrent use.
type Cache[K comparable, V any] struct {
	mu    sync.Mutex
	max   int64
	cost  int64
	kept  int
	order item[K, V] // the ring of the values that are kept: next is the most recent
	items map[K]*item[K, V]
}

// An item is a value, or one that is being made: then it is in no ring, and cost
// is -1. A walk makes one for each block and inode, so it is one object.
type item[K comparable, V any] struct {
	next, prev *item[K, V]
	key        K
	val        V
	cost       int64
	err        error
	done       chan struct{} // made by the first that waits
}

// New makes a cache that keeps values of at most max cost in all, in whatever
// unit the callers of Get count.
func New[K comparable, V any](max int64) *Cache[K, V] {
	c := &Cache[K, V]{max: max, items: map[K]*item[K, V]{}}
	c.order.next, c.order.prev = &c.order, &c.order
	return c
}

// Get returns the value of key, and calls load to get it and its cost if the
// cache has it not. An error is given to all who wait and is not kept. load
// must not call Get of the same cache with the same key.
func (c *Cache[K, V]) Get(key K, load func() (V, int64, error)) (V, error) {
	c.mu.Lock()
	it, ok := c.items[key]
	switch {
	case !ok:
	case it.cost >= 0:
		if c.order.next != it {
			it.leave()
			it.enter(&c.order)
		}
		v := it.val
		c.mu.Unlock()
		return v, nil
	default:
		if it.done == nil {
			it.done = make(chan struct{})
		}
		c.mu.Unlock()
		<-it.done
		return it.val, it.err
	}
	it = &item[K, V]{key: key, cost: -1}
	c.items[key] = it
	c.mu.Unlock()

	filled := false
	defer func() {
		if !filled { // load panicked; do not leave the others waiting
			it.err = errPanicked
			c.finish(it, 0)
		}
	}()
	var cost int64
	it.val, cost, it.err = load()
	filled = true
	v, err := it.val, it.err
	c.finish(it, cost)
	return v, err
}

// finish keeps what was made, if it may, and wakes those who wait for it. They
// read it without the lock: its value is not changed any more.
func (c *Cache[K, V]) finish(it *item[K, V], cost int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if it.done != nil {
		close(it.done)
	}
	if it.err != nil || cost > c.max {
		delete(c.items, it.key)
		return
	}
	it.cost = max(cost, 0)
	it.enter(&c.order)
	c.kept++
	c.cost += it.cost
	for c.cost > c.max {
		last := c.order.prev
		last.leave()
		delete(c.items, last.key)
		c.kept--
		c.cost -= last.cost
	}
}

// enter puts an item behind another, leave takes it out of its ring.
func (it *item[K, V]) enter(at *item[K, V]) {
	it.prev, it.next = at, at.next
	it.prev.next, it.next.prev = it, it
}

func (it *item[K, V]) leave() {
	it.prev.next, it.next.prev = it.next, it.prev
	it.prev, it.next = nil, nil
}

// Len returns how many values are kept, and Cost their total cost.
func (c *Cache[K, V]) Len() int { c.mu.Lock(); defer c.mu.Unlock(); return c.kept }

// Cost returns the total cost of the values that are kept.
func (c *Cache[K, V]) Cost() int64 { c.mu.Lock(); defer c.mu.Unlock(); return c.cost }

var errPanicked = errors.New("lru: the fill panicked")
