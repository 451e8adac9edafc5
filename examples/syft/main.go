// Syft lists the packages of the systems on a disk image by a cataloger of syft, which
// reads the guest's files out of the image: nothing is mounted or unpacked.
package main

import (
	"context"
	"fmt"
	"os"
	"slices"

	"github.com/anchore/syft/syft/file"
	"github.com/anchore/syft/syft/pkg/cataloger/debian"

	"github.com/guestkit/guestkit"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: syft IMAGE")
		os.Exit(2)
	}
	if err := run(context.Background(), os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, image string) error {
	guest, err := guestkit.Open(image, nil)
	if err != nil {
		return err
	}
	defer guest.Close()
	report, err := guest.Inspect(ctx)
	if err != nil {
		return err
	}
	for _, sys := range report.Systems {
		files, err := sys.FS()
		if err != nil {
			return err
		}
		fmt.Println(sys.ProductName)
		found, err := packages(ctx, resolver{files})
		if err != nil {
			return err
		}
		for _, p := range found {
			fmt.Println(" ", p)
		}
	}
	return nil
}

// packages are the name, the version, the number of files and the places of each, sorted.
func packages(ctx context.Context, files file.Resolver) ([]string, error) {
	found, _, err := debian.NewDBCataloger().Catalog(ctx, files)
	if err != nil {
		return nil, err
	}
	var out []string
	for _, p := range found {
		var places []string
		for _, l := range p.Locations.ToSlice() {
			places = append(places, l.RealPath)
		}
		out = append(out, fmt.Sprintf("%s %s %s %q", p.Name, p.Version, p.Type, places))
	}
	slices.Sort(out)
	return out, nil
}
