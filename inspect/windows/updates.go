package windows

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/inspect/system"
	"github.com/guestkit/guestkit/internal/pattern"
)

// maxUpdates bounds the updates that are listed.
const maxUpdates = 10000

// cbsInstalled is the state of a package that is installed, as the servicing
// of Windows (CBS, since Vista) has it.
const cbsInstalled = 0x70

// kbNumber finds the article that an update is known by.
var kbNumber = pattern.Of(`(?i)KB\d{6,8}`)

// findUpdates lists the installed updates: the packages of CBS, and before
// Vista the hotfixes. Those that do not say their number are left out.
func (r *Windows) findUpdates() {
	if r.O.NoPackages {
		return
	}
	s := r.Sys.Windows
	found := map[string]bool{}
	add := func(k *regKey, u system.Update, text string) {
		if u.ID = strings.ToUpper(kbNumber().FindString(text)); u.ID == "" || found[u.ID] {
			return
		}
		if len(s.Updates) == maxUpdates {
			r.Problem(block.Errorf("", k.where(""), -1, block.ErrLimit, "more than %d updates", maxUpdates))
		}
		if len(s.Updates) < maxUpdates {
			found[u.ID] = true
			s.Updates = append(s.Updates, u)
		}
	}
	packages := r.software.key(`Microsoft\Windows\CurrentVersion\Component Based Servicing\Packages`)
	for k := range packages.keys() {
		name := k.k.Name()
		if !strings.HasPrefix(name, "Package_for_") {
			continue // parts of Windows, and of updates
		}
		vs := k.read("CurrentState", "InstallName", "InstallLocation", "InstallTimeHigh", "InstallTimeLow")
		if state, ok := vs.number("CurrentState"); !ok || state != cbsInstalled {
			continue
		}
		u := system.Update{Package: k.label(name)}
		high, _ := vs.number("InstallTimeHigh")
		low, _ := vs.number("InstallTimeLow")
		u.Installed = filetime(high<<32 | low&0xffffffff)
		// Monthly rollups have their number only in where they came from.
		add(k, u, fmt.Sprintln(name, vs.text("InstallName"), vs.text("InstallLocation")))
	}
	hotfixes := r.software.key(`Microsoft\Windows NT\CurrentVersion\Hotfix`)
	for k := range hotfixes.keys() {
		if n, ok := k.read("Installed").number("Installed"); ok && n == 1 {
			add(k, system.Update{}, k.k.Name())
		}
	}
	slices.SortFunc(s.Updates, func(a, b system.Update) int {
		return cmp.Or(cmp.Compare(len(a.ID), len(b.ID)), strings.Compare(a.ID, b.ID))
	})
	for _, k := range []*regKey{packages, hotfixes} {
		if k != nil {
			k.because("windows.updates", "", "")
		}
	}
}
