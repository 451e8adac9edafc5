package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/guestkit/guestkit/inspect"
	"github.com/guestkit/guestkit/internal/terminal"
)

// describeWindows is the short form of what Windows it is: "windows 11 23H2,
// build 22631.3007 (NT 10.0)".
func describeWindows(sys *inspect.System) string {
	s := string(sys.Type)
	for _, more := range []string{sys.VersionID, sys.Windows.DisplayVersion, sys.Windows.ServicePack} {
		if known(more) {
			s += " " + more
		}
	}
	if known(sys.BuildID) {
		s += ", build " + sys.BuildID
	}
	if known(sys.Version) {
		s += " (NT " + sys.Version + ")"
	}
	return s
}

// hostname is the name of the machine with its domain.
func hostname(sys *inspect.System) string {
	if sys.Windows == nil || !known(sys.Hostname) || !known(sys.Windows.Domain) {
		return sys.Hostname
	}
	return sys.Hostname + "." + sys.Windows.Domain
}

// windowsRows adds what only Windows has to the table of a system.
func windowsRows(sys *inspect.System, row func(title string, value any, more ...any)) {
	w := sys.Windows
	row("edition", w.Edition)
	if w.Installed != nil {
		row("installed", w.Installed.UTC().Format(time.DateOnly))
	}
	zone := w.TimeZone
	if known(zone) && w.ClockIsUTC {
		zone += ", the clock is in UTC"
	}
	row("time zone", zone)
	row("programs", strings.Replace(packageLine(sys), " "+sys.PackageFormat, "", 1))
	if n := len(w.Updates); n > 0 {
		row("updates", fmt.Sprintf("%d, the newest is %s", n, newest(w.Updates)))
	}
	if w.LastShutdown != nil {
		row("shut down", w.LastShutdown.UTC().Format(time.DateTime))
	}
	if m := w.Membership; m != nil {
		row(m.Kind, m.Name+iff(m.DNSName != "", " ("+m.DNSName+")"))
	}
	users := 0
	for _, u := range w.Users {
		if !u.Disabled {
			row(first(users, "users"), u.Name+iff(len(u.Groups) > 0, ", in "+strings.Join(u.Groups, ", ")))
			users++
		}
	}
	row("roles", strings.Join(w.Roles, ", "))
	for i, d := range w.WSL {
		row(first(i, "WSL"), fmt.Sprintf("%s of %s", d.Name, d.User))
	}
	for i, b := range w.BootManagers {
		text := b.Path + " on " + b.Volume
		if b.Store == "" {
			text += ", without its configuration"
		}
		row(first(i, "boot manager"), text)
	}
	if len(w.Services) > 0 {
		for i, of := range []string{"virtio", "hyper-v", "vmware", "xen"} {
			row(first(i, "drivers"), of+": "+driverLine(w.Drivers, of))
		}
	}
	for i, t := range w.GuestTools {
		row(first(i, "guest tools"), strings.TrimSpace(t.Name+" "+t.Version))
	}
}

// first is the title of the first of several rows.
func first(i int, title string) string {
	if i > 0 {
		return ""
	}
	return title
}

// newest is the update that was installed last, or has the highest number.
func newest(updates []inspect.Update) string {
	last := updates[len(updates)-1]
	for _, u := range updates {
		if u.Installed != nil && (last.Installed == nil || u.Installed.After(*last.Installed)) {
			last = u
		}
	}
	return last.ID
}

// driverLine lists the drivers for one kind of hardware, each with when it
// starts: "viostor (boot), netkvm (demand)".
func driverLine(drivers []inspect.Driver, of string) string {
	var have, missing []string
	for _, d := range drivers {
		switch {
		case d.For != of:
		case d.Present && !d.ImageExists:
			have = append(have, d.Name+" (no file)")
		case d.Present:
			have = append(have, d.Name+" ("+d.Start+")")
		case d.Class == "storage" || d.Class == "network":
			missing = append(missing, d.Name)
		}
	}
	if len(have) == 0 {
		return "none"
	}
	if len(missing) > 0 {
		have = append(have, "no "+strings.Join(missing, ", no "))
	}
	return strings.Join(have, ", ")
}

func (a *app) showDrives(sys *inspect.System) {
	if sys.Windows == nil || len(sys.Windows.Drives) == 0 {
		return
	}
	t := &terminal.Table{Indent: 2}
	t.Head("DRIVE", "VOLUME", "AS")
	for _, d := range sys.Windows.Drives {
		volume, as := terminal.Plain.In(d.Volume), d.Device
		if d.Volume == "" {
			volume = terminal.Yellow.In("-")
		}
		if d.Guess {
			as = strings.TrimSpace(as + "  (by default)")
		}
		if d.Reason != "" {
			as += "  (" + d.Reason + ")"
		}
		t.Row(d.Letter, volume, as)
	}
	a.out.Printf("\n")
	a.out.Table(t)
}
