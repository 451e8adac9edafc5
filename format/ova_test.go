package format_test

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/format"
	"github.com/guestkit/guestkit/internal/testimg"
)

// envelope is an OVF descriptor whose machine has the disks in reverse order.
func envelope(files, disks string) string {
	return `<Envelope xmlns="http://schemas.dmtf.org/ovf/envelope/1" xmlns:ovf="http://schemas.dmtf.org/ovf/envelope/1"><References>` + files +
		`</References><DiskSection>` + disks + `</DiskSection><VirtualSystem ovf:id="vm"><VirtualHardwareSection>
<Item><HostResource>ovf:/disk/b</HostResource><AddressOnParent>0</AddressOnParent><ResourceType>17</ResourceType></Item>
<Item><HostResource>ovf:/disk/a</HostResource><AddressOnParent>1</AddressOnParent><ResourceType>17</ResourceType></Item>
</VirtualHardwareSection></VirtualSystem></Envelope>`
}

func tarOf(t *testing.T, parts ...[2]string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, p := range parts {
		if err := w.WriteHeader(&tar.Header{Name: p[0], Mode: 0o644, Size: int64(len(p[1])), Typeflag: tar.TypeReg}); err != nil {
			t.Fatal(err)
		}
		w.Write([]byte(p[1]))
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

const flatVMDK = "# Disk DescriptorFile\nversion=1\nCID=00000001\nparentCID=ffffffff\ncreateType=\"monolithicFlat\"\nRW 2 FLAT \"b-flat.vmdk\" 0\n"

// threeDisks has a raw disk, a VMDK whose extent is another file of the
// package, and a blank disk that no machine has.
func threeDisks() (ovf, a, b, flat string) {
	ovf = envelope(`<File ovf:id="fa" ovf:href="a.raw"/><File ovf:id="fb" ovf:href="b.vmdk"/><File ovf:id="ff" ovf:href="b-flat.vmdk"/>`,
		`<Disk ovf:diskId="a" ovf:fileRef="fa" ovf:format="x/raw"/><Disk ovf:diskId="b" ovf:fileRef="fb" ovf:format="x/vmdk.html" ovf:capacity="1024"/>
		<Disk ovf:diskId="blank" ovf:capacity="4096"/>`)
	return ovf, strings.Repeat("a", 512), flatVMDK, strings.Repeat("b", 1024)
}

func TestPackage(t *testing.T) {
	ovf, a, b, flat := threeDisks()
	data := tarOf(t, [2]string{"vm.ovf", ovf}, [2]string{"a.raw", a}, [2]string{"b.vmdk", b}, [2]string{"b-flat.vmdk", flat})
	if d, err := format.Probe(bytes.NewReader(data)); err != nil || d.Format != "ova" || d.Wrapper {
		t.Errorf("Probe = %+v, %v", d, err)
	}
	checkPackage(t, "ova", func(o *format.Options) (format.Image, error) { return format.Open(bytes.NewReader(data), o) },
		func() ([]format.Image, error) { return format.OpenDisks(bytes.NewReader(data), nil) })

	info, problems, err := format.Describe(bytes.NewReader(data), nil)
	if err != nil || len(problems) > 0 {
		t.Fatal(problems, err)
	}
	if info.Format != "ova" || info.VirtualSize != 512+1024+4096 || len(info.Machines) != 1 || len(info.Disks) != 3 {
		t.Errorf("info %+v", info)
	}
	if d := info.Disks[0]; d.Disk != "b" || d.Member != "b.vmdk" || d.Format != "vmdk" || d.Subformat != "monolithicFlat" || d.FileSize != int64(len(b)) || d.Allocated != -1 {
		t.Errorf("first disk %+v", d)
	}
	// The descriptor in another place makes it no other file.
	late := tarOf(t, [2]string{"a.raw", a}, [2]string{"vm.ovf", ovf}, [2]string{"b.vmdk", b}, [2]string{"b-flat.vmdk", flat})
	if im, err := format.Open(bytes.NewReader(late), &format.Options{Disk: "a"}); err != nil || len(im.Problems()) != 1 {
		t.Errorf("late descriptor: %v", err)
	}
	if _, err := format.Open(bytes.NewReader(tarOf(t, [2]string{"a.txt", a})), nil); !errors.Is(err, block.ErrUnsupported) {
		t.Errorf("a tar archive: %v", err)
	}
}

func checkPackage(t *testing.T, what string, open func(*format.Options) (format.Image, error), all func() ([]format.Image, error)) {
	t.Helper()
	_, err := open(&format.Options{FollowOwnDir: true})
	var several *format.DisksError
	if !errors.As(err, &several) || len(several.Disks) != 3 || !strings.Contains(err.Error(), `1 ("b", "b.vmdk"), 2 ("a", "a.raw"), 3 ("blank")`) {
		t.Errorf("%s: several disks: %v", what, err)
	}
	images, err := all()
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	for i, want := range []string{strings.Repeat("b", 1024), strings.Repeat("a", 512), strings.Repeat("\x00", 4096)} {
		testimg.TestDevice(t, images[i], strings.NewReader(want), 512)
		info := images[i].Info()
		if info.Disk != []string{"b", "a", "blank"}[i] || info.Format != []string{"vmdk", "raw", "raw"}[i] {
			t.Errorf("%s: disk %d has the info %+v", what, i, info)
		}
		if len(images[i].Problems()) > 0 {
			t.Errorf("%s: %v", what, images[i].Problems())
		}
		if err := images[i].Close(); err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	for _, name := range []string{"a", "2", "a.raw"} {
		im, err := open(&format.Options{Disk: name, FollowOwnDir: true})
		if err != nil || im.Size() != 512 {
			t.Errorf("%s: disk %s: %v", what, name, err)
			continue
		}
		im.Close()
	}
}

// A descriptor beside its files opens them by the policy of all references.
func TestPackageFolder(t *testing.T) {
	dir := t.TempDir()
	ovf, a, b, flat := threeDisks()
	path := filepath.Join(dir, "vm.ovf")
	for name, text := range map[string]string{"vm.ovf": ovf, "a.raw": a, "b.vmdk": b, "b-flat.vmdk": flat} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if d, err := format.Probe(strings.NewReader(ovf)); err != nil || d.Format != "ovf" {
		t.Errorf("Probe = %+v, %v", d, err)
	}
	own := &format.Options{FollowOwnDir: true}
	checkPackage(t, "ovf", func(o *format.Options) (format.Image, error) { return format.OpenFile(path, o) },
		func() ([]format.Image, error) { return format.OpenFileDisks(path, own) })
	im, err := format.OpenFile(path, &format.Options{Disk: "a", FollowOwnDir: true})
	if err != nil {
		t.Fatal(err)
	}
	if c := im.Info().Chain; len(c) != 1 || filepath.Base(c[0].Name) != "a.raw" {
		t.Errorf("what was opened behind it: %+v", c)
	}
	im.Close()
	if _, err := format.OpenFile(path, &format.Options{Disk: "a"}); !errors.Is(err, block.ErrRefused) {
		t.Errorf("without leave: %v", err)
	}
	os.Remove(filepath.Join(dir, "a.raw"))
	if err := os.Symlink("/etc/passwd", filepath.Join(dir, "a.raw")); err != nil {
		t.Skip(err)
	}
	if _, err := format.OpenFile(path, &format.Options{Disk: "a", FollowOwnDir: true}); !errors.Is(err, block.ErrRefused) {
		t.Errorf("a link that leads out: %v", err)
	}
}

// Sizes that cannot be added up are no size.
func TestPackageTooLarge(t *testing.T) {
	disks := ""
	for i := range 3 {
		disks += fmt.Sprintf(`<Disk ovf:diskId="d%d" ovf:capacity="4096" ovf:capacityAllocationUnits="byte * 2^50"/>`, i)
	}
	ovf := envelope("", disks)
	if info, _, err := format.Describe(strings.NewReader(ovf), nil); !errors.Is(err, block.ErrLimit) {
		t.Errorf("%+v, %v", info, err)
	}
}

// What a disk of a package names is in the package, and its format is stated
// or plain to see.
func TestPackageHostile(t *testing.T) {
	for name, c := range map[string]struct {
		uri, content string
		want         error
	}{
		"extent outside":       {"vmdk", strings.ReplaceAll(flatVMDK, "b-flat.vmdk", "passwd"), block.ErrRefused},
		"extent is itself":     {"vmdk", strings.ReplaceAll(flatVMDK, "b-flat.vmdk", "disk"), block.ErrLoop},
		"parent is itself":     {"vmdk", strings.Replace(strings.ReplaceAll(flatVMDK, "b-flat.vmdk", "disk"), "parentCID=ffffffff", "parentFileNameHint=\"disk\"\nparentCID=00000001", 1), block.ErrLoop},
		"raw, format unstated": {"", strings.Repeat("x", 4096), nil},
		"package in a package": {"", string(tarOf(t, [2]string{"x.ovf", envelope("", "")})), block.ErrUnsupported},
		"vmdk, unstated":       {"", strings.ReplaceAll(flatVMDK, "b-flat.vmdk", "passwd"), block.ErrRefused},
		"not what is stated":   {"vmdk", strings.Repeat("x", 4096), block.ErrFormat},
	} {
		if len(c.content) < 1024 {
			c.content += strings.Repeat("\n", 1024-len(c.content))
		}
		ovf := envelope(`<File ovf:id="f" ovf:href="disk"/>`, fmt.Sprintf(`<Disk ovf:diskId="a" ovf:fileRef="f" ovf:format="%s"/>`, c.uri))
		im, err := format.Open(bytes.NewReader(tarOf(t, [2]string{"vm.ovf", ovf}, [2]string{"disk", c.content}, [2]string{"passwd", "secret"})), nil)
		if !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
		if err == nil {
			im.Close()
		}
	}
}
