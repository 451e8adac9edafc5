// Custom-source opens an image that is no file: here it is held in memory; a store
// of objects or a database would do as well. Anything with ReadAt and Size is one.
package main

import (
	"bytes"
	"context"
	"fmt"
	"os"

	"github.com/guestkit/guestkit"
	"github.com/guestkit/guestkit/block"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: custom-source IMAGE")
		os.Exit(2)
	}
	if err := run(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(path string) error {
	image, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	// What is slow for small reads gets a cache: a store behind a network, say.
	source := block.Cached(bytes.NewReader(image), &block.CacheOptions{Ahead: 4})
	defer source.Close()
	guest, err := guestkit.OpenReaders([]block.Reader{source}, nil)
	if err != nil {
		return err
	}
	defer guest.Close()
	report, err := guest.Volumes(context.Background())
	if err != nil {
		return err
	}
	for _, v := range report.Volumes {
		fmt.Println(v.Name, v.Content, v.Status)
	}
	return nil
}
