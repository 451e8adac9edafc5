// Inspect-remote says what system an image behind HTTP holds. It reads a few MiB of
// it, however large it is.
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/guestkit/guestkit"
	"github.com/guestkit/guestkit/format"
	"github.com/guestkit/guestkit/inspect"
	"github.com/guestkit/guestkit/remote"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: inspect-remote https://…")
		os.Exit(2)
	}
	count := new(remote.Count)
	far := &remote.Options{Count: count}
	guest, err := guestkit.Open(os.Args[1], &guestkit.Options{
		Format:  &format.Options{FollowOwnDir: true, Remote: far.Open},
		Inspect: &inspect.Options{NoPackages: true},
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	defer guest.Close()
	report, err := guest.Inspect(context.Background())
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	for _, s := range report.Systems {
		fmt.Println(s.ProductName, s.Arch)
	}
	fmt.Fprintf(os.Stderr, "%d bytes in %d requests\n", count.Bytes.Load(), count.Requests.Load())
}
