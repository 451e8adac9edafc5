package regftest

import (
	"encoding/binary"
	"fmt"
)

// A Windows is a release of Windows, whose hives are made to look alike: what
// tells which one it is, and the bones of the rest.
type Windows struct {
	Product, Edition, Installation string // as in CurrentVersion: "Windows 10 Pro", "Professional", "Client"
	Version                        string // "6.3" since Windows 8.1
	Major                          uint32 // 0 before Windows 10
	Build                          string
	UBR                            uint32 // 0 if there is none
	ReleaseID, DisplayVersion      string // "" if there is none
	ServicePack                    string
	Arch                           string // of PROCESSOR_ARCHITECTURE
	Hostname, Domain, TimeZone     string
	HiveMinor                      uint32 // of the versions of SOFTWARE and SYSTEM
}

// Releases are one of each that matters. Windows 11 calls itself 10, which is
// how it is.
func Releases() map[string]Windows {
	client := Windows{Product: "Windows 10 Pro", Edition: "Professional", Installation: "Client", Version: "6.3", Major: 10, ReleaseID: "2009",
		Arch: "AMD64", Hostname: "DESKTOP-1A2B3C4", TimeZone: "W. Europe Standard Time", HiveMinor: 5}
	server := client
	server.Edition, server.Installation, server.Hostname, server.Domain, server.ReleaseID = "ServerStandard", "Server", "SRV01", "corp.example", ""
	with := func(w Windows, product, build string, ubr uint32, release, display string) Windows {
		w.Product, w.Build, w.UBR, w.ReleaseID, w.DisplayVersion = product, build, ubr, release, display
		return w
	}
	arm := with(client, "Windows 10 Pro", "26100", 2314, "2009", "24H2")
	arm.Arch, arm.Hostname = "ARM64", "SURFACE"
	seven := with(client, "Windows 7 Professional", "7601", 0, "", "")
	seven.Version, seven.Major, seven.ServicePack, seven.HiveMinor = "6.1", 0, "Service Pack 1", 5
	core := with(server, "Windows Server 2019 Datacenter", "17763", 5458, "1809", "")
	core.Edition, core.Installation = "ServerDatacenter", "Server Core"
	return map[string]Windows{
		"7":           seven,
		"10-22H2":     with(client, "Windows 10 Pro", "19045", 3803, "2009", "22H2"),
		"11-23H2":     with(client, "Windows 10 Pro", "22631", 3007, "2009", "23H2"),
		"11-24H2-arm": arm,
		"2016":        with(server, "Windows Server 2016 Standard", "14393", 6614, "1607", ""),
		"2019-core":   core,
		"2022":        with(server, "Windows Server 2022 Standard", "20348", 2340, "2009", "21H2"),
		"2025":        with(server, "Windows Server 2025 Standard", "26100", 1742, "2009", "24H2"),
	}
}

// Software is the tree of the SOFTWARE hive.
func (w Windows) Software() *Key {
	root := &Key{Name: "CMI-CreateHive{199DAFC2-6F16-4946-BF90-5A3FC3A60902}"}
	const version = `Microsoft\Windows NT\CurrentVersion`
	root.Set(version, SZ("ProductName", w.Product), SZ("EditionID", w.Edition), SZ("InstallationType", w.Installation),
		SZ("CurrentVersion", w.Version), SZ("CurrentBuild", w.Build), SZ("CurrentBuildNumber", w.Build), SZ("SystemRoot", `C:\Windows`),
		SZ("RegisteredOwner", "user"), SZ("BuildLabEx", w.Build+".1.amd64fre.release.240101-0000"), DWORD("InstallDate", 1700000000))
	if w.Major > 0 {
		root.Set(version, DWORD("CurrentMajorVersionNumber", w.Major), DWORD("CurrentMinorVersionNumber", 0))
	}
	if w.UBR > 0 {
		root.Set(version, DWORD("UBR", w.UBR))
	}
	for _, v := range [][2]string{{"ReleaseId", w.ReleaseID}, {"DisplayVersion", w.DisplayVersion}, {"CSDVersion", w.ServicePack}} {
		if v[1] != "" {
			root.Set(version, SZ(v[0], v[1]))
		}
	}
	root.Set(`Microsoft\Windows NT\CurrentVersion\ProfileList\S-1-5-21-1-2-3-1001`, ExpandSZ("ProfileImagePath", `C:\Users\Ada`))
	root.Set(`Microsoft\Windows NT\CurrentVersion\ProfileList\S-1-5-18`, ExpandSZ("ProfileImagePath", `%systemroot%\system32\config\systemprofile`))
	root.Set(`Microsoft\Windows\CurrentVersion`, SZ("ProgramFilesDir", `C:\Program Files`), ExpandSZ("DevicePath", `%SystemRoot%\inf`))
	root.Set(`Classes\MIME\Database\Content Type\text/html`, SZ("Extension", ".htm"))
	return root
}

// System is the tree of the SYSTEM hive, whose control set 2 is the current
// one.
func (w Windows) System() *Key {
	root := &Key{Name: "CMI-CreateHive{F10156BE-0E87-4EFB-969E-5DA29D131144}"}
	root.Set("Select", DWORD("Current", 2), DWORD("Default", 2), DWORD("Failed", 0), DWORD("LastKnownGood", 1))
	for i, host := range []string{"OLD-NAME", w.Hostname} {
		set := fmt.Sprintf(`ControlSet%03d\`, i+1)
		root.Set(set+`Control\ComputerName\ComputerName`, SZ("ComputerName", host))
		root.Set(set+`Services\Tcpip\Parameters`, SZ("Hostname", host), SZ("NV Hostname", host), SZ("Domain", w.Domain), SZ("NV Domain", w.Domain))
		root.Set(set+`Control\TimeZoneInformation`, SZ("TimeZoneKeyName", w.TimeZone), DWORD("Bias", 0xffffffc4))
		root.Set(set+`Control\Session Manager\Environment`, SZ("PROCESSOR_ARCHITECTURE", w.Arch), ExpandSZ("Path", `%SystemRoot%\system32`))
		root.Set(set+`Control\ProductOptions`, SZ("ProductType", map[bool]string{true: "WinNT", false: "ServerNT"}[w.Installation == "Client"]))
		root.Set(set+`Services\storahci`, DWORD("Start", 0), DWORD("Type", 1), ExpandSZ("ImagePath", `System32\drivers\storahci.sys`), SZ("Group", "SCSI Miniport"))
	}
	root.Set("MountedDevices", Binary(`\DosDevices\C:`, append(binary.LittleEndian.AppendUint32(nil, 0xcafe0001), 0, 0, 0x10, 0, 0, 0, 0, 0)))
	root.Set("Setup", DWORD("SystemSetupInProgress", 0))
	return root
}

// Hive writes a tree as a hive of this release.
func (w Windows) Hive(root *Key, fileName string) []byte {
	return Build(root, &Options{Minor: w.HiveMinor, FileName: fileName})
}
