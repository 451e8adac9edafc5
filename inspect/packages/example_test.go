package packages_test

import (
	"context"
	"fmt"
	"testing/fstest"

	"github.com/guestkit/guestkit/inspect/packages"
)

func ExampleRead() {
	tree := fstest.MapFS{"lib/apk/db/installed": {Data: []byte("P:musl\nV:1.2.5-r0\nA:x86_64\no:musl\n\n")}}
	found, err := packages.Read(context.Background(), tree, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, db := range found {
		fmt.Println(db.Format, db.Status, db.Database)
		for _, p := range db.Items {
			fmt.Println(p.Name, p.Version, p.Arch)
		}
	}
	// Output:
	// apk read /lib/apk/db/installed
	// musl 1.2.5-r0 x86_64
}
