package ova

import "github.com/guestkit/guestkit/block"

const format = "ova"

// What bounds a package.
const (
	MaxMembers    = 10000   // of an archive
	MaxDescriptor = 2 << 20 // bytes, of the OVF file
	MaxManifest   = 4 << 20 // bytes
	maxName       = 4096    // bytes, of the name of a member; tar itself allows a MiB
	maxFiles      = 1024    // of a descriptor, each of which may come in chunks
	maxChunks     = 10000   // of a file
	maxBare       = 64      // members of an archive without a descriptor
	maxDisks      = 256     // of a package, as of a guest
	maxDepth      = 64      // of elements in the descriptor
	maxNodes      = 100000  // elements and attributes
)

// DefaultMaxInflated bounds the compressed files of a package.
const DefaultMaxInflated = 256 << 30

// Options says how a package is opened. The zero value suits hostile input.
type Options struct {
	// Opener gives the files that a descriptor outside of an archive names;
	// nil refuses all. An archive opens nothing but itself.
	Opener block.Opener
	// Name is that of the file of a descriptor outside of an archive. If it is
	// given, the manifest and the certificate are looked for beside it, by the
	// Opener.
	Name string
	// Bare takes an archive without a descriptor as well: tar, zip, VMA or XVA. The
	// disks of the first two are the members that are called as images are, such as
	// disk.raw or box.img.
	Bare bool
	// MaxInflated bounds what the files that are compressed as a whole hold, in
	// bytes, of all that are opened of a Package together; 0 means
	// DefaultMaxInflated.
	MaxInflated int64
}

func (o *Options) maxInflated() int64 {
	if o.MaxInflated > 0 {
		return o.MaxInflated
	}
	return DefaultMaxInflated
}
