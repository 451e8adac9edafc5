package vmdk_test

import (
	"fmt"
	"testing"

	"github.com/guestkit/guestkit/vmdk"
)

// TestExtentOf has the names of VMware's and qemu-img's extents (Virtual Disk Format
// 5.0, "Extent Descriptions"), and others.
func TestExtentOf(t *testing.T) {
	for name, want := range map[string]string{
		"disk-flat.vmdk": "disk.vmdk", "disk-s001.vmdk": "disk.vmdk", "disk-f1000.vmdk": "disk.vmdk", "Disk-RDMP.VMDK": "Disk.VMDK",
		"disk-000001-sesparse.vmdk": "disk-000001.vmdk", "disk-000001-delta.vmdk": "disk-000001.vmdk", "disk-ctk.vmdk": "disk.vmdk",
		"disk.vmdk": "", "disk-000001.vmdk": "", "-flat.vmdk": "", "disk-s1.vmdk": "", "disk-flat.vmdk.gz": "",
	} {
		if of, ok := vmdk.ExtentOf(name); of != want || ok != (want != "") {
			t.Errorf("%s: %q, %v", name, of, ok)
		}
	}
}

func ExampleExtentOf() {
	fmt.Println(vmdk.ExtentOf("web-s001.vmdk"))
	// Output: web.vmdk true
}
