package fs_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
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

// TestRealtimeDevice: the realtime device of an XFS with groups is named, and found among
// other devices by its UUID.
func TestRealtimeDevice(t *testing.T) {
	r := bytes.NewReader(testimg.Unpack(t, "xfs/testdata/rtgroups.img.bz2"))
	rt := bytes.NewReader(testimg.Unpack(t, "xfs/testdata/rtgroups.rt.img.bz2"))
	fsys, err := fs.Open(r, &fs.Options{Devices: []block.Reader{r, bytes.NewReader(make([]byte, 1<<20)), rt}})
	if err != nil {
		t.Fatal(err)
	}
	if ds := fsys.Info().Devices; len(fsys.Problems()) > 0 || len(ds) != 1 || ds[0] != block.Reader(rt) {
		t.Errorf("it lies on %v, problems %v", ds, fsys.Problems())
	}
	if f, err := fs.Probe(rt); err != nil || f.Type != "xfs_realtime" || f.UUID != fsys.Info().UUID {
		t.Errorf("the device holds %+v, %v", f, err)
	}
}

// TestNamedDevices: a device that the caller names is used, or refused, whatever else could
// be found.
func TestNamedDevices(t *testing.T) {
	image := func(name string) block.Reader { return bytes.NewReader(testimg.Unpack(t, "xfs/testdata/"+name)) }
	data, rt := image("rtdev.img.bz2"), image("rtdev.rt.img.bz2")
	grouped, groups := image("rtgroups.img.bz2"), image("rtgroups.rt.img.bz2")
	for name, c := range map[string]struct {
		r  block.Reader
		o  fs.Options
		ok bool
	}{
		"realtime":               {data, fs.Options{Realtime: rt}, true},
		"realtime among others":  {grouped, fs.Options{Realtime: groups, Devices: []block.Reader{groups}}, true},
		"another's groups":       {grouped, fs.Options{Realtime: rt, Devices: []block.Reader{groups}}, false},
		"log inside":             {data, fs.Options{Realtime: rt, Log: groups}, false},
		"of a table":             {data, fs.Options{Blobs: []block.Reader{rt}}, false},
		"realtime of no section": {image("v5-dirty.img.bz2"), fs.Options{Realtime: rt}, false},
	} {
		fsys, err := fs.Open(c.r, &c.o)
		if ok := err == nil; ok != c.ok || !ok && !errors.Is(err, block.ErrOption) {
			t.Errorf("%s: %v", name, err)
		}
		if err == nil {
			if ds := fsys.Info().Devices; len(ds) != 1 || ds[0] != c.o.Realtime || len(fsys.Problems()) > 0 {
				t.Errorf("%s: it lies on %v, %v", name, ds, fsys.Problems())
			}
		}
	}
}

func journalDevice(t *testing.T, name, bs string) {
	t.Helper()
	peers.Run(t, "truncate", "-s", "16M", name)
	peers.Run(t, "mke2fs", "-q", "-O", "journal_dev", "-b", bs, name)
}

// copiedInUse copies an ext4 while it is mounted; its external journal is beside the copy.
func copiedInUse(t *testing.T, bs string) string {
	t.Helper()
	dir := t.TempDir()
	data, log, used := filepath.Join(dir, "data"), filepath.Join(dir, "log"), filepath.Join(dir, "used")
	journalDevice(t, log, bs)
	peers.Run(t, "truncate", "-s", "64M", data)
	dev := strings.TrimSpace(peers.Run(t, "losetup", "-f", "--show", log))
	defer peers.Run(t, "losetup", "-d", dev)
	peers.Run(t, "mke2fs", "-q", "-t", "ext4", "-b", bs, "-J", "device="+dev, data)
	mnt := peers.Mount(t, data, "ext4", "commit=300")
	defer peers.Unmount(t, mnt)
	for i := range 20 {
		name := filepath.Join(mnt, fmt.Sprint("file-", i))
		if err := os.WriteFile(name, []byte(name), 0o644); err != nil {
			t.Fatal(err)
		}
		peers.Run(t, "sync", name)
	}
	peers.Run(t, "cp", data, used)
	peers.Run(t, "cp", "--", log, used+".log")
	return used
}

// TestExternalJournal: the journal of an ext4 that was copied in use is found
// among other devices by its UUID, and replayed.
func TestExternalJournal(t *testing.T) {
	peers.NeedRoot(t)
	peers.Need(t, "mke2fs", "losetup", "truncate")
	for _, bs := range []string{"1024", "4096"} {
		t.Run(bs, func(t *testing.T) {
			other := filepath.Join(t.TempDir(), "other")
			journalDevice(t, other, bs)
			used := copiedInUse(t, bs)
			for range 4 { // what the journal holds is written back at any moment
				if fsys, err := fs.Open(testimg.File(t, used), nil); err != nil {
					t.Fatal(err)
				} else if _, err := fsys.Stat("file-19"); err != nil {
					break
				}
				used = copiedInUse(t, bs)
			}
			r, mine, foreign := testimg.File(t, used), testimg.File(t, used+".log"), testimg.File(t, other)
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
				if _, err := fsys.Stat("file-19"); (err == nil) != c.found {
					t.Errorf("%d devices: the last file: %v", len(c.devices), err)
				}
				named, err := fs.Open(r, &fs.Options{Devices: c.devices, Log: foreign})
				if err != nil {
					t.Fatal(err)
				}
				if p := named.Problems(); len(p) == 0 || !errors.Is(p[0], block.ErrMissing) {
					t.Errorf("the journal of another filesystem is named: %v", p)
				}
			}
		})
	}
}

// valueReader is of a type that cannot be compared.
type valueReader struct {
	block.Reader
	_ []int
}

// TestNamedValue: a device may be of any type.
func TestNamedValue(t *testing.T) {
	image := func(name string) block.Reader { return bytes.NewReader(testimg.Unpack(t, "xfs/testdata/"+name)) }
	rt := valueReader{Reader: image("rtdev.rt.img.bz2")}
	if fsys, err := fs.Open(image("rtdev.img.bz2"), &fs.Options{Realtime: rt}); err != nil || len(fsys.Problems()) > 0 {
		t.Error(err)
	}
}
