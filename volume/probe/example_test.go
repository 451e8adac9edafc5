package probe_test

import (
	"bytes"
	"fmt"

	"github.com/guestkit/guestkit/internal/testimg"
	"github.com/guestkit/guestkit/volume/probe"
)

func ExampleVolume() {
	for _, image := range []string{"../../fs/ext4/testdata/plain.img.gz", "../luks/testdata/luks2.img.gz"} {
		found, err := probe.Volume(bytes.NewReader(testimg.Gunzip(image)))
		fmt.Println(found.Type, found.Kind, found.Label, err)
	}
	found, err := probe.Volume(bytes.NewReader(make([]byte, 1<<20)))
	fmt.Println(found.Kind, err)
	// Output:
	// ext4 filesystem  <nil>
	// crypto_LUKS encrypted geheimnis <nil>
	// empty <nil>
}
