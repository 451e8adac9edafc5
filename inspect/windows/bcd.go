package windows

import (
	"context"
	"encoding/binary"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/inspect/internal/guest"
	"github.com/guestkit/guestkit/inspect/system"
	"github.com/guestkit/guestkit/internal/guid"
)

// maxBootEntries bounds the entries of one store.
const maxBootEntries = 512

// Objects and elements of a store of boot configuration data, by the names that
// bcdedit has for them.
const (
	bootManagerObject = "{9dea862c-5cdd-4e70-acc1-f32b344d4795}"
	typeApplication   = 0x10000000
	imageBootMgr      = 0x00100000 // started by the firmware
	imageMask         = 0x00f00000

	elementDevice       = "11000001"
	elementPath         = "12000002"
	elementDescription  = "12000004"
	elementLoadOptions  = "12000030"
	elementDefault      = "23000003"
	elementDisplayOrder = "24000001"
	elementBootSequence = "24000002"
	elementToolsOrder   = "24000010"
)

// bootSettings are elements that change how Windows starts, and how bcdedit calls them
// and their values.
var bootSettings = [...]struct {
	element, name string
	values        []string
}{
	{"16000048", "nointegritychecks", []string{"", "yes"}}, {"16000049", "testsigning", []string{"", "yes"}},
	{"25000080", "safeboot", []string{"minimal", "network", "dsrepair"}}, {"26000022", "winpe", []string{"", "yes"}},
	{"260000a0", "debug", []string{"", "yes"}}, {"260000b0", "ems", []string{"", "yes"}}, {"250000f0", "hypervisorlaunchtype", []string{"off", "auto"}},
}

// BootEntries reads a store of boot configuration data: what the boot manager of
// Windows can start, in the order of its menu, then what is in none. The loader has no
// entries where there is no store; resolve names the volume that a device is.
func BootEntries(ctx context.Context, fsys fs.FS, store string, resolve func(system.Device) (volume, reason string), o *system.Options) (system.BootLoader, []system.Evidence) {
	sys := system.New(system.TypeWindows)
	w := &Windows{Root: guest.NewRoot(ctx, fsys, sys, o)}
	l := system.BootLoader{Name: "windows", Path: guest.Shown(store)}
	g := w.openHive("BCD", store)
	objects := g.key("Objects")
	if objects == nil {
		l.Reason = "it is no store of boot entries that could be read"
		return l, nil
	}
	manager := objects.key(bootManagerObject)
	list := func(element string) []string {
		k := manager.key(`Elements\` + element)
		return k.read("Element").strings("Element")
	}
	want := manager.key(`Elements\` + elementDefault).read("Element").text("Element")
	if once := list(elementBootSequence); len(once) > 0 {
		want = once[0] // the next start alone
	}
	order := append(list(elementDisplayOrder), list(elementToolsOrder)...)
	var found []system.BootEntry
	for k := range objects.keys() {
		typ, ok := k.key("Description").read("Type").number("Type")
		if !ok || typ&0xf0000000 != typeApplication || typ&imageMask == imageBootMgr {
			continue
		}
		if len(found) == maxBootEntries {
			w.Problem(block.Errorf("", objects.where(""), -1, block.ErrLimit, "more than %d boot entries", maxBootEntries))
			break
		}
		e := w.bootEntry(k, resolve)
		e.Path = l.Path
		e.Default = want != "" && strings.EqualFold(e.ID, want)
		found = append(found, e)
	}
	rank := func(e system.BootEntry) int {
		if i := slices.IndexFunc(order, func(id string) bool { return strings.EqualFold(id, e.ID) }); i >= 0 {
			return i
		}
		return len(order)
	}
	slices.SortStableFunc(found, func(a, b system.BootEntry) int { return rank(a) - rank(b) })
	l.Entries = found
	switch {
	case len(found) == 0:
		l.Reason = "it has no entries"
	case l.DefaultEntry() == nil && want == "":
		l.Reason = "its configuration does not say which entry starts"
	case l.DefaultEntry() == nil:
		l.Reason = "its default is the entry " + want + ", which it does not have"
	}
	objects.because("boot_loaders", "", "windows")
	if k := manager.key(`Elements\` + elementDefault); k != nil && l.DefaultEntry() != nil {
		k.because("boot_loaders", "Element", "the default")
	}
	g.problems()
	return l, sys.Evidence
}

// bootEntry reads one object.
func (r *Windows) bootEntry(k *regKey, resolve func(system.Device) (string, string)) system.BootEntry {
	element := func(name string) regValues { return k.key(`Elements\` + name).read("Element") }
	e := system.BootEntry{ID: k.label(k.k.Name()), Title: element(elementDescription).text("Element"), Kernel: element(elementPath).text("Element")}
	if d, ok := bootDevice(element(elementDevice).bytes("Element")); ok {
		e.Volume, _ = resolve(d)
	}
	var options []string
	if s := element(elementLoadOptions).text("Element"); s != "" {
		options = append(options, s)
	}
	for _, s := range bootSettings {
		b := element(s.element).bytes("Element")
		if len(b) == 0 {
			continue
		}
		value := fmt.Sprint(b[0])
		if int(b[0]) < len(s.values) {
			value = s.values[b[0]]
		}
		if value != "" {
			options = append(options, s.name+"="+value)
		}
	}
	e.Options = strings.Join(options, " ")
	return e
}

// bootDevice reads the element of a device, as far as it is a partition by its GUID, or
// by the signature of its disk and where it begins:
//
//	0x10 kind, 6 for a partition     0x34 0 for a GPT, 1 for an MBR
//	0x20 partition                   0x38 disk
func bootDevice(b []byte) (system.Device, bool) {
	if len(b) < 0x48 || binary.LittleEndian.Uint32(b[0x10:]) != 6 {
		return system.Device{}, false
	}
	switch binary.LittleEndian.Uint32(b[0x34:]) {
	case 0:
		return system.Device{By: "partuuid", Value: guid.GUID(b[0x20:0x30]).String()}, true
	case 1:
		return system.Device{By: "disk signature", Value: fmt.Sprintf("%08x", binary.LittleEndian.Uint32(b[0x38:])), Offset: int64(binary.LittleEndian.Uint64(b[0x20:]))}, true
	}
	return system.Device{}, false
}
