package linux

import (
	"reflect"
	"strings"
	"testing"

	"github.com/guestkit/guestkit/inspect/system"
)

func TestDevices(t *testing.T) {
	const lv = "dm-uuid-LVM-ZzbSqvP8y0Rt1fT3VbmLxM7oW9qk2JhGnRl5cXe4UaYd6HiKwEoPsTuVyBgFjDmC"
	disk := func(of string, index, part int) []system.Device {
		return []system.Device{{By: "device name", DiskName: of, Disk: index, Partition: part}}
	}
	volume := func(name string) []system.Device { return []system.Device{{By: "volume name", Value: name}} }
	crypt := map[string]string{"cryptroot": "UUID=1-2", "vg-x": "/dev/sdb2", "loop": "/dev/mapper/loop", "cryptmd": "/dev/md0", "inner": "/dev/mapper/cryptroot"}
	arrays := map[string][]system.Device{"0": {{By: "array uuid", Value: "1:2:3:4"}, {By: "volume name", Value: "md:boot"}}}
	for spec, want := range map[string][]system.Device{
		`UUID="1-2"`: {{By: "uuid", Value: "1-2"}}, `uuid=1-2`: {{By: "uuid", Value: "1-2"}}, "/dev/disk/by-uuid/1-2": {{By: "uuid", Value: "1-2"}},
		`/dev/disk/by-label/my\x20disk`: {{By: "label", Value: "my disk"}},
		"/dev/root":                     {{By: "root"}},
		"/dev/sda":                      disk("sda", 0, 0), "/dev/sdab12": disk("sdab", 27, 12), "/dev/xvdb2": disk("xvdb", 1, 2), "/dev/dasdb1": disk("dasdb", 1, 1),
		"/dev/nvme1n1p3": disk("nvme1n1", 1, 3), "/dev/nvme0n2p1": disk("nvme0n2", -1, 1), "/dev/mmcblk0p1": disk("mmcblk0", 0, 1), "/dev/nvme0n1": disk("nvme0n1", 0, 0),
		"/dev/cciss/c0d0p2": {{By: "volume name", Value: "lvm:cciss/c0d0p2"}, {By: "device name", DiskName: "cciss/c0d0", Partition: 2}},
		"/dev/cciss/c1d0p2": {{By: "volume name", Value: "lvm:cciss/c1d0p2"}, {By: "device name", DiskName: "cciss/c1d0", Disk: -1, Partition: 2}},
		"/dev/vg-a/root":    volume("lvm:vg-a/root"), "/dev/srv/root": volume("lvm:srv/root"), "/dev/fdata/x": volume("lvm:fdata/x"), "/dev/cdrom1/home": volume("lvm:cdrom1/home"),
		"/dev/sda/root": volume("lvm:sda/root"), "/dev/sr0/root": volume("lvm:sr0/root"), "/dev/disk/root": volume("lvm:disk/root"), "/dev/sda1/root": volume("lvm:sda1/root"),
		"/dev/mapper/vg--a-root": volume("lvm:vg-a/root"), "/dev/disk/by-id/dm-name-vg--a-root": volume("lvm:vg-a/root"), "/dev/mapper/root": volume("lvm:mapper/root"),
		"/dev/disk/by-id/" + lv: {{By: "lvm uuid", Value: lv[len("dm-uuid-LVM-"):]}}, "ID=" + lv: {{By: "lvm uuid", Value: lv[len("dm-uuid-LVM-"):]}},
		"/dev/disk/by-id/ata-VBOX_HARDDISK_VB1-part3":            disk("disk/by-id/ata-VBOX_HARDDISK_VB1", -1, 3),
		"/dev/disk/by-id/virtio-root-part1":                      disk("disk/by-id/virtio-root", -1, 1),
		"/dev/disk/by-path/pci-0000:00:1f.2-ata-1-part12":        disk("disk/by-path/pci-0000:00:1f.2-ata-1", -1, 12),
		"/dev/disk/by-path/pci-0000:00:04.0-part/by-partuuid/11": {{By: "partuuid", Value: "11"}},
		"/dev/disk/by-diskseq/1-part2":                           disk("disk/by-diskseq/1", -1, 2),
		"/dev/disk/by-id/wwn-0x5":                                disk("disk/by-id/wwn-0x5", -1, 0),
		"/dev/disk/by-id/dm-uuid-part2-mpath-3600":               disk("dm-uuid-mpath-3600", -1, 2),
		"/dev/mapper/mpatha3":                                    disk("mapper/mpatha", -1, 3), "/dev/mapper/mpatha-part3": {{By: "volume name", Value: "lvm:mpatha/part3"}, {By: "device name", DiskName: "mapper/mpatha", Disk: -1, Partition: 3}},
		"/dev/mapper/cryptroot": {{By: "uuid", Value: "1-2", Unlocked: 1}},
		"/dev/mapper/vg-x":      {{By: "device name", Value: "sdb2", DiskName: "sdb", Disk: 1, Partition: 2, Unlocked: 1}, {By: "volume name", Value: "lvm:vg/x"}},
		"/dev/mapper/loop":      {{By: "volume name", Value: "lvm:mapper/loop", Unlocked: maxUnlocked}},
		"/dev/mapper/inner":     {{By: "uuid", Value: "1-2", Unlocked: 2}},
		"/dev/mapper/luks-1-2":  {{By: "volume name", Value: "lvm:luks/1-2"}, {By: "uuid", Value: "1-2", Unlocked: 1}},
		"/dev/disk/by-id/dm-uuid-CRYPT-LUKS2-0123456789abcdef0123456789abcdef-luks-x": {{By: "uuid", Value: "01234567-89ab-cdef-0123-456789abcdef", Unlocked: 1}},
		"/dev/md3":      {{By: "volume name", Value: "md:3"}, {By: "array number", Value: "3"}},
		"/dev/md0":      {{By: "array uuid", Value: "1:2:3:4"}, {By: "volume name", Value: "md:boot"}, {By: "volume name", Value: "md:0"}, {By: "array number", Value: "0"}},
		"/dev/md0p2":    {{By: "volume name", Value: "md:0p2"}, {By: "array uuid", Value: "1:2:3:4", Partition: 2}, {By: "volume name", Value: "md:boot", Partition: 2}, {By: "volume name", Value: "md:0", Partition: 2}, {By: "array number", Value: "0", Partition: 2}},
		"/dev/md/data":  {{By: "volume name", Value: "lvm:md/data"}, {By: "volume name", Value: "md:data"}},
		"/dev/md/data1": {{By: "volume name", Value: "lvm:md/data1"}, {By: "volume name", Value: "md:data1"}, {By: "volume name", Value: "md:data", Partition: 1}},
		"/dev/mapper/cryptmd": {{By: "array uuid", Value: "1:2:3:4", Unlocked: 1}, {By: "volume name", Value: "md:boot", Unlocked: 1},
			{By: "volume name", Value: "md:0", Unlocked: 1}, {By: "array number", Value: "0", Unlocked: 1}},
		"/dev/disk/by-id/md-name-host:a-part2": {{By: "volume name", Value: "md:a", Partition: 2}, {By: "device name", DiskName: "disk/by-id/md-name-host:a", Disk: -1, Partition: 2}},
		"/dev/disk/by-id/md-uuid-1:2:3:4":      {{By: "array uuid", Value: "1:2:3:4"}, {By: "device name", DiskName: "disk/by-id/md-uuid-1:2:3:4", Disk: -1}},
		"/dev/sr0":                             none("it is a removable medium"), "/dev/fd0": none("it is a removable medium"), "/dev/cdrom": none("it is a removable medium"),
		"/dev/cdroms/cdrom0": {{By: "volume name", Value: "lvm:cdroms/cdrom0", Reason: "it is a removable medium"}},
		"/dev/sda0":          none("the name of the device says nothing of a volume"), "/dev/fdata": none("the name of the device says nothing of a volume"),
		"proc": none("it is not a disk"), "//server/share": none("it is on the network"),
	} {
		got := devices(fstabEntry{spec: spec}, names{crypt: crypt, arrays: arrays})
		for i := range got { // a device name is the spec itself
			if got[i].By == "device name" && strings.HasSuffix(spec, got[i].Value) {
				got[i].Value = ""
			}
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %+v, want %+v", spec, got, want)
		}
	}
}

// TestDeviceNames: the names at the bounds of what they may be.
func TestDeviceNames(t *testing.T) {
	type name struct {
		disk        string
		index, part int
	}
	bad := name{"", 0, 0}
	for s, want := range map[string]name{
		"sdz": {"sdz", 25, 0}, "sdaa": {"sdaa", 26, 0}, "sdzz9999": {"sdzz", 701, 9999}, "sda12345": bad, "sdaaa": bad, "sd": bad, "sd1": bad, "sdA": bad, "sda1x": bad, "sda{": bad, "sda`": bad,
		"hda": {"hda", 0, 0}, "i2o/hdb3": {"i2o/hdb", 1, 3}, "ubda": {"ubda", 0, 0}, "vdc0": bad,
		"hd0s1": {"hd0", 0, 1}, "hd2s3": {"hd2", 2, 3}, "hd0s0": bad, "hd0xs1": bad, "hd0s1x": bad, "hds1": {"hds", 18, 1}, "hd0s": bad, "hd0": bad,
		"nvme0n1": {"nvme0n1", 0, 0}, "nvme3n1p10": {"nvme3n1", 3, 10}, "nvme0n1p0": bad, "nvme0n1p": bad, "nvme0n1x1": bad, "nvme0n1p1x": bad, "nvme0": bad, "nvmen1": bad, "nvme0n": bad, "nvme0n2": {"nvme0n2", -1, 0},
		"mmcblk1p2": {"mmcblk1", 1, 2}, "mmcblk": bad, "mmcblk0boot0": bad,
		"cciss/c0d1p2": {"cciss/c0d1", 1, 2}, "cciss/c1d1": {"cciss/c1d1", -1, 0}, "ida/c0d3": {"ida/c0d3", 3, 0}, "rd/c0d0p1": {"rd/c0d0", 0, 1}, "cciss/c0": bad,
		"pmem0": {"pmem0", -1, 0}, "pmem1p1": {"pmem1", -1, 1}, "nbd0p1": {"nbd0", -1, 1}, "loop0": {"loop0", -1, 0}, "loop7p2": {"loop7", -1, 2}, "loop": bad,
	} {
		disk, index, part, ok := kernelName(s)
		if ok != (want != bad) || ok && (name{disk, index, part}) != want {
			t.Errorf("%s: %q, %d, %d, %v, want %+v", s, disk, index, part, ok, want)
		}
	}
	for s, want := range map[string]bool{
		"fd0": true, "fd": true, "fd0u1440": true, "fd0u": true, "fdata": false, "fdx1": false, "fd/0": false, "sr0": true, "sr": true, "scd1": true, "cdrom": true, "dvdram2": true, "cdroms/x": true, "floppy/0": true, "iso9660/x": true,
		"sda": false, "cd/x": false, "fd:1": false, "fd/1": false, "fd:12": false,
	} {
		if got := isRemovable(s); got != want {
			t.Errorf("%s is removable: %v", s, got)
		}
	}
	for s, want := range map[string]string{
		"vg-lv": "vg/lv", "my--vg-root": "my-vg/root", "a-b-c": "a/b-c", "a": "a", "a--": "a-", "a-": "a/", "--a-b": "-a/b", "a---b": "a-/b",
	} {
		if got := mapperName(s); got != want {
			t.Errorf("%s: %q, want %q", s, got, want)
		}
	}
	for s, want := range map[string]struct {
		n    int
		rest string
		ok   bool
	}{"": {0, "", false}, "x": {0, "x", false}, "0": {0, "", true}, "9": {9, "", true}, "1234": {1234, "", true}, "12345": {1234, "5", true}, "1/": {1, "/", true}, "1:": {1, ":", true}} {
		if n, rest, ok := leadingNumber(s); n != want.n || rest != want.rest || ok != want.ok {
			t.Errorf("%q: %d, %q, %v", s, n, rest, ok)
		}
	}
	for s, want := range map[string]struct {
		base string
		n    int
	}{"": {"", 0}, "a": {"a", 0}, "a0": {"a", 0}, "a9": {"a", 9}, "a1234": {"a", 1234}, "a12345": {"a1", 2345}, "7": {"", 7}, "a/1": {"a/", 1}, "a:1": {"a:", 1}} {
		if base, n := trailingNumber(s); n != want.n || base != want.base {
			t.Errorf("%q: %q, %d", s, base, n)
		}
	}
	for spec, want := range map[string]system.Device{
		`LABEL=""`: {By: "label", Value: ""}, `LABEL='a'`: {By: "label", Value: "a"}, `LABEL="`: {By: "label", Value: `"`}, `LABEL="a'`: {By: "label", Value: `"a'`}, `LABEL=a"`: {By: "label", Value: `a"`},
		`LABEL=x'y'`: {By: "label", Value: `x'y'`}, `LABEL=b'`: {By: "label", Value: "b'"}, "PARTLABEL=EFI": {By: "partlabel", Value: "EFI"}, "PartUUID=1": {By: "partuuid", Value: "1"},
		"/dev//x": none("the name of the device says nothing of a volume")[0], "/dev/x/": none("the name of the device says nothing of a volume")[0],
		"/dev/md": none("the name of the device says nothing of a volume")[0], "/dev/x/y/z": none("the name of the device says nothing of a volume")[0],
		"host:/srv": none("it is on the network")[0], "/srv": none("it is not a disk")[0],
		"/dev/disk/by-id/x-part0": {By: "device name", Value: "disk/by-id/x-part0", DiskName: "disk/by-id/x-part0", Disk: -1},
		"/dev/disk/by-id/x-part1": {By: "device name", Value: "disk/by-id/x-part1", DiskName: "disk/by-id/x", Disk: -1, Partition: 1}, "/dev/disk/by-id/x-part1a": {By: "device name", Value: "disk/by-id/x-part1a", DiskName: "disk/by-id/x-part1a", Disk: -1},
		"/dev/disk/by-id/dm-uuid-LVM-short": none("it names no group and volume of LVM")[0],
	} {
		if got := devices(fstabEntry{spec: spec}, names{}); len(got) != 1 || got[0] != want {
			t.Errorf("%s: %+v, want %+v", spec, got, want)
		}
	}
	for _, e := range []fstabEntry{{spec: "/srv", options: "ro,bind"}, {spec: "/srv", options: "rbind"}} {
		if got := devices(e, names{}); got[0].Reason != "it is a bind mount" {
			t.Errorf("%+v: %+v", e, got)
		}
	}
	for spec, want := range map[string]string{"/swapfile": "it is a swap file", "/dev/sda2": ""} {
		if got := devices(fstabEntry{spec: spec, typ: "swap"}, names{}); got[0].Reason != want {
			t.Errorf("swap on %s: %+v", spec, got)
		}
	}
}
