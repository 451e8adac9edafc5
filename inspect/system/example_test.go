package system_test

import (
	"fmt"

	"github.com/guestkit/guestkit/inspect/system"
)

// What detectors fill in, an importer may as well.
func Example() {
	sys := system.New(system.TypeLinux)
	sys.Distro, sys.VersionID = "debian", "12"
	fmt.Println(sys.Family, sys.PURL("deb", system.Package{Name: "bash", Version: "5.2.15-2+b13", Arch: "amd64"}))
	// Output: unknown pkg:deb/debian/bash@5.2.15-2%2Bb13?arch=amd64&distro=debian-12
}
