// Trivy lists the packages of the systems on a disk image by analyzers of Trivy, which
// read the guest's files out of the image: nothing is mounted or unpacked.
package main

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"sync"

	dio "github.com/aquasecurity/go-dep-parser/pkg/io"
	"github.com/aquasecurity/trivy/pkg/fanal/analyzer"
	_ "github.com/aquasecurity/trivy/pkg/fanal/analyzer/os/alpine"
	_ "github.com/aquasecurity/trivy/pkg/fanal/analyzer/os/debian"
	_ "github.com/aquasecurity/trivy/pkg/fanal/analyzer/pkg/apk"
	_ "github.com/aquasecurity/trivy/pkg/fanal/analyzer/pkg/dpkg"
	"golang.org/x/sync/semaphore"

	"github.com/guestkit/guestkit"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: trivy IMAGE")
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
		_, found, err := packages(ctx, files)
		if err != nil {
			return err
		}
		for _, p := range found {
			fmt.Println(" ", p)
		}
	}
	return nil
}

// packages are the system that Trivy finds in a tree, and the name, the version, the
// architecture and the source of each of its packages, sorted.
func packages(ctx context.Context, files fs.FS) (system string, found []string, err error) {
	group, err := analyzer.NewAnalyzerGroup(analyzer.AnalyzerOptions{})
	if err != nil {
		return "", nil, err
	}
	result := analyzer.NewAnalysisResult()
	var wg sync.WaitGroup
	limit := semaphore.NewWeighted(4)
	err = fs.WalkDir(files, ".", func(p string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		open := func() (dio.ReadSeekCloserAt, error) {
			f, err := files.Open(p)
			if err != nil {
				return nil, err
			}
			return f.(dio.ReadSeekCloserAt), nil // as each file of a guest is
		}
		return group.AnalyzeFile(ctx, &wg, limit, result, "", p, info, open, nil, analyzer.AnalysisOptions{Offline: true})
	})
	wg.Wait()
	if err != nil {
		return "", nil, err
	}
	for _, from := range result.PackageInfos {
		for _, p := range from.Packages {
			found = append(found, fmt.Sprintf("%s %s-%s %s (%s %s-%s)", p.Name, p.Version, p.Release, p.Arch, p.SrcName, p.SrcVersion, p.SrcRelease))
		}
	}
	slices.Sort(found)
	return fmt.Sprint(result.OS.Family, " ", result.OS.Name), found, nil
}
