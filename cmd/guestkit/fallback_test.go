//go:build qemu && linux

package main

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/guestkit/guestkit/internal/peers"
)

// TestFallback: every command that reads such an image says who read it.
func TestFallback(t *testing.T) {
	dir := t.TempDir()
	qcow := filepath.Join(dir, "disk.qcow")
	peers.Run(t, "qemu-img", "convert", "-f", "qcow2", "-O", "qcow", bios, qcow)
	for _, c := range []struct {
		args   []string
		answer string
	}{
		{[]string{"info", qcow}, "  read by       qemu-img\n"},
		{[]string{"info", "--json", qcow}, `"read_by": "qemu-img"`},
		{[]string{"inspect", qcow}, "Debian GNU/Linux 12"},
		{[]string{"volumes", qcow}, "ext3"},
		{[]string{"cat", qcow, "/etc/hostname"}, "db-1\n"},
		{[]string{"ls", qcow, "/home"}, ""},
		{[]string{"ls", "--json", qcow, "/home"}, "guestkit.ls/v1"},
		{[]string{"map", qcow}, "zeros"},
		{[]string{"compare", qcow, bios}, "the disks are the same"},
		{[]string{"convert", "-f", "qcow", qcow, "-O", "qcow2", filepath.Join(dir, "out.qcow2")}, "out.qcow2: qcow2"},
	} {
		r := gk(t, c.args...)
		if r.code != 0 || !strings.Contains(r.out, c.answer) || !strings.Contains(r.out+r.err, "read by qemu-img, not by guestkit") {
			t.Errorf("guestkit %s: %d\n%s%s", strings.Join(c.args, " "), r.code, r.out, r.err)
		}
	}
}
