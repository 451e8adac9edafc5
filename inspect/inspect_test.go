package inspect

import (
	"context"
	"io/fs"
	"testing"
	"testing/fstest"

	"github.com/guestkit/guestkit/fs/vfs"
	"github.com/guestkit/guestkit/internal/testimg"
)

func file(text string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(text), Mode: 0o644} }
func dir() *fstest.MapFile             { return &fstest.MapFile{Mode: fs.ModeDir | 0o755} }

func link(target string) *fstest.MapFile {
	return &fstest.MapFile{Data: []byte(target), Mode: fs.ModeSymlink | 0o777}
}

// elf is the start of a program for a machine.
func elf(class, data byte, machine uint16) *fstest.MapFile {
	b := make([]byte, 64)
	copy(b, "\x7fELF")
	b[4], b[5], b[6] = class, data, 1
	b[0x12], b[0x13] = byte(machine), byte(machine>>8)
	if data == 2 {
		b[0x12], b[0x13] = b[0x13], b[0x12]
	}
	return &fstest.MapFile{Data: b, Mode: 0o755}
}

// guestOf makes a report of volumes that are given by their files, as if they
// were partitions of one disk.
func guestOf(t *testing.T, volumes ...*Volume) *Report {
	t.Helper()
	rep := &Report{}
	for _, v := range volumes {
		if v.Status == "" {
			v.Status = StatusRead
		}
		rep.Volumes = append(rep.Volumes, v)
	}
	for _, v := range volumes {
		if v.fsys == nil {
			continue
		}
		if err := rep.findSystems(context.Background(), v, &Options{}); err != nil {
			t.Fatal(err)
		}
	}
	return rep
}

// vol is a readable volume that holds the files.
func vol(t *testing.T, name string, m fstest.MapFS) *Volume {
	t.Helper()
	return &Volume{Name: name, Content: "ext4", fsys: testimg.MapFS(t, m, vfs.Info{Type: "ext4"})}
}

// one inspects a guest of one volume, which must have one system.
func one(t *testing.T, m fstest.MapFS) (*System, *Report) {
	t.Helper()
	rep := guestOf(t, vol(t, "gpt1", m))
	if len(rep.Systems) != 1 {
		t.Fatalf("%d systems, want 1; problems: %v", len(rep.Systems), rep.Problems())
	}
	return rep.Systems[0], rep
}
