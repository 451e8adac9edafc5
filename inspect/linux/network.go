package linux

import (
	"path"
	"slices"
	"strings"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/inspect/internal/guest"
	"github.com/guestkit/guestkit/inspect/system"
)

// maxInterfaces bounds the interfaces that are listed, and the addresses of each.
const maxInterfaces = 256

// networkFiles are the folders that configure interfaces, each with how its files
// are called and read.
var networkFiles = [...]struct {
	dir, prefix, suffix, by string
	read                    func(r *root, b []byte, name string, add func(system.Interface) bool)
}{
	{"etc/NetworkManager/system-connections", "", "", "networkmanager", (*root).readKeyfile},
	{"usr/lib/NetworkManager/system-connections", "", ".nmconnection", "networkmanager", (*root).readKeyfile},
	{"etc/sysconfig/network-scripts", "ifcfg-", "", "ifcfg", (*root).readIfcfg},
	{"etc/sysconfig/network", "ifcfg-", "", "ifcfg", (*root).readIfcfg},
	{"etc/netplan", "", ".yaml", "netplan", (*root).readNetplan},
	{"etc/systemd/network", "", ".network", "networkd", (*root).readNetworkd},
	{"etc/network/interfaces.d", "", "", "interfaces", (*root).readInterfaces},
	{"etc/netctl", "", "", "netctl", (*root).readNetctl},
	{"etc/cloud/cloud.cfg.d", "", ".cfg", "cloud-init", (*root).readCloudInit},
	{"var/lib/cloud/seed/nocloud", "network-config", "", "cloud-init", (*root).readCloudInit},
	{"var/lib/cloud/seed/nocloud-net", "network-config", "", "cloud-init", (*root).readCloudInit},
}

// findInterfaces reads how the network is configured. The loopback is left out.
func (r *root) findInterfaces() {
	full := false
	read := func(name, by string, parse func(*root, []byte, string, func(system.Interface) bool)) {
		if full || r.Ctx.Err() != nil {
			return
		}
		b, ok := r.textIf(name)
		if !ok {
			return
		}
		parse(r, b, name, func(i system.Interface) bool {
			if rest, ok := strings.CutPrefix(path.Base(name), "ifcfg-"); ok && i.Name == "" {
				i.Name = rest
			}
			if i.Name == "lo" {
				return true
			}
			if len(r.Sys.Interfaces) == maxInterfaces {
				r.Problem(block.Errorf("", "/"+name, -1, block.ErrLimit, "more than %d interfaces", maxInterfaces))
				full = true
				return false
			}
			for _, s := range []*string{&i.Name, &i.MAC} {
				*s = r.Fit(*s, "/"+name)
			}
			for _, list := range []*[]string{&i.Addresses, &i.Gateways, &i.DNS} {
				if len(*list) > maxInterfaces {
					r.Problem(block.Errorf("", "/"+name, -1, block.ErrLimit, "an interface with a list of more than %d", maxInterfaces))
					*list = slices.Clone((*list)[:maxInterfaces])
				}
				for n, s := range *list {
					(*list)[n] = r.Fit(s, "/"+name)
				}
			}
			i.By, i.Path = by, guest.Shown(name)
			r.Sys.Interfaces = append(r.Sys.Interfaces, i)
			r.Because("interfaces", name, 0, "")
			return true
		})
	}
	read("etc/network/interfaces", "interfaces", (*root).readInterfaces)
	read("etc/dhcpcd.conf", "dhcpcd", (*root).readDhcpcd)
	read("etc/conf.d/net", "netifrc", (*root).readNetifrc)
	for _, f := range networkFiles {
		if !r.IsDir(f.dir) {
			continue
		}
		for _, e := range r.List(f.dir) {
			if strings.HasPrefix(e.Name(), f.prefix) && strings.HasSuffix(e.Name(), f.suffix) && !isBackup(e.Name(), f.by) {
				read(path.Join(f.dir, e.Name()), f.by, f.read)
			}
		}
	}
}

// isBackup reports whether a file is none that counts: those of editors and rpm, and
// what the network scripts pass over.
func isBackup(name, by string) bool {
	return strings.HasSuffix(name, "~") || strings.Contains(name, ".rpm") || by == "ifcfg" && slices.Contains([]string{".bak", ".old", ".orig", ".swp"}, path.Ext(name))
}

// words parts a list by commas, semicolons and blanks.
func words(s string) []string {
	return strings.FieldsFunc(s, func(c rune) bool { return c == ',' || c == ';' || c == ' ' || c == '\t' })
}

// readIfcfg reads a file of the network scripts of Red Hat and SUSE.
func (r *root) readIfcfg(b []byte, name string, add func(system.Interface) bool) {
	v := map[string]string{}
	for _, a := range guest.Assignments(b) {
		v[a.Name] = a.Value
	}
	i := system.Interface{Name: v["DEVICE"], MAC: v["HWADDR"]}
	if i.MAC == "" {
		i.MAC = v["LLADDR"]
	}
	i.DHCP = strings.HasPrefix(strings.ToLower(v["BOOTPROTO"]), "dhcp")
	for _, n := range [...]string{"", "0", "1", "2", "3", "_0", "_1", "_2"} {
		addr := v["IPADDR"+n]
		if addr == "" {
			continue
		}
		prefix := v["PREFIX"+n]
		if prefix == "" {
			prefix = v["PREFIXLEN"+n]
		}
		if prefix != "" && !strings.Contains(addr, "/") {
			addr += "/" + prefix
		}
		i.Addresses = append(i.Addresses, guest.WithPrefix(addr, v["NETMASK"+n]))
	}
	i.Addresses = append(i.Addresses, words(v["IPV6ADDR"])...)
	i.Addresses = append(i.Addresses, words(v["IPV6ADDR_SECONDARIES"])...)
	for _, name := range [...]string{"GATEWAY", "GATEWAY0", "IPV6_DEFAULTGW"} {
		i.Gateways = append(i.Gateways, words(v[name])...)
	}
	for _, name := range [...]string{"DNS1", "DNS2", "DNS3"} {
		i.DNS = append(i.DNS, words(v[name])...)
	}
	if len(i.Addresses) > 0 && len(i.Gateways) == 0 {
		device := i.Name
		if device == "" {
			device = strings.TrimPrefix(path.Base(name), "ifcfg-")
		}
		i.Gateways = r.defaultRoutes(path.Dir(name), device)
	}
	add(i)
}

// defaultRoutes are the gateways that files beside those of the interfaces have:
// "default GATEWAY NETMASK INTERFACE" of SUSE, "default via GATEWAY" of Red Hat, and the
// variable GATEWAY of the latter's file for all.
func (r *root) defaultRoutes(dir, device string) []string {
	var out []string
	for _, name := range [...]string{"route-" + device, "ifroute-" + device, "routes"} {
		b, ok := r.textIf(path.Join(dir, name))
		if !ok {
			continue
		}
		for _, text := range guest.Entries(b) {
			f := strings.Fields(text)
			if len(f) < 2 || f[0] != "default" && f[0] != "0.0.0.0/0" && f[0] != "::/0" {
				continue
			}
			gateway := f[1]
			if gateway == "via" && len(f) > 2 {
				gateway = f[2]
			}
			if name == "routes" && len(f) > 3 && f[3] != "-" && f[3] != device || gateway == "-" {
				continue
			}
			if out = append(out, gateway); len(out) > maxInterfaces {
				return out
			}
		}
	}
	const all = "etc/sysconfig/network"
	if len(out) > 0 || dir != "etc/sysconfig/network-scripts" || !r.IsFile(all) {
		return out
	}
	b, _ := r.Text(all)
	for _, a := range guest.Assignments(b) {
		if a.Name == "GATEWAY" && a.Value != "" {
			out = append(out, a.Value)
		}
	}
	return out
}

// readDhcpcd reads what dhcpcd.conf(5) has for interfaces that have no DHCP.
func (r *root) readDhcpcd(b []byte, _ string, add func(system.Interface) bool) {
	var i *system.Interface
	flush := func() bool {
		more := i == nil || len(i.Addresses) == 0 || add(*i)
		i = nil
		return more
	}
	for _, text := range guest.Entries(b) {
		f := strings.Fields(text)
		switch {
		case len(f) < 2:
		case f[0] == "interface":
			if !flush() {
				return
			}
			i = &system.Interface{Name: f[1]}
		case f[0] == "profile" || f[0] == "ssid":
			flush()
		case f[0] == "static" && i != nil:
			key, value, _ := strings.Cut(strings.Join(f[1:], " "), "=")
			switch key {
			case "ip_address", "ip6_address":
				i.Addresses = append(i.Addresses, words(value)...)
			case "routers":
				i.Gateways = append(i.Gateways, words(value)...)
			case "domain_name_servers":
				i.DNS = append(i.DNS, words(value)...)
			}
		}
	}
	flush()
}

// shellList are the words of a value, which may be a list of the shell: ('a' "b").
func shellList(s string) []string {
	return strings.FieldsFunc(s, func(c rune) bool { return strings.ContainsRune("()'\" \t\n", c) })
}

// readNetctl reads a profile of Arch's netctl.profile(5).
func (r *root) readNetctl(b []byte, _ string, add func(system.Interface) bool) {
	var i system.Interface
	for _, a := range guest.Assignments(b) {
		switch a.Name {
		case "Interface":
			i.Name = a.Value
		case "IP", "IP6":
			i.DHCP = i.DHCP || strings.HasPrefix(a.Value, "dhcp")
		case "Address", "Address6":
			i.Addresses = append(i.Addresses, shellList(a.Value)...)
		case "Gateway", "Gateway6":
			i.Gateways = append(i.Gateways, shellList(a.Value)...)
		case "DNS":
			i.DNS = append(i.DNS, shellList(a.Value)...)
		}
	}
	if i.Name != "" {
		add(i)
	}
}

// readNetifrc reads /etc/conf.d/net of Gentoo.
func (r *root) readNetifrc(b []byte, _ string, add func(system.Interface) bool) {
	var all []system.Interface
	at := func(name string) *system.Interface {
		for n := range all {
			if all[n].Name == name {
				return &all[n]
			}
		}
		all = append(all, system.Interface{Name: name})
		return &all[len(all)-1]
	}
	for _, a := range guest.Assignments(b) {
		kind, name, ok := strings.Cut(a.Name, "_")
		if !ok || len(all) > maxInterfaces {
			continue
		}
		switch kind {
		case "config":
			f := shellList(a.Value)
			for n, w := range f {
				if w == "dhcp" || w == "dhcpv6" {
					at(name).DHCP = true
				} else if strings.ContainsAny(w, ".:") && (n == 0 || f[n-1] != "brd" && f[n-1] != "broadcast") {
					mask := ""
					if n+2 < len(f) && f[n+1] == "netmask" {
						mask = f[n+2]
					}
					if n == 0 || f[n-1] != "netmask" {
						at(name).Addresses = append(at(name).Addresses, guest.WithPrefix(w, mask))
					}
				}
			}
		case "routes":
			f := shellList(a.Value)
			for n := range f {
				if f[n] == "default" && n+2 < len(f) && (f[n+1] == "via" || f[n+1] == "gw") {
					at(name).Gateways = append(at(name).Gateways, f[n+2])
				}
			}
		case "dns":
			if strings.HasPrefix(name, "servers_") {
				name = strings.TrimPrefix(name, "servers_")
				at(name).DNS = append(at(name).DNS, shellList(a.Value)...)
			}
		}
	}
	for _, i := range all {
		if !add(i) {
			return
		}
	}
}

// ini yields the assignments of a file of sections.
func ini(b []byte, yield func(section, key, value string)) {
	section := ""
	for _, text := range guest.Entries(b) {
		if strings.HasPrefix(text, "[") {
			section = strings.ToLower(strings.Trim(text, "[]"))
			continue
		}
		if key, value, ok := strings.Cut(text, "="); ok && text[0] != ';' {
			yield(section, strings.ToLower(strings.TrimSpace(key)), strings.TrimSpace(value))
		}
	}
}

// readKeyfile reads a connection of NetworkManager (nm-settings-keyfile(5)).
func (r *root) readKeyfile(b []byte, _ string, add func(system.Interface) bool) {
	var i system.Interface
	id, typ := "", ""
	ini(b, func(section, key, value string) {
		switch {
		case section == "connection" && key == "interface-name":
			i.Name = value
		case section == "connection" && key == "id":
			id = value
		case section == "connection" && key == "type":
			typ = value
		case key == "mac-address" && (section == "ethernet" || section == "802-3-ethernet" || section == "wifi"):
			i.MAC = value
		case section != "ipv4" && section != "ipv6":
		case key == "method":
			i.DHCP = i.DHCP || section == "ipv4" && value == "auto"
		case strings.HasPrefix(key, "address"): // address1=10.0.0.2/24,10.0.0.1
			f := strings.Split(strings.TrimSuffix(value, ";"), ",")
			i.Addresses = append(i.Addresses, f[0])
			if len(f) > 1 && f[1] != "" {
				i.Gateways = append(i.Gateways, f[1])
			}
		case key == "gateway":
			i.Gateways = append(i.Gateways, value)
		case key == "dns":
			i.DNS = append(i.DNS, words(value)...)
		}
	})
	if i.Name == "" {
		i.Name = id
	}
	if typ != "loopback" && (id != "" || typ != "") {
		add(i)
	}
}

// readNetworkd reads a file of systemd.network(5).
func (r *root) readNetworkd(b []byte, _ string, add func(system.Interface) bool) {
	var i system.Interface
	ini(b, func(section, key, value string) {
		switch section + "." + key {
		case "match.name":
			i.Name = value
		case "match.macaddress", "match.permanentmacaddress":
			i.MAC = value
		case "network.dhcp":
			i.DHCP = isTrue(value) || value == "ipv4" || value == "ipv6" || value == "both"
		case "network.address", "address.address":
			i.Addresses = append(i.Addresses, value)
		case "network.gateway", "route.gateway":
			i.Gateways = append(i.Gateways, value)
		case "network.dns":
			i.DNS = append(i.DNS, words(value)...)
		}
	})
	add(i)
}

// readInterfaces reads interfaces(5) of Debian and Alpine.
func (r *root) readInterfaces(b []byte, _ string, add func(system.Interface) bool) {
	var all []system.Interface
	index := map[string]int{}
	at := -1
	for _, text := range guest.Entries(b) {
		f := strings.Fields(text)
		switch {
		case f[0] == "iface" && len(f) >= 2: // without a family and a method in ifupdown-ng
			n, ok := index[f[1]]
			if !ok {
				n = len(all)
				index[f[1]] = n
				all = append(all, system.Interface{Name: f[1]})
			}
			at = n
			all[at].DHCP = all[at].DHCP || len(f) > 2 && f[len(f)-1] == "dhcp"
		case f[0] == "auto" || strings.HasPrefix(f[0], "allow-") || f[0] == "source" || f[0] == "source-directory" || f[0] == "mapping":
			at = -1
		case at < 0 || len(f) < 2:
		case f[0] == "use" && f[1] == "dhcp":
			all[at].DHCP = true
		case f[0] == "address":
			all[at].Addresses = append(all[at].Addresses, f[1])
		case f[0] == "netmask":
			if n := len(all[at].Addresses); n > 0 && !strings.Contains(all[at].Addresses[n-1], "/") {
				if prefix := guest.MaskLength(f[1]); prefix != "" {
					all[at].Addresses[n-1] += "/" + prefix
				} else if strings.Trim(f[1], "0123456789") == "" {
					all[at].Addresses[n-1] += "/" + f[1]
				}
			}
		case f[0] == "gateway":
			all[at].Gateways = append(all[at].Gateways, f[1])
		case f[0] == "dns-nameservers" || f[0] == "dns-nameserver":
			all[at].DNS = append(all[at].DNS, f[1:]...)
		case f[0] == "hwaddress":
			all[at].MAC = f[len(f)-1]
		}
	}
	for _, i := range all {
		if !add(i) {
			return
		}
	}
}
