package system

import "time"

// Windows is what is known of a system that is Windows, beside what all
// systems have. Text that the guest does not state is Unknown.
type Windows struct {
	Edition        string `json:"edition"`                // "Professional", "ServerStandard"
	DisplayVersion string `json:"display_version"`        // "22H2", "1607"
	ServicePack    string `json:"service_pack,omitempty"` // "Service Pack 1"
	// Major and Minor are those of Windows NT, 10 and 0 since 2015; Build and
	// Revision go up with every update. A number that is not stated is 0.
	Major    int `json:"major"`
	Minor    int `json:"minor"`
	Build    int `json:"build"`
	Revision int `json:"revision"`

	ControlSet string     `json:"control_set"` // "ControlSet001": what CurrentControlSet is
	Domain     string     `json:"domain"`      // of DNS, as the host name is
	TimeZone   string     `json:"time_zone"`   // "W. Europe Standard Time"
	ClockIsUTC bool       `json:"clock_is_utc"`
	Installed  *time.Time `json:"installed,omitempty"`
	// FastStartup says that shutting down may hibernate instead.
	FastStartup bool `json:"fast_startup"`

	Drives       []Drive       `json:"drives"` // in the order of their letters
	BootManagers []BootManager `json:"boot_managers"`
	Drivers      []Driver      `json:"drivers"`  // of virtual and common hardware, those that are not there too
	Services     []Service     `json:"services"` // all, drivers among them, in the order of the registry
	GuestTools   []GuestTool   `json:"guest_tools"`
	Updates      []Update      `json:"updates"` // in the order of their IDs
}

// A Drive is a letter that Windows gave a volume.
type Drive struct {
	Letter string `json:"letter"`           // "C:"
	Volume string `json:"volume,omitempty"` // the volume that it is, empty if that is not known
	// By is how the volume was found: "partuuid", "disk signature" (with the
	// offset of the partition), "system root".
	By     string `json:"by,omitempty"`
	Device string `json:"device,omitempty"` // what the registry has the letter stand for
	// Guess says that the registry does not tell: Windows has given its own
	// volume this letter by default.
	Guess  bool   `json:"guess,omitempty"`
	Reason string `json:"reason,omitempty"` // why it has no volume
}

// A BootManager is a loader of Windows on one of the guest's volumes.
type BootManager struct {
	Firmware Firmware `json:"firmware"` // that starts it
	Volume   string   `json:"volume"`
	Path     string   `json:"path"`            // in that volume: "/bootmgr", "/EFI/Microsoft/Boot/bootmgfw.efi"
	Store    string   `json:"store,omitempty"` // its configuration: "/Boot/BCD"; empty if that is not there
}

// A Driver is one that Windows needs for hardware of a hypervisor.
type Driver struct {
	Name  string `json:"name"`  // of its service: "viostor"
	For   string `json:"for"`   // "virtio", "hyper-v", "vmware", "xen", "common"
	Class string `json:"class"` // "storage", "network", "bus", "memory", "serial"
	// Present says that there is a service of this name, Start when that is
	// started, and Image where its file should be.
	Present     bool   `json:"present"`
	Start       string `json:"start,omitempty"`
	Image       string `json:"image,omitempty"`
	ImageExists bool   `json:"image_exists"`
}

// A Service is a service or a driver.
type Service struct {
	Name  string `json:"name"`
	Kind  string `json:"kind"`            // "kernel driver", "filesystem driver", "service", or a number
	Start string `json:"start"`           // "boot", "system", "auto", "demand", "disabled", or a number
	Image string `json:"image,omitempty"` // the program, in the guest's own words
}

// A GuestTool is software for the guests of a hypervisor or a cloud.
type GuestTool struct {
	Name    string `json:"name"`              // "VMware Tools"
	For     string `json:"for"`               // "vmware", "virtio", "xen", "hyper-v", "virtualbox" …
	Version string `json:"version,omitempty"` // if it is installed as a program
}

// An Update is an installed one.
type Update struct {
	ID        string     `json:"id"`                  // "KB5034763"
	Package   string     `json:"package,omitempty"`   // the name of its package
	Installed *time.Time `json:"installed,omitempty"` // when
}

// A Risk is something about a system that keeps it from starting elsewhere, or
// its volumes from being changed safely.
type Risk struct {
	// ID is the kind of risk: "hibernated", "dirty-volume", "dirty-registry",
	// "bitlocker", "pending-reboot", "no-virtio-storage", "no-virtio-network".
	ID       string     `json:"id"`
	What     string     `json:"what"` // in words
	Evidence []Evidence `json:"evidence"`
}

// AddRisk notes a risk; several places of one, noted after each other, are one
// risk.
func (s *System) AddRisk(id, what string, e Evidence) {
	e.Field = "risks"
	if n := len(s.Risks); n == 0 || s.Risks[n-1].ID != id {
		s.Risks = append(s.Risks, Risk{ID: id, What: what})
	}
	last := &s.Risks[len(s.Risks)-1]
	last.Evidence = append(last.Evidence, e)
}
