//go:build linux

package guestkit_test

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/guestkit/guestkit/internal/guid"
	"github.com/guestkit/guestkit/internal/peers"
	"github.com/guestkit/guestkit/internal/regftest"
)

// The partitions of the Windows 11 that is made here, by their GUIDs.
const (
	partC = "c0000000-0000-4000-8000-00000000000c"
	partD = "d0000000-0000-4000-8000-00000000000d"
)

// windowsHives makes the two hives of a release, with what a used guest has.
func windowsHives(release string, mounted ...regftest.Value) (software, system []byte) {
	w := regftest.Releases()[release]
	sw, sys := w.Software(), w.System()
	const uninstall = `Microsoft\Windows\CurrentVersion\Uninstall\`
	sw.Set(uninstall+"7-Zip", regftest.SZ("DisplayName", "7-Zip 23.01 (x64)"), regftest.SZ("DisplayVersion", "23.01"), regftest.SZ("Publisher", "Igor Pavlov"))
	sw.Set(uninstall+"{1D8E6291-B0D5-35EC-8441-6616F567A0F7}", regftest.SZ("DisplayName", "VMware Tools"), regftest.SZ("DisplayVersion", "12.3.5.22544099"),
		regftest.SZ("Publisher", "VMware, Inc."), regftest.SZ("InstallDate", "20240115"))
	sw.Set(uninstall+"AddressBook", regftest.DWORD("SystemComponent", 1))
	sw.Set(`WOW6432Node\`+uninstall+"Notepad++", regftest.SZ("DisplayName", "Notepad++ (32-bit x86)"), regftest.SZ("DisplayVersion", "8.6"))
	const cbs = `Microsoft\Windows\CurrentVersion\Component Based Servicing\Packages\`
	sw.Set(cbs+"Package_for_KB5034467~31bf3856ad364e35~amd64~~22621.3000.1.1", regftest.DWORD("CurrentState", 0x70),
		regftest.DWORD("InstallTimeHigh", 31082000), regftest.DWORD("InstallTimeLow", 0))
	sw.Set(cbs+"Package_for_RollupFix~31bf3856ad364e35~amd64~~22621.3007.1.5", regftest.DWORD("CurrentState", 0x70),
		regftest.SZ("InstallLocation", `\\?\C:\Windows\SoftwareDistribution\Download\x\Windows11.0-KB5034123-x64.cab`))
	sw.Set(cbs+"Package_for_KB5032007~31bf3856ad364e35~amd64~~22621.2700.1.1", regftest.DWORD("CurrentState", 0x50)) // superseded
	for name, v := range map[string][2]uint32{"viostor": {1, 0}, "netkvm": {1, 3}, "vioscsi": {1, 0}, "Ntfs": {2, 0}, "VMTools": {0x10, 2}, "Broken": {1, 0}} {
		sys.Set(`ControlSet002\Services\`+name, regftest.DWORD("Type", v[0]), regftest.DWORD("Start", v[1]))
	}
	sys.Set(`ControlSet002\Services\viostor`, regftest.ExpandSZ("ImagePath", `\SystemRoot\System32\drivers\viostor.sys`))
	sys.Set(`ControlSet002\Services\VMTools`, regftest.ExpandSZ("ImagePath", `"C:\Program Files\VMware\VMware Tools\vmtoolsd.exe"`))
	sys.Key("MountedDevices").Values = nil
	sys.Set("MountedDevices", mounted...)
	sys.Set("MountedDevices", regftest.Binary(`\DosDevices\E:`, regftest.UTF16(`\??\SCSI#CdRom&Ven_QEMU#4&3`)))
	return w.Hive(sw, `\SystemRoot\System32\Config\SOFTWARE`), w.Hive(sys, "SYSTEM")
}

// gptDrive and mbrDrive are what MountedDevices says of a letter.
func gptDrive(letter, uuid string) regftest.Value {
	g := guid.Must(uuid)
	return regftest.Binary(`\DosDevices\`+letter, append([]byte("DMIO:ID:"), g[:]...))
}

func mbrDrive(letter string, signature uint32, off int64) regftest.Value {
	return regftest.Binary(`\DosDevices\`+letter, binary.LittleEndian.AppendUint64(binary.LittleEndian.AppendUint32(nil, signature), uint64(off)))
}

// ntfsOf makes an NTFS volume and lets fill put files into it through ntfs-3g.
func ntfsOf(t *testing.T, size int64, label string, fill func(dir string)) string {
	t.Helper()
	path := blank(t, "ntfs", size)
	peers.Run(t, "mkntfs", "-F", "-Q", "-q", "-L", label, path)
	dir := peers.Mount(t, path, "ntfs-3g")
	fill(dir)
	peers.Unmount(t, dir)
	return path
}

// put is write for bytes.
func put(t *testing.T, dir, name string, b []byte) { write(t, dir, name, string(b)) }

// junction makes a directory a junction, or a symbolic link of Windows.
func junction(t *testing.T, path, target string) {
	t.Helper()
	if err := os.Mkdir(path, 0o777); err != nil {
		t.Fatal(err)
	}
	text := regftest.UTF16(target)
	data := binary.LittleEndian.AppendUint32(nil, 0xA0000003)
	for _, v := range []int{8 + len(text) + 4, 0, 0, len(text), len(text) + 2, 0} {
		data = binary.LittleEndian.AppendUint16(data, uint16(v))
	}
	data = append(append(data, text...), 0, 0, 0, 0)
	if err := unix.Setxattr(path, "system.ntfs_reparse_data", data, 0); err != nil {
		t.Fatal(err)
	}
}

// program is the start of one for a machine.
func program(machine uint16) []byte {
	b := make([]byte, 512)
	copy(b, "MZ")
	b[0x3c] = 0x80
	copy(b[0x80:], "PE\x00\x00")
	binary.LittleEndian.PutUint16(b[0x84:], machine)
	return b
}

// systemFiles are the files of Windows on its drive.
func systemFiles(t *testing.T, dir string, software, system []byte) {
	t.Helper()
	put(t, dir, "Windows/System32/config/SOFTWARE", software)
	put(t, dir, "Windows/System32/config/SYSTEM", system)
	put(t, dir, "Windows/System32/ntoskrnl.exe", program(0x8664))
	put(t, dir, "Windows/System32/cmd.exe", program(0x8664)) // by which libguestfs knows Windows
	put(t, dir, "Windows/System32/drivers/viostor.sys", program(0x8664))
	put(t, dir, "Windows/System32/drivers/netkvm.sys", program(0x8664))
	put(t, dir, "Windows/win.ini", []byte("; for 16-bit app support\r\n[fonts]\r\n"))
	put(t, dir, "Users/Ada/notes.txt", []byte("notes\n"))
	if err := unix.Setxattr(filepath.Join(dir, "Users/Ada/notes.txt"), "user.Zone.Identifier", []byte("[ZoneTransfer]\r\nZoneId=3\r\n"), 0); err != nil {
		t.Fatal(err)
	}
	junction(t, filepath.Join(dir, "Documents and Settings"), `\??\C:\Users`)
}

// makeWindows11 makes a guest of UEFI and GPT, as a compressed qcow2. One that
// is to be small has nothing in its recovery partition.
func makeWindows11(t *testing.T, small bool) string {
	t.Helper()
	software, system := windowsHives("11-23H2", gptDrive("C:", partC), gptDrive("D:", partD))
	c := ntfsOf(t, 16*mib, "Windows", func(dir string) {
		systemFiles(t, dir, software, system)
		junction(t, filepath.Join(dir, "Data"), `\??\D:\data`)
	})
	d := ntfsOf(t, 8*mib, "Data", func(dir string) {
		write(t, dir, "data/report.txt", "on D\n")
		write(t, dir, "data/report.txt.bak", "older\n")
		junction(t, filepath.Join(dir, "Home"), `\??\C:\Users\Ada`)
	})
	recovery := ""
	if !small {
		recovery = ntfsOf(t, 8*mib, "Recovery", func(dir string) { write(t, dir, "Recovery/WindowsRE/ReAgent.xml", "<WindowsRE/>") })
	}
	esp := blank(t, "esp", 8*mib)
	peers.Run(t, "mkfs.vfat", "-i", "11112222", "-n", "SYSTEM", esp)
	files := t.TempDir()
	put(t, files, "EFI/Microsoft/Boot/bootmgfw.efi", program(0x8664))
	put(t, files, "EFI/Microsoft/Boot/BCD", regftest.Build(&regftest.Key{Name: "NewStoreRoot"}, nil))
	put(t, files, "EFI/Boot/bootx64.efi", program(0x8664))
	peers.Run(t, "mcopy", "-s", "-i", esp, filepath.Join(files, "EFI"), "::")
	return makeDisk(t, []partitionImage{
		{"ef00", "EFI system partition", 8 * mib, esp},
		{"0c01", "Microsoft reserved partition", mib, ""},
		{"0700", "Basic data partition", 16 * mib, c},
		{"2700", "Recovery", 8 * mib, recovery},
		{"0700", "Data", 8 * mib, d},
	}, "-u", "3:"+partC, "-u", "5:"+partD)
}

// makeWindows7 makes a guest of BIOS and MBR, as a raw disk.
func makeWindows7(t *testing.T) string {
	t.Helper()
	const signature = 0xcafe0007
	software, system := windowsHives("7", mbrDrive("C:", signature, 9*mib))
	boot := ntfsOf(t, 8*mib, "System Reserved", func(dir string) {
		put(t, dir, "bootmgr", []byte("boot manager"))
		put(t, dir, "Boot/BCD", regftest.Build(&regftest.Key{Name: "NewStoreRoot"}, nil))
	})
	c := ntfsOf(t, 16*mib, "", func(dir string) { systemFiles(t, dir, software, system) })
	raw := blank(t, "disk.raw", 26*mib)
	table := fmt.Sprintf("label: dos\nlabel-id: %#x\nstart=1MiB, size=8MiB, type=7, bootable\nstart=9MiB, size=16MiB, type=7\n", signature)
	cmd := peers.Command(t, "sfdisk", "-q", raw)
	cmd.Stdin = strings.NewReader(table)
	peers.RunCmd(t, cmd)
	for at, image := range map[int]string{1: boot, 9: c} {
		peers.Run(t, "dd", "if="+image, "of="+raw, "bs=1M", fmt.Sprintf("seek=%d", at), "conv=notrunc,sparse", "status=none")
	}
	f, err := os.OpenFile(raw, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	// The boot code of Windows is not to be had: its words are.
	for off, text := range map[int64]string{0x20: "Error loading operating system", mib + 0x90: "BOOTMGR is missing"} {
		if _, err := f.WriteAt([]byte(text), off); err != nil {
			t.Fatal(err)
		}
	}
	return raw
}

// TestWindowsGuests makes two guests by the real tools, and inspects them
// through each format of disk: what is found is the same.
func TestWindowsGuests(t *testing.T) {
	peers.Need(t, "mkntfs", "ntfs-3g", "sgdisk", "sfdisk", "mkfs.vfat", "mcopy", "qemu-img")
	peers.NeedRoot(t)
	if os.Getenv("GUESTKIT_MAKE_FIXTURES") != "" { // testdata/make.sh asks for it
		peers.Run(t, "qemu-img", "convert", "-c", "-O", "qcow2", "-o", "cluster_size=4k", makeWindows11(t, true), windowsImage)
	}
	for name, c := range map[string]struct {
		disk  string
		check func(*testing.T, string)
	}{"11": {makeWindows11(t, false), checkWindows11}, "7": {makeWindows7(t), checkWindows7}} {
		want := ""
		for _, format := range []string{"raw", "qcow2", "vmdk", "vhdx", "vpc", "vdi"} {
			out := filepath.Join(t.TempDir(), "disk."+format)
			peers.Run(t, "qemu-img", "convert", "-O", format, c.disk, out)
			rep, _ := inspected(t, out)
			if want == "" {
				c.check(t, out)
			}
			b, err := json.Marshal(rep.Systems)
			if err != nil {
				t.Fatal(err)
			}
			if want == "" {
				want = string(b)
			}
			if string(b) != want {
				t.Errorf("Windows %s through %s is\n%s\nand through raw\n%s", name, format, b, want)
			}
			if err := os.Remove(out); err != nil {
				t.Fatal(err)
			}
		}
	}
}
