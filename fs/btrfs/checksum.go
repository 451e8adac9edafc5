package btrfs

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"hash/crc32"

	"golang.org/x/crypto/blake2b"

	"github.com/guestkit/guestkit/internal/xxh64"
)

// csumType is a csum_type of the superblock.
type csumType uint16

const (
	csumCRC32C csumType = iota
	csumXXHash64
	csumSHA256
	csumBlake2b
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// size returns how many bytes a checksum has, 0 if the type is not known.
func (t csumType) size() int {
	switch t {
	case csumCRC32C:
		return 4
	case csumXXHash64:
		return 8
	case csumSHA256, csumBlake2b:
		return 32
	}
	return 0
}

func (t csumType) String() string {
	switch t {
	case csumCRC32C:
		return "crc32c"
	case csumXXHash64:
		return "xxhash64"
	case csumSHA256:
		return "sha256"
	case csumBlake2b:
		return "blake2b"
	}
	return fmt.Sprintf("checksum type %d", uint16(t))
}

// sum computes the checksum of b into the first bytes of dst.
func (t csumType) sum(dst *[32]byte, b []byte) {
	switch t {
	case csumCRC32C:
		binary.LittleEndian.PutUint32(dst[:], crc32.Checksum(b, castagnoli))
	case csumXXHash64:
		binary.LittleEndian.PutUint64(dst[:], xxh64.Sum(b))
	case csumSHA256:
		*dst = sha256.Sum256(b)
	case csumBlake2b:
		*dst = blake2b.Sum256(b)
	}
}

// match reports whether want is the checksum of b.
func (t csumType) match(b, want []byte) bool {
	if t == csumCRC32C {
		return crc32.Checksum(b, castagnoli) == binary.LittleEndian.Uint32(want)
	}
	var sum [32]byte
	t.sum(&sum, b)
	return bytes.Equal(sum[:t.size()], want)
}

// nameHash is btrfs_name_hash: where a name is found in a directory, or among
// the attributes.
func nameHash(name string) uint64 {
	// The kernel's crc32c inverts neither the seed nor the result.
	return uint64(^crc32.Update(1, castagnoli, []byte(name)))
}

// extrefHash is btrfs_extref_hash.
func extrefHash(parent uint64, name string) uint64 {
	return uint64(^crc32.Update(^uint32(parent), castagnoli, []byte(name)))
}
