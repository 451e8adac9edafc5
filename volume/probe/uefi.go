package probe

import "github.com/guestkit/guestkit/internal/efivars"

// probeUEFI knows the flash memory of UEFI firmware by the header of its first
// volume: one with variables, or one with programs (UEFI PI Specification, volume 3).
func probeUEFI(v *view) (Found, bool) {
	h, err := efivars.ReadHeader(v.at(0, efivars.HeaderSize))
	if err != nil {
		return Found{}, false
	}
	f := Found{Type: "uefi_firmware", Kind: Firmware, Off: efivars.SignatureOff, Reason: "the programs of UEFI firmware"}
	switch {
	case h.Variables:
		f.Type, f.Reason = "uefi_variables", "the variables of UEFI firmware"
	case !h.Programs:
		return Found{}, false
	}
	return f, true
}
