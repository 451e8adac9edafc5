package keys_test

import (
	"context"
	"fmt"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/volume/keys"
)

// A List is what the options of other packages take as their Unlock. The keys of a
// volume by its name come before those for all.
func Example() {
	var l keys.List
	defer l.Wipe()
	for _, selector := range []string{"all:key:open sesame", "/dev/vg/root:key:swordfish"} {
		if err := l.Add(selector); err != nil {
			fmt.Println(err)
			return
		}
	}
	for attempt := range 3 {
		key, err := l.Unlock(context.Background(), block.KeyNeed{Name: "lvm:vg/root", Attempt: attempt})
		fmt.Printf("%q %v\n", key, err != nil)
	}
	// Output:
	// "swordfish" false
	// "open sesame" false
	// "" true
}
