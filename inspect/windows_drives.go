package inspect

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"unicode/utf16"

	"github.com/guestkit/guestkit/fs"
	"github.com/guestkit/guestkit/fs/vfs"
	"github.com/guestkit/guestkit/internal/guid"
)

// dosDevices begins the names of the values that give letters.
const dosDevices = `\DosDevices\`

// readDrives lists the drive letters, and finds the volumes.
func (rep *Report) readDrives(r *root) {
	s, w := r.sys.Windows, r.win
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
		d := Drive{Letter: string(letter) + ":"}
		var dev device
		dev, d.Device = mountedDevice(b)
		d.Device = r.fit(d.Device, mounted.where(v.Name()))
		var vol *Volume
		if vol, d.Reason = rep.resolve(dev, r.sys.Volume); vol != nil {
			d.Volume, d.By = vol.Name, dev.by
			if vol.Name == r.sys.Volume && (w.root == 0 || letter == 'C') {
				w.root = letter
			}
		}
		s.Drives = append(s.Drives, d)
		mounted.because("windows.drives", mounted.label(v.Name()), "")
	}
	if w.root == 0 {
		r.guessRoot(taken)
	}
	slices.SortFunc(s.Drives, func(a, b Drive) int { return strings.Compare(a.Letter, b.Letter) })
}

// driveLetter returns the letter that a value of MountedDevices gives, or 0.
func driveLetter(name string) byte {
	if len(name) != len(dosDevices)+2 || !strings.EqualFold(name[:len(dosDevices)], dosDevices) || name[len(name)-1] != ':' {
		return 0
	}
	return upperLetter(name[len(dosDevices)])
}

// upperLetter returns a letter of A to Z in upper case, or 0.
func upperLetter(c byte) byte {
	if c |= 0x20; c < 'a' || c > 'z' {
		return 0
	}
	return c &^ 0x20
}

// mountedDevice reads what a letter stands for: the signature of a disk with an
// MBR and the offset of the partition, "DMIO:ID:" and the GUID of one in a GPT,
// or the name of a device.
func mountedDevice(b []byte) (device, string) {
	switch {
	case len(b) == 12:
		d := device{by: "disk signature", value: fmt.Sprintf("%08x", binary.LittleEndian.Uint32(b)), offset: int64(binary.LittleEndian.Uint64(b[4:]))}
		return d, fmt.Sprintf("disk %s, offset %d", d.value, d.offset)
	case len(b) == 24 && bytes.HasPrefix(b, []byte("DMIO:ID:")):
		d := device{by: "partuuid", value: guid.GUID(b[8:]).String()}
		return d, "partition " + d.value
	}
	var units []uint16
	for i := 0; i+1 < len(b) && i < maxValue; i += 2 {
		units = append(units, binary.LittleEndian.Uint16(b[i:]))
	}
	return device{reason: "it stands for a device that is no partition"}, string(utf16.Decode(units))
}

// guessRoot gives the root's volume a letter where the registry has none for
// it: that in the path of Windows, or C. A letter that stands for something
// else is left to that.
func (r *root) guessRoot(taken map[byte]bool) {
	const key, value = `Microsoft\Windows NT\CurrentVersion`, "SystemRoot"
	letter, d := byte('C'), Drive{Volume: r.sys.Volume, By: "system root", Guess: true}
	vs := r.win.software.key(key).read(value)
	if dir := vs.text(value); len(dir) > 2 && dir[1] == ':' && upperLetter(dir[0]) != 0 {
		letter, d.Device = upperLetter(dir[0]), dir
	}
	d.Letter = string(letter) + ":"
	drives := &r.sys.Windows.Drives
	if taken[letter] {
		i := slices.IndexFunc(*drives, func(other Drive) bool { return other.Letter == d.Letter })
		if i < 0 || (*drives)[i].Volume != "" {
			return
		}
		// What it stood for is not here: the disk was copied, or moved.
		d.Device = (*drives)[i].Device
		(*drives)[i] = d
	} else {
		*drives = append(*drives, d)
	}
	r.win.root = letter
	if vs.k != nil {
		vs.k.because("windows.drives", value, d.Letter)
	}
}

// joinDrives makes one tree of the drives: that of Windows is its root, and all
// that have a letter are found under it, "D:".
func (rep *Report) joinDrives(r *root, home *Volume) (vfs.FS, error) {
	rep.letter(home, r.win.root, r.o)
	mounts := []vfs.Mount{{Path: ".", FS: home.fsys}}
	for i := range r.sys.Windows.Drives {
		d := &r.sys.Windows.Drives[i]
		v := rep.byName(d.Volume)
		if v == nil {
			continue
		}
		if v.fsys == nil {
			d.Reason = fmt.Sprintf("the volume is %s: %s", v.Status, v.Reason)
			continue
		}
		if v != home {
			rep.letter(v, d.Letter[0], r.o)
		}
		mounts = append(mounts, vfs.Mount{Path: d.Letter, FS: v.fsys, Drive: true})
	}
	return vfs.Join(mounts)
}

// letter opens a volume again, by its letter: links with letters are
// understood then.
func (rep *Report) letter(v *Volume, letter byte, o *Options) {
	if v.Content != "ntfs" || v.vol == nil || letter == 0 {
		return
	}
	var fo fs.Options
	if o.FS != nil {
		fo = *o.FS
	}
	fo.Drive = letter
	fsys, err := fs.Open(v.vol.Device, &fo)
	if err != nil {
		rep.problem(v.Name, err)
		return
	}
	v.fsys = fsys
}
