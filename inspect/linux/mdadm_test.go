package linux

import (
	"reflect"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/guestkit/guestkit/inspect/internal/guest"
	"github.com/guestkit/guestkit/inspect/system"
)

// TestArrayLines reads a configuration of all forms that mdadm.conf(5) has.
func TestArrayLines(t *testing.T) {
	uuid := func(s string) system.Device { return system.Device{By: "array uuid", Value: s} }
	named := func(s string) system.Device { return system.Device{By: "volume name", Value: "md:" + s} }
	want := map[string][]system.Device{
		"0": {uuid("a:b:c:d"), named("boot")}, "1": {uuid("e:f:0:1")}, "home": {uuid("2:3:4:5"), named("home")}, "x": {uuid("6:7:8:9")}, "_d0": {named("3")},
	}
	got := map[string][]system.Device{}
	for _, words := range mdadmLines([]byte(`# ARRAY /dev/md9 UUID=0:0:0:0
DEVICE partitions
HOMEHOST <system>
ARRAY /dev/md0 metadata=1.2 name=host:boot UUID=a:b:c:d
ARRAY /dev/md/1 level=raid1 num-devices=2
	UUID=e:f:0:1
   devices=/dev/sda1,/dev/sdb1 # UUID=no:no:no:no
array "/dev/md/home" uuid="2:3:4:5" name=home
ARR x uuid=6:7:8:9
ARRAY <ignore> UUID=1:1:1:1
ARRAY UUID=1:1:1:1 metadata=1.2
ARRAY /dev/md_d0 name=3 level=raid0
ARRAY /dev/md7 metadata=imsm
MAILADDR root
AUTO +imsm +1.x -all
`)) {
		if dev, is := arrayLine(words); is != nil {
			got[dev] = is
		}
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

// TestArrayFiles reads the files that belong to a configuration, in their order.
func TestArrayFiles(t *testing.T) {
	line := func(dev, uuid string) *fstest.MapFile {
		return &fstest.MapFile{Data: []byte("ARRAY /dev/" + dev + " UUID=" + uuid + "\n")}
	}
	fsys := fstest.MapFS{
		"etc/mdadm/mdadm.conf": line("md0", "1"), "etc/mdadm.conf": line("md9", "no"),
		"etc/mdadm/mdadm.conf.d/b.conf": line("md1", "no"), "etc/mdadm/mdadm.conf.d/a.conf": line("md1", "2"), "etc/mdadm/mdadm.conf.d/c": line("md2", "no"),
		"etc/mdadm/mdadm.conf.d/.d.conf": line("md3", "no"), "etc/mdadm.conf.d/e.conf": line("md4", "no"),
		"etc/fstab": {Data: []byte("/dev/md0 / ext4\n/dev/md1 /home ext4\n/dev/md2 /srv ext4\n/dev/md3 /opt ext4\n/dev/md4 /mnt ext4\n/dev/md9 /x ext4\n")},
	}
	var got []string
	for _, e := range Mounts(t.Context(), fsys, &system.System{}, &system.Options{}) {
		if d := e.Devices[0]; d.By == "array uuid" {
			got = append(got, e.Path+" "+d.Value)
		}
	}
	if want := []string{"/ 1", "/home 2"}; !reflect.DeepEqual(got, want) {
		t.Errorf("%q, not %q", got, want)
	}
}

// TestLongArrayLine has a line of a MiB, whose words would be copied for each of fstab.
func TestLongArrayLine(t *testing.T) {
	fsys := fstest.MapFS{
		"etc/mdadm.conf": {Data: []byte("ARRAY /dev/md0 uuid=1:2:3:4 name=a" + strings.Repeat(" uuid= name=b", 80000))},
		"etc/fstab":      {Data: []byte(strings.Repeat("/dev/md0 / ext4\n", maxMounts))},
	}
	for _, e := range Mounts(t.Context(), fsys, &system.System{}, &system.Options{}) {
		if len(e.Devices) != 4 || e.Devices[0].Value != "1:2:3:4" || e.Devices[1].Value != "md:a" {
			t.Fatalf("%d devices: %.200v", len(e.Devices), e.Devices)
		}
	}
}

// TestLongCrypttabLine has a name of a MiB that each line of fstab leads to.
func TestLongCrypttabLine(t *testing.T) {
	var problems []error
	fsys := fstest.MapFS{
		"etc/crypttab": {Data: []byte("x /dev/mapper/" + strings.Repeat("a", 1<<19) + "\n")},
		"etc/fstab":    {Data: []byte("/dev/mapper/x / ext4\n")},
	}
	for _, e := range Mounts(t.Context(), fsys, &system.System{}, &system.Options{Problem: func(err error) { problems = append(problems, err) }}) {
		for _, d := range e.Devices {
			if len(d.Value) > guest.MaxValue+16 {
				t.Errorf("a device of %d bytes", len(d.Value))
			}
		}
	}
	if len(problems) != 1 {
		t.Error(problems)
	}
}
