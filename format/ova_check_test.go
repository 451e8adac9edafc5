package format_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/format"
	"github.com/guestkit/guestkit/ova"
)

// checkedPackage writes the files into a folder and, as one archive, beside it, and checks
// both, which must come to the same.
func checkedPackage(t *testing.T, parts ...[2]string) (*format.CheckResult, []string) {
	t.Helper()
	dir := t.TempDir()
	paths := []string{filepath.Join(dir, "x.ova"), filepath.Join(dir, "vm.ovf")}
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("x.ova", string(tarOf(t, parts...)))
	for _, p := range parts {
		write(p[0], p[1])
	}
	var first *format.CheckResult
	var said []string
	for i, path := range paths {
		var texts []string
		res, err := format.CheckFile(context.Background(), path, &format.Options{FollowOwnDir: true}, func(f format.Fault) {
			texts = append(texts, f.Disk+" "+f.Err.Error())
		})
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		if i == 0 {
			first, said = res, texts
			continue
		}
		if res.Corruptions != first.Corruptions || res.Package.Checksums != first.Package.Checksums || res.Package.Certificate != first.Package.Certificate || fmt.Sprint(len(res.Package.Disks)) != fmt.Sprint(len(first.Package.Disks)) {
			t.Errorf("the folder %+v %+v %v\nthe archive %+v %+v %v", res, res.Package, texts, first, first.Package, said)
		}
	}
	return first, said
}

func sumsOf(parts ...[2]string) [2]string {
	text := ""
	for _, p := range parts {
		text += fmt.Sprintf("SHA256(%s)= %x\n", p[0], sha256.Sum256([]byte(p[1])))
	}
	return [2]string{"vm.mf", text}
}

// The check of a package is that of its manifest and of each of its disks,
// whether it is an archive or a folder.
func TestCheckPackage(t *testing.T) {
	text, a, b, flat := threeDisks()
	descriptor, raw, vmdk, extent := [2]string{"vm.ovf", text}, [2]string{"a.raw", a}, [2]string{"b.vmdk", b}, [2]string{"b-flat.vmdk", flat}
	mf, cert := sumsOf(descriptor, raw, vmdk, extent), [2]string{"vm.cert", "x"}

	res, said := checkedPackage(t, descriptor, mf, cert, raw, vmdk, extent)
	if !res.Clean() || len(said) > 0 || res.Package.Checksums != 4 || res.Package.Certificate != "vm.cert" || len(res.Package.Disks) != 2 {
		t.Errorf("sound: %+v %+v %q", res, res.Package, said)
	}
	if d := res.Package.Disks; d[0].Disk != "a" || d[0].Format != "raw" || d[0].Result != nil || d[0].Err != nil || d[1].Member != "b.vmdk" || d[1].Result == nil {
		t.Errorf("disks %+v", d)
	}

	// The manifest is right about a disk that is not.
	short := [2]string{"b-flat.vmdk", flat[:600]}
	res, said = checkedPackage(t, descriptor, sumsOf(descriptor, raw, vmdk, short), raw, vmdk, short)
	if res.Clean() && res.Package.Disks[1].Err == nil {
		t.Errorf("an extent that is short: %+v %+v %q", res, res.Package, said)
	}
	// A descriptor that is wrong about the size of a disk.
	wrong := [2]string{"vm.ovf", strings.Replace(text, `ovf:capacity="1024"`, `ovf:capacity="2048"`, 1)}
	res, said = checkedPackage(t, wrong, sumsOf(wrong, raw, vmdk, extent), raw, vmdk, extent)
	if res.Corruptions != 1 || !strings.HasPrefix(said[0], "b ") || !strings.Contains(said[0], "the descriptor says 2048") {
		t.Errorf("a wrong capacity: %+v %q", res, said)
	}
	// What a manifest has too many, too few and wrong.
	lost := [2]string{"lost", ""}
	res, said = checkedPackage(t, descriptor, sumsOf(descriptor, vmdk, [2]string{"b-flat.vmdk", "other"}, lost), raw, vmdk, extent)
	all := strings.Join(said, "\n")
	if res.Corruptions != 3 || !strings.Contains(all, `"lost": corrupt: the manifest names it, and it is not there`) || !strings.Contains(all, `"a.raw": corrupt: the manifest does not name it`) ||
		!strings.Contains(all, `"b-flat.vmdk": corrupt: its SHA256`) {
		t.Errorf("a wrong manifest: %+v %q", res, said)
	}
	// No manifest is no fault.
	if res, said = checkedPackage(t, descriptor, raw, vmdk, extent); !res.Clean() || res.Package.Checksums != 0 {
		t.Errorf("no manifest: %+v %q", res, said)
	}
}

// A manifest beside a descriptor leads to no file elsewhere.
func TestManifestOutside(t *testing.T) {
	dir := t.TempDir()
	sub := filepath.Join(dir, "in")
	path := filepath.Join(sub, "vm.ovf")
	text := envelope("", `<Disk ovf:diskId="a" ovf:capacity="4096"/>`)
	if err := os.Mkdir(sub, 0o755); err != nil {
		t.Fatal(err)
	}
	secret := [2]string{"../secret", "secret"}
	for name, text := range map[string]string{path: text, filepath.Join(dir, "secret"): "secret",
		filepath.Join(sub, "vm.mf"): sumsOf([2]string{"vm.ovf", text}, secret, [2]string{"/etc/passwd", ""})[1]} {
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	own := &format.Options{FollowOwnDir: true, AllowDirs: []string{dir}}
	p, faults, err := format.VerifyFile(context.Background(), path, own)
	if err != nil || p.Checksums != 3 || len(faults) != 2 || !strings.Contains(fmt.Sprint(faults), "does not stay in the package") || !strings.Contains(fmt.Sprint(faults), "absolute") {
		t.Errorf("%+v, %v, %v", p, faults, err)
	}
	if _, _, err := format.VerifyFile(context.Background(), path, nil); !errors.Is(err, block.ErrRefused) {
		t.Errorf("without leave: %v", err)
	}
	os.Remove(filepath.Join(sub, "vm.mf"))
	if _, _, err := format.VerifyFile(context.Background(), path, own); !errors.Is(err, ova.ErrNoManifest) {
		t.Errorf("no manifest: %v", err)
	}
	if err := os.Symlink("../secret", filepath.Join(sub, "vm.mf")); err != nil {
		t.Skip(err)
	}
	if _, _, err := format.VerifyFile(context.Background(), path, &format.Options{FollowOwnDir: true}); !errors.Is(err, block.ErrRefused) {
		t.Errorf("a manifest that is a link: %v", err)
	}
}

// counted counts the reads of the descriptor, which lies at the beginning.
type counted struct {
	*strings.Reader
	reads *int
}

func (c counted) ReadAt(p []byte, off int64) (int, error) {
	if off == 512 && len(p) > 512 {
		*c.reads++
	}
	return c.Reader.ReadAt(p, off)
}

// All disks of a package come from one reading of its descriptor.
func TestOpenDisksOnce(t *testing.T) {
	disks := ""
	for i := range 50 {
		disks += fmt.Sprintf(`<Disk ovf:diskId="d%d" ovf:capacity="4096"/>`, i)
	}
	reads := 0
	r := counted{strings.NewReader(string(tarOf(t, [2]string{"vm.ovf", envelope("", disks)}))), &reads}
	images, err := format.OpenDisks(r, &format.Options{Format: "ova"})
	if err != nil || len(images) != 50 {
		t.Fatal(len(images), err)
	}
	if reads != 1 {
		t.Errorf("the descriptor was read %d times", reads)
	}
	for _, im := range images {
		im.Close()
	}
}
