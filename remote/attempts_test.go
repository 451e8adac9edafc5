package remote_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/guestkit/guestkit/remote"
	"github.com/guestkit/guestkit/retry"
)

// noServer fails each request.
type noServer struct{ requests int }

func (n *noServer) RoundTrip(*http.Request) (*http.Response, error) {
	n.requests++
	return nil, errors.New("no route")
}

// TestAttempts: the error tells how often it was tried.
func TestAttempts(t *testing.T) {
	for attempts, text := range map[int]string{0: "after 6 attempts", 1: "after 1 attempt", 3: "after 3 attempts"} {
		n := &noServer{}
		_, err := remote.Open("http://example.org/disk.raw", &remote.Options{Transport: n, Retry: retry.Policy{Attempts: attempts, First: time.Microsecond, Longest: time.Microsecond}})
		if err == nil || !strings.Contains(err.Error(), text) || strings.Contains(err.Error(), text+"s") {
			t.Errorf("%d requests: %v, want %q", n.requests, err, text)
		}
	}
}
