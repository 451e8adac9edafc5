package linux

import (
	"context"
	"io"
	"path"
	"slices"
	"strings"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/inspect/internal/guest"
	"github.com/guestkit/guestkit/inspect/internal/initramfs"
	"github.com/guestkit/guestkit/inspect/system"
)

// Bounds of what is unpacked of one initramfs, and how many are looked at. Those of
// Red Hat with every driver have 200 MiB and 4,000 files.
const (
	maxInitrd   = 512 << 20 // bytes of the file
	maxUnpacked = 2 << 30
	maxFiles    = 200_000
	maxInitrds  = 8
)

// bootDrivers are the modules that a disk or an adapter of a hypervisor or a cloud
// needs before there is a root, by the names that modules have with underscores.
var bootDrivers = []string{
	"virtio_pci", "virtio_blk", "virtio_scsi", "virtio_net", "virtio_mmio", "virtio_ring",
	"xen_blkfront", "xen_netfront",
	"hv_vmbus", "hv_storvsc", "hv_netvsc", "mana",
	"vmw_pvscsi", "vmxnet3", "mptspi", "mptsas",
	"ahci", "ata_piix", "nvme", "sd_mod", "usb_storage", "sym53c8xx", "mpt3sas", "megaraid_sas",
	"ena", "gve", "e1000", "e1000e",
}

// generators are the files by which the programs that make an initramfs are known.
var generators = []struct{ file, name string }{
	{"usr/lib/dracut/", "dracut"}, {"lib/dracut/", "dracut"},
	{"conf/initramfs.conf", "initramfs-tools"}, {"scripts/init-top/ORDER", "initramfs-tools"},
	{"buildconfig", "mkinitcpio"},
	{"etc/booster.init.yaml", "booster"},
	{"etc/mdev.conf", "mkinitfs"},
}

// listInitramfs says what the initramfs of each kernel holds, of the default one
// first.
func (r *root) listInitramfs() {
	var order []*system.Kernel
	for i := range r.Sys.Kernels {
		k := &r.Sys.Kernels[i]
		switch {
		case k.Initrd == "":
		case k.Default:
			order = slices.Insert(order, 0, k)
		default:
			order = append(order, k)
		}
	}
	for i, k := range order {
		if i == maxInitrds {
			r.Problem(block.Errorf("", k.Initrd, -1, block.ErrLimit, "the initramfs of %d kernels are unpacked, this one is not", maxInitrds))
			return
		}
		if r.Ctx.Err() != nil {
			return
		}
		k.Initramfs = r.initramfs(guest.Name(k.Initrd))
	}
}

func (r *root) initramfs(name string) *system.Initramfs {
	f, _ := r.Open(name, maxInitrd)
	if f == nil {
		return nil
	}
	defer f.Close()
	out := &system.Initramfs{Drivers: []string{}}
	each := func(file string) {
		out.Files++
		file = strings.TrimPrefix(strings.TrimPrefix(file, "./"), "/")
		for _, g := range generators {
			if out.Generator == "" && strings.HasPrefix(file, g.file) {
				out.Generator = g.name
			}
		}
		base, rest, ok := strings.Cut(path.Base(file), ".ko")
		if !ok || rest != "" && rest[0] != '.' {
			return
		}
		out.Modules++
		if base = strings.ReplaceAll(base, "-", "_"); slices.Contains(bootDrivers, base) && !slices.Contains(out.Drivers, base) {
			out.Drivers = append(out.Drivers, base)
		}
	}
	var err error
	out.Compression, err = initramfs.List(&patient{r.Ctx, f}, initramfs.Limits{Size: maxUnpacked, Names: maxFiles}, each)
	if err != nil {
		r.Fail(name, err)
		return nil
	}
	slices.Sort(out.Drivers)
	return out
}

// A patient reader ends with its context.
type patient struct {
	ctx context.Context
	r   io.Reader
}

func (p *patient) Read(b []byte) (int, error) {
	if err := p.ctx.Err(); err != nil {
		return 0, err
	}
	return p.r.Read(b)
}
