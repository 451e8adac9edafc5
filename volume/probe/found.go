package probe

// A Kind says what sort of thing a volume holds.
type Kind string

// Every volume is of one of these.
const (
	Filesystem Kind = "filesystem"
	Swap       Kind = "swap"
	Encrypted  Kind = "encrypted" // a key is needed to see what is inside
	Member     Kind = "member"    // part of a volume group, an array or a pool
	Firmware   Kind = "firmware"  // the flash memory of a machine, which holds no filesystem
	Empty      Kind = "empty"     // zeros as far as was looked: see Reason
	Unknown    Kind = "unknown"   // none of the known signatures
	Ambiguous  Kind = "ambiguous" // several signatures hold: see Reason
)

// Found is what Volume says.
type Found struct {
	Type    string // as blkid names it: "ext4", "crypto_LUKS"; "" if empty, unknown or ambiguous
	Kind    Kind
	Version string // of the format, where it has one: "FAT32", "2", "1.2"
	// Label holds any bytes; UUID is written as blkid writes it. Both may be
	// "", and so are they always for what is a member or ambiguous unless the
	// format keeps them at a fixed place.
	Label, UUID string
	Off         int64 // of the signature, in bytes
	// Reason says what makes the volume empty or ambiguous, or what is wrong
	// with it as far as a first look shows.
	Reason string
}
