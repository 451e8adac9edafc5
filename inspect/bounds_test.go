package inspect

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/volume"
)

// TestManySystems has more deployments than are listed, all with the database that one
// has: a file may have as many names as it likes.
func TestManySystems(t *testing.T) {
	var db strings.Builder
	for i := range 1000 {
		fmt.Fprintf(&db, "P:p%d\nV:1\nT:%s\n\n", i, strings.Repeat("x", 3000))
	}
	file := file(db.String())
	m := fstest.MapFS{}
	for i := range MaxSystems + 10 {
		at := fmt.Sprintf("ostree/deploy/f/deploy/%04d.0/", i)
		m[at+"usr/lib/os-release"], m[at+"lib/apk/db/installed"] = &fstest.MapFile{Data: []byte("ID=alpine\n"), Mode: 0o644}, file
	}
	v := vol(t, "gpt1", m)
	v.Status = StatusRead
	rep := &Report{Volumes: []*Volume{v}, tree: &volume.Tree{}}
	if err := rep.findSystems(t.Context(), v, &Options{MaxPackages: 2000}); err != nil {
		t.Fatal(err)
	}
	listed, not := 0, 0
	for _, s := range rep.Systems {
		listed += len(s.Packages.Items)
		if s.Packages.Status == PackagesNotRead {
			not++
		}
	}
	if len(rep.Systems) != MaxSystems || rep.Complete() || listed < 2000 || listed > 4000 || not < MaxSystems-4 {
		t.Errorf("%d systems, complete %t, %d packages, %d lists not read", len(rep.Systems), rep.Complete(), listed, not)
	}
	problems := rep.Problems()
	if n := len(problems); n == 0 || !errors.Is(problems[n-1], block.ErrLimit) || !strings.Contains(problems[n-1].Error(), "more than 64 systems") {
		t.Errorf("%v", problems)
	}
}
