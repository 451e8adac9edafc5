package partition

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strings"

	"github.com/guestkit/guestkit/block"
)

// labels are the tables of other systems than the PC, in the order in which they
// are looked for. Each has a mark, but that of Atari, which is last.
// A reader returns nil where there is no such table.
var labels = [...]func(block.Reader) (*Table, error){readSun, readSGI, readBSD, readMac, readAtari}

// readLabel reads the table of a disk that has neither MBR nor GPT.
func readLabel(r block.Reader) (*Table, error) {
	for _, read := range labels {
		if t, err := read(r); t != nil || err != nil {
			return t, err
		}
	}
	return nil, nil
}

// labelled are the types of partitions that hold a disklabel.
var labelled = map[string]func(r block.Reader, in *Partition) (*Table, error){
	"0xa5": readSlice, "0xa6": readSlice, "0xa9": readSlice,
	"0x82": readSolaris, "0xbf": readSolaris,
	"516e7cb4-6ecf-11d6-8ff8-00022d09712b": readSlice, // FreeBSD data
}

// ReadLabel reads the disklabel inside in, a partition of an MBR or a GPT whose
// bytes are r: that of a BSD, or the VTOC of Solaris. The Start of its partitions
// counts from that of in. A partition of another type and one without a label are
// an error that wraps block.ErrFormat.
func ReadLabel(r block.Reader, in *Partition) (*Table, error) {
	if read := labelled[in.Type]; read != nil {
		if t, err := read(r, in); t != nil || err != nil {
			return t, err
		}
	}
	return nil, block.Errorf("", "disklabel", 0, block.ErrFormat, "there is none")
}

// view returns the n bytes at off, nil if the disk ends before them.
func view(r block.Reader, scheme Scheme, off, n int64) ([]byte, error) {
	if off > r.Size()-n {
		return nil, nil
	}
	b, err := block.ReadBytes(r, off, n, n)
	return b, block.Locate(string(scheme), "disklabel", off, err)
}

// add places a partition of a label and adds it.
func (t *Table) add(p Partition, first, count uint64, size, entryOff int64) {
	t.place(&p, first, count, size, entryOff)
	t.Partitions = append(t.Partitions, p)
}

// typeName returns how a type of one of these tables is shown.
func typeName[K uint8 | uint16 | uint32](names map[K]string, k K) (typ, name string) {
	return fmt.Sprintf("0x%02x", k), names[k]
}

// text is a string that ends at its first zero, without the spaces around it.
func text(b []byte) string {
	if i := slices.Index(b, 0); i >= 0 {
		b = b[:i]
	}
	return strings.ToValidUTF8(strings.TrimSpace(string(b)), "\uFFFD")
}

// xor16 is the checksum of the labels of BSD and Sun: of all words, it is zero.
func xor16(b []byte, order binary.ByteOrder) uint16 {
	var x uint16
	for ; len(b) >= 2; b = b[2:] {
		x ^= order.Uint16(b)
	}
	return x
}
