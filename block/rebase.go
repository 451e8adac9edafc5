package block

// RebaseOptions says what a rebase puts behind an image: qcow2.Rebase, vhd.Rebase and
// the like, which differ in nothing else.
type RebaseOptions struct {
	// Backing is the name of the new backing file, stored as the format stores
	// it, and BackingFormat its format, where the image says that. An empty name
	// means none.
	Backing, BackingFormat string
	// Old and New are the disks of the old and the new backing file. Nil means
	// that there is none; of the old one, with Unsafe, that it is not at hand.
	Old, New Device
	// Unsafe changes the name alone. Where Old is given, what would change the
	// disk is refused.
	Unsafe bool
	// Force takes what changes the disk, or what the snapshots in the image show.
	Force bool
}
