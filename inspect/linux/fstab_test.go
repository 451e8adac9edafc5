package linux

import (
	"testing"

	"github.com/guestkit/guestkit/inspect/system"
)

func TestParseSpec(t *testing.T) {
	for _, c := range []struct {
		spec string
		want system.Device
	}{
		{`UUID="1-2"`, system.Device{By: "uuid", Value: "1-2"}},
		{`uuid=1-2`, system.Device{By: "uuid", Value: "1-2"}},
		{"/dev/disk/by-uuid/1-2", system.Device{By: "uuid", Value: "1-2"}},
		{`/dev/disk/by-label/my\x20disk`, system.Device{By: "label", Value: "my disk"}},
		{"/dev/sda", system.Device{By: "device name", Value: "sda"}},
		{"/dev/sdab12", system.Device{By: "device name", Value: "sdab12", Disk: 27, Partition: 12}},
		{"/dev/xvdb2", system.Device{By: "device name", Value: "xvdb2", Disk: 1, Partition: 2}},
		{"/dev/nvme1n1p3", system.Device{By: "device name", Value: "nvme1n1p3", Disk: 1, Partition: 3}},
		{"/dev/mmcblk0p1", system.Device{By: "device name", Value: "mmcblk0p1", Partition: 1}},
		{"/dev/vg-a/root", system.Device{By: "volume name", Value: "lvm:vg-a/root"}},
		{"/dev/mapper/vg--a-root", system.Device{By: "volume name", Value: "lvm:vg-a/root"}},
		{"/dev/sr0", system.Device{Reason: "it is a removable medium"}},
		{"/dev/sda0", system.Device{Reason: "the name of the device says nothing of a volume"}},
		{"/dev/md0", system.Device{Reason: "the name of the device says nothing of a volume"}},
		{"proc", system.Device{Reason: "it is not a disk"}},
		{"//server/share", system.Device{Reason: "it is on the network"}},
	} {
		if got := parseSpec(fstabEntry{spec: c.spec}); got != c.want {
			t.Errorf("%s: got %+v, want %+v", c.spec, got, c.want)
		}
	}
}
