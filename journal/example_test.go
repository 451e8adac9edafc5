package journal_test

import (
	"bytes"
	"fmt"

	"github.com/guestkit/guestkit/internal/testimg"
	"github.com/guestkit/guestkit/journal"
)

// The entries of one file that a filter takes, in the order of time.
func Example() {
	f, err := journal.Open(bytes.NewReader(testimg.Gunzip("testdata/zstd.journal.gz")), nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	filter := journal.Filter{Kernel: true}
	for e, err := range f.Entries(false) {
		if err != nil {
			fmt.Println(err)
			return
		}
		if ok, err := filter.Match(e); err != nil || !ok {
			continue
		}
		line, _ := journal.NewLine(e)
		fmt.Printf("%s\n", line.Message)
		break
	}
	// Output: usb 0-1: new device
}
