package windows

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/guestkit/guestkit/inspect/system"
	"github.com/guestkit/guestkit/internal/pattern"
)

// findVersion reads which Windows it is. ProductName is not all of it:
// Windows 11 says that it is 10.
func (r *Windows) findVersion() {
	const key = `Microsoft\Windows NT\CurrentVersion`
	s, w := r.Sys, r.Sys.Windows
	k := r.software.key(key)
	if k == nil {
		return
	}
	vs := k.read("ProductName", "EditionID", "InstallationType", "DisplayVersion", "ReleaseId", "CSDVersion", "CurrentVersion",
		"CurrentMajorVersionNumber", "CurrentMinorVersionNumber", "CurrentBuild", "CurrentBuildNumber", "UBR", "InstallDate", "InstallTime")
	s.Distro = "windows"
	k.because("distro", "", "")
	s.Family = system.FamilyOther
	k.because("family", "", "")
	vs.set(&s.ProductName, "product_name", "ProductName")
	vs.set(&s.Variant, "variant", "InstallationType")
	vs.set(&w.Edition, "windows.edition", "EditionID")
	vs.set(&w.DisplayVersion, "windows.display_version", "DisplayVersion", "ReleaseId")
	w.ServicePack = vs.text("CSDVersion")

	major, ok1 := vs.number("CurrentMajorVersionNumber")
	minor, ok2 := vs.number("CurrentMinorVersionNumber")
	switch text := vs.text("CurrentVersion"); {
	case ok1 && ok2 && major < 1000 && minor < 1000:
		w.Major, w.Minor = int(major), int(minor)
		s.Version = fmt.Sprintf("%d.%d", major, minor)
		k.because("version", "CurrentMajorVersionNumber", "")
	case text != "":
		s.Version = text
		k.because("version", "CurrentVersion", "")
		a, b, _ := strings.Cut(text, ".")
		w.Major, w.Minor = number(a), number(b)
	}
	for _, name := range []string{"CurrentBuildNumber", "CurrentBuild"} { // in XP the second is something else
		if text := vs.text(name); text != "" {
			s.BuildID, w.Build = text, number(text)
			if ubr, ok := vs.number("UBR"); ok && ubr <= 1<<31-1 {
				w.Revision = int(ubr)
				s.BuildID += fmt.Sprintf(".%d", ubr)
			}
			k.because("build_id", name, "")
			break
		}
	}
	r.nameRelease(k)
	if n, ok := vs.number("InstallTime"); ok && filetime(n) != nil {
		w.Installed = filetime(n)
		k.because("windows.installed", "InstallTime", "")
	} else if n, ok := vs.number("InstallDate"); ok && n > 0 && n < 1<<32 {
		t := time.Unix(int64(n), 0).UTC()
		w.Installed = &t
		k.because("windows.installed", "InstallDate", "")
	}
}

// number is a number of a few digits, 0 if it is none.
func number(s string) int {
	n, err := strconv.ParseUint(s, 10, 31)
	if err != nil {
		return 0
	}
	return int(n)
}

// serverBuilds are the builds that Windows Server is made of, since 2016.
var serverBuilds = map[int]string{
	14393: "2016", 16299: "1709", 17134: "1803", 17763: "2019", 18362: "1903", 18363: "1909", 19041: "2004", 19042: "20H2",
	20348: "2022", 25398: "23H2", 26100: "2025",
}

// Windows 11 begins with this build.
const firstWindows11 = 22000

// windowsRelease is the name that a version of Windows is sold by, "" if that is not
// known: the version alone does not tell clients from servers.
func windowsRelease(server bool, major, minor, build int, product string) string {
	either := func(client, srv string) string {
		if server {
			return srv
		}
		return client
	}
	switch [2]int{major, minor} {
	case [2]int{5, 0}:
		return "2000"
	case [2]int{5, 1}:
		return "XP"
	case [2]int{5, 2}:
		if strings.Contains(product, "R2") {
			return "2003 R2"
		}
		return either("XP", "2003")
	case [2]int{6, 0}:
		return either("Vista", "2008")
	case [2]int{6, 1}:
		return either("7", "2008 R2")
	case [2]int{6, 2}:
		return either("8", "2012")
	case [2]int{6, 3}:
		return either("8.1", "2012 R2")
	case [2]int{10, 0}:
		switch {
		case server:
			return serverBuilds[build]
		case build >= firstWindows11:
			return "11"
		case build > 0:
			return "10"
		}
	}
	return ""
}

// serverYear is what the product name of a server has its release in.
var serverYear = pattern.Of(`^(Windows Server )20\d\d( |$)`)

// serverYears are the releases of servers whose product name has it.
var serverYears = []string{"2016", "2019", "2022", "2025"}

// nameRelease tells the release by the build, and corrects a product name that
// has another one: those of Windows 11 and of upgraded servers.
func (r *Windows) nameRelease(k *regKey) {
	s, w := r.Sys, r.Sys.Windows
	name := windowsRelease(r.isServer(), w.Major, w.Minor, w.Build, s.ProductName)
	if name == "" {
		return
	}
	s.VersionID = name
	k.because("version_id", "CurrentBuildNumber", "")
	stated := s.ProductName
	switch rest, ok := strings.CutPrefix(stated, "Windows 10"); {
	case name == "11" && ok:
		s.ProductName = "Windows 11" + rest
	case slices.Contains(serverYears, name):
		s.ProductName = serverYear().ReplaceAllString(stated, "${1}"+name+"$2")
	}
	if s.ProductName != stated {
		k.because("product_name", "CurrentBuildNumber", fmt.Sprintf("the registry says %q; build %d is %s", stated, w.Build, name))
	}
}

// isServer tells servers from clients: by the kind of installation, which is
// stated since Windows 7, or else by the kind of product.
func (r *Windows) isServer() bool {
	switch v := r.Sys.Variant; {
	case v == "Client":
		return false
	case strings.Contains(v, "Server"):
		return true
	}
	product := r.current.key(`Control\ProductOptions`).read("ProductType").text("ProductType")
	if product != "" {
		return !strings.EqualFold(product, "WinNT")
	}
	return strings.Contains(r.Sys.ProductName, "Server")
}
