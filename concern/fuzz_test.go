package concern

import (
	"testing"
	"testing/fstest"

	"github.com/guestkit/guestkit/inspect"
)

// FuzzConcerns has a guest say anything in every file that is read.
func FuzzConcerns(f *testing.F) {
	f.Add("GRUB_CMDLINE_LINUX=\"root=/dev/sda1\"\n", "filter = [ \"a|^/dev/sda|\", \"r|.*|\" ]\n", "IDTYPE=sys_wwid IDNAME=x\n", "ATTR{address}==\"00:50:56:aa:bb:cc\"\n", "CONFIG_BLK_DEV_NVME=m\n", "kernel/drivers/net/virtio_net.ko.xz:\n", "root=/dev/vda1 resume=UUID=1", "/dev/disk/by-id/x-part1")
	f.Add("", "global_filter=[\"a||\"]", "#", "", "", "", "resume=", "/dev/mapper/x")
	f.Fuzz(func(t *testing.T, grub, lvm, devices, rules, config, modules, line, spec string) {
		sys := linux(func(s *inspect.System) {
			s.Kernels = []inspect.Kernel{{Version: "1", Image: "/x", Config: "/boot/config-1", Options: line}, {Version: "2", Entry: spec, Modules: "/lib/modules/2", Options: line}}
			s.Mounts = []inspect.Mount{{Spec: spec, Path: line, Options: line, By: "device name", Line: 1}}
			s.Crypttab = []inspect.CryptEntry{{Name: line, Source: spec, Key: line, Options: line}}
			s.Interfaces = []inspect.Interface{{Name: spec, MAC: line, Path: spec}}
		})
		got, problems := of(sys, fstest.MapFS{"etc/default/grub": file(grub), "etc/lvm/lvm.conf": file(lvm), "etc/lvm/devices/system.devices": file(devices), "etc/udev/rules.d/70-persistent-net.rules": file(rules),
			"boot/config-1": file(config), "lib/modules/2/modules.dep": file(modules), "lib/modules/2/modules.builtin": file(config)}, &inspect.Volume{Name: "lvm:a/b", Kind: "lv", Status: inspect.StatusRead})
		if len(problems) > 0 && len(grub)+len(lvm)+len(devices)+len(rules)+len(config)+len(modules) < maxLines {
			t.Fatal(problems)
		}
		for _, c := range got {
			if len(c.Message) > maxSaid*(maxText+10)+40 || len(c.Evidence) == 0 || len(c.Evidence) > maxEvidence {
				t.Fatalf("%s: %d bytes, %d places", c.ID, len(c.Message), len(c.Evidence))
			}
		}
	})
}
