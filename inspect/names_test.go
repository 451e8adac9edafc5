package inspect

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
)

// dpkg is the /var of a guest with one package.
func dpkg() fstest.MapFS {
	return fstest.MapFS{"lib/dpkg/status": file("Package: a\nStatus: install ok installed\nVersion: 1\n"), "log": dir(), "cache": dir()}
}

// TestHardwareNames finds volumes by names of which an image does not tell what
// they stand for, or says that they are missing.
func TestHardwareNames(t *testing.T) {
	const byID, byPath = "/dev/disk/by-id/ata-VBOX_1", "/dev/disk/by-path/pci-0000:00:1f.2-ata-1"
	for name, c := range map[string]struct {
		fstab   string
		disks   int
		want    string // volume of /var
		guess   bool
		missing bool
	}{
		"the root's line agrees":         {byID + "-part2 / ext4\n" + byID + "-part3 /var ext4\n", 1, "gpt3", true, false},
		"two disks, and it agrees":       {byID + "-part2 / ext4\n" + byID + "-part3 /var ext4\n", 2, "gpt3", true, false},
		"two disks, another one":         {byID + "-part2 / ext4\n" + byPath + "-part3 /var ext4\n", 2, "", false, true},
		"two disks, root by UUID":        {"UUID=root / ext4\n" + byPath + "-part3 /var ext4\n", 2, "", false, true},
		"one disk, root by UUID":         {"UUID=root / ext4\n" + byPath + "-part3 /var ext4\n", 1, "gpt3", true, false},
		"it does not agree":              {byID + "-part1 / ext4\n" + byID + "-part3 /var ext4\n", 1, "", false, true},
		"no such partition":              {byID + "-part2 / ext4\n" + byID + "-part9 /var ext4\n", 1, "", false, true},
		"another filesystem":             {byID + "-part2 / ext4\n" + byID + "-part3 /var xfs\n", 1, "", false, true},
		"by-diskseq":                     {"/dev/disk/by-diskseq/1-part2 / ext4\n/dev/disk/by-diskseq/1-part3 /var ext4\n", 1, "gpt3", true, false},
		"ID=":                            {"ID=virtio-x-part2 / ext4\nID=virtio-x-part3 /var ext4\n", 1, "gpt3", true, false},
		"cciss":                          {"/dev/cciss/c0d0p2 / ext4\n/dev/cciss/c0d0p3 /var ext4\n", 1, "gpt3", true, false},
		"the second controller":          {"/dev/cciss/c1d0p2 / ext4\n/dev/cciss/c1d0p3 /var ext4\n", 2, "gpt3", true, false},
		"nvme":                           {"/dev/nvme0n1p2 / ext4\n/dev/nvme0n1p3 /var ext4\n", 1, "gpt3", true, false},
		"mmcblk":                         {"/dev/mmcblk0p2 / ext4\n/dev/mmcblk0p3 /var ext4\n", 1, "gpt3", true, false},
		"the second disk, and it agrees": {"/dev/sdb2 / ext4\n/dev/sdb3 /var ext4\n", 1, "gpt3", true, false},
		"the order of disks":             {"/dev/sda2 / ext4\n/dev/sdb3 /var ext4\n", 2, "disk2:gpt3", true, false},
		"multipath":                      {"/dev/mapper/mpatha2 / ext4\n/dev/mapper/mpatha3 /var ext4\n", 1, "gpt3", true, false},
		"a device of no meaning":         {"UUID=root / ext4\n/dev/evms/x /var ext4\n", 1, "", false, true},
		"a UUID that is gone":            {"UUID=root / ext4\nUUID=gone /var ext4\n", 1, "", false, true},
		"below /var":                     {"UUID=root / ext4\nUUID=gone /var/lib ext4\n", 1, "", false, true},
		"on the network":                 {"UUID=root / ext4\nserver:/x /var nfs\n", 1, "", false, false},
	} {
		var vols []*Volume
		for d := range c.disks {
			prefix := ""
			if d > 0 {
				prefix = fmt.Sprintf("disk%d:", d+1)
			}
			if d == 0 {
				root := part(vol(t, "gpt2", debianRoot(c.fstab, fstest.MapFS{"etc/passwd": file("")})), 0, 2, "", "")
				root.UUID = "root"
				vols = append(vols, root)
			}
			vols = append(vols, part(vol(t, prefix+"gpt3", dpkg()), d, 3, "", ""))
		}
		rep := guestOf(t, vols...)
		s := rep.Systems[0]
		m := s.Mounts[1]
		unresolved := errors.Is(errors.Join(rep.Problems()...), ErrUnresolved)
		if m.Volume != c.want || m.Guess != c.guess || m.Merged != (c.want != "") || (len(s.Missing) > 0) != c.missing || rep.Complete() == c.missing || unresolved != c.missing {
			t.Errorf("%s: %+v, missing %v, complete %t, problems %v", name, m, s.Missing, rep.Complete(), rep.Problems())
		}
		switch {
		case c.want != "" && len(s.Packages.Items) != 1, c.missing && (s.Packages.Status != PackagesNotRead || s.Packages.Reason == ""):
			t.Errorf("%s: packages %+v", name, s.Packages)
		}
	}
}

// TestMissingVolumes says which parts of a system are not there.
func TestMissingVolumes(t *testing.T) {
	root := part(vol(t, "gpt1", debianRoot("UUID=a /usr ext4\nUUID=b /boot ext4\nUUID=c /home ext4\nUUID=d /data ext4\nUUID=e /var ext4 noauto\nUUID=f /home/stick vfat noauto\nLABEL=g /boot/efi vfat\n/dev/sr0 /usr/share/cd iso9660\n",
		fstest.MapFS{"etc/passwd": file(""), "usr/bin": dir(), "var/lib/dpkg/status": file("Package: old\nStatus: install ok installed\nVersion: 1\n")})), 0, 1, "", "")
	rep := guestOf(t, root)
	s := rep.Systems[0]
	if want := []string{"/usr", "/boot", "/home", "/var", "/boot/efi"}; !slices.Equal(s.Missing, want) || rep.Complete() {
		t.Errorf("missing %v, want %v; complete %t", s.Missing, want, rep.Complete())
	}
	if s.Packages.Status != PackagesPartial || !strings.Contains(s.Packages.Reason, "/var is missing") {
		t.Errorf("a database beneath a mount point: %+v", s.Packages)
	}
}

// TestUsrOfTwoVersions chooses between the partitions of Flatcar as its boot loader
// does.
func TestUsrOfTwoVersions(t *testing.T) {
	for name, c := range map[string]struct {
		a, b uint64 // attributes
		want string
	}{
		"A first":              {0, 0, "gpt3"},
		"B has priority":       {1<<56 | 1<<48, 1<<56 | 2<<48, "gpt4"},
		"B has no try left":    {1<<56 | 1<<48, 2 << 48, "gpt3"},
		"B is tried":           {1<<56 | 1<<48, 1<<52 | 2<<48, "gpt4"},
		"both alike":           {1<<56 | 1<<48, 1<<56 | 1<<48, "gpt3"},
		"neither has priority": {1 << 56, 1 << 56, "gpt3"},
	} {
		root := part(vol(t, "gpt9", fstest.MapFS{"etc/passwd": file(""), "usr": dir(), "bin": link("usr/bin"), "home": dir(), "root": dir()}), 0, 9, "", "ROOT")
		vols := []*Volume{root}
		for i, attr := range []uint64{c.a, c.b} {
			v := part(vol(t, fmt.Sprintf("gpt%d", 3+i), fstest.MapFS{"lib/os-release": file(fmt.Sprintf("ID=flatcar\nVERSION_ID=%d\n", i)), "bin": dir(), "share": dir()}), 0, 3+i, "", "USR-"+string("AB"[i]))
			v.Partition.Type, v.Partition.Attributes = strings.ToUpper(usrAB), attr
			vols = append(vols, v)
		}
		s := guestOf(t, vols...).Systems[0]
		if len(s.Mounts) != 1 || s.Mounts[0].Volume != c.want || !s.Mounts[0].Guess || !s.Mounts[0].Merged || s.Distro != "flatcar" {
			t.Errorf("%s: %+v, %s", name, s.Mounts, s.Distro)
		}
	}
}

// TestUsrByContent fills an empty /usr with the only volume that looks like one.
func TestUsrByContent(t *testing.T) {
	usr := func(name string, n int) *Volume {
		return part(vol(t, name, fstest.MapFS{"lib/os-release": file("ID=x\n"), "bin": dir(), "share": dir()}), 0, n, "", "")
	}
	mk := func(fstab string, more fstest.MapFS) *Volume {
		return part(vol(t, "gpt1", debianRoot(fstab, more)), 0, 1, "", "")
	}
	for name, c := range map[string]struct {
		vols []*Volume
		want string
	}{
		"no line":          {[]*Volume{mk("", nil), usr("gpt2", 2)}, "gpt2"},
		"a line":           {[]*Volume{mk("/dev/evms/usr /usr ext4\n", nil), usr("gpt2", 2)}, "gpt2"},
		"two":              {[]*Volume{mk("", nil), usr("gpt2", 2), usr("gpt3", 3)}, ""},
		"it has files":     {[]*Volume{mk("", fstest.MapFS{"usr/bin/sh": file("")}), usr("gpt2", 2)}, ""},
		"used as it says":  {[]*Volume{mk("/dev/sda2 /mnt ext4\n", nil), usr("gpt2", 2)}, ""},
		"another label":    {[]*Volume{mk("PARTLABEL=U /usr ext4\n", nil), part(usr("gpt2", 2), 0, 2, "", "u"), usr("gpt3", 3)}, ""}, // blkid compares labels as they are
		"found by a label": {[]*Volume{mk("PARTLABEL=u /usr ext4\n", nil), part(usr("gpt2", 2), 0, 2, "", "u"), usr("gpt3", 3)}, "gpt2"},
	} {
		s := guestOf(t, c.vols...).Systems[0]
		got := ""
		for _, m := range s.Mounts {
			if m.Path == "/usr" {
				got = m.Volume
			}
		}
		if got != c.want || (s.Distro == "x") != (c.want != "") {
			t.Errorf("%s: %q, want %q; %+v", name, got, c.want, s.Mounts)
		}
	}
}

// TestUnlocked finds what crypttab unlocks.
func TestUnlocked(t *testing.T) {
	locked := part(unread("gpt2", "crypto_LUKS", StatusContainer, "it is divided"), 0, 2, "", "")
	locked.UUID = "1111-2222"
	inside := vol(t, "luks:1111", dpkg())
	inside.Parent, inside.Kind = "gpt2", "luks"
	for _, spec := range []string{"/dev/mapper/secret", "/dev/mapper/luks-1111-2222"} {
		root := part(vol(t, "gpt1", debianRoot(spec+" /var ext4\n", fstest.MapFS{"etc/passwd": file(""), "etc/crypttab": file("# x\nsecret UUID=1111-2222 none luks\n")})), 0, 1, "", "")
		s := guestOf(t, root, locked, inside).Systems[0]
		if m := s.Mounts[0]; m.Volume != "luks:1111" || !m.Merged || len(s.Packages.Items) != 1 {
			t.Errorf("%s: %+v", spec, m)
		}
	}
	// One in the other: a line of crypttab names what another one unlocks.
	middle := part(unread("luks:gpt2", "crypto_LUKS", StatusContainer, "it is divided"), 0, 0, "", "")
	middle.Parent, middle.Partition = "gpt2", nil
	inner := vol(t, "luks:luks:gpt2", dpkg())
	inner.Parent = "luks:gpt2"
	root := part(vol(t, "gpt1", debianRoot("/dev/mapper/inner /var ext4\n", fstest.MapFS{"etc/passwd": file(""),
		"etc/crypttab": file("inner /dev/mapper/outer none luks\nouter UUID=1111-2222 none luks\n")})), 0, 1, "", "")
	if m := guestOf(t, root, locked, middle, inner).Systems[0].Mounts[0]; m.Volume != "luks:luks:gpt2" || !m.Merged {
		t.Errorf("one in the other: %+v", m)
	}
}

// TestGroupsOfOneName takes the volumes of the root's own group, of two that have
// one name.
func TestGroupsOfOneName(t *testing.T) {
	var vols []*Volume
	for _, id := range []string{"A", "B"} {
		vols = append(vols, vol(t, "lvm:vg@"+id+"/root", debianRoot("/dev/vg/var /var ext4\n", fstest.MapFS{"etc/passwd": file("")})), vol(t, "lvm:vg@"+id+"/var", dpkg()))
	}
	for i, s := range guestOf(t, vols...).Systems {
		if want := "lvm:vg@" + string("AB"[i]) + "/var"; s.Mounts[0].Volume != want || !s.Mounts[0].Merged {
			t.Errorf("%+v, want %s", s.Mounts[0], want)
		}
	}
}

// TestMissingLabelVolumes: the partitions of a BSD's label have names without a folder
// of devices, datasets of ZFS are never on the network.
func TestMissingLabelVolumes(t *testing.T) {
	for name, c := range map[string]struct {
		spec    string
		tree    fstest.MapFS
		missing bool
	}{
		"openbsd": {"52fdfce2a1b2c3d4.d /usr ffs rw 1 2", fstest.MapFS{"bsd": file(""), "bin/sh": file(""), "usr": dir()}, true},
		"netbsd":  {"ROOT.e /usr ffs rw 1 2", fstest.MapFS{"netbsd": file(""), "bin/sh": file(""), "usr": dir()}, true},
		"zfs":     {"tank/usr /usr zfs defaults 0 0", fstest.MapFS{"bin/freebsd-version": file(""), "bin/sh": file(""), "usr": dir()}, true},
		"nfs":     {"host.d:/usr /usr nfs rw 0 0", fstest.MapFS{"bsd": file(""), "bin/sh": file(""), "usr": dir()}, false},
		"folder":  {"52fdfce2.d /usr ffs rw 1 2", fstest.MapFS{"bsd": file(""), "bin/sh": file(""), "usr": dir()}, false},
	} {
		c.tree["etc/fstab"] = file(c.spec + "\n")
		s, rep := one(t, c.tree)
		if slices.Equal(s.Missing, []string{"/usr"}) != c.missing || rep.Complete() == c.missing {
			t.Errorf("%s: missing %v, complete %t", name, s.Missing, rep.Complete())
		}
	}
}

// TestFreeBSDSets: the sets of the installer are on hosts of jails, too.
func TestFreeBSDSets(t *testing.T) {
	for local, want := range map[string]SystemKind{
		"": KindInstalled, "#!/bin/sh\n# bsdinstall was here\n": KindInstalled, "#!/bin/sh\n: ${BSDINSTALL_LOG=/tmp/log}\n\tbsdinstall\n": KindInstaller,
	} {
		m := fstest.MapFS{"bin/freebsd-version": file("USERLAND_VERSION=\"14.1-RELEASE\"\n"), "bin/sh": file(""), "etc/fstab": file(""), "usr/freebsd-dist/MANIFEST": file("")}
		if local != "" {
			m["etc/rc.local"] = file(local)
		}
		if s, _ := one(t, m); s.Kind != want {
			t.Errorf("%q: %s, want %s", local, s.Kind, want)
		}
	}
}
