package inspect_test

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/guestkit/guestkit/block"
	guestfs "github.com/guestkit/guestkit/fs"
	"github.com/guestkit/guestkit/fs/vfs"
	"github.com/guestkit/guestkit/inspect"
	"github.com/guestkit/guestkit/volume"
)

// A memory is a driver of this test: a filesystem of one text, on one volume or
// on two.
type memory struct {
	text   string
	others []block.Reader
	events *[]string
	name   string
}

func (m *memory) Root() (vfs.Inode, error) { return dirNode{m.text}, nil }
func (m *memory) Info() vfs.Info {
	return vfs.Info{Type: "memory", UUID: "1234", Size: 4096, Free: -1, Devices: m.others}
}
func (m *memory) Problems() []error { return nil }
func (m *memory) Close() error      { *m.events = append(*m.events, m.name); return nil }

type dirNode struct{ text string }

func (d dirNode) Stat() *vfs.Stat { return &vfs.Stat{Ino: 1, Nlink: 1, Mode: fs.ModeDir | 0o755} }
func (d dirNode) ReadDir() ([]vfs.Entry, error) {
	return []vfs.Entry{{Name: "file", HasType: true}}, nil
}
func (d dirNode) Lookup(name string) (vfs.Inode, error) {
	if name != "file" {
		return nil, fs.ErrNotExist
	}
	return fileNode{dirNode: d}, nil
}
func (d dirNode) Child(vfs.Entry) (vfs.Inode, error) { return fileNode{dirNode: d}, nil }
func (d dirNode) ReadLink() (string, error)          { return "", fs.ErrInvalid }
func (d dirNode) Content() (block.Device, error)     { return nil, fs.ErrInvalid }
func (d dirNode) Xattrs() ([]vfs.Xattr, error)       { return nil, nil }

type fileNode struct{ dirNode }

func (f fileNode) Stat() *vfs.Stat {
	return &vfs.Stat{Ino: 2, Nlink: 1, Mode: 0o644, Size: int64(len(f.text))}
}
func (f fileNode) Content() (block.Device, error) {
	return block.Plain(strings.NewReader(f.text)), nil
}

// memoryDriver opens "MEMORY n/m": the n-th of m volumes.
func memoryDriver(events *[]string) guestfs.Driver {
	return guestfs.Driver{Types: []string{""}, Open: func(r block.Reader, o *guestfs.Options) (vfs.FS, error) {
		head := func(r block.Reader) string {
			b, err := block.ReadBytes(r, 0, min(10, r.Size()), 10)
			if err != nil {
				return ""
			}
			return string(b)
		}
		mine := head(r)
		if !strings.HasPrefix(mine, "MEMORY ") {
			return nil, block.Errorf("memory", "head", 0, block.ErrFormat, "")
		}
		m := &memory{text: mine, events: events, name: mine[7:]}
		for _, d := range o.Devices {
			if h := head(d); h != mine && strings.HasPrefix(h, "MEMORY ") {
				m.others = append(m.others, d)
			}
		}
		if 1+len(m.others) < int(mine[9]-'0') {
			return nil, block.Errorf("memory", "filesystem", -1, block.ErrMissing, "a device is missing; add its disk with -a")
		}
		return vfs.New(m)
	}}
}

func disk(text string) block.Device {
	return block.Plain(bytes.NewReader(append([]byte(text), bytes.Repeat([]byte("x"), 4096)...)))
}

// TestClose opens filesystems of a driver from outside, one over two volumes,
// and closes them.
func TestClose(t *testing.T) {
	var events []string
	o := &inspect.Options{FS: &guestfs.Options{Drivers: []guestfs.Driver{memoryDriver(&events)}}}
	run := func(disks ...block.Device) *inspect.Report {
		t.Helper()
		rep, err := inspect.Run(t.Context(), disks, o)
		if err != nil {
			t.Fatal(err)
		}
		return rep
	}
	rep := run(disk("MEMORY 1/1"), disk("nothing"))
	v := rep.Volumes[0]
	fsys, err := v.FS()
	if err != nil || v.Status != inspect.StatusRead || v.Content != "memory" || v.UUID != "1234" {
		t.Fatalf("%+v, %v", v, err)
	}
	if rep.Volumes[1].Status != inspect.StatusUnknown {
		t.Errorf("%+v", rep.Volumes[1])
	}
	if err := fstest.TestFS(fsys, "file"); err != nil {
		t.Error(err)
	}
	if err := errors.Join(rep.Close(), rep.Close()); err != nil || strings.Join(events, " ") != "1/1" {
		t.Errorf("closed: %v, %v", events, err)
	}
	if _, err := fsys.Open("file"); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("after Close: %v", err)
	}

	events = nil
	rep = run(disk("MEMORY 1/2"), disk("MEMORY 2/2"))
	if a, b := rep.Volumes[0], rep.Volumes[1]; a.Status != inspect.StatusRead || b.Status != inspect.StatusContainer || !strings.Contains(b.Reason, "filesystem on disk") {
		t.Errorf("%+v, %+v", a, b)
	}
	if err := rep.Close(); err != nil || strings.Join(events, " ") != "2/2 1/2" {
		t.Errorf("closed: %v, %v", events, err)
	}

	rep = run(disk("MEMORY 1/2"))
	if v := rep.Volumes[0]; v.Status != inspect.StatusIncomplete || rep.Complete() {
		t.Errorf("%+v", v)
	}

	// An inspection that ends early closes what it opened.
	events = nil
	ctx, cancel := context.WithCancel(t.Context())
	d := memoryDriver(&events)
	o.FS.Drivers = []guestfs.Driver{{Types: d.Types, Open: func(r block.Reader, o *guestfs.Options) (vfs.FS, error) {
		defer cancel()
		return d.Open(r, o)
	}}}
	if _, err := inspect.Run(ctx, []block.Device{disk("MEMORY 1/1"), disk("x")}, o); !errors.Is(err, context.Canceled) || len(events) != 1 {
		t.Errorf("%v, closed: %v", err, events)
	}
}

// TestLocked lists what a layer from outside has no key for.
func TestLocked(t *testing.T) {
	secret := volume.Layer{Types: []string{"DM_integrity"}, Open: func(ctx context.Context, ms []*volume.Volume, o *volume.Options) (made []*volume.Volume, problems []error) {
		for _, m := range ms {
			m.Err = o.Unlock.Try(ctx, block.KeyNeed{Format: "secret", Name: m.Name}, func(key []byte) error {
				if string(key) != "open sesame" {
					return block.ErrKey
				}
				made = append(made, &volume.Volume{Name: "secret:" + m.Name, Kind: "secret", Parents: ms, Device: disk("MEMORY 1/1"), Size: 4106})
				return nil
			})
		}
		return made, nil
	}}
	var events []string
	o := &inspect.Options{Volume: &volume.Options{Layers: []volume.Layer{secret}}, FS: &guestfs.Options{Drivers: []guestfs.Driver{memoryDriver(&events)}}}
	for _, key := range []string{"", "open sesame"} {
		want := "encrypted"
		if key != "" {
			o.Volume.Unlock = func(context.Context, block.KeyNeed) ([]byte, error) { return []byte(key), nil }
			want = "container read"
		}
		rep, err := inspect.Run(t.Context(), []block.Device{disk("integrt\x00")}, o)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, v := range rep.Volumes {
			got = append(got, string(v.Status))
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
