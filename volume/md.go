package volume

import (
	"context"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/volume/md"
)

// openMD puts the members of Linux software RAID together. An array hangs below
// all members that were found, whatever they are to it.
func openMD(_ context.Context, members []*Volume, _ *Options) (made []*Volume, problems []error) {
	var parts []*md.Member
	on := map[*md.Member]*Volume{}
	for _, v := range members {
		m, err := md.Open(v.Device)
		if v.Err = err; err != nil {
			continue
		}
		parts = append(parts, m)
		on[m] = v
	}
	arrays := md.Assemble(parts)
	count := map[string]int{}
	for _, a := range arrays {
		count[a.Name]++
	}
	for _, a := range arrays {
		name := a.Name
		switch {
		case name == "":
			name = a.UUID
		case count[name] > 1: // which of them a guest means by it cannot be known
			name += "@" + a.UUID
			problems = append(problems, block.Errorf("md", "array "+a.Name, -1, block.ErrAmbiguous, "%d have this name; this one is listed as %s", count[a.Name], name))
		}
		v := &Volume{Name: "md:" + name, Kind: Array, UUID: a.UUID, Device: a.Device, Size: a.Size, Err: a.Err, Problems: a.Problems, Shared: true}
		for _, m := range a.Members {
			v.Parents = append(v.Parents, on[m])
		}
		made = append(made, v)
	}
	return made, problems
}

// nameFirmware says what the firmware of a machine made of its disks, which is
// not read.
func nameFirmware(_ context.Context, members []*Volume, _ *Options) (made []*Volume, problems []error) {
	makers := map[string]string{"imsm": "RAID of Intel's firmware", "ddf": "RAID of firmware by the SNIA's format"}
	for _, v := range members {
		f, err := md.OpenFirmware(v.Device)
		if err != nil {
			v.Err = err
			continue
		}
		v.Err = block.Errorf(f.Format, "volume", -1, block.ErrUnsupported, "%s: %s", makers[f.Format], f)
	}
	return nil, problems
}
