package volume

import "context"

// A Layer makes volumes of volumes: of one (encryption) or of several (arrays,
// volume groups).
type Layer struct {
	// Types are those of its members, as package probe names them; "" is what
	// is not known there, which the layer then looks at itself.
	Types []string
	// Gather says that volumes come of several members together. The layer is
	// then asked when the others have no more to do, and once more with all
	// members, the old and the new, when further ones turn up. Without it, each
	// member is handed out once.
	Gather bool
	// Open opens the members: leaves, whose Found is set. It sets Err of those
	// that it cannot use and adds to their Problems, and returns the volumes
	// that it makes with Name (unique, of a scheme of its own), Kind, Parents,
	// Device (nil where there is none) and Size, Err and Problems; Scan does the
	// rest, children included, and closes devices that have a Close. What is
	// made without a member that is missing has an Err that wraps
	// block.ErrMissing. The problems are those of no single volume. Keys come
	// from o.Unlock, which may be nil.
	Open func(ctx context.Context, members []*Volume, o *Options) (made []*Volume, problems []error)
}

// layers are all that this package can open, each an adapter to a package
// below in a file of its name. Those that stand first are asked first.
var layers = [...]Layer{
	{Types: []string{""}, Open: openTables}, // in other volumes than disks
	{Types: []string{"isw_raid_member", "ddf_raid_member"}, Open: nameFirmware},
	{Types: []string{ldmMember}, Gather: true, Open: openLDM},
	{Types: []string{"linux_raid_member"}, Gather: true, Open: openMD},
	{Types: []string{"crypto_LUKS"}, Open: openLUKS},
	{Types: []string{"BitLocker"}, Open: openBitLocker},
	{Types: []string{"LVM2_member"}, Gather: true, Open: openLVM},
}
