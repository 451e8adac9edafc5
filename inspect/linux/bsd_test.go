package linux

import (
	"fmt"
	"strings"
	"testing"
)

// TestBSDNames reads the names that fstab(5) of each BSD has.
func TestBSDNames(t *testing.T) {
	for spec, want := range map[string]string{
		"/dev/ada0p2":            "device name ada0 0 2",
		"/dev/ada0p3.eli":        "device name ada0 0 3",
		"/dev/ada1s1a":           "device name ada1 1 1 a",
		"/dev/da0s2":             "device name da0 0 2",
		"/dev/vtbd0p2":           "device name vtbd0 0 2",
		"/dev/nda10p1":           "device name nda10 10 1",
		"/dev/mmcsd0s2a":         "device name mmcsd0 0 2 a",
		"/dev/ad0a":              "device name ad0 0 0 a",
		"/dev/da3":               "device name da3 3 0",
		"/dev/wd0e":              "device name wd0 0 0 e",
		"/dev/sd1p":              "device name sd1 1 0 p",
		"/dev/ld0a":              "device name ld0 0 0 a",
		"/dev/diskid/DISK-S1p2":  "device name diskid/DISK-S1 -1 2",
		"/dev/serno/QM00001.s1a": "device name serno/QM00001 -1 1 a",
		"/dev/gptid/7d3c1b6a-1f2e-11ef-9c2d-0800274c0e01": "partuuid 7d3c1b6a-1f2e-11ef-9c2d-0800274c0e01",
		"/dev/gpt/root":      "partlabel root",
		"/dev/ufs/FreeBSD":   "label FreeBSD",
		"/dev/msdosfs/EFI":   "label EFI",
		"/dev/ufsid/665f0a1": "uuid 665f0a1",
		"NAME=root":          "partlabel root|partuuid root",
		"ROOT.a":             "root disk ROOT.a a",
		"0123456789abcdef.b": "label uid 0123456789abcdef b",
		"/dev/mirror/gm0p2":  "it is a device of GEOM, which lies on others",
		"/dev/cd0a":          "it is a removable medium",
		"/dev/acd0":          "it is a removable medium",
		"/dev/dk0":           "the name of the device says nothing of a volume",
		"/dev/ada":           "the name of the device says nothing of a volume",
		"/dev/ada0x2":        "the name of the device says nothing of a volume",
		"/dev/ada0p99999":    "the name of the device says nothing of a volume",
		"proc":               "it is not a disk",
		"zroot/ROOT/default": "it is not a disk",
		"host:/export":       "it is on the network",
	} {
		var got []string
		for _, d := range bsdDevices(fstabEntry{spec: spec}) {
			switch {
			case d.By == "":
				got = append(got, d.Reason)
			case d.By == "device name":
				got = append(got, strings.TrimSpace(fmt.Sprintln(d.By, d.DiskName, d.Disk, d.Partition, d.Letter)))
			default:
				got = append(got, strings.TrimSpace(fmt.Sprintln(d.By, d.Value, d.Letter)))
			}
		}
		if s := strings.Join(got, "|"); s != want {
			t.Errorf("%s: %q, want %q", spec, s, want)
		}
	}
}
