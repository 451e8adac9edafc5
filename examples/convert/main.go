// Convert copies an image into another format, with progress, until it is
// interrupted. The output appears whole or not at all.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"

	"github.com/guestkit/guestkit"
	"github.com/guestkit/guestkit/convert"
	"github.com/guestkit/guestkit/format"
)

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: convert SOURCE OUTPUT")
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	o := &guestkit.ConvertOptions{Format: &format.Options{FollowOwnDir: true, Unwrap: true}, Output: convert.Output{Verify: true}}
	o.Copy.Progress = func(p convert.Progress) { fmt.Fprintf(os.Stderr, "\r%d of %d bytes", p.Done, p.Total) }
	done, err := guestkit.Convert(ctx, os.Args[1], os.Args[2], o)
	fmt.Fprintln(os.Stderr)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Printf("%s, %s\n", done.Sources[0].Format, done.Output.Format)
}
