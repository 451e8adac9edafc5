// Concerns says what keeps the guests in a folder from running on a platform,
// several at a time.
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/guestkit/guestkit"
	"github.com/guestkit/guestkit/batch"
	"github.com/guestkit/guestkit/concern"
)

// A verdict is what was found of one guest.
type verdict struct {
	concerns []concern.Concern
	unread   []error // files that could not be read, which may hold more
	err      error
}

func main() {
	if len(os.Args) < 3 {
		fmt.Fprintln(os.Stderr, "usage: concerns PLATFORM IMAGE|DIR…")
		os.Exit(2)
	}
	platform := os.Args[1]
	var find batch.Find
	ctx := context.Background()
	err := batch.Run(ctx, find.Images(ctx, os.Args[2:]), 0, look, func(img batch.Image, v verdict) error {
		if v.err != nil {
			fmt.Printf("%s: %v\n", img.Path, v.err)
		}
		for _, err := range v.unread {
			fmt.Printf("%s: %v\n", img.Path, err)
		}
		for _, c := range concern.For(v.concerns, platform) {
			fmt.Printf("%s: %s: %s: %s\n", img.Path, c.Severity, c.ID, c.Message)
		}
		return nil
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// look inspects one image.
func look(ctx context.Context, img batch.Image) verdict {
	if img.Err != nil {
		return verdict{err: img.Err}
	}
	guest, err := guestkit.Open(img.Path, nil)
	if err != nil {
		return verdict{err: err}
	}
	defer guest.Close()
	report, err := guest.Inspect(ctx)
	if err != nil {
		return verdict{err: err}
	}
	concerns, unread := concern.Of(ctx, report)
	return verdict{concerns: concerns, unread: unread}
}
