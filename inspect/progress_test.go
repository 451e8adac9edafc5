package inspect_test

import (
	"context"
	"testing"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/format"
	"github.com/guestkit/guestkit/inspect"
)

// TestProgress: the steps come in order, count up to their total, and say on which
// volume they are.
func TestProgress(t *testing.T) {
	disk, err := format.OpenFile("../testdata/images/debian12-uefi.qcow2", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer disk.Close()
	type run = func(context.Context, []block.Device, *inspect.Options) (*inspect.Report, error)
	for name, c := range map[string]struct {
		run      run
		o        inspect.Options
		packages int // times that they are read
	}{
		"Run":                  {inspect.Run, inspect.Options{}, 1},
		"Run without packages": {inspect.Run, inspect.Options{NoPackages: true}, 0},
		"Volumes":              {inspect.Volumes, inspect.Options{}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			var got []inspect.Progress
			c.o.Progress = func(p inspect.Progress) { got = append(got, p) }
			rep, err := c.run(context.Background(), []block.Device{disk}, &c.o)
			if err != nil {
				t.Fatal(err)
			}
			defer rep.Close()
			if got[0] != (inspect.Progress{Phase: inspect.PhaseScan}) {
				t.Errorf("first %+v", got[0])
			}
			last := got[len(got)-1]
			if last.Volume != "" || last.Total == 0 || last.Done != last.Total {
				t.Errorf("last %+v", last)
			}
			opened, packages, done := 0, 0, 0
			for _, p := range got[1 : len(got)-1] {
				if p.Volume == "" || p.Done >= p.Total || p.Done < done || p.Phase == inspect.PhaseScan {
					t.Errorf("%+v after %d", p, done)
				}
				done = p.Done
				if p.Phase == inspect.PhaseOpen {
					opened++
				}
				if p.Phase == inspect.PhasePackages {
					packages++
					if p.Volume != rep.Systems[0].Volume {
						t.Errorf("packages on %s", p.Volume)
					}
				}
			}
			if opened != len(rep.Volumes) || packages != c.packages {
				t.Errorf("%d of %d volumes opened, packages read %d times", opened, len(rep.Volumes), packages)
			}
		})
	}
}
