package fs

import (
	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/volume/probe"
)

// A Kind says what sort of thing a volume holds; see package probe.
type Kind = probe.Kind

// Every volume is of one of these.
const (
	Filesystem = probe.Filesystem
	Swap       = probe.Swap
	Encrypted  = probe.Encrypted // a key is needed to see what is inside
	Member     = probe.Member    // part of a volume group, an array or a pool
	Firmware   = probe.Firmware  // the flash memory of a machine, which holds no filesystem
	Empty      = probe.Empty     // zeros as far as was looked: see Reason
	Unknown    = probe.Unknown   // none of the known signatures
	Ambiguous  = probe.Ambiguous // several signatures hold: see Reason
)

// Found is what Probe says of a volume. Its Reason says why there is no
// filesystem to open as well.
type Found struct {
	probe.Found
	Supported bool // there is a driver for it
}

// Probe says what r holds. The error is one of reading; what cannot be told is
// a Found of Kind Unknown or Ambiguous.
func Probe(r block.Reader) (Found, error) {
	f, err := probe.Volume(r)
	if err != nil {
		return Found{}, err
	}
	return (*Options)(nil).Judge(f), nil
}

// Judge adds to what package probe found whether there is a driver for it, and
// why not. What is not known is Supported where one of Options.Drivers wants to
// see it. Options may be nil.
func (o *Options) Judge(p probe.Found) Found {
	if o == nil {
		o = &Options{}
	}
	f := Found{Found: p}
	switch {
	case (f.Kind == Filesystem || f.Kind == Unknown) && o.driverOf(f.Type) != nil:
		f.Supported = true
	case f.Reason != "":
	case f.Kind == Filesystem:
		f.Reason = "there is no driver for " + f.Type + advice(f.Type)
	case f.Kind == Swap:
		f.Reason = f.Type + " holds no files"
	case f.Kind == Encrypted:
		f.Reason = f.Type + " needs a key"
	case f.Kind == Member:
		f.Reason = f.Type + " is part of a larger volume, which is not assembled"
	}
	return f
}
