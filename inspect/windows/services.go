package windows

import (
	"fmt"
	"path"
	"strings"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/inspect/internal/guest"
	"github.com/guestkit/guestkit/inspect/system"
)

// maxServices bounds the services that are listed; Windows has about 700.
const maxServices = 4096

// startTypes and serviceKinds name what the registry has as numbers.
var startTypes = [...]string{"boot", "system", "auto", "demand", "disabled"}

func startType(n uint64) string {
	if n < uint64(len(startTypes)) {
		return startTypes[n]
	}
	return fmt.Sprint(n)
}

func serviceKind(n uint64) string {
	switch {
	case n == 1:
		return "kernel driver"
	case n == 2 || n == 8:
		return "filesystem driver"
	case n&0x30 != 0: // with a process of its own, or a share in one
		return "service"
	}
	return fmt.Sprint(n)
}

// drivers are what Windows needs to see its disks and networks on the
// hypervisors of today, by the names of the services.
var drivers = [...]system.Driver{
	{Name: "viostor", For: "virtio", Class: "storage"},
	{Name: "vioscsi", For: "virtio", Class: "storage"},
	{Name: "netkvm", For: "virtio", Class: "network"},
	{Name: "VirtioSerial", For: "virtio", Class: "serial"},
	{Name: "BALLOON", For: "virtio", Class: "memory"},
	{Name: "vmbus", For: "hyper-v", Class: "bus"},
	{Name: "storvsc", For: "hyper-v", Class: "storage"},
	{Name: "netvsc", For: "hyper-v", Class: "network"},
	{Name: "pvscsi", For: "vmware", Class: "storage"},
	{Name: "vmxnet3ndis6", For: "vmware", Class: "network"},
	{Name: "vmci", For: "vmware", Class: "bus"},
	{Name: "xenbus", For: "xen", Class: "bus"},
	{Name: "xenvbd", For: "xen", Class: "storage"},
	{Name: "xennet", For: "xen", Class: "network"},
	{Name: "LSI_SAS", For: "common", Class: "storage"},
	{Name: "storahci", For: "common", Class: "storage"},
	{Name: "stornvme", For: "common", Class: "storage"},
	{Name: "atapi", For: "common", Class: "storage"},
	{Name: "e1iexpress", For: "common", Class: "network"},
	{Name: "E1G60", For: "common", Class: "network"},
}

// findServices lists the services, and looks closer at the drivers that a
// hypervisor needs.
func (r *Windows) findServices() {
	w := r.Sys.Windows
	w.Drivers = append(w.Drivers, drivers[:]...)
	all := r.current.key("Services")
	if all == nil {
		return
	}
	all.because("windows.services", "", "")
	all.because("windows.drivers", "", "")
	for k := range all.keys() {
		vs := k.read("Type", "Start", "ImagePath")
		kind, ok := vs.number("Type")
		start, ok2 := vs.number("Start")
		if !ok || !ok2 {
			continue // parameters of something that is no service
		}
		if len(w.Services) == maxServices {
			r.Problem(block.Errorf("", all.where(""), -1, block.ErrLimit, "more than %d services", maxServices))
			return
		}
		s := system.Service{Name: k.label(k.k.Name()), Kind: serviceKind(kind), Start: startType(start), Image: vs.text("ImagePath")}
		w.Services = append(w.Services, s)
		for i := range w.Drivers {
			if d := &w.Drivers[i]; strings.EqualFold(d.Name, s.Name) && !d.Present {
				r.findDriver(d, k, s)
			}
		}
	}
}

// findDriver says what became of a driver that has a service.
func (r *Windows) findDriver(d *system.Driver, k *regKey, s system.Service) {
	d.Present, d.Start = true, s.Start
	// Since Windows 8 a driver that starts at boot is held back until its
	// hardware was seen.
	over := k.key("StartOverride").read("0")
	if n, ok := over.number("0"); ok {
		d.Start = startType(n)
	}
	at := r.image(s)
	if found := r.Fold(at); found != "" && r.IsFile(found) {
		at, d.ImageExists = found, true
	}
	d.Image = guest.Shown(at)
}

// image returns where the file of a driver should be, as io/fs names it.
func (w *Windows) image(s system.Service) string {
	p := strings.ReplaceAll(strings.Trim(s.Image, `"`), `\`, "/")
	below := func(prefix string) bool {
		if len(p) > len(prefix) && strings.EqualFold(p[:len(prefix)], prefix) {
			p = p[len(prefix):]
			return true
		}
		return false
	}
	below("/??/")
	switch {
	case p == "":
		p = "System32/drivers/" + s.Name + ".sys"
	case below("/SystemRoot/"), below("%SystemRoot%/"), below("%windir%/"):
	case len(p) > 2 && p[1] == ':':
		return guest.Name(p[2:])
	}
	return path.Join(w.dir, guest.Name(p))
}

// started reports whether Windows has the driver when it looks for its disk.
func started(d system.Driver) bool { return d.Present && d.ImageExists && d.Start == startTypes[0] }
