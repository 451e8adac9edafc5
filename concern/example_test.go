package concern_test

import (
	"context"
	"fmt"
	"log"

	"github.com/guestkit/guestkit"
	"github.com/guestkit/guestkit/concern"
)

func Example() {
	ctx := context.Background()
	guest, err := guestkit.Open("../testdata/images/debian12-bios.qcow2", nil)
	if err != nil {
		log.Fatal(err)
	}
	defer guest.Close()
	report, err := guest.Inspect(ctx)
	if err != nil {
		log.Fatal(err)
	}
	all, _ := concern.Of(ctx, report) // the errors are what could not be looked at
	for _, c := range concern.For(all, "") {
		fmt.Println(c.Severity, c.ID)
	}
	// Output:
	// warning fstab-device-name-optional
	// information bios-boot
	// information no-guest-agent
}
