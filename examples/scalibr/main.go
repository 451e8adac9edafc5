// Scalibr lists the packages of the systems on a disk image by osv-scalibr, which
// reads the guest's files out of the image: nothing is mounted or unpacked.
package main

import (
	"context"
	"fmt"
	"os"
	"slices"

	cpb "github.com/google/osv-scalibr/binary/proto/config_go_proto"
	"github.com/google/osv-scalibr/extractor/filesystem"
	"github.com/google/osv-scalibr/extractor/filesystem/os/apk"
	"github.com/google/osv-scalibr/extractor/filesystem/os/dpkg"
	"github.com/google/osv-scalibr/extractor/filesystem/os/pacman"
	scalibrfs "github.com/google/osv-scalibr/fs"
	"github.com/google/osv-scalibr/plugin"
	"github.com/google/osv-scalibr/stats"

	"github.com/guestkit/guestkit"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: scalibr IMAGE")
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
		// A root without a path is a virtual one: scalibr asks for no file of the host.
		found, err := packages(ctx, &scalibrfs.ScanRoot{FS: files})
		if err != nil {
			return err
		}
		for _, p := range found {
			fmt.Println(" ", p)
		}
	}
	return nil
}

// packages are the name, the version and the package URL of each, sorted.
func packages(ctx context.Context, root *scalibrfs.ScanRoot) ([]string, error) {
	var extractors []filesystem.Extractor
	for _, make := range []func(*cpb.PluginConfig) (filesystem.Extractor, error){dpkg.New, apk.New, pacman.New} {
		e, err := make(&cpb.PluginConfig{})
		if err != nil {
			return nil, err
		}
		extractors = append(extractors, e)
	}
	found, status, err := filesystem.Run(ctx, &filesystem.Config{Extractors: extractors, ScanRoots: []*scalibrfs.ScanRoot{root}, Stats: stats.NoopCollector{}, ErrorOnFSErrors: true})
	if err != nil {
		return nil, err
	}
	for _, s := range status {
		if s.Status.Status != plugin.ScanStatusSucceeded {
			return nil, fmt.Errorf("%s: %s", s.Name, s.Status)
		}
	}
	var out []string
	for _, p := range found.Packages {
		out = append(out, fmt.Sprintf("%s %s %s", p.Name, p.Version, p.PURL()))
	}
	slices.Sort(out)
	return out, nil
}
