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
	maxDisks      = 256     // of a package, as of a guest
	maxDepth      = 64      // of elements in the descriptor
	maxNodes      = 100000  // elements and attributes
)

// DefaultMaxInflated bounds a file that is compressed as a whole.
const DefaultMaxInflated = 256 << 30

// Options says how a package is opened. The zero value suits hostile input.
type Options struct {
	// Opener gives the files that a descriptor outside of an archive names;
	// nil refuses all. An archive opens nothing but itself.
	Opener block.Opener
	// MaxInflated bounds a file that is compressed as a whole, in bytes; 0 means
	// DefaultMaxInflated.
	MaxInflated int64
}

func (o *Options) maxInflated() int64 {
	if o.MaxInflated > 0 {
		return o.MaxInflated
	}
	return DefaultMaxInflated
}
