package btrfs

import (
	"slices"
	"sort"
)

// An overlay holds the items of a tree that the replay of a log has changed, in
// the order of their keys: in buckets, so that one more moves few others.
type overlay struct {
	buckets [][]change
	n       int
	bytes   int64 // of all data
}

type change struct {
	key  key
	data []byte
	gone bool // the item was deleted
}

const bucketSize = 512

// A spot is a place in an overlay.
type spot struct{ bucket, i int }

// search returns the first change whose key is k or greater.
func (o *overlay) search(k key) spot {
	b := sort.Search(len(o.buckets), func(i int) bool { last := o.buckets[i]; return !last[len(last)-1].key.less(k) })
	if b == len(o.buckets) {
		return spot{b, 0}
	}
	in := o.buckets[b]
	return spot{b, sort.Search(len(in), func(i int) bool { return !in[i].key.less(k) })}
}

// at returns the change at a spot, nil past the last one.
func (o *overlay) at(p spot) *change {
	if o == nil || p.bucket < 0 || p.bucket >= len(o.buckets) {
		return nil
	}
	return &o.buckets[p.bucket][p.i]
}

func (o *overlay) next(p spot) spot {
	if p.i++; p.i >= len(o.buckets[p.bucket]) {
		return spot{p.bucket + 1, 0}
	}
	return p
}

// prev returns the change before a spot, nil if there is none.
func (o *overlay) prev(p spot) (spot, *change) {
	if p.i--; p.i < 0 {
		if p.bucket--; p.bucket < 0 {
			return p, nil
		}
		p.i = len(o.buckets[p.bucket]) - 1
	}
	return p, o.at(p)
}

// before returns the last change whose key is k or less.
func (o *overlay) before(k key) (spot, *change) {
	p := o.search(k)
	if c := o.at(p); c != nil && c.key == k {
		return p, c
	}
	return o.prev(p)
}

// set records what has become of an item.
func (o *overlay) set(c change) {
	p := o.search(c.key)
	o.bytes += int64(len(c.data))
	if old := o.at(p); old != nil && old.key == c.key {
		o.bytes -= int64(len(old.data))
		*old = c
		return
	}
	o.n++
	if p.bucket == len(o.buckets) {
		if p.bucket == 0 {
			o.buckets = append(o.buckets, []change{c})
			return
		}
		p = spot{p.bucket - 1, len(o.buckets[p.bucket-1])}
	}
	b := slices.Insert(o.buckets[p.bucket], p.i, c)
	o.buckets[p.bucket] = b
	if len(b) > bucketSize {
		half := len(b) / 2
		o.buckets[p.bucket] = slices.Clip(b[:half])
		o.buckets = slices.Insert(o.buckets, p.bucket+1, slices.Clone(b[half:]))
	}
}
