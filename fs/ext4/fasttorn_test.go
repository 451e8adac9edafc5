package ext4_test

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/fs/ext4"
	"github.com/guestkit/guestkit/internal/testimg"
)

// TestFastTorn cuts the fast commits that a kernel wrote at each sector: what is
// behind was never written. Where that is the end of a commit, nothing tells that
// there were more; in the middle of one its place is said, and what is before is
// read.
func TestFastTorn(t *testing.T) {
	whole := testimg.Fixture(t, "fast")
	_, tails := fastRecords(t, whole)
	ended := func(cut int64) bool { // or in what fills up its last block
		return slices.ContainsFunc(tails, func(x testimg.Range) bool { return x.Off+12 <= cut && cut <= x.Off+x.N })
	}
	start, end := int64(bytes.Index(whole, []byte{9, 0, 8, 0, 0, 0, 0, 0})), tails[len(tails)-1].Off+tails[len(tails)-1].N
	torn := 0
	for cut := start; cut < end; cut += 512 {
		image := bytes.Clone(whole)
		clear(image[cut:end])
		fsys, err := ext4.Open(bytes.NewReader(image), nil)
		if err != nil {
			t.Fatalf("cut at %#x: %v", cut, err)
		}
		var said *block.Error
		for _, p := range fsys.Problems() {
			if strings.Contains(p.Error(), "no end follows") {
				errors.As(p, &said)
			}
		}
		if silent := ended(cut) || cut == start; silent != (said == nil) {
			t.Errorf("cut at %#x: problems %v, want silence: %v", cut, fsys.Problems(), silent)
		}
		if said != nil {
			torn++
		}
		fsys.Close()
	}
	if torn == 0 {
		t.Error("no commit is longer than a sector")
	}
	// What an older commit left behind is none that was torn.
	image := bytes.Clone(whole)
	last := tails[len(tails)-1]
	image[last.Off+4] ^= 1 // its transaction: the checksum does not count then
	if fsys, err := ext4.Open(bytes.NewReader(image), nil); err != nil || len(fsys.Problems()) > 0 {
		t.Errorf("an older tail whose commit begins elsewhere: %v %v", err, fsys.Problems())
	}
}
