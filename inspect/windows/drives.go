package windows

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"unicode/utf16"

	"github.com/guestkit/guestkit/inspect/internal/guest"
	"github.com/guestkit/guestkit/inspect/system"
	"github.com/guestkit/guestkit/internal/guid"
)

// dosDevices begins the names of the values that give letters.
const dosDevices = `\DosDevices\`

// Drives lists the drive letters; resolve names the volume that a device is, or says
// why there is none.
func (w *Windows) Drives(resolve func(system.Device) (volume, reason string)) {
	s := w.Sys.Windows
	mounted := w.system.key("MountedDevices")
	vs := mounted.read()
	taken := map[byte]bool{}
	for _, v := range vs.values {
		letter := driveLetter(v.Name())
		if letter == 0 || taken[letter] {
			continue
		}
		taken[letter] = true
		b := vs.bytes(v.Name())
		if b == nil {
			continue
		}
		d := system.Drive{Letter: string(letter) + ":"}
		var dev system.Device
		dev, d.Device = mountedDevice(b)
		d.Device = w.Fit(d.Device, mounted.where(v.Name()))
		if d.Volume, d.Reason = resolve(dev); d.Volume != "" {
			d.By = dev.By
			if d.Volume == w.Sys.Volume && (w.letter == 0 || letter == 'C') {
				w.letter = letter
			}
		}
		s.Drives = append(s.Drives, d)
		mounted.because("windows.drives", mounted.label(v.Name()), "")
	}
	if w.letter == 0 {
		w.guessRoot(taken)
	}
	slices.SortFunc(s.Drives, func(a, b system.Drive) int { return strings.Compare(a.Letter, b.Letter) })
}

// Letter returns the letter of the drive that Windows is on, 0 if it has none.
func (w *Windows) Letter() byte { return w.letter }

// driveLetter returns the letter that a value of MountedDevices gives, or 0.
func driveLetter(name string) byte {
	if len(name) != len(dosDevices)+2 || !strings.EqualFold(name[:len(dosDevices)], dosDevices) || name[len(name)-1] != ':' {
		return 0
	}
	return system.Letter(name[len(dosDevices)])
}

// mountedDevice reads what a letter stands for: the signature of a disk with an
// MBR and the offset of the partition, "DMIO:ID:" and the GUID of one in a GPT,
// or the name of a device.
func mountedDevice(b []byte) (system.Device, string) {
	switch {
	case len(b) == 12:
		d := system.Device{By: "disk signature", Value: fmt.Sprintf("%08x", binary.LittleEndian.Uint32(b)), Offset: int64(binary.LittleEndian.Uint64(b[4:]))}
		return d, fmt.Sprintf("disk %s, offset %d", d.Value, d.Offset)
	case len(b) == 24 && bytes.HasPrefix(b, []byte("DMIO:ID:")):
		d := system.Device{By: "partuuid", Value: guid.GUID(b[8:]).String()}
		return d, "partition " + d.Value
	}
	var units []uint16
	for i := 0; i+1 < len(b) && i < guest.MaxValue; i += 2 {
		units = append(units, binary.LittleEndian.Uint16(b[i:]))
	}
	return system.Device{Reason: "it stands for a device that is no partition"}, string(utf16.Decode(units))
}

// guessRoot gives the root's volume a letter where the registry has none for
// it: that in the path of Windows, or C. A letter that stands for something
// else is left to that.
func (r *Windows) guessRoot(taken map[byte]bool) {
	const key, value = `Microsoft\Windows NT\CurrentVersion`, "SystemRoot"
	letter, d := byte('C'), system.Drive{Volume: r.Sys.Volume, By: "system root", Guess: true}
	vs := r.software.key(key).read(value)
	if dir := vs.text(value); len(dir) > 2 && dir[1] == ':' && system.Letter(dir[0]) != 0 {
		letter, d.Device = system.Letter(dir[0]), dir
	}
	d.Letter = string(letter) + ":"
	drives := &r.Sys.Windows.Drives
	if taken[letter] {
		i := slices.IndexFunc(*drives, func(other system.Drive) bool { return other.Letter == d.Letter })
		if i < 0 || (*drives)[i].Volume != "" {
			return
		}
		// What it stood for is not here: the disk was copied, or moved.
		d.Device = (*drives)[i].Device
		(*drives)[i] = d
	} else {
		*drives = append(*drives, d)
	}
	r.letter = letter
	if vs.k != nil {
		vs.k.because("windows.drives", value, d.Letter)
	}
}
