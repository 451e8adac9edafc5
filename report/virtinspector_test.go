package report

import (
	"bytes"
	"strings"
	"testing"

	"github.com/guestkit/guestkit/inspect"
)

// TestOneText has the text of a package where virt-inspector has it: as the description
// where the database keeps no summary beside it.
func TestOneText(t *testing.T) {
	for format, want := range map[string][2]string{"deb": {"text", ""}, "rpm": {"text", ""}, "apk": {"", "text"}, "pacman": {"", "text"}} {
		a := newXMLApp(&inspect.System{PackageFormat: format}, inspect.Package{Name: "a", Upstream: "1", Summary: "text", URL: "https://example.org"})
		if got := [2]string{a.Summary, a.Description}; got != want || a.URL != "https://example.org" {
			t.Errorf("%s: %q, %s", format, got, a.URL)
		}
	}
	if a := newXMLApp(&inspect.System{Windows: &inspect.Windows{}}, inspect.Package{Summary: "text"}); a.Description != "text" || a.Summary != "" {
		t.Errorf("%+v", a)
	}
}

// TestV2VOfWindows says unknown of the packages of Windows, as virt-v2v-inspector 2.2.0 does.
func TestV2VOfWindows(t *testing.T) {
	s := &inspect.System{Type: inspect.TypeWindows, Kind: inspect.KindInstalled, Distro: "windows", PackageFormat: inspect.Unknown, PackageManager: inspect.Unknown, Windows: &inspect.Windows{}}
	var out bytes.Buffer
	if err := VirtV2VInspector(&out, &Guest{Report: &inspect.Report{Systems: []*inspect.System{s}}}, "1", nil); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"<package_format>unknown</package_format>", "<package_management>unknown</package_management>"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %s in %s", want, out.String())
		}
	}
}

// TestAppsByName has packages in the order of their names, as virt-inspector has.
func TestAppsByName(t *testing.T) {
	s := &inspect.System{Type: inspect.TypeLinux, Kind: inspect.KindInstalled, Packages: inspect.Packages{Status: inspect.PackagesRead,
		Items: []inspect.Package{{Name: "b", Upstream: "1"}, {Name: "a", Upstream: "2"}, {Name: "b", Upstream: "0"}}}}
	var out bytes.Buffer
	if err := VirtInspector(&out, &Guest{Report: &inspect.Report{Systems: []*inspect.System{s}}}); err != nil {
		t.Fatal(err)
	}
	text := strings.Join(strings.Fields(out.String()), "")
	if !strings.Contains(text, "<name>a</name><version>2</version></application><application><name>b</name><version>1</version></application><application><name>b</name><version>0</version>") {
		t.Error(out.String())
	}
}

// TestSubvolumes names those of Btrfs that a system mounts, and no folder of it.
func TestSubvolumes(t *testing.T) {
	disk := &inspect.Volume{Name: "gpt2", Kind: "disk", Content: "btrfs", Parts: []*inspect.Volume{{Name: "btrfs:gpt2/root"}, {Name: "btrfs:gpt2/@/home"}}}
	rep := &inspect.Report{Volumes: []*inspect.Volume{disk}}
	s := &inspect.System{Volume: "gpt2", Root: "/root"}
	for m, want := range map[*inspect.Mount]string{
		{Path: "/", Volume: "gpt2", Options: "subvolid=5"}:              "btrfsvol:/dev/sda/root",
		{Path: "/home", Volume: "gpt2", Options: "rw,subvol=/@/home,x"}: "btrfsvol:/dev/sda/@/home",
		{Path: "/srv", Volume: "gpt2", Options: "subvol=none"}:          "/dev/sda",
		{Path: "/all", Volume: "gpt2", Options: "defaults"}:             "/dev/sda",
		{Path: "/var", Volume: "gpt9", Options: "subvol=root"}:          "/dev/gpt9",
	} {
		if got := deviceOfMount(rep, s, *m); got != want {
			t.Errorf("%s: %s, want %s", m.Path, got, want)
		}
	}
	if s.Root = "/ostree/deploy/x/deploy/y.0"; deviceOfRoot(rep, s) != "/dev/sda" {
		t.Error(deviceOfRoot(rep, s))
	}
}
