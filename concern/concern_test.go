package concern

import (
	"context"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/format"
	"github.com/guestkit/guestkit/inspect"
	"github.com/guestkit/guestkit/target"
)

var update = flag.Bool("update", false, "write docs/concerns.md anew")

func file(text string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(text), Mode: 0o644} }

// of lists the concerns of a system whose files are in m.
func of(sys *inspect.System, m fstest.MapFS, volumes ...*inspect.Volume) ([]Concern, []error) {
	v := &view{ctx: context.Background(), rep: &inspect.Report{Systems: []*inspect.System{sys}, Volumes: volumes}, sys: sys, fs: m}
	return v.concerns(), v.problems
}

func linux(change func(s *inspect.System)) *inspect.System {
	s := &inspect.System{Volume: "gpt2", Type: inspect.TypeLinux, Kind: inspect.KindInstalled, Firmware: inspect.FirmwareBoth,
		Agents: []inspect.GuestTool{{Name: "QEMU guest agent", For: "virtio"}}}
	if change != nil {
		change(s)
	}
	return s
}

func windows(risks ...inspect.Risk) *inspect.System {
	return &inspect.System{Volume: "gpt3", Type: inspect.TypeWindows, Kind: inspect.KindInstalled, Firmware: inspect.FirmwareBoth, Risks: risks,
		Windows: &inspect.Windows{GuestTools: []inspect.GuestTool{{Name: "QEMU guest agent", For: "virtio"}}}}
}

var modules = fstest.MapFS{
	"lib/modules/5.14.0/modules.builtin": file("kernel/drivers/block/virtio_blk.ko\n"),
	"lib/modules/5.14.0/modules.dep":     file("kernel/drivers/net/virtio_net.ko.xz: kernel/net/core/failover.ko.xz\nkernel/drivers/hv/hv_vmbus.ko.xz:\nkernel/drivers/net/hyperv/hv_netvsc.ko.xz:\nkernel/drivers/net/ethernet/amazon/ena/ena.ko.zst:\n"),
}

func kernel(options string) func(s *inspect.System) {
	return func(s *inspect.System) {
		s.Kernels = []inspect.Kernel{{Version: "5.14.0", Image: "/boot/vmlinuz-5.14.0", Options: options, Default: true}}
	}
}

// TestRows has a guest for each kind of concern, and what speaks against it.
func TestRows(t *testing.T) {
	swap := &inspect.Volume{Name: "gpt3", Content: "swap", UUID: "0a1b", Status: inspect.StatusSwap}
	lv := &inspect.Volume{Name: "lvm:vg/root", Kind: "lv", Content: "xfs", Status: inspect.StatusRead}
	seen := map[string]bool{}
	for name, c := range map[string]struct {
		sys     *inspect.System
		files   fstest.MapFS
		volumes []*inspect.Volume
		want    []string // "id: part of the message"
	}{
		"a BSD's driver": {&inspect.System{Volume: "gpt3", Type: inspect.TypeFreeBSD, Kind: inspect.KindInstalled, Firmware: inspect.FirmwareBoth,
			Mounts: []inspect.Mount{{Spec: "/dev/ada0p3", Path: "/", Volume: "gpt3", By: "device name", Line: 1}, {Spec: "/dev/gpt/srv", Path: "/srv", Volume: "gpt4", By: "partlabel", Line: 2}}},
			nil, nil, []string{"fstab-device-name: / is mounted by /dev/ada0p3"}},
		"nothing": {linux(func(s *inspect.System) {
			kernel("root=UUID=aa ro resume=UUID=0A1B")(s)
			s.Mounts = []inspect.Mount{{Spec: "UUID=aa", Path: "/", Volume: "gpt2", By: "uuid", Line: 1}, {Spec: "/dev/mapper/vg-x", Path: "/x", Volume: "lvm:vg/x", By: "volume name", Line: 2},
				{Spec: "/dev/disk/by-id/dm-uuid-LVM-abc", Path: "/y", Volume: "lvm:vg/y", By: "lvm uuid", Line: 3}, {Spec: "/dev/sr0", Path: "/media/cdrom0", Reason: "it is a removable medium", Line: 4},
				{Spec: "tmpfs", Path: "/tmp", Reason: "not a disk", Line: 5}}
			s.Interfaces = []inspect.Interface{{Name: "eth0", By: "interfaces", Path: "/etc/network/interfaces"}}
			s.Crypttab = []inspect.CryptEntry{{Name: "x", Source: "UUID=1", Key: "none", Options: "luks", Line: 1}}
		}), fstest.MapFS{"etc/lvm/lvm.conf": file("devices {\n\t# filter = [ \"r|.*|\" ]\n\tfilter = [ \"a|.*|\" ]\n}\n")}, []*inspect.Volume{swap, lv}, nil},
		"fstab": {linux(func(s *inspect.System) {
			s.Mounts = []inspect.Mount{{Spec: "/dev/sda1", Path: "/", Volume: "gpt2", By: "device name", Guess: true, Line: 3}, {Spec: "/dev/disk/by-path/pci-0000:00:10.0-part3", Path: "/srv", Options: "defaults,nofail", By: "device name", Line: 4},
				{Spec: "/dev/cciss/c0d0p2", Path: "", Type: "swap", Volume: "gpt3", By: "device name", Line: 5}, {Spec: "UUID=gone", Path: "/data", By: "uuid", Reason: "no volume has the uuid gone", Line: 6}}
		}), nil, nil, []string{"fstab-device-name: / is mounted by /dev/sda1", "fstab-device-name-optional: /srv is mounted by /dev/disk/by-path/pci-0000:00:10.0-part3; swap is mounted by /dev/cciss/c0d0p2", "missing-volume: /data is mounted from UUID=gone"}},
		"command line": {linux(kernel("root=/dev/vda2 ro resume=UUID=beef")), fstest.MapFS{"etc/default/grub": file("GRUB_DEFAULT=0\nGRUB_CMDLINE_LINUX=\"root=/dev/sda1 quiet\"\n")}, []*inspect.Volume{swap},
			[]string{"boot-device-name: kernel 5.14.0 gets root=/dev/vda2; the default command line has root=/dev/sda1", "resume-device: kernel 5.14.0 gets resume=UUID=beef, which no volume has"}},
		"resume by name": {linux(kernel("root=LABEL=/ resume=/dev/sda3")), nil, nil, []string{"resume-device: kernel 5.14.0 gets resume=/dev/sda3"}},
		"crypttab": {linux(func(s *inspect.System) {
			s.Crypttab = []inspect.CryptEntry{{Name: "root", Source: "/dev/nvme0n1p3", Key: "none", Options: "luks,tpm2-device=auto", Line: 1}, {Name: "x", Source: "/dev/sdb", Options: "nofail", Line: 2}}
		}), nil, nil, []string{"crypttab-device-name: root is unlocked from /dev/nvme0n1p3", "crypttab-tpm: root is unlocked by a TPM"}},
		"drivers of a kernel": {linux(func(s *inspect.System) {
			s.Kernels = []inspect.Kernel{{Version: "5.14.0", Image: "/boot/vmlinuz", Modules: "/lib/modules/5.14.0"}}
		}), modules, nil, []string{"no-hyperv-storage: kernel 5.14.0 has no hv_storvsc", "no-nvme: kernel 5.14.0 has no nvme"}},
		"drivers of a configuration": {linux(func(s *inspect.System) {
			s.Kernels = []inspect.Kernel{{Version: "4", Image: "/boot/vmlinuz-4", Config: "/boot/config-4", Virtio: map[string]string{"virtio_blk": "absent", "virtio_scsi": "absent", "virtio_net": "absent"}}}
		}), fstest.MapFS{"boot/config-4": file("CONFIG_BLK_DEV_NVME=m\nCONFIG_HYPERV=m\nCONFIG_HYPERV_STORAGE=y\n# CONFIG_HYPERV_NET is not set\n")}, nil,
			[]string{"no-virtio-storage: kernel 4 has no virtio_blk and no virtio_scsi", "no-virtio-network: kernel 4 has no virtio_net", "no-hyperv-network: kernel 4 has no hv_netvsc", "no-ena: kernel 4 has no ena"}},
		"drivers of an initramfs": {linux(func(s *inspect.System) {
			s.Kernels = []inspect.Kernel{{Version: "5.14.0", Image: "/boot/vmlinuz", Initrd: "/boot/initramfs-5.14.0.img", Default: true,
				Virtio: map[string]string{"virtio_blk": "module", "virtio_scsi": "module", "virtio_net": "module"}, Initramfs: &inspect.Initramfs{Modules: 20, Drivers: []string{"ahci", "nvme"}}},
				{Version: "5.13.0", Image: "/boot/vmlinuz-5.13.0"}}
		}), nil, nil, []string{"no-virtio-storage: the initramfs of kernel 5.14.0 has no virtio_blk and no virtio_scsi"}},
		"an initramfs of one machine": {linux(func(s *inspect.System) {
			s.Kernels = []inspect.Kernel{{Version: "5", Image: "/vmlinuz", Initrd: "/initrd.img", Default: true, Config: "/boot/config-5", Initramfs: &inspect.Initramfs{Modules: 20, Drivers: []string{"virtio_blk", "hv_vmbus"}}}}
		}), fstest.MapFS{"boot/config-5": file("CONFIG_BLK_DEV_NVME=m\nCONFIG_VIRTIO_BLK=m\nCONFIG_VIRTIO_NET=m\nCONFIG_HYPERV=m\nCONFIG_HYPERV_STORAGE=m\nCONFIG_HYPERV_NET=m\nCONFIG_ENA_ETHERNET=m\n")}, nil,
			[]string{"no-hyperv-storage: the initramfs of kernel 5 has no hv_storvsc", "no-nvme: the initramfs of kernel 5 has no nvme"}},
		"an initramfs of Debian": {linux(func(s *inspect.System) {
			s.Kernels = []inspect.Kernel{{Version: "6", Image: "/vmlinuz", Initrd: "/initrd.img", Default: true,
				Virtio: map[string]string{"virtio_blk": "module", "virtio_scsi": "module", "virtio_net": "module"}, Initramfs: &inspect.Initramfs{Modules: 20, Drivers: []string{"virtio_blk"}}}}
		}), nil, nil, nil},
		"network": {linux(func(s *inspect.System) {
			s.Interfaces = []inspect.Interface{{Name: "ens160", Path: "/etc/netplan/00-installer-config.yaml"}, {Name: "ens192", Path: "/etc/netplan/00-installer-config.yaml"}, {Name: "eno16777736", Path: "/etc/sysconfig/network-scripts/ifcfg-eno16777736"},
				{Name: "enp0s3", Path: "/etc/network/interfaces"}, {Name: "en*", Path: "/etc/systemd/network/20-wired.network"}, {Name: "eth0", MAC: "00:50:56:aa:bb:cc", Path: "/etc/sysconfig/network-scripts/ifcfg-eth0"}}
		}), fstest.MapFS{"etc/udev/rules.d/70-persistent-net.rules": file("# PCI device 0x15ad:0x07b0 (vmxnet3)\nSUBSYSTEM==\"net\", ACTION==\"add\", DRIVERS==\"?*\", ATTR{address}==\"00:50:56:aa:bb:cc\", ATTR{type}==\"1\", KERNEL==\"eth*\", NAME=\"eth0\"\n")}, nil,
			[]string{"vmware-network-name: ens160 is configured in /etc/netplan/00-installer-config.yaml; ens192", "network-name: enp0s3", "network-mac: 00:50:56:aa:bb:cc", "persistent-net-rules: /etc/udev/rules.d/70-persistent-net.rules"}},
		"network of Windows": {func() *inspect.System {
			s := windows()
			s.Interfaces = []inspect.Interface{{Name: "Ethernet0", MAC: "00:50:56:aa:bb:cc", Addresses: []string{"10.0.0.5/24"}, Path: "/x/SYSTEM"}, {Name: "Ethernet1", DHCP: true, Path: "/x/SYSTEM"}}
			return s
		}(), nil, nil, []string{"windows-static-address: Ethernet0 10.0.0.5/24 is configured in /x/SYSTEM"}},
		"LVM": {linux(nil), fstest.MapFS{"etc/lvm/lvm.conf": file("devices {\n    global_filter = [ \"a|^/dev/sda|\", \"r|.*|\" ]\n}\n"),
			"etc/lvm/devices/system.devices": file("# LVM uses devices listed in this file.\nVERSION=1.1.2\nIDTYPE=sys_wwid IDNAME=t10.ATA DEVNAME=/dev/sda2 PVID=abc PART=2\n")}, []*inspect.Volume{lv},
			[]string{"lvm-filter: global_filter is [", "lvm-devices: /etc/lvm/devices/system.devices names devices by sys_wwid"}},
		"volumes": {linux(func(s *inspect.System) { s.Missing = []string{"/usr"} }), nil, []*inspect.Volume{{Name: "gpt4", Content: "swsuspend", Status: inspect.StatusSwap, Reason: "swsuspend holds a hibernated system and no files"},
			{Name: "gpt5", Content: "crypto_LUKS", Status: inspect.StatusEncrypted, Reason: "crypto_LUKS needs a key"}},
			[]string{"hibernated: gpt4 holds the memory", "missing-volume: the volume of /usr was not found", "unread-volume: gpt5 (crypto_LUKS) is encrypted"}},
		"no loader": {linux(func(s *inspect.System) { s.Firmware = inspect.FirmwareNone }), nil, nil, []string{"no-boot-loader: no disk has"}},
		"BIOS":      {linux(func(s *inspect.System) { s.Firmware = inspect.FirmwareBIOS }), nil, nil, []string{"bios-boot: its only boot loader is that of the first sector"}},
		"UEFI":      {linux(func(s *inspect.System) { s.Firmware = inspect.FirmwareUEFI }), nil, nil, []string{"uefi-boot: its only boot loaders are those of EFI"}},
		"tools":     {linux(func(s *inspect.System) { s.Agents = []inspect.GuestTool{{Name: "open-vm-tools", For: "vmware"}} }), nil, nil, []string{"vmware-tools: open-vm-tools", "no-guest-agent: no guest agent"}},
		"Windows": {windows(inspect.Risk{ID: "hibernated", What: "it sleeps", Evidence: []inspect.Evidence{{Volume: "gpt3"}}}, inspect.Risk{ID: "no-virtio-storage", What: "no driver", Evidence: []inspect.Evidence{{Path: "/x"}}},
			inspect.Risk{ID: "no-virtio-network", What: "no driver"}, inspect.Risk{ID: "dirty-volume", What: "dirty"}, inspect.Risk{ID: "bitlocker", What: "locked"}, inspect.Risk{ID: "dirty-registry", What: "stale"}, inspect.Risk{ID: "pending-reboot", What: "later"}), nil, nil,
			[]string{"hibernated: gpt3: it sleeps", "no-virtio-storage: no driver", "no-virtio-network: no driver", "bitlocker: locked", "dirty-volume: dirty", "dirty-registry: stale", "pending-reboot: later"}},
	} {
		got, problems := of(c.sys, c.files, c.volumes...)
		if len(problems) > 0 {
			t.Errorf("%s: %v", name, problems)
		}
		ok := len(got) == len(c.want)
		for i := 0; ok && i < len(got); i++ {
			id, text, _ := strings.Cut(c.want[i], ": ")
			ok = got[i].ID == id && strings.Contains(got[i].Message, text) && len(got[i].Evidence) > 0 && got[i].Evidence[0].Field == "concerns" && got[i].System == c.sys.Volume
		}
		if !ok {
			var all []string
			for _, g := range got {
				all = append(all, g.ID+": "+g.Message)
			}
			t.Errorf("%s: got\n%q, want\n%q", name, all, c.want)
		}
		for _, g := range got {
			seen[g.ID] = true
		}
	}
	for _, k := range Kinds() {
		if !seen[k.ID] {
			t.Errorf("no guest has %s", k.ID)
		}
	}
}

// TestHostile: files that lie are problems, and what is said stays bounded.
func TestHostile(t *testing.T) {
	sys := linux(func(s *inspect.System) {
		for i := range 10_000 {
			s.Mounts = append(s.Mounts, inspect.Mount{Spec: fmt.Sprintf("/dev/sda%d", i), Path: fmt.Sprintf("/x%d", i), By: "device name", Line: i + 1})
		}
	})
	lv := &inspect.Volume{Name: "lvm:vg/root", Kind: "lv", Status: inspect.StatusRead}
	got, problems := of(sys, fstest.MapFS{"etc/lvm/lvm.conf": {Mode: os.ModeNamedPipe | 0o644}, "etc/default/grub": file(strings.Repeat("x", maxFile+1)),
		"etc/udev/rules.d/1-persistent-net.rules": file(strings.Repeat("ATTR{address}==\n", maxLines+1))}, lv)
	if len(got) != 3 || len(got[0].Message) > 1000 || len(got[0].Evidence) > maxEvidence || !strings.Contains(got[0].Message, "and 9995 more") {
		t.Errorf("%d concerns, the first %q", len(got), got[0].Message)
	}
	if text := fmt.Sprint(problems); len(problems) != 3 || !strings.Contains(text, "no regular file") || !strings.Contains(text, "bytes, more than") || !strings.Contains(text, "lines") {
		t.Errorf("problems %q", problems)
	}
}

// TestImages looks at whole disks.
func TestImages(t *testing.T) {
	for name, want := range map[string][]string{
		"debian12-bios.qcow2": {"fstab-device-name-optional", "bios-boot", "no-guest-agent"},
		"debian12-uefi.qcow2": {"uefi-boot", "no-guest-agent"},
		"windows11.qcow2":     nil,
	} {
		img, err := format.OpenFile("../testdata/images/"+name, nil)
		if err != nil {
			t.Fatal(err)
		}
		rep, err := inspect.Run(context.Background(), []block.Device{img}, nil)
		if err != nil {
			t.Fatal(err)
		}
		list, problems := Of(context.Background(), rep)
		var got []string
		for _, c := range list {
			got = append(got, c.ID)
		}
		if len(problems) > 0 || want != nil && !slices.Equal(got, want) || len(got) == 0 {
			t.Errorf("%s: %q, %v; want %q", name, got, problems, want)
		}
		if a := For(list, "esxi"); len(a) >= len(list) && name != "windows11.qcow2" {
			t.Errorf("%s: all of %q stand against esxi", name, got)
		}
		rep.Close()
		img.Close()
	}
}

// TestKinds holds the table to its rules and docs/concerns.md to the table.
func TestKinds(t *testing.T) {
	var b strings.Builder
	b.WriteString(`# Concerns

What can go wrong where a guest is moved to another platform or its disks are changed,
as ` + "`guestkit inspect`" + ` and package ` + "`concern`" + ` say it. An ID never changes its meaning. *critical* is
what keeps a guest from starting or loses data, *warning* what makes a part of it fail or
wants a decision, *information* what is good to know. ` + "`--target NAME`" + ` leaves those that stand
against a platform, and ` + "`--fail-on SEVERITY`" + ` ends with exit code 5 if there is one as grave.

This table is made of ` + "`concern/rows.go`" + ` (` + "`go test ./concern -update`" + `).

| ID | Severity | Against | What | What to do |
|---|---|---|---|---|
`)
	ids := map[string]bool{}
	for _, k := range Kinds() {
		against := "all"
		if len(k.Targets) > 0 {
			against = strings.Join(k.Targets, ", ")
		}
		for _, name := range k.Targets {
			if !slices.Contains(target.Names(), name) {
				t.Errorf("%s stands against %q, which is no target", k.ID, name)
			}
		}
		if ids[k.ID] || k.Severity.rank() > 2 || k.Label == "" || k.Remedy == "" || strings.HasSuffix(k.Label, ".") || !strings.HasSuffix(k.Remedy, ".") {
			t.Errorf("a row breaks the rules: %+v", k)
		}
		ids[k.ID] = true
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s |\n", k.ID, k.Severity, against, k.Label, strings.ReplaceAll(k.Remedy, "|", `\|`))
	}
	const name = "../docs/concerns.md"
	if *update {
		if err := os.WriteFile(name, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := os.ReadFile(name); err != nil || strings.ReplaceAll(string(got), "\r\n", "\n") != b.String() {
		t.Errorf("%s does not say what the table does (%v); run go test ./concern -update", name, err)
	}
}

func TestSeverities(t *testing.T) {
	if !Critical.AtLeast(Warning) || Information.AtLeast(Warning) || !Warning.AtLeast(Warning) {
		t.Error("the order of severities is wrong")
	}
	if _, err := ParseSeverity("grave"); err == nil {
		t.Error("there is no severity grave")
	}
	if w := Worst([]Concern{{Kind: Kind{Severity: Information}}, {Kind: Kind{Severity: Critical}}, {Kind: Kind{Severity: Warning}}}); w != Critical || Worst(nil) != "" {
		t.Errorf("the worst is %s", w)
	}
}
