package diff_test

import (
	"fmt"

	"github.com/guestkit/guestkit/diff"
)

func ExampleUnified() {
	fmt.Printf("%s", diff.Unified("before/etc/hostname", "after/etc/hostname", []byte("old\n"), []byte("new\n")))
	// Output:
	// --- before/etc/hostname
	// +++ after/etc/hostname
	// @@ -1 +1 @@
	// -old
	// +new
}
