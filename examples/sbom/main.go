// Sbom writes the software that is installed on a disk as a bill of materials of
// CycloneDX.
package main

import (
	"context"
	"log"
	"os"
	"path/filepath"

	"github.com/guestkit/guestkit"
	"github.com/guestkit/guestkit/sbom"
)

func main() {
	if len(os.Args) != 2 {
		log.Fatal("usage: sbom IMAGE")
	}
	guest, err := guestkit.Open(os.Args[1], nil)
	if err != nil {
		log.Fatal(err)
	}
	defer guest.Close()
	report, err := guest.Inspect(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	if err := sbom.CycloneDX(os.Stdout, report, &sbom.Options{Name: filepath.Base(os.Args[1]), Tool: "example"}); err != nil {
		log.Fatal(err)
	}
}
