package main

import (
	"strings"
	"testing"
)

// TestConcernFlags: what stands against a platform, and when that is an error.
func TestConcernFlags(t *testing.T) {
	for _, c := range []struct {
		args     string
		code     int
		out, err string
		never    string
	}{
		{args: bios, out: "fstab-device-name-optional", never: "bios-boot"},
		{args: "--target hyperv " + bios, out: "bios-boot"},
		{args: "--target esxi " + bios, out: "fstab-device-name-optional", never: "bios-boot"},
		{args: "--target aws " + uefi, out: "Nothing is known that stands against aws"},
		{args: "--fail-on critical " + bios},
		{args: "--fail-on warning " + bios, code: exitConcern, err: "fstab-device-name-optional"},
		{args: "--fail-on warning --target nosuch " + bios, code: exitUsage, err: "unknown target"},
		{args: "--fail-on grave " + bios, code: exitUsage, err: "critical, warning or information"},
		{args: "--jobs 1 --fail-on warning " + bios, code: exitConcern, out: "1 warning"},
		{args: "--jobs 1 --fail-on warning " + bios + " nowhere", code: exitFailed, err: "nowhere"},
	} {
		r := gk(t, append([]string{"inspect"}, strings.Fields(c.args)...)...)
		if r.code != c.code || !strings.Contains(r.out, c.out) || !strings.Contains(r.err, c.err) || c.never != "" && strings.Contains(r.out, c.never) {
			t.Errorf("%s: code %d\n%s%s", c.args, r.code, r.out, r.err)
		}
	}
}
