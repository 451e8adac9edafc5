package linux

import (
	"path"
	"strings"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/inspect/internal/guest"
	"github.com/guestkit/guestkit/inspect/system"
)

// maxInterfaces bounds the interfaces that are listed.
const maxInterfaces = 256

// networkFiles are the folders that configure interfaces, each with how its files
// are called and read.
var networkFiles = [...]struct {
	dir, prefix, suffix, by string
	read                    func(r *root, b []byte, add func(system.Interface))
}{
	{"etc/NetworkManager/system-connections", "", "", "networkmanager", (*root).readKeyfile},
	{"etc/sysconfig/network-scripts", "ifcfg-", "", "ifcfg", (*root).readIfcfg},
	{"etc/sysconfig/network", "ifcfg-", "", "ifcfg", (*root).readIfcfg},
	{"etc/netplan", "", ".yaml", "netplan", (*root).readNetplan},
	{"etc/systemd/network", "", ".network", "networkd", (*root).readNetworkd},
	{"etc/network/interfaces.d", "", "", "interfaces", (*root).readInterfaces},
}

// findInterfaces reads how the network is configured. The loopback is left out.
func (r *root) findInterfaces() {
	read := func(name, by string, parse func(*root, []byte, func(system.Interface))) {
		b, ok := r.textIf(name)
		if !ok {
			return
		}
		parse(r, b, func(i system.Interface) {
			if rest, ok := strings.CutPrefix(path.Base(name), "ifcfg-"); ok && i.Name == "" {
				i.Name = rest
			}
			if i.Name == "lo" {
				return
			}
			if len(r.Sys.Interfaces) == maxInterfaces {
				r.Problem(block.Errorf("", "/"+name, -1, block.ErrLimit, "more than %d interfaces", maxInterfaces))
				return
			}
			for _, s := range []*string{&i.Name, &i.MAC} {
				*s = r.Fit(*s, "/"+name)
			}
			for _, list := range [][]string{i.Addresses, i.Gateways, i.DNS} {
				for n := range list {
					list[n] = r.Fit(list[n], "/"+name)
				}
			}
			i.By, i.Path = by, guest.Shown(name)
			r.Sys.Interfaces = append(r.Sys.Interfaces, i)
			r.Because("interfaces", name, 0, "")
		})
	}
	read("etc/network/interfaces", "interfaces", (*root).readInterfaces)
	for _, f := range networkFiles {
		if !r.IsDir(f.dir) {
			continue
		}
		for _, e := range r.List(f.dir) {
			if strings.HasPrefix(e.Name(), f.prefix) && strings.HasSuffix(e.Name(), f.suffix) && !strings.HasSuffix(e.Name(), "~") && !strings.Contains(e.Name(), ".rpm") {
				read(path.Join(f.dir, e.Name()), f.by, f.read)
			}
		}
	}
}

// words parts a list by commas, semicolons and blanks.
func words(s string) []string {
	return strings.FieldsFunc(s, func(c rune) bool { return c == ',' || c == ';' || c == ' ' || c == '\t' })
}

// readIfcfg reads a file of the network scripts of Red Hat and SUSE.
func (r *root) readIfcfg(b []byte, add func(system.Interface)) {
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
		if prefix == "" {
			prefix = guest.MaskLength(v["NETMASK"+n])
		}
		if prefix != "" && !strings.Contains(addr, "/") {
			addr += "/" + prefix
		}
		i.Addresses = append(i.Addresses, addr)
	}
	i.Addresses = append(i.Addresses, words(v["IPV6ADDR"])...)
	for _, name := range [...]string{"GATEWAY", "GATEWAY0", "IPV6_DEFAULTGW"} {
		i.Gateways = append(i.Gateways, words(v[name])...)
	}
	for _, name := range [...]string{"DNS1", "DNS2", "DNS3"} {
		i.DNS = append(i.DNS, words(v[name])...)
	}
	add(i)
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
func (r *root) readKeyfile(b []byte, add func(system.Interface)) {
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
func (r *root) readNetworkd(b []byte, add func(system.Interface)) {
	var i system.Interface
	ini(b, func(section, key, value string) {
		switch section + "." + key {
		case "match.name":
			i.Name = value
		case "match.macaddress", "match.permanentmacaddress":
			i.MAC = value
		case "network.dhcp":
			i.DHCP = value == "yes" || value == "true" || value == "ipv4" || value == "ipv6" || value == "both"
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
func (r *root) readInterfaces(b []byte, add func(system.Interface)) {
	var all []system.Interface
	index := map[string]int{}
	at := -1
	for _, text := range guest.Entries(b) {
		f := strings.Fields(text)
		switch {
		case f[0] == "iface" && len(f) >= 3:
			n, ok := index[f[1]]
			if !ok {
				n = len(all)
				index[f[1]] = n
				all = append(all, system.Interface{Name: f[1]})
			}
			at = n
			if f[len(f)-1] == "dhcp" {
				all[at].DHCP = true
			}
		case f[0] == "auto" || strings.HasPrefix(f[0], "allow-") || f[0] == "source" || f[0] == "source-directory" || f[0] == "mapping":
			at = -1
		case at < 0 || len(f) < 2:
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
		add(i)
	}
}

// netplanKinds are the parts of a netplan file that list interfaces.
var netplanKinds = map[string]bool{"ethernets": true, "wifis": true, "bonds": true, "bridges": true, "vlans": true}

// readNetplan reads the subset of YAML that netplan files are written in: maps by
// indentation, lists of "- x" and of "[a, b]". What is written otherwise is passed
// over.
func (r *root) readNetplan(b []byte, add func(system.Interface)) {
	type level struct {
		indent int
		key    string
	}
	var stack []level
	var current *system.Interface
	flush := func() {
		if current != nil {
			add(*current)
			current = nil
		}
	}
	for _, raw := range guest.Lines(b) {
		text := strings.TrimLeft(raw, " ")
		if text == "" || text[0] == '#' || strings.Contains(raw, "\t") {
			continue
		}
		if i := strings.Index(text, " #"); i >= 0 {
			text = text[:i]
		}
		indent := len(raw) - len(strings.TrimLeft(raw, " "))
		item, isItem := strings.CutPrefix(text, "- ")
		for len(stack) > 0 && (stack[len(stack)-1].indent > indent || stack[len(stack)-1].indent == indent && !isItem) {
			stack = stack[:len(stack)-1]
		}
		if len(stack) > 16 {
			return
		}
		var names []string
		for _, l := range stack {
			names = append(names, l.key)
		}
		key, value, isMap := strings.Cut(text, ":")
		if isItem {
			key, value, isMap = strings.Cut(item, ": ")
			if !isMap {
				key, value = "", item
			}
		}
		key, value = unquoted(key), unquoted(value)
		if key != "" && !isItem && isMap {
			stack = append(stack, level{indent, key})
			names = append(names, key)
		}
		// network: ethernets: NAME: …
		if len(names) < 3 || names[0] != "network" || !netplanKinds[names[1]] {
			continue
		}
		if len(names) == 3 && !isItem {
			flush()
			current = &system.Interface{Name: names[2]}
			continue
		}
		if current == nil {
			continue
		}
		list := words(strings.Trim(value, "[]"))
		for i := range list {
			list[i] = unquoted(list[i])
		}
		switch strings.Join(names[3:], ".") {
		case "dhcp4", "dhcp6":
			current.DHCP = current.DHCP || value == "true" || value == "yes"
		case "addresses":
			current.Addresses = append(current.Addresses, list...)
		case "gateway4", "gateway6":
			current.Gateways = append(current.Gateways, value)
		case "routes":
			if key == "via" {
				current.Gateways = append(current.Gateways, value)
			}
		case "routes.via":
			current.Gateways = append(current.Gateways, value)
		case "nameservers.addresses":
			current.DNS = append(current.DNS, list...)
		case "match.macaddress", "macaddress":
			current.MAC = value
		case "match.name", "set-name":
			current.Name = value
		}
	}
	flush()
}

func unquoted(s string) string { return strings.Trim(strings.TrimSpace(s), `"'`) }
