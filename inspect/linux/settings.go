package linux

import (
	"crypto/sha256"
	"encoding/base64"
	"io/fs"
	"path"
	"strings"

	"github.com/guestkit/guestkit/inspect/internal/guest"
	"github.com/guestkit/guestkit/inspect/system"
)

// variableFiles are where settings are variables of the shell.
var variableFiles = [...]struct {
	field, path string
	names       []string
}{
	{"locale", "etc/locale.conf", []string{"LANG"}}, {"locale", "etc/default/locale", []string{"LANG"}}, {"locale", "etc/sysconfig/i18n", []string{"LANG"}},
	{"locale", "etc/sysconfig/language", []string{"RC_LANG"}}, {"locale", "etc/env.d/02locale", []string{"LANG"}}, {"locale", "etc/profile.d/lang.sh", []string{"LANG"}},
	{"keymap", "etc/vconsole.conf", []string{"KEYMAP"}}, {"keymap", "etc/default/keyboard", []string{"XKBLAYOUT"}}, {"keymap", "etc/sysconfig/keyboard", []string{"KEYTABLE", "KEYMAP"}},
	{"keymap", "etc/conf.d/keymaps", []string{"keymap"}}, {"keymap", "etc/conf.d/loadkmap", []string{"KEYMAP"}}, {"keymap", "etc/rc.conf", []string{"KEYMAP"}},
	{"time_zone", "etc/sysconfig/clock", []string{"ZONE", "TIMEZONE"}}, {"time_zone", "etc/conf.d/clock", []string{"TIMEZONE"}}, {"time_zone", "etc/rc.conf", []string{"TIMEZONE"}},
}

// findSettings reads how the system is set up for its place and its users.
func (r *root) findSettings() {
	s := r.Sys
	r.findTimeZone()
	fields := map[string]*string{"locale": &s.Locale, "keymap": &s.Keymap, "time_zone": &s.TimeZone}
	for _, f := range variableFiles {
		dst := fields[f.field]
		if *dst != system.Unknown || !r.IsFile(f.path) {
			continue
		}
		b, _ := r.Text(f.path)
		for _, a := range guest.Assignments(b) {
			for _, name := range f.names {
				if a.Name == name {
					r.Set(dst, f.field, a.Value, f.path, a.Line)
				}
			}
		}
	}
	for _, name := range [...]string{"etc/machine-id", "var/lib/dbus/machine-id"} {
		if s.MachineID != system.Unknown || !r.IsFile(name) {
			continue
		}
		b, _ := r.Text(name)
		for line, text := range guest.Entries(b) {
			if len(text) == 32 && strings.Trim(text, hexDigits) == "" {
				r.Set(&s.MachineID, "machine_id", text, name, line)
			}
			break
		}
	}
	const selinux = "etc/selinux/config"
	if r.IsFile(selinux) {
		b, _ := r.Text(selinux)
		var mode, policy string
		for _, a := range guest.Assignments(b) {
			switch a.Name {
			case "SELINUX":
				mode = strings.ToLower(r.Value(a.Value, selinux, a.Line))
				r.Because("selinux", selinux, a.Line, "")
			case "SELINUXTYPE":
				policy = r.Value(a.Value, selinux, a.Line)
			}
		}
		if mode != "" {
			s.SELinux = &system.SELinux{Mode: mode, Policy: policy}
		}
	}
}

// findTimeZone follows /etc/localtime, which outranks the text that Debian keeps
// beside it.
func (r *root) findTimeZone() {
	const link, text = "etc/localtime", "etc/timezone"
	if fi := r.Lstat(link); fi != nil && fi.Mode()&fs.ModeSymlink != 0 {
		if target, err := fs.ReadLink(r.FS, link); err == nil {
			if _, zone, ok := strings.Cut(target, "zoneinfo/"); ok {
				for _, set := range [...]string{"posix/", "right/"} {
					zone = strings.TrimPrefix(zone, set)
				}
				if r.Set(&r.Sys.TimeZone, "time_zone", zone, link, 0) {
					return
				}
			}
		}
	}
	if b, ok := r.textIf(text); ok {
		for line, zone := range guest.Entries(b) {
			r.Set(&r.Sys.TimeZone, "time_zone", zone, text, line)
			break
		}
	}
}

// findCrypttab lists what is unlocked at boot.
func (r *root) findCrypttab() {
	const name = "etc/crypttab"
	b, ok := r.textIf(name)
	if !ok {
		return
	}
	for line, text := range guest.Entries(b) {
		f := strings.Fields(text)
		if len(f) < 2 || len(r.Sys.Crypttab) == maxMounts {
			continue
		}
		e := system.CryptEntry{Name: r.Value(f[0], name, line), Source: r.Value(f[1], name, line), Line: line}
		if len(f) > 2 && f[2] != "none" && f[2] != "-" {
			e.Key = r.Value(f[2], name, line)
		}
		if len(f) > 3 {
			e.Options = r.Value(f[3], name, line)
		}
		r.Sys.Crypttab = append(r.Sys.Crypttab, e)
	}
	if len(r.Sys.Crypttab) > 0 {
		r.Because("crypttab", name, 0, "")
	}
}

// maxHostKeys bounds the keys of an SSH server.
const maxHostKeys = 32

// findHostKeys reads the public halves of the keys of the SSH server.
func (r *root) findHostKeys() {
	for _, e := range r.List("etc/ssh") {
		name := path.Join("etc/ssh", e.Name())
		if !strings.HasPrefix(e.Name(), "ssh_host_") || !strings.HasSuffix(e.Name(), ".pub") || !r.IsFile(name) || len(r.Sys.HostKeys) == maxHostKeys {
			continue
		}
		b, _ := r.Text(name)
		for line, text := range guest.Entries(b) {
			f := strings.SplitN(text, " ", 3)
			if len(f) < 2 {
				continue
			}
			blob, err := base64.StdEncoding.DecodeString(f[1])
			if err != nil {
				continue
			}
			sum := sha256.Sum256(blob)
			k := system.HostKey{Type: r.Value(f[0], name, line), Fingerprint: "SHA256:" + base64.RawStdEncoding.EncodeToString(sum[:]), Path: guest.Shown(name)}
			if len(f) > 2 {
				k.Comment = r.Value(f[2], name, line)
			}
			r.Sys.HostKeys = append(r.Sys.HostKeys, k)
			r.Because("host_keys", name, line, "")
			break
		}
	}
}

// agents are tools for guests, each known by a program of its own.
var agents = [...]struct {
	name, of string
	paths    []string
}{
	{"QEMU guest agent", "virtio", []string{"usr/sbin/qemu-ga", "usr/bin/qemu-ga"}},
	{"SPICE agent", "virtio", []string{"usr/sbin/spice-vdagentd", "usr/bin/spice-vdagent"}},
	{"open-vm-tools", "vmware", []string{"usr/bin/vmtoolsd", "usr/sbin/vmtoolsd"}},
	{"VMware Tools", "vmware", []string{"usr/lib/vmware-tools/sbin64/vmtoolsd", "usr/lib/vmware-tools/sbin32/vmtoolsd", "etc/vmware-tools/locations"}},
	{"Hyper-V daemons", "hyper-v", []string{"usr/sbin/hv_kvp_daemon", "usr/sbin/hypervkvpd", "usr/libexec/hypervkvpd/hypervkvpd"}},
	{"VirtualBox Guest Additions", "virtualbox", []string{"usr/sbin/VBoxService", "usr/bin/VBoxClient"}},
	{"Xen guest agent", "xen", []string{"usr/sbin/xe-daemon", "usr/sbin/xen-guest-agent", "usr/bin/xe-daemon"}},
	{"Parallels Tools", "parallels", []string{"usr/bin/prltoolsd"}},
	{"Nutanix Guest Tools", "nutanix", []string{"usr/local/nutanix/ngt"}},
	{"Azure Linux agent", "azure", []string{"usr/sbin/waagent", "usr/bin/waagent"}},
	{"Google guest agent", "gce", []string{"usr/bin/google_guest_agent", "usr/bin/google_accounts_daemon"}},
	{"Amazon SSM agent", "aws", []string{"usr/bin/amazon-ssm-agent", "snap/amazon-ssm-agent"}},
	{"cloud-init", "cloud", []string{"usr/bin/cloud-init", "etc/cloud/cloud.cfg"}},
	{"Ignition", "cloud", []string{"usr/lib/dracut/modules.d/30ignition/ignition", "usr/libexec/ignition-rmcfg"}},
	{"afterburn", "cloud", []string{"usr/bin/afterburn"}},
}

func (r *root) findAgents() {
	for _, a := range agents {
		for _, name := range a.paths {
			if r.IsThere(name) {
				r.Sys.Agents = append(r.Sys.Agents, system.GuestTool{Name: a.name, For: a.of})
				r.Because("agents", name, 0, a.name)
				break
			}
		}
	}
}
