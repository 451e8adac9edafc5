package bitlocker

import (
	"bytes"
	"context"
	"fmt"

	"github.com/guestkit/guestkit/block"
)

// A volume whose protection is suspended has its key beside it; others are opened
// with a passphrase, a recovery password or the content of a startup key's file.
func Example() {
	volume := (&built{state: stateEncrypted, watermark: builtSize, plain: builtPlain(false)}).build()
	v, err := Open(block.Plain(bytes.NewReader(volume)), nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, p := range v.Info().Protectors {
		fmt.Println(p.Kind, p.Err)
	}
	d, err := v.Unlock(context.Background(), nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(d.Size(), "bytes")
	// Output:
	// clear key <nil>
	// 1048576 bytes
}
