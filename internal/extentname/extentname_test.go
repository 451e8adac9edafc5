package extentname

import (
	"testing"
)

// TestDescriptor has the names of VMware's and qemu-img's extents (Virtual Disk Format
// 5.0, "Extent Descriptions"), and others.
func TestDescriptor(t *testing.T) {
	for name, want := range map[string]string{
		"disk-flat.vmdk": "disk.vmdk", "disk-s001.vmdk": "disk.vmdk", "disk-f1000.vmdk": "disk.vmdk", "Disk-RDMP.VMDK": "Disk.VMDK",
		"disk-000001-sesparse.vmdk": "disk-000001.vmdk", "disk-000001-delta.vmdk": "disk-000001.vmdk", "disk-ctk.vmdk": "disk.vmdk",
		"disk.vmdk": "", "disk-000001.vmdk": "", "-flat.vmdk": "", "disk-s1.vmdk": "", "disk-flat.vmdk.gz": "",
	} {
		if of, ok := Descriptor(name); of != want || ok != (want != "") {
			t.Errorf("%s: %q, %v", name, of, ok)
		}
	}
}
