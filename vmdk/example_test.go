package vmdk_test

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/guestkit/guestkit/vmdk"
)

func ExampleOpen() {
	file := hosted("d..d", descriptor("monolithicSparse", "", `RW 32 SPARSE "x.vmdk"`), nil) // the bytes of an image
	im, err := vmdk.Open(bytes.NewReader(file), nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer im.Close()
	fmt.Println(im.Info().Subformat, im.Size(), im.Info().Adapter)

	// What a descriptor names is opened by the caller or not at all.
	_, err = vmdk.Open(strings.NewReader(descriptor("vmfs", "", `RW 32 VMFS "/etc/passwd"`)), nil)
	fmt.Println(err)
	// Output:
	// monolithicSparse 16384 lsilogic
	// vmdk: extent of descriptor line 8: reference refused: "/etc/passwd" is no bare file name
}
