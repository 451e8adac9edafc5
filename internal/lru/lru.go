// Package lru is a cache of bounded cost whose misses are filled once: callers
// that want a value while it is being made wait for that one fill, and no lock
// is held across it.
package lru

import (
	"container/list"
	"errors"
	"sync"
)

// A Cache keeps recently used values up to a total cost. The zero value is not
// usable; see New. It is safe for concurrent use.
type Cache[K comparable, V any] struct {
	mu     sync.Mutex
	max    int64
	cost   int64
	order  *list.List // of *item[K, V], most recent first
	items  map[K]*list.Element
	flight map[K]*fill[V]
}

type item[K comparable, V any] struct {
	key  K
	val  V
	cost int64
}

type fill[V any] struct {
	done chan struct{}
	val  V
	err  error
}

// New makes a cache that keeps values of at most max cost in all, in whatever
// unit the callers of Get count.
func New[K comparable, V any](max int64) *Cache[K, V] {
	return &Cache[K, V]{max: max, order: list.New(), items: map[K]*list.Element{}, flight: map[K]*fill[V]{}}
}

// Get returns the value of key, and calls load to get it and its cost if the
// cache has it not. An error is given to all who wait and is not kept. load
// must not call Get of the same cache with the same key.
func (c *Cache[K, V]) Get(key K, load func() (V, int64, error)) (V, error) {
	c.mu.Lock()
	if e, ok := c.items[key]; ok {
		c.order.MoveToFront(e)
		v := e.Value.(*item[K, V]).val
		c.mu.Unlock()
		return v, nil
	}
	if f, ok := c.flight[key]; ok {
		c.mu.Unlock()
		<-f.done
		return f.val, f.err
	}
	f := &fill[V]{done: make(chan struct{})}
	c.flight[key] = f
	c.mu.Unlock()

	filled := false
	defer func() {
		if !filled { // load panicked; do not leave the others waiting
			f.err = errPanicked
			c.finish(key, f, 0)
		}
	}()
	var cost int64
	f.val, cost, f.err = load()
	filled = true
	c.finish(key, f, cost)
	return f.val, f.err
}

func (c *Cache[K, V]) finish(key K, f *fill[V], cost int64) {
	c.mu.Lock()
	delete(c.flight, key)
	if f.err == nil && cost <= c.max {
		c.items[key] = c.order.PushFront(&item[K, V]{key, f.val, cost})
		c.cost += cost
		for c.cost > c.max {
			last := c.order.Back()
			it := c.order.Remove(last).(*item[K, V])
			delete(c.items, it.key)
			c.cost -= it.cost
		}
	}
	c.mu.Unlock()
	close(f.done)
}

// Len returns how many values are kept, and Cost their total cost.
func (c *Cache[K, V]) Len() int { c.mu.Lock(); defer c.mu.Unlock(); return len(c.items) }

// Cost returns the total cost of the values that are kept.
func (c *Cache[K, V]) Cost() int64 { c.mu.Lock(); defer c.mu.Unlock(); return c.cost }

var errPanicked = errors.New("lru: the fill panicked")
