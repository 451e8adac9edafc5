package digest_test

import (
	"bytes"
	"context"
	"fmt"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/digest"
)

// The sum is that of the disk, whatever the format and the number of workers.
func ExampleSum() {
	disk := block.Plain(bytes.NewReader(bytes.Repeat([]byte{0x55}, 1<<20)))
	sum, err := digest.Sum(context.Background(), disk, 2, nil)
	fmt.Printf("%x %v\n", sum, err)
	// Output: 2a6d5ed17da97865da0fd3ca9a792f3bfaf325940c44fd6a2f0a224a051eb6f0 <nil>
}
