package windows

import (
	"strings"

	"github.com/guestkit/guestkit/inspect/system"
)

// guestTools are known by a service, or by the name of an installed program
// that begins so.
var guestTools = [...]struct{ name, of, service, program string }{
	{"VMware Tools", "vmware", "VMTools", "VMware Tools"},
	{"QEMU guest agent", "virtio", "QEMU-GA", "QEMU guest agent"},
	{"virtio-win guest tools", "virtio", "", "Virtio-win-"},
	{"SPICE agent", "virtio", "vdservice", "SPICE guest tools"},
	{"Hyper-V integration services", "hyper-v", "vmicheartbeat", ""},
	{"VirtualBox Guest Additions", "virtualbox", "VBoxService", "Oracle VM VirtualBox Guest Additions"},
	{"XenServer tools", "xen", "XenSvc", "XenServer"},
	{"Citrix XenServer tools", "xen", "xenagent", "Citrix Xen"},
	{"XCP-ng guest agent", "xen", "xen-guest-agent", "XCP-ng"},
	{"Parallels Tools", "parallels", "prl_tools", "Parallels Tools"},
	{"Nutanix Guest Tools", "nutanix", "Nutanix Guest Agent", "Nutanix Guest Tools"},
	{"Amazon EC2 agent", "aws", "AmazonSSMAgent", "Amazon SSM Agent"},
	{"Azure guest agent", "azure", "WindowsAzureGuestAgent", "Windows Azure VM Agent"},
	{"Google Compute Engine agent", "gce", "GCEAgent", "google-compute-engine-windows"},
	{"cloudbase-init", "cloud", "cloudbase-init", "Cloudbase-Init"},
}

// findGuestTools lists the tools for guests that are installed.
func (r *Windows) findGuestTools(programs []system.Package) {
	w := r.Sys.Windows
	for _, tool := range guestTools {
		t := system.GuestTool{Name: tool.name, For: tool.of}
		found := ""
		for _, s := range w.Services {
			if tool.service != "" && strings.EqualFold(s.Name, tool.service) {
				found = "the service " + s.Name
				break
			}
		}
		for _, p := range programs {
			if tool.program != "" && strings.HasPrefix(strings.ToLower(p.Name), strings.ToLower(tool.program)) {
				found, t.Version = "the program "+p.Name, p.Version
				break
			}
		}
		if found != "" {
			w.GuestTools = append(w.GuestTools, t)
			s := r.Sys
			s.Evidence = append(s.Evidence, system.Evidence{Field: "windows.guest_tools", Detail: tool.name + ": " + found})
		}
	}
}
