package target_test

import (
	"context"
	"fmt"
	"log"
	"strings"

	"github.com/guestkit/guestkit/target"
)

// An image is checked against the rules of a platform.
func Example() {
	image := strings.NewReader(strings.Repeat("raw disk", 1000))
	facts, err := target.Look(context.Background(), image, "raw")
	if err != nil {
		log.Fatal(err)
	}
	kubevirt, err := target.Named("kubevirt")
	if err != nil {
		log.Fatal(err)
	}
	for _, f := range kubevirt.Check(facts) {
		fmt.Println(f.Rule.ID, "–", f.Rule.Text, "–", f.Detail)
	}
	// Output: aligned – the size of the disk is a multiple of 512 bytes – 8000 bytes are 320 too many, or 192 too few
}
