// Retry runs something again until it succeeds: with pauses that grow, and that no
// two clients share.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/guestkit/guestkit/retry"
)

func main() {
	policy := retry.Policy{Attempts: 5, First: 10 * time.Millisecond, Notify: func(err error, pause time.Duration) {
		fmt.Fprintf(os.Stderr, "%v; again in %s\n", err, pause)
	}}
	tries := 0
	text, err := retry.Do(context.Background(), policy, func(context.Context) (string, error) {
		if tries++; tries < 3 {
			return "", errors.New("the server is busy")
		}
		return "it worked", nil
	})
	fmt.Println(text, err)

	_, err = retry.Do(context.Background(), policy, func(context.Context) (string, error) {
		return "", retry.Permanent(os.ErrPermission) // no further attempt helps
	})
	fmt.Println(err)
}
