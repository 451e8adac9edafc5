package linux

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/inspect/system"
	"github.com/guestkit/guestkit/internal/peers"
)

func identify(t *testing.T, m fstest.MapFS) (*system.System, []error) {
	t.Helper()
	var problems []error
	s := system.New(system.TypeLinux)
	if err := Identify(context.Background(), m, s, &system.Options{Problem: func(err error) { problems = append(problems, err) }}); err != nil {
		t.Fatal(err)
	}
	s.Number()
	return s, problems
}

func text(s string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(s), Mode: 0o644} }

func TestSettings(t *testing.T) {
	for name, c := range map[string]struct {
		tree                       fstest.MapFS
		zone, locale, keymap, osid string
	}{
		"debian": {fstest.MapFS{"etc/os-release": text("ID=debian\nVERSION_ID=\"12\"\n"), "etc/timezone": text("Etc/UTC\n"), "etc/localtime": {Data: []byte("/usr/share/zoneinfo/Europe/Berlin"), Mode: os.ModeSymlink | 0o777},
			"etc/default/locale": text("LANG=\"de_DE.UTF-8\"\n"), "etc/default/keyboard": text("XKBMODEL=\"pc105\"\nXKBLAYOUT=\"de\"\n")}, "Europe/Berlin", "de_DE.UTF-8", "de", "debian12"},
		"rhel 6": {fstest.MapFS{"etc/redhat-release": text("Red Hat Enterprise Linux Server release 6.10 (Santiago)\n"), "etc/sysconfig/clock": text("ZONE=\"America/New_York\"\n"),
			"etc/sysconfig/i18n": text("LANG=\"en_US.UTF-8\"\nSYSFONT=\"latarcyrheb-sun16\"\n"), "etc/sysconfig/keyboard": text("KEYTABLE=\"us\"\nMODEL=\"pc105+inet\"\n")}, "America/New_York", "en_US.UTF-8", "us", "rhel6.10"},
		"ubuntu":  {fstest.MapFS{"etc/os-release": text("ID=ubuntu\nVERSION_ID=\"22.04\"\nVERSION=\"22.04.3 LTS (Jammy Jellyfish)\"\n"), "etc/timezone": text("Asia/Tokyo\n")}, "Asia/Tokyo", "unknown", "unknown", "ubuntu22.04"},
		"sles":    {fstest.MapFS{"etc/os-release": text("ID=sles\nVERSION_ID=\"15.5\"\n"), "etc/vconsole.conf": text("KEYMAP=de-nodeadkeys\n")}, "unknown", "unknown", "de-nodeadkeys", "sles15sp5"},
		"arch":    {fstest.MapFS{"etc/os-release": text("ID=arch\n")}, "unknown", "unknown", "unknown", "archlinux"},
		"no name": {fstest.MapFS{}, "unknown", "unknown", "unknown", "unknown"},
	} {
		s, problems := identify(t, c.tree)
		if s.TimeZone != c.zone || s.Locale != c.locale || s.Keymap != c.keymap || s.OSInfo != c.osid || len(problems) > 0 {
			t.Errorf("%s: %q %q %q %q, %v", name, s.TimeZone, s.Locale, s.Keymap, s.OSInfo, problems)
		}
	}
	s, _ := identify(t, fstest.MapFS{"etc/machine-id": text("0123456789abcdef0123456789abcdef\n"), "etc/selinux/config": text("# x\nSELINUX=enforcing\nSELINUXTYPE=targeted\n"),
		"etc/crypttab": text("# <target>\nroot UUID=1-2 none luks,discard\nswap /dev/sda3 /dev/urandom swap\n"), "usr/sbin/qemu-ga": text(""), "etc/cloud/cloud.cfg": text(""),
		"etc/os-release": text("ID=rhel\nVERSION_ID=9.4\n")})
	if s.MachineID != "0123456789abcdef0123456789abcdef" || s.SELinux == nil || *s.SELinux != (system.SELinux{Mode: "enforcing", Policy: "targeted"}) || s.Major != 9 || s.Minor != 4 {
		t.Errorf("%q, %+v, %d.%d", s.MachineID, s.SELinux, s.Major, s.Minor)
	}
	if got, want := fmt.Sprint(s.Crypttab), "[{root UUID=1-2  luks,discard 2} {swap /dev/sda3 /dev/urandom swap 3}]"; got != want {
		t.Errorf("crypttab %s", got)
	}
	if len(s.Agents) != 2 || s.Agents[0].For != "virtio" || s.Agents[1].Name != "cloud-init" {
		t.Errorf("agents %+v", s.Agents)
	}
	if s, _ := identify(t, fstest.MapFS{"etc/machine-id": text("uninitialized\n")}); s.MachineID != system.Unknown {
		t.Errorf("machine ID %q", s.MachineID)
	}
}

func TestUsers(t *testing.T) {
	s, problems := identify(t, fstest.MapFS{
		"etc/passwd": text("root:x:0:0:root:/root:/bin/bash\ndaemon:x:1:1::/:/usr/sbin/nologin\nada:x:1000:1000:Ada,,,:/home/ada:/bin/zsh\nbob:x:1001:1001::/home/bob:/bin/sh\n+::::::\nbad:x:a:1::/:/bin/sh\n"),
		"etc/shadow": text("root:!:1::::::\nada:$6$SECRET$HASH:19000:0:99999:7:::\nbob::1::::::\ndaemon:*:1::::::\n"),
		"etc/group":  text("root:x:0:\nsudo:x:27:ada\nada:x:1000:\nwheel:x:10:bob,ada\n"), "etc/sudoers": text("Defaults env_reset\nroot\tALL=(ALL:ALL) ALL\n%sudo   ALL=(ALL:ALL) ALL\n#includedir /etc/sudoers.d\n"),
		"etc/sudoers.d/90-cloud":        text("bob ALL=(ALL) NOPASSWD:ALL\n"),
		"home/ada/.ssh/authorized_keys": text("# x\nssh-ed25519 AAAA a\nssh-rsa BBBB b\n")})
	var got []string
	for _, u := range s.Users {
		got = append(got, fmt.Sprintf("%s %d %s %t %t %v %d", u.Name, u.UID, u.Password, u.Login, u.Sudo, u.Groups, u.Keys))
	}
	want := "root 0 locked true true [] 0, daemon 1 locked false false [] 0, ada 1000 set true true [sudo wheel] 2, bob 1001 empty true true [wheel] 0"
	if strings.Join(got, ", ") != want || len(problems) != 1 {
		t.Errorf("%q, want %q; %v", got, want, problems)
	}
	if strings.Contains(fmt.Sprintf("%+v", s), "SECRET") || strings.Contains(fmt.Sprintf("%+v", s), "HASH") {
		t.Error("the hash of a password is told")
	}
}

// TestManyUsers says that accounts, groups and sudoers of the size that is read take
// no time that multiplies.
func TestManyUsers(t *testing.T) {
	var passwd, group, sudoers strings.Builder
	for i := range 20000 {
		fmt.Fprintf(&passwd, "u%d:x:%d:%d::/:/bin/sh\n", i, i, i)
		fmt.Fprintf(&group, "g%d:x:%d:u1,u2,u3\n", i, i)
		fmt.Fprintf(&sudoers, "%%x%d ALL=(ALL) ALL\n", i)
	}
	s, problems := identify(t, fstest.MapFS{"etc/passwd": text(passwd.String()), "etc/group": text(group.String()), "etc/sudoers": text(sudoers.String())})
	if len(s.Users) != maxUsers || len(s.Users[1].Groups) != maxGroups || len(problems) != 1 {
		t.Errorf("%d users, %d groups, %v", len(s.Users), len(s.Users[1].Groups), problems)
	}
}

// TestHostKeys compares fingerprints with those of ssh-keygen, which makes the keys.
func TestHostKeys(t *testing.T) {
	peers.Need(t, "ssh-keygen")
	dir := t.TempDir()
	m := fstest.MapFS{}
	var want []string
	for _, typ := range []string{"ecdsa", "ed25519", "rsa"} {
		file := filepath.Join(dir, "ssh_host_"+typ+"_key")
		peers.Run(t, "ssh-keygen", "-q", "-t", typ, "-N", "", "-C", "root@box one", "-f", file)
		b, err := os.ReadFile(file + ".pub")
		if err != nil {
			t.Fatal(err)
		}
		m["etc/ssh/"+filepath.Base(file)+".pub"] = text(string(b))
		want = append(want, strings.Fields(peers.Run(t, "ssh-keygen", "-l", "-f", file+".pub"))[1])
	}
	s, _ := identify(t, m)
	var got []string
	for _, k := range s.HostKeys {
		got = append(got, k.Fingerprint)
		if k.Comment != "root@box one" || k.Type == "" {
			t.Errorf("%+v", k)
		}
	}
	if strings.Join(got, " ") != strings.Join(want, " ") {
		t.Errorf("%q, and ssh-keygen says %q", got, want)
	}
}

func TestInterfaces(t *testing.T) {
	for name, c := range map[string]struct{ file, content, want string }{
		"netplan": {"etc/netplan/50-cloud-init.yaml", "# x\nnetwork:\n    version: 2\n    ethernets:\n        ens3:\n            dhcp4: true\n            match:\n                macaddress: '52:54:00:12:34:56'\n            set-name: ens3\n        ens4:\n            addresses:\n            - 10.0.0.2/24\n            - \"2001:db8::2/64\"\n            routes:\n            - to: default\n              via: 10.0.0.1\n            nameservers:\n                addresses: [8.8.8.8, 1.1.1.1]\n                search: [x.example]\n",
			"{ens3 52:54:00:12:34:56 netplan /etc/netplan/50-cloud-init.yaml true [] [] []} {ens4  netplan /etc/netplan/50-cloud-init.yaml false [10.0.0.2/24 2001:db8::2/64] [10.0.0.1] [8.8.8.8 1.1.1.1]}"},
		"netplan, yes": {"etc/netplan/03.yaml", "network: {ethernets: {a: {dhcp4: YES}, b: {dhcp6: y}, c: {dhcp4: True}, d: {dhcp4: No}}}\n",
			"{a  netplan /etc/netplan/03.yaml true [] [] []} {b  netplan /etc/netplan/03.yaml true [] [] []} {c  netplan /etc/netplan/03.yaml true [] [] []} {d  netplan /etc/netplan/03.yaml false [] [] []}"},
		"netplan, gateway4": {"etc/netplan/01.yaml", "network:\n  ethernets:\n    eth0:\n      addresses: [192.168.1.5/24]\n      gateway4: 192.168.1.1\n", "{eth0  netplan /etc/netplan/01.yaml false [192.168.1.5/24] [192.168.1.1] []}"},
		"keyfile": {"etc/NetworkManager/system-connections/ens160.nmconnection", "[connection]\nid=ens160\ntype=ethernet\ninterface-name=ens160\n\n[ethernet]\nmac-address=00:50:56:AA:BB:CC\n\n[ipv4]\naddress1=10.1.2.3/24,10.1.2.1\ndns=10.1.2.1;8.8.8.8;\nmethod=manual\n\n[ipv6]\nmethod=auto\n",
			"{ens160 00:50:56:AA:BB:CC networkmanager /etc/NetworkManager/system-connections/ens160.nmconnection false [10.1.2.3/24] [10.1.2.1] [10.1.2.1 8.8.8.8]}"},
		"ifcfg": {"etc/sysconfig/network-scripts/ifcfg-eth0", "DEVICE=eth0\nBOOTPROTO=none\nHWADDR=00:0c:29:11:22:33\nIPADDR=192.168.0.10\nNETMASK=255.255.255.0\nGATEWAY=192.168.0.1\nDNS1=192.168.0.1\nONBOOT=yes\n", "{eth0 00:0c:29:11:22:33 ifcfg /etc/sysconfig/network-scripts/ifcfg-eth0 false [192.168.0.10/24] [192.168.0.1] [192.168.0.1]}"},
		"netplan, flow": {"etc/netplan/02.yaml", "network: {version: 2, ethernets: {any: {match: {name: 'en*'}, dhcp4: yes, nameservers: {addresses: [1.1.1.1]}}}, vlans: {v5: {id: 5, link: any, addresses: [&a 10.5.0.2/24, {10.5.0.3/24: {label: x}}, *a]}}}\n",
			"{en*  netplan /etc/netplan/02.yaml true [] [] [1.1.1.1]} {v5  netplan /etc/netplan/02.yaml false [10.5.0.2/24 10.5.0.3/24 10.5.0.2/24] [] []}"},
		"cloud-init 1": {"etc/cloud/cloud.cfg.d/50-curtin-networking.cfg", "network:\n  version: 1\n  config:\n  - type: physical\n    name: eth0\n    mac_address: \"52:54:00:00:00:01\"\n    subnets:\n    - type: static\n      address: 10.0.0.9\n      netmask: 255.255.255.0\n      gateway: 10.0.0.1\n      dns_nameservers:\n      - 10.0.0.2\n  - type: physical\n    name: eth1\n    subnets:\n    - type: dhcp4\n  - type: nameserver\n    address: 9.9.9.9\n",
			"{eth0 52:54:00:00:00:01 cloud-init /etc/cloud/cloud.cfg.d/50-curtin-networking.cfg false [10.0.0.9/24] [10.0.0.1] [10.0.0.2]} {eth1  cloud-init /etc/cloud/cloud.cfg.d/50-curtin-networking.cfg true [] [] []}"},
		"cloud-init 2":        {"var/lib/cloud/seed/nocloud-net/network-config", "version: 2\nethernets:\n  ens3:\n    dhcp6: true\n", "{ens3  cloud-init /var/lib/cloud/seed/nocloud-net/network-config true [] [] []}"},
		"cloud-init disabled": {"etc/cloud/cloud.cfg.d/99-disable-network-config.cfg", "# version\nnetwork: {config: disabled}\n", ""},
		"dhcpcd": {"etc/dhcpcd.conf", "hostname\noption interface_mtu\ninterface eth0\nstatic ip_address=192.168.0.10/24\nstatic ip6_address=fd51:42f8:caae:d92e::ff/64\nstatic routers=192.168.0.1\nstatic domain_name_servers=192.168.0.1 8.8.8.8\ninterface wlan0\nmetric 200\n",
			"{eth0  dhcpcd /etc/dhcpcd.conf false [192.168.0.10/24 fd51:42f8:caae:d92e::ff/64] [192.168.0.1] [192.168.0.1 8.8.8.8]}"},
		"netctl": {"etc/netctl/my_static_profile", "Interface=eth0\nConnection=ethernet\nIP=static\nAddress=('10.1.10.2/24' '10.1.10.3/24')\nGateway='10.1.10.1'\nDNS=('10.1.10.1')\n", "{eth0  netctl /etc/netctl/my_static_profile false [10.1.10.2/24 10.1.10.3/24] [10.1.10.1] [10.1.10.1]}"},
		"netifrc": {"etc/conf.d/net", "config_eth0=\"192.168.0.7 netmask 255.255.255.0 brd 192.168.0.255\n192.168.0.8/24\"\nroutes_eth0=\"default via 192.168.0.1\"\ndns_servers_eth0=\"192.168.0.1 8.8.8.8\"\nconfig_eth1=\"dhcp\"\n",
			"{eth0  netifrc /etc/conf.d/net false [192.168.0.7/24 192.168.0.8/24] [192.168.0.1] [192.168.0.1 8.8.8.8]} {eth1  netifrc /etc/conf.d/net true [] [] []}"},
		"ifupdown-ng":   {"etc/network/interfaces", "auto eth0\niface eth0\n\tuse dhcp\niface eth1\n\taddress 10.4.4.4/24\n\tgateway 10.4.4.1\niface dhcp\n\tmtu 1500\n", "{eth0  interfaces /etc/network/interfaces true [] [] []} {eth1  interfaces /etc/network/interfaces false [10.4.4.4/24] [10.4.4.1] []} {dhcp  interfaces /etc/network/interfaces false [] [] []}"},
		"ifcfg, a copy": {"etc/sysconfig/network-scripts/ifcfg-eth0.bak", "DEVICE=eth0\nIPADDR=10.0.0.1\n", ""},
		"ifcfg lo":      {"etc/sysconfig/network-scripts/ifcfg-lo", "DEVICE=lo\nIPADDR=127.0.0.1\n", ""},
		"suse":          {"etc/sysconfig/network/ifcfg-eth0", "BOOTPROTO='dhcp'\nSTARTMODE='auto'\nNAME='eth'\n", "{eth0  ifcfg /etc/sysconfig/network/ifcfg-eth0 true [] [] []}"},
		"networkd":      {"etc/systemd/network/10-en.network", "[Match]\nName=en*\n\n[Network]\nAddress=10.0.0.5/16\nGateway=10.0.0.1\nDNS=9.9.9.9\n", "{en*  networkd /etc/systemd/network/10-en.network false [10.0.0.5/16] [10.0.0.1] [9.9.9.9]}"},
		"interfaces":    {"etc/network/interfaces", "source /etc/network/interfaces.d/*\nauto lo\niface lo inet loopback\n\nallow-hotplug eth0\niface eth0 inet static\n  address 10.9.8.7\n  netmask 255.255.252.0\n  gateway 10.9.8.1\n  dns-nameservers 10.9.8.1 8.8.4.4\niface eth1 inet dhcp\n", "{eth0  interfaces /etc/network/interfaces false [10.9.8.7/22] [10.9.8.1] [10.9.8.1 8.8.4.4]} {eth1  interfaces /etc/network/interfaces true [] [] []}"},
	} {
		s, problems := identify(t, fstest.MapFS{c.file: text(c.content)})
		var list []string
		for _, i := range s.Interfaces {
			list = append(list, fmt.Sprintf("{%s %s %s %s %v %v %v %v}", i.Name, i.MAC, i.By, i.Path, i.DHCP, i.Addresses, i.Gateways, i.DNS))
		}
		if got := strings.Join(list, " "); got != c.want || len(problems) > 0 {
			t.Errorf("%s: %s, want %s; %v", name, got, c.want, problems)
		}
	}
}

// TestDefaultRoutes has the gateway in a file of its own.
func TestDefaultRoutes(t *testing.T) {
	for name, c := range map[string]struct {
		tree fstest.MapFS
		want string
	}{
		"suse": {fstest.MapFS{"etc/sysconfig/network/ifcfg-eth0": text("BOOTPROTO='static'\nIPADDR='10.0.0.5/24'\n"), "etc/sysconfig/network/ifcfg-eth1": text("BOOTPROTO='static'\nIPADDR='10.1.0.5/24'\n"),
			"etc/sysconfig/network/routes": text("default 10.0.0.1 - eth0\n10.9.0.0/16 10.0.0.2 - eth0\n")}, "eth0 [10.0.0.1] eth1 []"},
		"red hat": {fstest.MapFS{"etc/sysconfig/network-scripts/ifcfg-eth0": text("DEVICE=eth0\nIPADDR=10.0.0.5\nPREFIX=24\n"), "etc/sysconfig/network-scripts/route-eth0": text("default via 10.0.0.3 dev eth0\n"),
			"etc/sysconfig/network-scripts/ifcfg-eth1": text("DEVICE=eth1\nIPADDR=10.1.0.5\nPREFIX=24\n"), "etc/sysconfig/network": text("NETWORKING=yes\nGATEWAY=10.0.0.254\n")}, "eth0 [10.0.0.3] eth1 [10.0.0.254]"},
	} {
		s, problems := identify(t, c.tree)
		var got []string
		for _, i := range s.Interfaces {
			got = append(got, fmt.Sprint(i.Name, " ", i.Gateways))
		}
		if strings.Join(got, " ") != c.want || len(problems) > 0 {
			t.Errorf("%s: %s, want %s; %v", name, got, c.want, problems)
		}
	}
}

// manyTimes repeats a text with a number in it.
func manyTimes(format string) string {
	var b strings.Builder
	for i := range 1000 {
		fmt.Fprintf(&b, format, i)
	}
	return b.String()
}

// TestHostileYAML is about files that are none, or too much.
func TestHostileYAML(t *testing.T) {
	bomb := "a: &a [x,x,x,x,x,x,x,x,x]\n"
	for c := 'b'; c < 'k'; c++ {
		bomb += fmt.Sprintf("%c: &%c [*%c,*%c,*%c,*%c,*%c,*%c,*%c,*%c,*%c]\n", c, c, c-1, c-1, c-1, c-1, c-1, c-1, c-1, c-1, c-1)
	}
	for name, c := range map[string]struct {
		content string
		class   error
	}{
		"no YAML":                 {"network: [\n", block.ErrCorrupt},
		"a tab":                   {"network:\n\tethernets: x\n", block.ErrCorrupt},
		"too long":                {strings.Repeat("# x\n", maxYAML/4) + "network: {}\n", block.ErrLimit},
		"a bomb":                  {bomb + "network: {ethernets: *j}\n", nil},
		"a loop":                  {"network: &n\n  ethernets: *n\n", nil},
		"a password":              {"network:\n  wifis:\n    w: {access-points: {x: {password: *hunter2}}}\n", block.ErrCorrupt},
		"an alias in a list":      {fmt.Sprintf("x: &a %q\ny: &l [%s]\nnetwork: {ethernets: {%s}}\n", strings.Repeat("1 ", 8<<10), strings.Repeat("*a,", 255)+"*a", manyTimes("e%d: {addresses: *l}, ")), block.ErrLimit},
		"aliases of short values": {fmt.Sprintf("x: &a %q\ny: &l [%s]\nnetwork: {ethernets: {%s}}\n", strings.Repeat("1", 4000), strings.Repeat("*a,", 255)+"*a", manyTimes("e%d: {addresses: *l}, ")), block.ErrLimit},
		"routes":                  {fmt.Sprintf("x: &a {to: default, via: %q}\ny: &l [%s]\nnetwork: {ethernets: {%s}}\n", strings.Repeat("1 ", 2000), strings.Repeat("*a,", 255)+"*a", manyTimes("e%d: {routes: *l}, ")), block.ErrLimit},
		"subnets":                 {fmt.Sprintf("x: &a {dns_nameservers: &d [%s'']}\ny: &l [%s*a]\nz: &i {name: e, subnets: *l}\nnetwork: {version: 1, config: [%s*i]}\n", strings.Repeat("'',", 255), strings.Repeat("*a,", 255), strings.Repeat("*i,", 255)), block.ErrLimit},
		"many interfaces":         {fmt.Sprintf("network: {ethernets: {%s}}\n", manyTimes("e%d: {}, ")), block.ErrLimit},
		"deep":                    {"network: " + strings.Repeat("[", 20000) + "\n", block.ErrCorrupt},
	} {
		file := "etc/netplan/a.yaml"
		if name == "subnets" {
			file = "etc/cloud/cloud.cfg.d/a.cfg"
		}
		s, problems := identify(t, fstest.MapFS{file: text(c.content)})
		size := 0
		for _, i := range s.Interfaces {
			for _, list := range [][]string{i.Addresses, i.Gateways, i.DNS} {
				for _, v := range list {
					size += 16 + len(v)
				}
			}
		}
		if size > 2*maxYAMLWork || len(s.Interfaces) > maxInterfaces {
			t.Errorf("%s: %d bytes in %d interfaces", name, size, len(s.Interfaces))
		}
		if strings.Contains(fmt.Sprint(problems), "hunter2") {
			t.Errorf("%s: a password in %v", name, problems)
		}
		if (c.class != nil) != (len(problems) > 0) || len(problems) > 2 || c.class != nil && !errors.Is(problems[0], c.class) {
			t.Errorf("%s: %v", name, problems)
		}
	}
}

// TestTimes tells when a system was installed and last started; utmpdump makes the log
// of logins.
func TestTimes(t *testing.T) {
	peers.Need(t, "utmpdump")
	cmd := peers.Command(t, "utmpdump", "-r")
	cmd.Stdin = strings.NewReader(`[2] [00000] [~~  ] [reboot  ] [~           ] [6.1.0-18-amd64      ] [0.0.0.0        ] [2024-01-02T03:04:05,000000+00:00]
[1] [00053] [~~  ] [runlevel] [~           ] [6.1.0-18-amd64      ] [0.0.0.0        ] [2024-01-02T03:04:20,000000+00:00]
[2] [00000] [~~  ] [reboot  ] [~           ] [6.1.0-21-amd64      ] [0.0.0.0        ] [2024-05-06T07:08:09,000000+00:00]
[7] [01234] [ts/0] [root    ] [pts/0       ] [10.0.0.1            ] [10.0.0.1       ] [2024-05-07T07:08:09,000000+00:00]
`)
	wtmp := peers.RunCmd(t, cmd)
	installed := time.Date(2023, 12, 24, 1, 2, 3, 0, time.UTC)
	s, problems := identify(t, fstest.MapFS{"var/log/wtmp": text(wtmp), "root/anaconda-ks.cfg": {Data: []byte("x"), Mode: 0o600, ModTime: installed}})
	if s.LastBoot == nil || s.LastBoot.Format(time.RFC3339) != "2024-05-06T07:08:09Z" || s.Installed == nil || !s.Installed.Equal(installed) || len(problems) > 0 {
		t.Errorf("started %v, installed %v, %v", s.LastBoot, s.Installed, problems)
	}
	if len(s.Because("last_boot")) != 1 || len(s.Because("installed")) != 1 {
		t.Errorf("%+v", s.Evidence)
	}
	wide := make([]byte, 2*utmpSizeWide) // no tool of this machine writes them
	wide[0], wide[utmpTimeWide+4] = utmpBoot, 1
	copy(wide[44:], "reboot")
	if at := lastBoot(wide); at == nil || at.Unix() != 1<<32 {
		t.Errorf("started %v", at)
	}
	if s, _ := identify(t, fstest.MapFS{"var/log/wtmp": text(strings.Repeat("x", 1000))}); s.LastBoot != nil || s.Installed != nil {
		t.Errorf("started %v, installed %v", s.LastBoot, s.Installed)
	}
}

func FuzzSettings(f *testing.F) {
	f.Add([]byte("network:\n  ethernets:\n    eth0:\n      addresses: [1.2.3.4/24]\n      routes:\n      - via: 1\n"))
	f.Add([]byte("network: {version: 1, config: [{name: a, subnets: [{type: dhcp, address: 1.2.3.4, netmask: 255.0.0.0}]}]}\n"))
	f.Add([]byte("a: &a [*a]\nnetwork: {version: 2, ethernets: *a}\n"))
	f.Add([]byte("x: &a '1 1 1 1 1 1 1 1'\ny: &l [*a,*a,*a,*a]\nnetwork: {version: 2, ethernets: {e0: {addresses: *l, routes: *l}, e1: {addresses: *l}}}\n"))
	f.Add([]byte("ARRAY /dev/md0 uuid= uuid= name=a name=b\n"))
	f.Add([]byte("iface eth0 inet static\n address 1.2.3.4\n netmask 255.0.0.0\n"))
	f.Add([]byte("[connection]\nid=x\n[ipv4]\naddress1=1,2\n"))
	f.Add([]byte("root:x:0:0:root:/root:/bin/bash\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		m := fstest.MapFS{}
		for _, name := range []string{"etc/netplan/a.yaml", "etc/cloud/cloud.cfg.d/a.cfg", "etc/dhcpcd.conf", "etc/netctl/a", "etc/conf.d/net", "etc/sysconfig/network-scripts/route-a", "var/log/wtmp", "etc/NetworkManager/system-connections/a", "etc/sysconfig/network-scripts/ifcfg-a", "etc/systemd/network/a.network", "etc/network/interfaces",
			"etc/passwd", "etc/shadow", "etc/group", "etc/sudoers", "etc/crypttab", "etc/selinux/config", "etc/ssh/ssh_host_a.pub", "etc/timezone", "etc/machine-id", "etc/mdadm.conf", "etc/fstab"} {
			m[name] = &fstest.MapFile{Data: b, Mode: 0o644}
		}
		identify(t, m)
		Mounts(t.Context(), m, system.New(system.TypeLinux), &system.Options{})
	})
}

// TestManyRoutes gives each interface the gateways of one long file.
func TestManyRoutes(t *testing.T) {
	m := fstest.MapFS{"etc/sysconfig/network/routes": text(strings.Repeat("default 1\n", 50000))}
	for i := range maxInterfaces + 50 {
		m[fmt.Sprintf("etc/sysconfig/network/ifcfg-e%d", i)] = text("IPADDR=10.0.0.1/8\n")
	}
	s, problems := identify(t, m)
	if len(s.Interfaces) != maxInterfaces || len(problems) != maxInterfaces+1 {
		t.Errorf("%d interfaces, %d problems", len(s.Interfaces), len(problems))
	}
	for _, i := range s.Interfaces {
		if len(i.Gateways) != maxInterfaces {
			t.Fatalf("%d gateways", len(i.Gateways))
		}
	}
}
