// Package extentname knows what the extents of VMDK images are called.
package extentname

import "github.com/guestkit/guestkit/internal/pattern"

// Descriptor returns the name of the descriptor to which a file belongs by its own
// name, as VMware and qemu-img call extents: of "disk-s001.vmdk" and "disk-flat.vmdk"
// it is "disk.vmdk". ok is false for other names.
func Descriptor(name string) (descriptor string, ok bool) {
	m := extent().FindStringSubmatch(name)
	if m == nil {
		return "", false
	}
	return m[1] + m[2], true
}

var extent = pattern.Of(`(?i)^(.+)-(?:flat|[sf]\d{3,}|delta|sesparse|rdmp?|ctk)(\.vmdk)$`)
