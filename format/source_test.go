package format_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"testing"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/format"
)

// A store is a place of images that is no folder of this machine.
type store struct {
	objects map[string][]byte
	open    *int
}

func (s store) Names() (names []string, err error) {
	for name := range s.objects {
		names = append(names, name)
	}
	return names, nil
}

func (s store) Open(name string) (format.Source, error) {
	b, ok := s.objects[name]
	if !ok {
		return nil, fmt.Errorf("%s: %w", name, fs.ErrNotExist)
	}
	*s.open++
	return &object{Device: block.Plain(bytes.NewReader(b)), name: name, store: s}, nil
}

type object struct {
	block.Device
	name  string
	store store
}

func (o *object) Close() error          { *o.store.open--; return nil }
func (o *object) Name() string          { return "store:" + o.name }
func (o *object) Folder() format.Folder { return o.store }
func (o *object) Changed() error        { return nil }
func (o *object) Allocated() int64      { return 7 }

func (o *object) Same(other format.Source) bool {
	p, ok := other.(*object)
	return ok && p.name == o.name
}

// TestSources opens chains, descriptors and checks in a place of the caller's.
func TestSources(t *testing.T) {
	open := 0
	s := store{map[string][]byte{
		"base.raw":    bytes.Repeat([]byte{'b'}, 4096),
		"over.qcow2":  overlay("base.raw", "raw"),
		"over2.qcow2": overlay("over.qcow2", "qcow2"),
		"loop.qcow2":  overlay("loop.qcow2", "qcow2"),
		"lone.qcow2":  overlay("missing.raw", "raw"),
		"flat.vmdk":   []byte("# Disk DescriptorFile\nversion=1\nCID=12345678\nparentCID=ffffffff\ncreateType=\"vmfs\"\nRW 8 VMFS \"base.raw\"\n"),
	}, &open}
	own := &format.Options{FollowOwnDir: true}
	for name, want := range map[string]error{"base.raw": nil, "over.qcow2": nil, "over2.qcow2": nil, "flat.vmdk": nil,
		"loop.qcow2": block.ErrLoop, "lone.qcow2": block.ErrParent} {
		src, err := s.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		im, err := format.OpenSource(src, own)
		if !errors.Is(err, want) || want == nil && err != nil {
			t.Errorf("%s: %v, want %v", name, err, want)
		}
		if err != nil {
			continue
		}
		b := make([]byte, 1)
		if _, err := im.ReadAt(b, 4000); err != nil || b[0] != 'b' {
			t.Errorf("%s: %q, %v", name, b, err)
		}
		if i := im.Info(); i.Name != "store:"+name || i.Allocated != 7 {
			t.Errorf("%s: %+v", name, i)
		}
		im.Close()
	}
	if open != 0 {
		t.Errorf("%d objects are open", open)
	}
	src, _ := s.Open("over2.qcow2")
	if _, err := format.OpenSource(src, nil); !errors.Is(err, block.ErrRefused) {
		t.Errorf("without a policy: %v, want ErrRefused", err)
	}
	src, _ = s.Open("flat.vmdk")
	if res, err := format.Check(context.Background(), src, own, nil); err != nil || !res.Clean() {
		t.Errorf("Check = %+v, %v", res, err)
	}
}

// TestNewSource opens a Reader beside a folder of this machine, which the image
// may use as its own.
func TestNewSource(t *testing.T) {
	dir, _ := place(t)
	folder, err := format.HostFolder(dir)
	if err != nil {
		t.Fatal(err)
	}
	for name, class := range map[string]error{"base.raw": nil, filepath.Join(dir, "base.raw"): nil, "../outside/secret.raw": block.ErrRefused} {
		src := format.NewSource(bytes.NewReader(overlay(name, "raw")), "in memory", folder)
		im, err := format.Open(src, &format.Options{FollowOwnDir: true})
		if !errors.Is(err, class) || class == nil && err != nil {
			t.Errorf("%s: %v, want %v", name, err, class)
		}
		if err == nil {
			b, err := io.ReadAll(io.NewSectionReader(im, 0, 1))
			if err != nil || string(b) != "b" {
				t.Errorf("%s: %q, %v", name, b, err)
			}
			im.Close()
		}
	}
	if _, err := format.Open(bytes.NewReader(overlay("base.raw", "raw")), &format.Options{FollowOwnDir: true}); !errors.Is(err, block.ErrRefused) {
		t.Errorf("a Reader beside nothing: %v, want ErrRefused", err)
	}
}
