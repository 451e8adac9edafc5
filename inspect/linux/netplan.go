package linux

import (
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

// yamlDocument parses the first document of a file; nil if it is none. Aliases are
// followed one at a time, as the fields are looked up, so that none can multiply.
func (r *root) yamlDocument(b []byte, name string) *yaml.Node {
	if len(b) > maxYAML {
		r.Problem(block.Errorf("", "/"+name, -1, block.ErrLimit, "it has %d bytes, more than %d, and is ignored", len(b), maxYAML))
		return nil
	}
	var doc yaml.Node
	if err := yaml.Unmarshal(b, &doc); err != nil {
		r.Problem(block.Errorf("", "/"+name, -1, block.ErrCorrupt, "it is no YAML: %v", err))
		return nil
	}
	if len(doc.Content) == 0 {
		return nil
	}
	return doc.Content[0]
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
func field(n *yaml.Node, keys ...string) *yaml.Node {
	for _, key := range keys {
		n = target(n)
		if n == nil || n.Kind != yaml.MappingNode {
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
func scalar(n *yaml.Node, keys ...string) string {
	if n = field(n, keys...); n != nil && n.Kind == yaml.ScalarNode && n.Tag != "!!null" {
		return n.Value
	}
	return ""
}

// items are the entries of a list, or the one that stands for a list.
func items(n *yaml.Node, keys ...string) []*yaml.Node {
	n = field(n, keys...)
	switch {
	case n == nil:
		return nil
	case n.Kind == yaml.SequenceNode:
		return n.Content[:min(len(n.Content), maxInterfaces)]
	}
	return []*yaml.Node{n}
}

// scalars are the texts of a list. An address of netplan may be a map of one key, the
// address, to its options.
func scalars(n *yaml.Node, keys ...string) []string {
	var out []string
	for _, i := range items(n, keys...) {
		switch i = target(i); {
		case i == nil:
		case i.Kind == yaml.MappingNode && len(i.Content) == 2:
			out = append(out, scalar(i.Content[0]))
		case i.Kind == yaml.ScalarNode:
			out = append(out, words(i.Value)...)
		}
	}
	return out
}

func isTrue(s string) bool { return s == "true" || s == "yes" || s == "on" }

// readNetplan reads a file of netplan.
func (r *root) readNetplan(b []byte, name string, add func(system.Interface)) {
	r.netplan(field(r.yamlDocument(b, name), "network"), add)
}

// netplan reads a configuration of version 2, that of netplan and of cloud-init.
func (r *root) netplan(network *yaml.Node, add func(system.Interface)) {
	for _, kind := range netplanKinds {
		list := field(network, kind)
		if list == nil || list.Kind != yaml.MappingNode {
			continue
		}
		for i := 0; i+1 < len(list.Content); i += 2 {
			n := list.Content[i+1]
			out := system.Interface{Name: scalar(list.Content[i]), MAC: scalar(n, "match", "macaddress")}
			if set := scalar(n, "set-name"); set != "" {
				out.Name = set
			} else if match := scalar(n, "match", "name"); match != "" {
				out.Name = match
			}
			if out.MAC == "" {
				out.MAC = scalar(n, "macaddress")
			}
			out.DHCP = isTrue(scalar(n, "dhcp4")) || isTrue(scalar(n, "dhcp6"))
			out.Addresses, out.DNS = scalars(n, "addresses"), scalars(n, "nameservers", "addresses")
			for _, key := range [...]string{"gateway4", "gateway6"} {
				out.Gateways = append(out.Gateways, words(scalar(n, key))...)
			}
			for _, route := range items(n, "routes") {
				if to := scalar(route, "to"); to == "default" || to == "0.0.0.0/0" || to == "::/0" || to == "0/0" {
					out.Gateways = append(out.Gateways, words(scalar(route, "via"))...)
				}
			}
			add(out)
		}
	}
}

// readCloudInit reads the configuration of the network in a file of cloud-init, of
// either version.
func (r *root) readCloudInit(b []byte, name string, add func(system.Interface)) {
	if !strings.Contains(string(b), "version") { // most files are of other things
		return
	}
	doc := r.yamlDocument(b, name)
	if network := field(doc, "network"); network != nil {
		doc = network
	}
	if scalar(doc, "version") == "2" {
		r.netplan(doc, add)
		return
	}
	if scalar(doc, "version") != "1" {
		return
	}
	for _, n := range items(doc, "config") {
		if typ := scalar(n, "type"); typ == "nameserver" || typ == "route" || typ == "loopback" {
			continue
		}
		out := system.Interface{Name: scalar(n, "name"), MAC: scalar(n, "mac_address")}
		for _, s := range items(n, "subnets") {
			if typ := scalar(s, "type"); strings.HasPrefix(typ, "dhcp") || strings.HasPrefix(typ, "ipv6_dhcp") {
				out.DHCP = true
			}
			if addr := scalar(s, "address"); addr != "" {
				out.Addresses = append(out.Addresses, guest.WithPrefix(addr, scalar(s, "netmask")))
			}
			out.Gateways = append(out.Gateways, words(scalar(s, "gateway"))...)
			out.DNS = append(out.DNS, scalars(s, "dns_nameservers")...)
		}
		if out.Name != "" || out.MAC != "" {
			add(out)
		}
	}
}
