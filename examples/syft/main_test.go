package main

import (
	"context"
	"os"
	"slices"
	"testing"

	"github.com/anchore/syft/syft/source"
	"github.com/anchore/syft/syft/source/directorysource"

	"github.com/guestkit/guestkit"
	"github.com/guestkit/guestkit/fs/vfs"
)

// TestSamePackages: syft finds in the image what it finds in its files, unpacked.
func TestSamePackages(t *testing.T) {
	ctx := context.Background()
	for _, image := range []string{"debian12-uefi.qcow2", "debian12-bios.qcow2"} {
		guest, err := guestkit.Open("../../testdata/images/"+image, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer guest.Close()
		report, err := guest.Inspect(ctx)
		if err != nil {
			t.Fatal(err)
		}
		files, err := report.Systems[0].FS()
		if err != nil {
			t.Fatal(err)
		}
		got, err := packages(ctx, resolver{files})
		if err != nil {
			t.Fatal(err)
		}
		dir := unpack(t, files)
		src, err := directorysource.New(directorysource.Config{Path: dir, Base: dir})
		if err != nil {
			t.Fatal(err)
		}
		unpacked, err := src.FileResolver(source.SquashedScope)
		if err != nil {
			t.Fatal(err)
		}
		want, err := packages(ctx, unpacked)
		if err != nil {
			t.Fatal(err)
		}
		if len(got) == 0 || !slices.Equal(got, want) {
			t.Errorf("%s:\n%q\nunpacked:\n%q", image, got, want)
		}
		if n := len(report.Systems[0].Packages.Items); len(got) != n {
			t.Errorf("%s: syft finds %d packages, guestkit %d", image, len(got), n)
		}
	}
}

// unpack copies a tree into a folder of this machine.
func unpack(t *testing.T, files vfs.FS) string {
	t.Helper()
	dir := t.TempDir()
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	start, err := vfs.Find(files, ".", true)
	if err != nil {
		t.Fatal(err)
	}
	if err := vfs.Copy(context.Background(), root, []vfs.CopyItem{{Node: start, As: "."}}, nil); err != nil {
		t.Fatal(err)
	}
	return dir
}
