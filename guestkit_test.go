package guestkit_test

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"slices"
	"testing"

	"github.com/guestkit/guestkit"
	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/format"
	"github.com/guestkit/guestkit/inspect"
	"github.com/guestkit/guestkit/internal/testimg"
)

const (
	uefiImage = "testdata/images/debian12-uefi.qcow2"
	biosImage = "testdata/images/debian12-bios.qcow2"
)

// inspected opens images through counting readers and inspects them as one
// guest. The count is of bytes of the image files.
func inspected(t *testing.T, paths ...string) (*inspect.Report, func() int64) {
	t.Helper()
	var traces []*testimg.Trace
	var readers []block.Reader
	for _, path := range paths {
		f, err := format.OpenHostFile(path)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { f.Close() })
		tr := &testimg.Trace{Reader: f}
		traces, readers = append(traces, tr), append(readers, tr)
	}
	g, err := guestkit.OpenReaders(readers, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { g.Close() })
	rep, err := g.Inspect(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return rep, func() (n int64) {
		for _, tr := range traces {
			n += tr.Bytes()
		}
		return n
	}
}

func TestFixtures(t *testing.T) {
	for path, want := range map[string]struct {
		firmware      inspect.Firmware
		host, root    string
		kernelDefault bool
	}{
		uefiImage: {inspect.FirmwareUEFI, "web-1", "gpt2", false},
		biosImage: {inspect.FirmwareBIOS, "db-1", "mbr6", true},
	} {
		rep, read := inspected(t, path)
		if len(rep.Systems) != 1 || !rep.Complete() || len(rep.Problems()) > 0 {
			t.Fatalf("%s: %d systems, unread %v, problems %v", path, len(rep.Systems), rep.Unread(), rep.Problems())
		}
		s := rep.Systems[0]
		if s.Firmware != want.firmware || s.Hostname != want.host || s.Volume != want.root || s.Type != inspect.TypeLinux ||
			s.Family != inspect.FamilyDebian || s.Distro != "debian" || s.VersionID != "12" || s.Codename != "bookworm" ||
			s.Arch != "x86_64" || s.Init.Name != "systemd" || s.PackageFormat != "deb" || s.PackageManager != "apt" {
			t.Errorf("%s: %+v", path, s)
		}
		if s.Packages.Status != inspect.PackagesRead || len(s.Packages.Items) < 100 {
			t.Errorf("%s: packages %s, %d", path, s.Packages.Status, len(s.Packages.Items))
		}
		if len(s.Kernels) != 1 || s.Kernels[0].Image == "" || s.Kernels[0].Default != want.kernelDefault {
			t.Errorf("%s: kernels %+v", path, s.Kernels)
		}
		for _, field := range []string{"type", "distro", "family", "product_name", "version", "version_id", "codename", "arch", "hostname",
			"init", "firmware", "kernels", "mounts", "package_format", "package_manager", "packages"} {
			if len(s.Because(field)) == 0 {
				t.Errorf("%s: no evidence for %s", path, field)
			}
		}
		if n := read(); n > 16<<20 {
			t.Errorf("%s: %d bytes of the image were read, more than 16 MiB", path, n)
		}
	}
}

func TestTwoDisksAreOneGuest(t *testing.T) {
	rep, _ := inspected(t, uefiImage, biosImage)
	if len(rep.Systems) != 2 {
		t.Fatalf("%d systems, want 2", len(rep.Systems))
	}
	if a, b := rep.Systems[0], rep.Systems[1]; a.Volume != "gpt2" || b.Volume != "disk2:mbr6" || a.Firmware != inspect.FirmwareBoth {
		t.Errorf("roots on %s and %s, firmware %s", a.Volume, b.Volume, a.Firmware)
	}
	// /dev/sda5 of the second disk's system is by order the first disk, which
	// has no fifth partition: nothing is guessed.
	for _, m := range rep.Systems[1].Mounts {
		if m.Spec == "/dev/sda5" && (m.Volume != "" || m.Reason == "") {
			t.Errorf("%+v", m)
		}
	}
}

func TestEndOfAGuest(t *testing.T) {
	if _, err := guestkit.Open("testdata/no such image", nil); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("an image that is not there: %v", err)
	}
	if _, err := guestkit.OpenDisks([]string{uefiImage, "testdata/no such image"}, nil); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a second image that is not there: %v", err)
	}
	g, err := guestkit.Open(uefiImage, nil)
	if err != nil {
		t.Fatal(err)
	}
	rep, err := g.Inspect(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	fsys, err := rep.Systems[0].FS()
	if err != nil {
		t.Fatal(err)
	}
	if err := g.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := fs.ReadFile(fsys, "usr/share/common-licenses/GPL-3"); !errors.Is(err, os.ErrClosed) && !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a file after Close: %v", err)
	}
}

// TestOptionsOfDisks states the format of one disk of several; the others are probed.
func TestOptionsOfDisks(t *testing.T) {
	o := &guestkit.Options{Disks: []*format.Options{nil, {Format: "raw"}}}
	for name, open := range map[string]func(o *guestkit.Options) (*guestkit.Guest, error){
		"paths": func(o *guestkit.Options) (*guestkit.Guest, error) {
			return guestkit.OpenDisks([]string{uefiImage, uefiImage, uefiImage}, o)
		},
		"readers": func(o *guestkit.Options) (*guestkit.Guest, error) {
			b, err := os.ReadFile(uefiImage)
			if err != nil {
				t.Fatal(err)
			}
			r := bytes.NewReader(b)
			return guestkit.OpenReaders([]block.Reader{r, r, r}, o)
		},
	} {
		g, err := open(o)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, img := range g.Images() {
			got = append(got, img.Info().Format)
		}
		if want := []string{"qcow2", "raw", "qcow2"}; !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
		g.Close()
		if _, err := open(&guestkit.Options{Disks: make([]*format.Options, 4)}); !errors.Is(err, block.ErrOption) {
			t.Errorf("%s: options for a disk that there is not: %v", name, err)
		}
	}
}
