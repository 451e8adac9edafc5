package fs_test

import (
	"errors"
	"path/filepath"
	"testing"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/fs"
	"github.com/guestkit/guestkit/internal/peers"
	"github.com/guestkit/guestkit/internal/testimg"
)

// TestExternalLog: the log of an XFS is found among other devices by its UUID.
func TestExternalLog(t *testing.T) {
	peers.Need(t, "mkfs.xfs", "truncate")
	dir := t.TempDir()
	image := func(name string) (string, string) {
		data, log := filepath.Join(dir, name), filepath.Join(dir, name+".log")
		peers.Run(t, "truncate", "-s", "320M", data)
		peers.Run(t, "truncate", "-s", "64M", log)
		peers.Run(t, "mkfs.xfs", "-q", "-l", "logdev="+log+",size=64m", data)
		return data, log
	}
	data, log := image("one")
	_, other := image("two")
	r, mine, foreign := testimg.File(t, data), testimg.File(t, log), testimg.File(t, other)
	for _, c := range []struct {
		devices []block.Reader
		found   bool
	}{{nil, false}, {[]block.Reader{r, foreign}, false}, {[]block.Reader{r, foreign, mine}, true}} {
		fsys, err := fs.Open(r, &fs.Options{Devices: c.devices})
		if err != nil {
			t.Fatal(err)
		}
		p := fsys.Problems()
		if found := len(p) == 0; found != c.found || !found && !errors.Is(p[0], block.ErrMissing) {
			t.Errorf("%d devices: %v", len(c.devices), p)
		}
		if ds := fsys.Info().Devices; c.found != (len(ds) == 1 && ds[0] == block.Reader(mine)) {
			t.Errorf("%d devices: it says that it lies on %v", len(c.devices), ds)
		}
	}
}
