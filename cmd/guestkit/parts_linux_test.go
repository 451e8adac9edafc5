package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/guestkit/guestkit"
	"github.com/guestkit/guestkit/internal/peers"
	"github.com/guestkit/guestkit/internal/testimg"
)

// TestSubvolumes compares each subvolume with what the kernel shows of it when it is
// mounted by its name.
func TestSubvolumes(t *testing.T) {
	forgetBtrfs(t)
	images := btrfsDisks(t, 1, func(mnt string) {
		btrfsFiles(t, mnt, [2]string{"@/", ""}, [2]string{"@home/", ""}, [2]string{"@/var/lib/inner one/", ""}, [2]string{"@home/alice/notes.txt", "a note\n"},
			[2]string{"@/etc/hostname", "host\n"}, [2]string{"@/var/lib/inner one/deep", "deep\n"})
		peers.Run(t, "btrfs", "subvolume", "snapshot", "-r", filepath.Join(mnt, "@home"), filepath.Join(mnt, "@snap"))
		peers.Run(t, "btrfs", "subvolume", "set-default", filepath.Join(mnt, "@"))
	})
	g, err := guestkit.OpenDisks(images, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	rep, err := g.Volumes(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	reasons := map[string]string{"@": "the default one", "@home": "ID 257", "@/var/lib/inner one": "ID 258", "@snap": "read-only, a snapshot"}
	for path, reason := range reasons {
		v, ok := rep.Volume("btrfs:disk/" + path)
		if !ok || v.Kind != "subvolume" || v.UUID == "" || !strings.Contains(v.Reason, reason) {
			t.Fatalf("%s: %+v", path, v)
		}
		fsys, err := v.FS()
		if err != nil {
			t.Fatal(err)
		}
		mnt := peers.Mount(t, images[0], "btrfs", "ro", "subvol="+path)
		want, err := testimg.HostTree(mnt, testimg.TreeOptions{})
		if err != nil {
			t.Fatal(err)
		}
		got, err := testimg.ReadTree(fsys, testimg.TreeOptions{})
		if err != nil {
			t.Fatal(err)
		}
		testimg.CompareTrees(t, got, want, testimg.TreeOptions{})
		peers.Unmount(t, mnt)
	}
	if n := len(rep.Volumes[0].Parts); n != len(reasons) {
		t.Errorf("%d subvolumes", n)
	}
	expect(t, []string{"cat", "--volume", "btrfs:disk/@home", images[0], "/alice/notes.txt"}, "a note\n")
	expect(t, []string{"volumes", images[0]}, "─ btrfs:disk/@home", "read, ID 257")
}

// TestBootImages compares what El Torito boots with what dumpet and xorriso say of
// it.
func TestBootImages(t *testing.T) {
	peers.Need(t, "xorriso", "dumpet", "mkfs.fat", "mcopy", "mformat")
	dir := t.TempDir()
	files := filepath.Join(dir, "files")
	if err := os.Mkdir(files, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, n := range map[string]int{"boot.bin": 4000, "hello": 5, "floppy.img": 1440 << 10} {
		if err := os.WriteFile(filepath.Join(files, name), []byte(strings.Repeat("BOOT ", n/5)), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	efi := filepath.Join(files, "efi.img")
	peers.Run(t, "mkfs.fat", "-C", "-n", "ESP", efi, "40000") // more than 65535 sectors
	peers.Run(t, "mcopy", "-i", efi, filepath.Join(files, "hello"), "::hello")
	peers.Run(t, "mformat", "-i", filepath.Join(files, "floppy.img"), "-f", "1440", "-v", "FLOPPY", "::")
	image := filepath.Join(dir, "et.iso")
	args := "-as mkisofs -quiet -R -V ET -b boot.bin -no-emul-boot -boot-load-size 4 -eltorito-alt-boot -e efi.img -no-emul-boot -eltorito-alt-boot -b floppy.img -o " + image + " " + files
	peers.Run(t, "xorriso", strings.Fields(args)...)

	var doc struct {
		Volumes []struct {
			Parts []struct {
				Name, Content, Label, Status, Reason string
				Offset, Size                         int64
			}
		}
	}
	r := gk(t, "volumes", "--json", image)
	if err := json.Unmarshal([]byte(r.out), &doc); err != nil || len(doc.Volumes) != 1 || len(doc.Volumes[0].Parts) != 3 {
		t.Fatalf("%v\n%s", err, r.out)
	}
	var dumpet, report strings.Builder
	for i, p := range doc.Volumes[0].Parts {
		fmt.Fprintf(&dumpet, "%d ", p.Offset/2048)
		fmt.Fprintf(&report, "%d %d;", i+1, p.Offset/2048)
		want := []string{"disk:boot1 2048 unknown  reserved a boot loader: BIOS", "disk:boot2 40960000 vfat ESP read UEFI", "disk:boot3 1474560 vfat FLOPPY read BIOS, as a floppy of 1.44 MB"}[i]
		if got := fmt.Sprintln(p.Name, p.Size, p.Content, p.Label, p.Status, p.Reason); got != want+"\n" {
			t.Errorf("%q, want %q", got, want)
		}
	}
	var said strings.Builder
	for line := range strings.Lines(peers.Run(t, "dumpet", "-i", image)) {
		if _, n, ok := strings.Cut(line, "Load LBA: "); ok {
			n, _, _ = strings.Cut(n, " ")
			said.WriteString(n + " ")
		}
	}
	if said.String() != dumpet.String() {
		t.Errorf("at %s, and dumpet says %s", dumpet.String(), said.String())
	}
	said.Reset()
	for line := range strings.Lines(peers.Run(t, "xorriso", "-report_about", "FAILURE", "-indev", image, "-report_el_torito", "plain")) {
		if rest, ok := strings.CutPrefix(line, "El Torito boot img :"); ok {
			f := strings.Fields(rest)
			said.WriteString(f[0] + " " + f[len(f)-1] + ";")
		}
	}
	if said.String() != report.String() {
		t.Errorf("at %s, and xorriso says %s", report.String(), said.String())
	}
	expect(t, []string{"cat", "--volume", "disk:boot2", image, "/hello"}, "BOOT ")
	expect(t, []string{"ls", image}, "floppy.img") // the disc itself, without being told

	// What xorriso covers the disc with beside an appended partition holds nothing else.
	args = "-as mkisofs -quiet -R -V ET -append_partition 2 0xef " + efi + " -appended_part_as_gpt -o " + image + " " + files
	peers.Run(t, "xorriso", strings.Fields(args)...)
	expect(t, []string{"volumes", "--json", image}, `"reason": "its bytes are those of iso"`, `"complete": true`)
}
