package windows

import (
	"encoding/binary"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/inspect/internal/guest"
	"github.com/guestkit/guestkit/inspect/system"
)

// maxFeatures bounds the roles and features that are listed.
const maxFeatures = 4096

// findFeatures lists the roles and features of a server, as Server Manager last saw
// them, and the optional features that servicing was told to have.
func (r *Windows) findFeatures() {
	w := r.Sys.Windows
	take := func(key, value string, want uint64, into *[]string, field string) {
		top := r.software.key(key)
		for k := range top.keys() {
			if n, ok := k.read(value).number(value); !ok || n != want {
				continue
			}
			if len(*into) == maxFeatures {
				r.Problem(block.Errorf("", top.where(""), -1, block.ErrLimit, "more than %d features", maxFeatures))
				break
			}
			*into = append(*into, k.label(k.k.Name()))
		}
		slices.Sort(*into)
		if len(*into) > 0 {
			top.because(field, "", "")
		}
	}
	take(`Microsoft\ServerManager\ServicingStorage\ServerComponentCache`, "InstallState", 1, &w.Roles, "windows.roles")
	take(`Microsoft\Windows\CurrentVersion\Component Based Servicing\Notifications\OptionalFeatures`, "Selection", 1, &w.Features, "windows.features")
}

// findState reads when Windows was last shut down, and where it pages to.
func (r *Windows) findState() {
	w := r.Sys.Windows
	vs := r.current.key(`Control\Windows`).read("ShutdownTime")
	if b := vs.bytes("ShutdownTime"); len(b) == 8 {
		if w.LastShutdown = filetime(binary.LittleEndian.Uint64(b)); w.LastShutdown != nil {
			vs.k.because("windows.last_shutdown", "ShutdownTime", "")
		}
	}
	memory := r.current.key(`Control\Session Manager\Memory Management`).read("PagingFiles")
	if w.PageFiles = memory.strings("PagingFiles"); len(w.PageFiles) > 0 {
		memory.k.because("windows.page_files", "PagingFiles", "")
	}
}

// findApps lists the packages of Appx that are there for all users.
func (r *Windows) findApps() {
	if r.O.NoPackages {
		return
	}
	g := r.software
	if g == nil {
		return // which the list of programs says
	}
	faults := g.faults
	p := system.Packages{Status: system.PackagesRead, Format: "appx"}
	seen := map[string]bool{}
	for _, name := range [...]string{"Applications", "InboxApplications"} {
		top := g.key(`Microsoft\Windows\CurrentVersion\Appx\AppxAllUserStore\` + name)
		for k := range top.keys() {
			full := k.label(k.k.Name())
			if seen[full] {
				continue
			}
			seen[full] = true
			f := strings.Split(full, "_") // name, version, architecture, resources, publisher
			if len(f) != 5 || f[0] == "" || f[1] == "" {
				continue
			}
			if len(p.Items) == r.O.MaxPackages {
				p.Status, p.Reason = system.PackagesPartial, fmt.Sprintf("more than %d packages", r.O.MaxPackages)
				break
			}
			p.Items = append(p.Items, system.Package{Name: f[0], Version: f[1], Upstream: f[1], Arch: f[2], ID: full})
		}
	}
	if g.faults > faults || g.spent() {
		p.Reason = unreadPart
		if p.Status = system.PackagesPartial; len(p.Items) == 0 {
			p.Status = system.PackagesNotRead
		}
	}
	if len(p.Items) > 0 || p.Reason != "" {
		p.Database = guest.Shown(g.file)
		r.Sys.OtherPackages = append(r.Sys.OtherPackages, p)
	}
}

// maxWSL bounds the distributions of all users.
const maxWSL = 256

// findOfUser reads what the hive of a user says: the distributions that WSL has for
// it, and what it has installed for itself.
func (r *Windows) findOfUser(u *system.WindowsUser, g *hive) {
	w := r.Sys.Windows
	lxss := g.key(`Software\Microsoft\Windows\CurrentVersion\Lxss`)
	chosen := lxss.read("DefaultDistribution").text("DefaultDistribution")
	for k := range lxss.keys() {
		vs := k.read("DistributionName", "BasePath", "Version", "VhdFileName")
		d := system.WSL{User: u.Name, Name: vs.text("DistributionName"), Default: chosen != "" && strings.EqualFold(k.k.Name(), chosen)}
		if d.Name == "" {
			continue // AppxInstallerCache and such
		}
		if len(w.WSL) == maxWSL {
			r.Problem(block.Errorf("", k.where(""), -1, block.ErrLimit, "more than %d distributions", maxWSL))
			break
		}
		if n, ok := vs.number("Version"); ok && n < 100 {
			d.Version = int(n)
		}
		d.Path = vs.text("BasePath")
		disk := vs.text("VhdFileName")
		if disk == "" {
			disk = "ext4.vhdx"
		}
		if dir, err := r.Sys.Path(d.Path); err == nil && d.Path != "" {
			if at := r.Fold(path.Join(dir, disk)); at != "" && r.IsFile(at) {
				d.Disk = guest.Shown(at)
			}
		}
		w.WSL = append(w.WSL, d)
		k.because("windows.wsl", "DistributionName", "")
	}
	if r.Sys.Packages.Status != system.PackagesNotRead {
		r.addPrograms(g, `Software\Microsoft\Windows\CurrentVersion\Uninstall`, "", u.Name)
	}
}
