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
	// LastShutdown is when Windows last went down in order.
	LastShutdown *time.Time `json:"last_shutdown,omitempty"`
	// PageFiles are those that are configured, each with its least and its greatest
	// size in MiB, 0 if Windows chooses: `C:\pagefile.sys 0 0`; `?:\pagefile.sys` on
	// whatever drive.
	PageFiles []string `json:"page_files,omitempty"`
	// Membership is the domain or the workgroup, nil if the guest does not tell.
	Membership *Membership   `json:"membership,omitempty"`
	Users      []WindowsUser `json:"users,omitempty"`    // accounts of the machine, then others with a profile
	Roles      []string      `json:"roles,omitempty"`    // roles and features of a server, as Server Manager last saw them
	Features   []string      `json:"features,omitempty"` // optional features that are on
	WSL        []WSL         `json:"wsl,omitempty"`      // the distributions of all users

	Drives       []Drive       `json:"drives"` // in the order of their letters
	BootManagers []BootManager `json:"boot_managers"`
	Drivers      []Driver      `json:"drivers"`  // of virtual and common hardware, those that are not there too
	Services     []Service     `json:"services"` // all, drivers among them, in the order of the registry
	GuestTools   []GuestTool   `json:"guest_tools"`
	Updates      []Update      `json:"updates"` // in the order of their IDs
}

// Membership is what a Windows belongs to.
type Membership struct {
	Kind    string `json:"kind"`               // "domain" or "workgroup"
	Name    string `json:"name"`               // of NetBIOS: "CORP"
	DNSName string `json:"dns_name,omitempty"` // of a domain: "corp.example"
	SID     string `json:"sid,omitempty"`      // of a domain
}

// A WindowsUser is an account of a Windows. What could be used to log on is never
// read into it.
type WindowsUser struct {
	Name     string `json:"name"` // of one of a domain, the name of the folder of its profile
	SID      string `json:"sid"`
	FullName string `json:"full_name,omitempty"`
	Comment  string `json:"comment,omitempty"`
	// Local says that the account is one of the machine itself.
	Local    bool     `json:"local"`
	Disabled bool     `json:"disabled"`
	Groups   []string `json:"groups,omitempty"`  // of the machine: "Administrators", in its language
	Profile  string   `json:"profile,omitempty"` // its folder, in the guest's own words
	// LastLogon and PasswordSet are known of local accounts.
	LastLogon   *time.Time `json:"last_logon,omitempty"`
	PasswordSet *time.Time `json:"password_set,omitempty"`
}

// A WSL is a distribution of Linux in a Windows.
type WSL struct {
	User    string `json:"user"`
	Name    string `json:"name"`           // "Ubuntu-22.04"
	Version int    `json:"version"`        // 1 or 2, 0 if that is not stated
	Path    string `json:"path,omitempty"` // its folder, in the guest's own words
	Disk    string `json:"disk,omitempty"` // of version 2: its disk in the guest, if that is there
	Default bool   `json:"default"`
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
