package vmdk

import "github.com/guestkit/guestkit/internal/pattern"

// ExtentOf returns the name of the descriptor to which a file belongs by its own name,
// as VMware and qemu-img call extents: of "disk-s001.vmdk" and "disk-flat.vmdk" it is
// "disk.vmdk". ok is false for other names.
func ExtentOf(name string) (descriptor string, ok bool) {
	m := extentName().FindStringSubmatch(name)
	if m == nil {
		return "", false
	}
	return m[1] + m[2], true
}

var extentName = pattern.Of(`(?i)^(.+)-(?:flat|[sf]\d{3,}|delta|sesparse|rdmp?|ctk)(\.vmdk)$`)
