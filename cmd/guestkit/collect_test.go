package main

import (
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"testing"
	"time"
)

// TestCollectLate: what is put off is the first collection alone.
func TestCollectLate(t *testing.T) {
	percent := func() uint64 {
		s := []metrics.Sample{{Name: "/gc/gogc:percent"}}
		metrics.Read(s)
		return s[0].Value.Uint64()
	}
	t.Cleanup(func() { debug.SetGCPercent(100) })
	t.Setenv("GOGC", "")
	collectLate()
	if p := percent(); p != 200 {
		t.Errorf("the first collection comes at %d percent", p)
	}
	runtime.GC()
	for end := time.Now().Add(10 * time.Second); percent() != 100; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("after a collection it is %d percent", percent())
		}
	}
	t.Setenv("GOGC", "50")
	collectLate()
	if p := percent(); p != 100 {
		t.Errorf("with GOGC set it is %d percent", p)
	}
}
