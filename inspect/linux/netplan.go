package linux

import (
	"fmt"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/inspect/internal/guest"
	"github.com/guestkit/guestkit/inspect/system"
)

// maxYAML bounds the files of netplan and cloud-init; those of machines have a few
// hundred bytes.
const maxYAML = 64 << 10

// netplanKinds are the parts of a netplan file that list interfaces.
var netplanKinds = [...]string{"ethernets", "wifis", "modems", "bonds", "bridges", "vlans", "tunnels", "vrfs", "dummy-devices"}

// maxYAMLWork bounds what is looked at in such a file, by its aliases again and again:
// bytes of values, and keys of maps.
const maxYAMLWork = 1 << 20

// A yamlFile is the first document of a file. Its aliases are followed one at a time, as
// fields are looked up, and what that comes to is counted.
type yamlFile struct {
	r    *root
	name string
	top  *yaml.Node // nil if it is none
	work int
	cut  bool // there is more than is looked at, which was reported
}

func (r *root) yamlFile(b []byte, name string) *yamlFile {
	y := &yamlFile{r: r, name: name}
	if len(b) > maxYAML {
		r.Problem(block.Errorf("", "/"+name, -1, block.ErrLimit, "it has %d bytes, more than %d, and is ignored", len(b), maxYAML))
		return y
	}
	var doc yaml.Node
	if err := yaml.Unmarshal(b, &doc); err != nil {
		where, line := "/"+name, 0
		if n, _ := fmt.Sscanf(err.Error(), "yaml: line %d:", &line); n == 1 {
			where = fmt.Sprintf("%s line %d", where, line)
		}
		r.Problem(block.Errorf("", where, -1, block.ErrCorrupt, "it is no YAML")) // the rest of the error may have a password in it
		return y
	}
	if len(doc.Content) > 0 {
		y.top = doc.Content[0]
	}
	return y
}

// spend counts what is looked at, and reports whether it may be.
func (y *yamlFile) spend(n int) bool {
	if y.work += n; y.work > maxYAMLWork {
		y.limit("its aliases make more than %d bytes of it", maxYAMLWork)
	}
	return y.work <= maxYAMLWork
}

// limit reports that not all is looked at, once.
func (y *yamlFile) limit(why string, args ...any) {
	if !y.cut {
		y.r.Problem(block.Errorf("", "/"+y.name, -1, block.ErrLimit, why+"; the rest is ignored", args...))
	}
	y.cut = true
}

// target is what a node stands for.
func target(n *yaml.Node) *yaml.Node {
	for range 8 {
		if n == nil || n.Kind != yaml.AliasNode {
			return n
		}
		n = n.Alias
	}
	return nil
}

// field is a value of a map, nil if it has no such key.
func (y *yamlFile) field(n *yaml.Node, keys ...string) *yaml.Node {
	for _, key := range keys {
		n = target(n)
		if n == nil || n.Kind != yaml.MappingNode || !y.spend(1+len(n.Content)/2) {
			return nil
		}
		var found *yaml.Node
		for i := 0; i+1 < len(n.Content); i += 2 {
			if k := target(n.Content[i]); k != nil && k.Value == key {
				found = n.Content[i+1]
			}
		}
		n = found
	}
	return target(n)
}

// scalar is the text of a field, "" if it is none.
func (y *yamlFile) scalar(n *yaml.Node, keys ...string) string {
	n = y.field(n, keys...)
	if n == nil || n.Kind != yaml.ScalarNode || n.Tag == "!!null" || !y.spend(16+len(n.Value)) {
		return ""
	}
	if len(n.Value) > guest.MaxValue {
		y.limit("a value of %d bytes", len(n.Value))
		return ""
	}
	return n.Value
}

// items are the entries of a list, or the one that stands for a list.
func (y *yamlFile) items(n *yaml.Node, keys ...string) []*yaml.Node {
	n = y.field(n, keys...)
	switch {
	case n == nil:
		return nil
	case n.Kind != yaml.SequenceNode:
		return []*yaml.Node{n}
	case len(n.Content) > maxInterfaces:
		y.limit("a list of more than %d", maxInterfaces)
	}
	return n.Content[:min(len(n.Content), maxInterfaces)]
}

// scalars are the texts of a list. An address of netplan may be a map of one key, the
// address, to its options.
func (y *yamlFile) scalars(n *yaml.Node, keys ...string) []string {
	var out []string
	for _, i := range y.items(n, keys...) {
		if i = target(i); i != nil && i.Kind == yaml.MappingNode && len(i.Content) == 2 {
			i = i.Content[0]
		}
		out = append(out, words(y.scalar(i))...)
		if len(out) > maxInterfaces {
			y.limit("a list of more than %d", maxInterfaces)
			return out[:maxInterfaces]
		}
	}
	return out
}

// isTrue tells the words that YAML, netplan and systemd take for yes.
func isTrue(s string) bool {
	switch strings.ToLower(s) {
	case "true", "yes", "on", "y", "t", "1":
		return true
	}
	return false
}

// readNetplan reads a file of netplan.
func (r *root) readNetplan(b []byte, name string, add func(system.Interface) bool) {
	y := r.yamlFile(b, name)
	y.netplan(y.field(y.top, "network"), add)
}

// netplan reads a configuration of version 2, that of netplan and of cloud-init.
func (y *yamlFile) netplan(network *yaml.Node, add func(system.Interface) bool) {
	for _, kind := range netplanKinds {
		list := y.field(network, kind)
		if list == nil || list.Kind != yaml.MappingNode {
			continue
		}
		for i := 0; i+1 < len(list.Content); i += 2 {
			n := list.Content[i+1]
			out := system.Interface{Name: y.scalar(list.Content[i]), MAC: y.scalar(n, "match", "macaddress")}
			if set := y.scalar(n, "set-name"); set != "" {
				out.Name = set
			} else if match := y.scalar(n, "match", "name"); match != "" {
				out.Name = match
			}
			if out.MAC == "" {
				out.MAC = y.scalar(n, "macaddress")
			}
			out.DHCP = isTrue(y.scalar(n, "dhcp4")) || isTrue(y.scalar(n, "dhcp6"))
			out.Addresses, out.DNS = y.scalars(n, "addresses"), y.scalars(n, "nameservers", "addresses")
			for _, key := range [...]string{"gateway4", "gateway6"} {
				out.Gateways = append(out.Gateways, words(y.scalar(n, key))...)
			}
			for _, route := range y.items(n, "routes") {
				if to := y.scalar(route, "to"); to == "default" || to == "0.0.0.0/0" || to == "::/0" || to == "0/0" {
					out.Gateways = append(out.Gateways, words(y.scalar(route, "via"))...)
				}
			}
			if y.work > maxYAMLWork || !add(out) {
				return
			}
		}
	}
}

// readCloudInit reads the configuration of the network in a file of cloud-init, of
// either version.
func (r *root) readCloudInit(b []byte, name string, add func(system.Interface) bool) {
	if !strings.Contains(string(b), "version") { // most files are of other things
		return
	}
	y := r.yamlFile(b, name)
	doc := y.top
	if network := y.field(doc, "network"); network != nil {
		doc = network
	}
	if y.scalar(doc, "version") == "2" {
		y.netplan(doc, add)
		return
	}
	if y.scalar(doc, "version") != "1" {
		return
	}
	for _, n := range y.items(doc, "config") {
		if typ := y.scalar(n, "type"); typ == "nameserver" || typ == "route" || typ == "loopback" {
			continue
		}
		out := system.Interface{Name: y.scalar(n, "name"), MAC: y.scalar(n, "mac_address")}
		for _, s := range y.items(n, "subnets") {
			if typ := y.scalar(s, "type"); strings.HasPrefix(typ, "dhcp") || strings.HasPrefix(typ, "ipv6_dhcp") {
				out.DHCP = true
			}
			if addr := y.scalar(s, "address"); addr != "" {
				out.Addresses = append(out.Addresses, guest.WithPrefix(addr, y.scalar(s, "netmask")))
			}
			out.Gateways = append(out.Gateways, words(y.scalar(s, "gateway"))...)
			out.DNS = append(out.DNS, y.scalars(s, "dns_nameservers")...)
		}
		if out.Name != "" || out.MAC != "" {
			if y.work > maxYAMLWork || !add(out) {
				return
			}
		}
	}
}
