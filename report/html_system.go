package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/guestkit/guestkit/inspect"
)

func newPageSystem(index int, s *inspect.System) pageSystem {
	x := pageSystem{Index: index, Name: systemTitle(s)}
	fact := func(name, value string) {
		if value != "" {
			x.Facts = append(x.Facts, pageFact{Name: name, Value: value})
		}
	}
	fact("Distribution", say(s.Distro))
	fact("Version", say(s.Version))
	fact("Codename", say(s.Codename))
	if s.Kind != inspect.KindInstalled {
		fact("Kind", esc(string(s.Kind)))
	}
	fact("Family", say(string(s.Family)))
	fact("Architecture", say(s.Arch))
	fact("Host name", say(s.Hostname))
	fact("Time zone", say(s.TimeZone))
	if s.Windows == nil && s.Installed != nil {
		fact("Installed", s.Installed.Format(time.DateOnly))
	}
	if s.LastBoot != nil {
		fact("Last start", s.LastBoot.Format(time.DateTime))
	}
	fact("Locale", say(s.Locale))
	fact("Init", esc(strings.TrimSpace(known(s.Init.Name)+" "+known(s.Init.Version))))
	fact("Firmware", say(string(s.Firmware)))
	fact("Root", esc(s.Volume+" "+s.Root))
	fact("Build", say(s.BuildID))
	fact("libosinfo", say(s.OSInfo))
	fact("Windows in", esc(s.SystemRoot))
	if w := s.Windows; w != nil {
		fact("Edition", say(w.Edition))
		fact("Release", say(w.DisplayVersion))
		if w.Installed != nil {
			fact("Installed", w.Installed.UTC().Format(time.DateOnly))
		}
	}
	x.tables(s)
	for i, list := range append([]inspect.Packages{s.Packages}, s.OtherPackages...) {
		x.packages(fmt.Sprintf("packages%d-%d", index, i+1), s, list)
	}
	for _, e := range s.Evidence {
		x.Evidence = append(x.Evidence, []string{esc(e.Field), place(e)})
	}
	return x
}

// table adds a table that has rows; cells are escaped here.
func (x *pageSystem) table(name, head string, rows [][]string) {
	if len(rows) == 0 {
		return
	}
	for _, r := range rows {
		for i := range r {
			r[i] = esc(r[i])
		}
	}
	x.Tables = append(x.Tables, pageTable{Name: name, Head: strings.Split(head, "|"), Rows: rows})
}

func (x *pageSystem) tables(s *inspect.System) {
	var mounts, kernels, drives, network, users, tools, crypt [][]string
	for _, m := range s.Mounts {
		at := m.Path
		if at == "" {
			at = m.Type
		}
		mounts = append(mounts, []string{at, m.Volume, m.Type, m.Spec, m.Options, m.Reason})
	}
	x.table("Mounts", "At|Volume|Type|As|Options|Note", mounts)
	for _, k := range s.Kernels {
		note := ""
		if k.Default {
			note = "the default"
		}
		kernels = append(kernels, []string{k.Version, k.Image, k.Options, note})
	}
	x.table("Kernels", "Version|Image|Command line|", kernels)
	var boots [][]string
	for _, b := range s.BootLoaders {
		at := strings.TrimSpace(b.Volume + " " + b.Path)
		if len(b.Entries) == 0 || b.Reason != "" {
			boots = append(boots, []string{b.Name, "", "", "", b.Reason, at})
		}
		for _, e := range b.Entries {
			note := ""
			if e.Default {
				note = "starts"
			}
			at := strings.TrimSpace(b.Volume + " " + e.Path)
			if e.Line > 0 {
				at += fmt.Sprintf(":%d", e.Line)
			}
			boots = append(boots, []string{b.Name, cmp.Or(e.Title, e.ID), e.Kernel, e.Options, note, at})
		}
	}
	x.table("Boot loaders", "Loader|Entry|Kernel|Command line||By", boots)
	if w := s.Windows; w != nil {
		for _, d := range w.Drives {
			drives = append(drives, []string{d.Letter, d.Volume, d.Device, d.Reason})
		}
		for _, t := range w.GuestTools {
			tools = append(tools, []string{t.Name, t.Version, t.For})
		}
	}
	x.table("Drives", "Drive|Volume|As|Note", drives)
	for _, n := range s.Interfaces {
		dhcp := ""
		if n.DHCP {
			dhcp = "yes"
		}
		network = append(network, []string{n.Name, n.Device, n.MAC, dhcp, strings.Join(append(slices.Clone(n.Addresses), n.Leased...), " "), strings.Join(n.Gateways, " "), strings.Join(n.DNS, " "), n.Path})
	}
	x.table("Network", "Interface|Adapter|MAC|DHCP|Addresses|Gateways|DNS|By", network)
	for _, u := range s.Users {
		if !u.Login && u.UID != 0 && !u.Sudo {
			continue // accounts of services
		}
		can := ""
		if u.Sudo {
			can = "sudo"
		}
		users = append(users, []string{u.Name, fmt.Sprint(u.UID), u.Home, u.Shell, u.Password, can})
	}
	x.table("People and administrators", "Name|UID|Home|Shell|Password|May", users)
	if w := s.Windows; w != nil {
		x.windowsTables(w)
	}
	for _, t := range s.Agents {
		tools = append(tools, []string{t.Name, t.Version, t.For})
	}
	x.table("Guest tools", "Name|Version|For", tools)
	for _, c := range s.Crypttab {
		crypt = append(crypt, []string{c.Name, c.Source, c.Options})
	}
	x.table("Encrypted volumes", "Name|Source|Options", crypt)
}

// windowsTables are what only Windows has.
func (x *pageSystem) windowsTables(w *inspect.Windows) {
	var users, wsl [][]string
	for _, u := range w.Users {
		note, logon := "", ""
		switch {
		case u.Disabled:
			note = "disabled"
		case !u.Local:
			note = "of a domain"
		}
		if u.LastLogon != nil {
			logon = u.LastLogon.Format(time.DateOnly)
		}
		users = append(users, []string{u.Name, u.FullName, strings.Join(u.Groups, ", "), u.Profile, logon, note})
	}
	x.table("Accounts", "Name|Full name|Groups|Profile|Last logon|Note", users)
	for _, d := range w.WSL {
		wsl = append(wsl, []string{d.Name, d.User, cmp.Or(d.Disk, d.Path)})
	}
	x.table("Windows Subsystem for Linux", "Distribution|User|In", wsl)
	if m := w.Membership; m != nil {
		x.table("Membership", "In a|Name|Of DNS", [][]string{{m.Kind, m.Name, m.DNSName}})
	}
	var roles [][]string
	for _, r := range w.Roles {
		roles = append(roles, []string{r, "role or feature of a server"})
	}
	for _, f := range w.Features {
		roles = append(roles, []string{f, "optional feature"})
	}
	x.table("Roles and features", "Name|Kind", roles)
}

func (x *pageSystem) packages(id string, s *inspect.System, list inspect.Packages) {
	if list.Status == inspect.PackagesNone || list.Status == "" {
		return
	}
	what := "packages"
	if s.Windows != nil && len(x.Packages) == 0 {
		what = "programs"
	} else if f := known(list.Format); f != "" {
		what += " of the format " + f
	}
	t := pageTable{ID: id, Name: esc(what), Source: esc(strings.TrimSpace("from " + list.Database)), Head: []string{"Name", "Version", "Architecture", "Source", "By", "Licence", "What"}}
	if t.Source == "from" {
		t.Source = "the list"
	}
	if list.Status != inspect.PackagesRead {
		t.Note = esc(strings.TrimSuffix("the list is not complete: "+list.Reason, ": "))
	}
	for _, p := range list.Items {
		by := p.Maintainer
		if by == "" {
			by = p.Vendor
		}
		t.Rows = append(t.Rows, []string{esc(p.Name), say(p.Version), esc(p.Arch), esc(p.Source), esc(by), esc(p.License), esc(p.Summary)})
	}
	x.Packages = append(x.Packages, t)
}
