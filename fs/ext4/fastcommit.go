package ext4

import (
	"encoding/binary"

	"github.com/guestkit/guestkit/block"
)

// fastHead is the tag that starts a fast commit.
const fastHead = 9

// fastCommits reports fast commits that belong to the transaction next: small
// records of what changed, which are not applied here. Each has a tag and a
// length, both little-endian, and the first is the head with the number of the
// transaction.
func (r *recovery) fastCommits(next uint32) error {
	n := r.sb.logEnd() + 1 // the log's end is in neither
	if r.sb.fastArea() == 0 || n >= r.sb.maxLen {
		return nil
	}
	b, err := r.read(n)
	if err != nil {
		return err
	}
	le := binary.LittleEndian
	tag, length := le.Uint16(b[0:]), le.Uint16(b[2:])
	if tag != fastHead || le.Uint32(b[8:]) != next {
		return nil
	}
	if length != 8 {
		return r.corrupt("fast commit", n, "a head of %d bytes", length)
	}
	return block.Errorf("ext4", "fast commit", r.offset(n), block.ErrUnsupported, "the records in it are not applied")
}
