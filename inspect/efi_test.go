package inspect

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/format"
	"github.com/guestkit/guestkit/internal/testimg"
)

// TestUEFIVariables gives the variables of UEFI firmware before and behind a disk.
func TestUEFIVariables(t *testing.T) {
	img, err := format.OpenFile("../testdata/images/debian12-uefi.qcow2", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer img.Close()
	stores := testimg.Case(t, "../internal/efivars/testdata/stores.tar.zst", "ovmf")
	for _, c := range []struct {
		name, file    string
		first         bool
		starts, proof string
		facts         string
	}{
		{"behind", "boot.fd", false, "Boot0004 debian gpt1 /EFI/SYSTEMD/systemd-bootx64.efi quiet splash", "Boot0004: the default", "secure boot=enabled PK=1 certificate KEK=2 certificates db=2 certificates dbx=1 hash"},
		{"before", "boot.fd", true, "Boot0004 debian disk2:gpt1 /EFI/SYSTEMD/systemd-bootx64.efi quiet splash", "Boot0004: the default", "secure boot=enabled PK=1 certificate KEK=2 certificates db=2 certificates dbx=1 hash"},
		{"once", "next.fd", false, "Boot0005 UEFI HTTP   ", "Boot0005: the default: BootNext, which counts once", "secure boot=setup mode"},
		{"no order", "ms.fd", false, "no boot option that it orders starts anything: the firmware looks for a loader itself", "uefi", "secure boot=enabled PK=1 certificate KEK=2 certificates db=2 certificates dbx=1 hash"},
	} {
		disks := []block.Device{img, block.Plain(bytes.NewReader(stores[c.file]))}
		if c.first {
			disks[0], disks[1] = disks[1], disks[0]
		}
		rep, err := Run(context.Background(), disks, nil)
		if err != nil {
			t.Fatal(err)
		}
		s, l := rep.Systems[0], rep.Systems[0].BootLoaders[0]
		starts := l.Reason
		if e := l.DefaultEntry(); e != nil {
			starts = fmt.Sprintf("%s %s %s %s %s", e.ID, e.Title, e.Volume, e.Kernel, e.Options)
		}
		ev := s.Because("boot_loaders")
		v := rep.Volumes[len(rep.Volumes)-1]
		if c.first {
			v = rep.Volumes[0]
		}
		var facts []string
		for _, f := range v.Facts {
			value, _, _ := strings.Cut(f.Value, ":")
			facts = append(facts, f.Name+"="+value)
		}
		if l.Name != "uefi" || starts != c.starts || ev[len(ev)-1].Detail != c.proof || s.Firmware != FirmwareUEFI ||
			v.Content != "uefi_variables" || v.Status != StatusReserved || strings.Join(facts, " ") != c.facts || !rep.Complete() || len(rep.Problems()) > 0 {
			t.Errorf("%s: %s %q, %+v, %s; %s %s %q; %v", c.name, l.Name, starts, ev, s.Firmware, v.Content, v.Status, facts, rep.Problems())
		}
		if err := rep.Close(); err != nil {
			t.Error(err)
		}
	}
	if n := (&Report{Volumes: []*Volume{{Content: uefiFirmware}, {Disk: 1}, {Content: uefiVariables, Disk: 2}, {Disk: 3}}}).diskAt(1); n != 3 {
		t.Errorf("the second disk is %d", n)
	}
}
