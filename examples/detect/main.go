// Detect prints the format of images, and what stands for it.
package main

import (
	"fmt"
	"os"

	"github.com/guestkit/guestkit/format"
)

func main() {
	for _, path := range os.Args[1:] {
		if err := detect(path); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
}

func detect(path string) error {
	src, err := format.FileSource(path)
	if err != nil {
		return err
	}
	defer src.Close()
	found, err := format.Probe(src)
	if err != nil {
		return err
	}
	fmt.Printf("%s: %s\n", path, found.Format)
	for _, r := range found.Reasons {
		fmt.Printf("  %s at %#x\n", r.Text, r.Off)
	}
	return nil
}
