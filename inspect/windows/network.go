package windows

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"net/netip"
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

// nsiV6 has the addresses of version 6 that are static, of all adapters. Its layout is
// known by descriptions alone: it is unproven.
const nsiV6 = `Control\Nsi\{eb004a01-9b1a-11d4-9123-0050047759bc}\10`

// findInterfaces lists the adapters that IP is bound to, with their names, their
// configuration and what DHCP last gave them.
func (r *Windows) findInterfaces() {
	type adapter struct{ device, mac, luid string }
	adapters := map[string]adapter{} // by GUID
	for k := range r.current.key(`Control\Class\` + netClass).keys() {
		vs := k.read("NetCfgInstanceId", "DriverDesc", "NetworkAddress", "NetLuidIndex", "*IfType")
		id := strings.ToUpper(vs.text("NetCfgInstanceId"))
		if id == "" {
			continue
		}
		if len(adapters) == maxInterfaces {
			r.Problem(block.Errorf("", k.where(""), -1, block.ErrLimit, "more than %d adapters", maxInterfaces))
			break
		}
		adapters[id] = adapter{vs.text("DriverDesc"), macOf(vs.text("NetworkAddress")), luidOf(vs)}
	}
	static := r.staticV6()
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
		if a.luid != "" {
			i.Addresses = append(i.Addresses, static[a.luid]...)
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

// luidOf is the NET_LUID of an adapter as names of nsiV6 begin with it: the bytes that it
// has in memory. Of 64 bits the upper 16 are the type, and 24 below them the index.
func luidOf(vs regValues) string {
	index, ok := vs.number("NetLuidIndex")
	typ, known := vs.number("*IfType")
	if !ok || !known || index >= 1<<24 || typ >= 1<<16 {
		return ""
	}
	return hex.EncodeToString(binary.LittleEndian.AppendUint64(nil, typ<<48|index<<24))
}

// staticV6 lists the static addresses of version 6 by the NET_LUID of their adapter. The
// name of a value has that and the address, in hexadecimal digits; its data are the two
// lifetimes, the origins of prefix and suffix, and the length of the prefix.
func (r *Windows) staticV6() map[string][]string {
	const luid, prefix = 8, 16
	out := map[string][]string{}
	key, n := r.current.key(nsiV6), 0
	vs := key.read()
	for _, v := range vs.values {
		b, err := hex.DecodeString(v.Name())
		if err != nil || len(b) != luid+16 {
			continue
		}
		if n++; n > maxInterfaces {
			r.Problem(block.Errorf("", key.where(""), -1, block.ErrLimit, "more than %d addresses", maxInterfaces))
			break
		}
		addr := netip.AddrFrom16([16]byte(b[luid:])).String()
		if data := vs.bytes(v.Name()); len(data) > prefix && data[prefix] > 0 && data[prefix] <= 128 {
			addr += fmt.Sprintf("/%d", data[prefix])
		}
		id := hex.EncodeToString(b[:luid])
		out[id] = append(out[id], addr)
	}
	return out
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
