// Sbom writes the software that is installed on a disk as a bill of materials of
// CycloneDX.
package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/guestkit/guestkit"
	"github.com/guestkit/guestkit/sbom"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: sbom IMAGE")
		os.Exit(2)
	}
	if err := write(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func write(path string) error {
	guest, err := guestkit.Open(path, nil)
	if err != nil {
		return err
	}
	defer guest.Close()
	report, err := guest.Inspect(context.Background())
	if err != nil {
		return err
	}
	return sbom.CycloneDX(os.Stdout, report, &sbom.Options{Name: filepath.Base(path), Tool: "example"})
}
