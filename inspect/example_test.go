package inspect_test

import (
	"context"
	"fmt"
	"log"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/format"
	"github.com/guestkit/guestkit/inspect"
)

// A value and the places that it comes from.
func ExampleRun() {
	disk, err := format.OpenFile("../testdata/images/debian12-uefi.qcow2", nil)
	if err != nil {
		log.Fatal(err)
	}
	defer disk.Close()
	report, err := inspect.Run(context.Background(), []block.Device{disk}, nil)
	if err != nil {
		log.Fatal(err)
	}
	sys := report.Systems[0]
	fmt.Println(sys.Codename)
	for _, e := range sys.Because("codename") {
		fmt.Printf("by %s, line %d\n", e.Path, e.Line)
	}
	// Output:
	// bookworm
	// by /etc/os-release, line 5
}
