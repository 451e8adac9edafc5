package nbd

import "testing"

// TestHangUpWhileDialing ends a client while its connections come and go, which is
// for the race detector to judge.
func TestHangUpWhileDialing(t *testing.T) {
	c := &Client{links: make([]*link, 4)}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for range 100 { // as take does
			c.mu.Lock()
			c.links[1] = nil
			c.mu.Unlock()
		}
	}()
	for range 100 {
		c.hangUp()
	}
	<-done
}
