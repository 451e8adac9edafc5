package retry_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/guestkit/guestkit/retry"
)

var errFlaky = errors.New("flaky")

func Example() {
	tries := 0
	text, err := retry.Do(context.Background(), retry.Policy{First: time.Millisecond}, func(context.Context) (string, error) {
		if tries++; tries < 3 {
			return "", errors.New("not yet")
		}
		return "done", nil
	})
	fmt.Println(text, err, tries)
	// Output: done <nil> 3
}

// TestPauses has the pauses in fake time: they double up to the longest.
func TestPauses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var pauses []time.Duration
		p := retry.Policy{Attempts: 6, First: time.Second, Longest: 5 * time.Second, Random: func() float64 { return 1 },
			Notify: func(err error, pause time.Duration) {
				if err != errFlaky {
					t.Errorf("notified of %v", err)
				}
				pauses = append(pauses, pause)
			}}
		start, tries := time.Now(), 0
		_, err := retry.Do(t.Context(), p, func(context.Context) (int, error) { tries++; return 0, errFlaky })
		want := []time.Duration{time.Second, 2 * time.Second, 4 * time.Second, 5 * time.Second, 5 * time.Second}
		if err != errFlaky || tries != 6 || !slices.Equal(pauses, want) || time.Since(start) != 17*time.Second {
			t.Errorf("%v after %d tries, %v, %v", err, tries, pauses, time.Since(start))
		}
	})
}

func TestEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for name, c := range map[string]struct {
			p     retry.Policy
			err   error
			tries int
			took  time.Duration
		}{
			"permanent": {retry.Policy{}, retry.Permanent(errFlaky), 1, 0},
			"after":     {retry.Policy{Attempts: 2}, retry.After(7*time.Second, errFlaky), 2, 7 * time.Second},
			"too late":  {retry.Policy{Attempts: 2, Total: time.Second}, retry.After(time.Hour, errFlaky), 1, 0},
			"once":      {retry.Policy{Attempts: 1}, errFlaky, 1, 0},
		} {
			start, tries := time.Now(), 0
			_, err := retry.Do(t.Context(), c.p, func(context.Context) (int, error) { tries++; return 0, c.err })
			if err != errFlaky || tries != c.tries || time.Since(start) != c.took {
				t.Errorf("%s: %v after %d tries, %v", name, err, tries, time.Since(start))
			}
		}
	})
}

func TestCancelled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		_, err := retry.Do(ctx, retry.Policy{Attempts: 100, Total: time.Hour, Random: func() float64 { return 1 }}, func(context.Context) (int, error) { return 0, errFlaky })
		if !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, errFlaky) {
			t.Errorf("%v", err)
		}
	})
}
