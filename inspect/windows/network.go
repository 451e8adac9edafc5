package windows

import (
	"strings"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/inspect/internal/guest"
	"github.com/guestkit/guestkit/inspect/system"
)

// maxInterfaces bounds the adapters that are listed; there is one for each that was
// ever there.
const maxInterfaces = 256

// netClass is the class of network adapters.
const netClass = "{4D36E972-E325-11CE-BFC1-08002BE10318}"

// findInterfaces lists the adapters that IP is bound to, with their names, their
// configuration and what DHCP last gave them. Addresses of version 6 that are static
// are in a binary store (Control\Nsi), which is not read.
func (r *Windows) findInterfaces() {
	type adapter struct{ device, mac string }
	adapters := map[string]adapter{} // by GUID
	for k := range r.current.key(`Control\Class\` + netClass).keys() {
		vs := k.read("NetCfgInstanceId", "DriverDesc", "NetworkAddress")
		id := strings.ToUpper(vs.text("NetCfgInstanceId"))
		if id == "" {
			continue
		}
		if len(adapters) == maxInterfaces {
			r.Problem(block.Errorf("", k.where(""), -1, block.ErrLimit, "more than %d adapters", maxInterfaces))
			break
		}
		adapters[id] = adapter{vs.text("DriverDesc"), macOf(vs.text("NetworkAddress"))}
	}
	for k := range r.current.key(`Services\Tcpip\Parameters\Interfaces`).keys() {
		id := k.label(k.k.Name())
		vs := k.read("EnableDHCP", "IPAddress", "SubnetMask", "DefaultGateway", "NameServer", "DhcpIPAddress", "DhcpSubnetMask")
		a := adapters[strings.ToUpper(id)]
		i := system.Interface{By: "windows", Path: guest.Shown(k.g.file), Device: a.device, MAC: a.mac}
		i.Name = r.current.key(`Control\Network\` + netClass + `\` + id + `\Connection`).read("Name").text("Name")
		n, ok := vs.number("EnableDHCP")
		i.DHCP = ok && n == 1
		if !i.DHCP {
			masks := vs.strings("SubnetMask")
			for n, addr := range vs.strings("IPAddress") {
				mask := ""
				if n < len(masks) {
					mask = masks[n]
				}
				if addr != "0.0.0.0" {
					i.Addresses = append(i.Addresses, guest.WithPrefix(addr, mask))
				}
			}
			i.Gateways = vs.strings("DefaultGateway")
		} else if addr := vs.text("DhcpIPAddress"); addr != "" && addr != "0.0.0.0" {
			i.Leased = []string{guest.WithPrefix(addr, vs.text("DhcpSubnetMask"))}
		}
		i.DNS = strings.FieldsFunc(vs.text("NameServer"), func(c rune) bool { return c == ',' || c == ' ' })
		if i.Name == "" && i.Device == "" && len(i.Addresses) == 0 && len(i.Leased) == 0 {
			continue // the loopback, tunnels, and what is left of adapters that are gone
		}
		if len(r.Sys.Interfaces) == maxInterfaces {
			r.Problem(block.Errorf("", k.where(""), -1, block.ErrLimit, "more than %d adapters", maxInterfaces))
			return
		}
		r.Sys.Interfaces = append(r.Sys.Interfaces, i)
		k.because("interfaces", "", "")
	}
}

// macOf is an address of the hardware as others write it: Windows has it without
// colons.
func macOf(s string) string {
	s = strings.ToLower(strings.NewReplacer("-", "", ":", "").Replace(s))
	if len(s) != 12 || strings.Trim(s, "0123456789abcdef") != "" {
		return ""
	}
	out := s[:2]
	for i := 2; i < len(s); i += 2 {
		out += ":" + s[i:i+2]
	}
	return out
}
