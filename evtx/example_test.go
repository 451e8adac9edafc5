package evtx_test

import (
	"bytes"
	"fmt"

	"github.com/guestkit/guestkit/evtx"
	"github.com/guestkit/guestkit/internal/testimg"
)

func Example() {
	f, err := evtx.Open(bytes.NewReader(testimg.Gunzip("testdata/types.evtx.gz")), nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	for r, err := range f.Records(false) {
		if err != nil {
			fmt.Println(err)
			return
		}
		line := evtx.NewLine(r)
		fmt.Println(r.ID, line.Provider, line.EventID)
		break
	}
	// Output: 1 Test-Provider 4624
}
