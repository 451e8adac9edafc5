package lru

import (
	"errors"
	"sync"
	"sync/atomic"
	"testing"
)

func TestEvictsLeastRecent(t *testing.T) {
	c := New[int, int](10)
	fills := 0
	get := func(k int) int {
		v, err := c.Get(k, func() (int, int64, error) { fills++; return k * 2, 4, nil })
		if err != nil || v != k*2 {
			t.Fatalf("Get(%d) = %d, %v", k, v, err)
		}
		return v
	}
	get(1)
	get(2)
	get(1) // 2 is now the oldest
	get(3)
	if c.Len() != 2 || c.Cost() != 8 {
		t.Fatalf("len %d cost %d, want 2 and 8", c.Len(), c.Cost())
	}
	get(1)
	if fills != 3 {
		t.Errorf("%d fills, want 3: the most recent value was evicted", fills)
	}
	get(2)
	if fills != 4 {
		t.Errorf("%d fills, want 4: the oldest value was kept", fills)
	}
}

func TestFillsOnce(t *testing.T) {
	c := New[string, int](10)
	var fills atomic.Int32
	release := make(chan struct{})
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			v, err := c.Get("k", func() (int, int64, error) { fills.Add(1); <-release; return 7, 1, nil })
			if v != 7 || err != nil {
				t.Errorf("Get = %d, %v", v, err)
			}
		})
	}
	close(release)
	wg.Wait()
	if n := fills.Load(); n != 1 {
		t.Errorf("%d fills, want 1", n)
	}
}

func TestErrorsAndLargeValuesAreNotKept(t *testing.T) {
	c := New[int, int](10)
	boom := errors.New("boom")
	if _, err := c.Get(1, func() (int, int64, error) { return 0, 1, boom }); err != boom {
		t.Fatalf("err = %v", err)
	}
	if v, err := c.Get(1, func() (int, int64, error) { return 5, 11, nil }); v != 5 || err != nil {
		t.Fatalf("Get = %d, %v", v, err)
	}
	if c.Len() != 0 {
		t.Errorf("a value over the budget was kept")
	}
}
