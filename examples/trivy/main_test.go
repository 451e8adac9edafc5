package main

import (
	"context"
	"os"
	"slices"
	"testing"

	"github.com/guestkit/guestkit"
	"github.com/guestkit/guestkit/fs/vfs"
)

// TestSamePackages: Trivy finds in the image what it finds in its files, unpacked.
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
		system, got, err := packages(ctx, files)
		if err != nil {
			t.Fatal(err)
		}
		same, want, err := packages(ctx, os.DirFS(unpack(t, files)))
		if err != nil {
			t.Fatal(err)
		}
		if len(got) == 0 || !slices.Equal(got, want) {
			t.Errorf("%s:\n%q\nunpacked:\n%q", image, got, want)
		}
		if n := len(report.Systems[0].Packages.Items); len(got) != n {
			t.Errorf("%s: Trivy finds %d packages, guestkit %d", image, len(got), n)
		}
		if system != same || system == " " {
			t.Errorf("%s: Trivy finds the system %q, unpacked %q", image, system, same)
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
