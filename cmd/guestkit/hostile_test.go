package main

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/format"
	gfs "github.com/guestkit/guestkit/fs"
	"github.com/guestkit/guestkit/internal/testimg"
)

// A recipe is a small image with one thing wrong.
type recipe struct {
	name  string
	image []byte
	code  int    // of inspect
	want  string // in its error
}

// qcow2Image is a version 3 image of 64 MiB with one cluster of 'A' behind
// one L2 table, as qemu-img lays it out; edit changes it.
func qcow2Image(edit func(b []byte)) []byte {
	be := binary.BigEndian
	b := make([]byte, 0x60000)
	copy(b, "QFI\xfb")
	be.PutUint32(b[0x04:], 3)
	be.PutUint32(b[0x14:], 16)      // cluster_bits
	be.PutUint64(b[0x18:], 64<<20)  // size
	be.PutUint32(b[0x24:], 1)       // l1_size
	be.PutUint64(b[0x28:], 0x30000) // l1_table_offset
	be.PutUint64(b[0x30:], 0x10000) // refcount_table_offset
	be.PutUint32(b[0x38:], 1)       // refcount_table_clusters
	be.PutUint32(b[0x60:], 4)       // refcount_order
	be.PutUint32(b[0x64:], 112)     // header_length
	be.PutUint64(b[0x10000:], 0x20000)
	for i := range 6 {
		be.PutUint16(b[0x20000+2*i:], 1)
	}
	be.PutUint64(b[0x30000:], 0x8000000000040000)
	be.PutUint64(b[0x40000:], 0x8000000000050000)
	copy(b[0x50000:], bytes.Repeat([]byte{'A'}, 0x10000))
	if edit != nil {
		edit(b)
	}
	return b
}

// withBacking names a backing file.
func withBacking(name, format string) []byte {
	return qcow2Image(func(b []byte) {
		be := binary.BigEndian
		if format != "" {
			be.PutUint32(b[0x70:], 0xe2792aca)
			be.PutUint32(b[0x74:], uint32(len(format)))
			copy(b[0x78:], format)
		}
		be.PutUint64(b[0x08:], 0x800)
		be.PutUint32(b[0x10:], uint32(len(name)))
		copy(b[0x800:], name)
		be.PutUint64(b[0x40000:], 0) // the first cluster is the backing file's
	})
}

func put64(off int, v uint64) func([]byte) {
	return func(b []byte) { binary.BigEndian.PutUint64(b[off:], v) }
}

func put32(off int, v uint32) func([]byte) {
	return func(b []byte) { binary.BigEndian.PutUint32(b[off:], v) }
}

// recipes are those of every layer that concern the whole command: what takes
// memory, time or another file. Each format's own tests have them all.
func recipes(t *testing.T) []recipe {
	ext4 := rawDisk(t, hostile)
	damaged := func(off int, v ...byte) []byte {
		b := bytes.Clone(ext4)
		copy(b[off:], v)
		return b
	}
	return []recipe{
		{"Q01 version", qcow2Image(put32(0x04, 4)), 1, "version"},
		{"Q03 cluster bits", qcow2Image(put32(0x14, 63)), 1, "cluster"},
		{"Q06 huge L1", qcow2Image(put32(0x24, 0x7fffffff)), 1, "limit exceeded"},
		{"Q10 huge disk", qcow2Image(put64(0x18, 1<<64-1)), 1, "qcow2: header"},
		{"Q11 unknown feature", qcow2Image(put64(0x48, 1<<5)), 1, "unsupported"},
		{"Q25 L2 in the L1", qcow2Image(put64(0x30000, 0x8000000000030000)), 1, "offset 0x30000: corrupt"},
		{"Q28 cluster past the end", qcow2Image(put64(0x40000, 0x80ffffffffff0000)), 1, "offset 0x40000"},
		{"Q29 truncated", qcow2Image(nil)[:0x50000], 1, "truncated"},
		{"Q32 snapshots", qcow2Image(put32(0x3c, 1<<32-1)), 1, "limit exceeded"},
		{"Q35 encrypted", qcow2Image(put32(0x20, 1)), 1, "encrypted"},
		{"Q42 short header", qcow2Image(nil)[:64], 1, "qcow2"},
		{"P01 EBR loop", ebrLoop(), 1, "loop"},
		{"G01 huge GPT", hugeGPT(), 1, "limit exceeded"},
		{"E01 block size", damaged(0x418, 31), 1, "superblock at offset 0x418: corrupt"},
		{"E02 no inodes", damaged(0x428, 0, 0, 0, 0), 1, "corrupt"},
		{"E05 unknown feature", damaged(0x463, 0x80), 3, "unsupported"},
	}
}

// rawDisk is the disk in one of the fixtures.
func rawDisk(t *testing.T, path string) []byte {
	t.Helper()
	img, err := format.OpenFile(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer img.Close()
	b, err := block.ReadBytes(img, 0, img.Size(), 64<<20)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// ebrLoop is an MBR whose logical partitions go round in a circle.
func ebrLoop() []byte {
	b := make([]byte, 8<<20)
	entry := func(at int, typ byte, start, count uint32) {
		b[at+4] = typ
		binary.LittleEndian.PutUint32(b[at+8:], start)
		binary.LittleEndian.PutUint32(b[at+12:], count)
	}
	b[510], b[511] = 0x55, 0xaa
	entry(446, 5, 2048, 12288)
	const ebr = 2048 * 512
	b[ebr+510], b[ebr+511] = 0x55, 0xaa
	entry(ebr+446, 0x83, 64, 64)
	entry(ebr+462, 5, 0, 128) // the next EBR is this one
	return b
}

// hugeGPT is a GPT that says it has four billion entries.
func hugeGPT() []byte {
	b := make([]byte, 8<<20)
	le := binary.LittleEndian
	b[510], b[511] = 0x55, 0xaa
	b[450] = 0xee
	le.PutUint32(b[454:], 1)
	le.PutUint32(b[458:], 1<<32-1)
	h := b[512:604]
	copy(h, "EFI PART")
	le.PutUint32(h[8:], 0x10000)
	le.PutUint32(h[12:], 92)
	le.PutUint64(h[24:], 1)
	le.PutUint64(h[32:], 16383)
	le.PutUint64(h[40:], 34)
	le.PutUint64(h[48:], 16350)
	le.PutUint64(h[72:], 2)
	le.PutUint32(h[80:], 1<<32-1)
	le.PutUint32(h[84:], 128)
	le.PutUint32(h[16:], crc32.ChecksumIEEE(h))
	return b
}

// programDir is what TestMain removes.
var programDir string

// program builds the command once, as users get it: without the race detector,
// which takes memory and time of its own.
var program = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "guestkit")
	if err != nil {
		return "", err
	}
	programDir = dir
	exe := filepath.Join(dir, "guestkit")
	if runtime.GOOS == "windows" {
		exe += ".exe"
	}
	cmd := exec.Command("go", "build", "-o", exe, "./cmd/guestkit")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	out, err := cmd.CombinedOutput()
	if err != nil {
		os.Stderr.Write(out)
	}
	return exe, err
})

// TestHostileImages holds the whole program to its promise: each image gives
// one clear error within a second and 64 MiB.
func TestHostileImages(t *testing.T) {
	exe, err := program()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for _, r := range recipes(t) {
		t.Run(r.name, func(t *testing.T) {
			path := filepath.Join(dir, strings.ReplaceAll(r.name, " ", "-"))
			if err := os.WriteFile(path, r.image, 0o600); err != nil {
				t.Fatal(err)
			}
			cmd := exec.Command(exe, "inspect", path)
			var errs bytes.Buffer
			cmd.Stderr = &errs
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			hang := time.AfterFunc(30*time.Second, func() { cmd.Process.Kill() })
			defer hang.Stop()
			cmd.Wait()
			if code := cmd.ProcessState.ExitCode(); code != r.code {
				t.Errorf("exit code %d, want %d", code, r.code)
			}
			if !strings.Contains(errs.String(), r.want) || strings.Count(errs.String(), "\n") != 1 {
				t.Errorf("it does not say %q on one line: %s", r.want, errs.String())
			}
			if cpu := cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime(); cpu > time.Second {
				t.Errorf("it took %v of processor time", cpu)
			}
			if rss := peakMemory(cmd.ProcessState); rss > 64<<20 {
				t.Errorf("it took %d MiB", rss>>20)
			}
		})
	}
}

func TestRequireComplete(t *testing.T) {
	// A guest with a second disk that nothing can read.
	noise := filepath.Join(t.TempDir(), "noise.img")
	if err := os.WriteFile(noise, bytes.Repeat([]byte("noise"), 200000), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, command := range []string{"inspect", "volumes", "ls", "manifest"} {
		args := []string{command, uefi, "-a", noise}
		if command == "manifest" {
			args = []string{command, uefi, "/etc/ssh", "-a", noise}
		}
		if r := gk(t, args...); r.code != exitDone {
			t.Errorf("%s: %+v", command, r)
		}
		r := gk(t, append(args, "--require-complete")...)
		if r.code != exitIncomplete || !strings.Contains(r.err, "not complete: disk2 is unknown") {
			t.Errorf("%s --require-complete: code %d, %s", command, r.code, r.err)
		}
		if r := gk(t, command, uefi, "--require-complete"); r.code != exitDone {
			t.Errorf("%s --require-complete of a disk that is read: %+v", command, r)
		}
	}
}

// TestReferences says which files an image may name, and that no other is
// opened: the secret would show in what is read of the first cluster.
func TestReferences(t *testing.T) {
	top := t.TempDir()
	dir := filepath.Join(top, "images")
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(os.MkdirAll(filepath.Join(dir, "sub"), 0o777))
	ext4 := rawDisk(t, hostile)
	secret := filepath.Join(top, "secret.raw")
	must(os.WriteFile(secret, ext4, 0o600))
	must(os.WriteFile(filepath.Join(dir, "sub", "base.raw"), ext4, 0o600))
	must(os.WriteFile(filepath.Join(dir, "other.qcow2"), withBacking(secret, "raw"), 0o600))
	link := filepath.Join(dir, "link.raw")
	if err := os.Symlink(secret, link); err != nil {
		t.Skip(err)
	}
	watch := watchOpens(t, secret)
	for _, c := range []struct {
		name, backing, format string
		flags                 []string
		opens                 bool
	}{
		{"beside", "sub/base.raw", "raw", nil, true},
		{"beside, without a format", "sub/base.raw", "", nil, true}, // raw, as nothing in it tells another
		{"an image beside, without a format", "other.qcow2", "", nil, false},
		{"absolute", secret, "raw", nil, false},
		{"absolute, without a format", "/etc/passwd", "", nil, false},
		{"of the system", "/etc/passwd", "raw", nil, false},
		{"above", "../secret.raw", "raw", nil, false},
		{"above and back", "sub/../../secret.raw", "raw", nil, false},
		{"through a link", "link.raw", "raw", nil, false},
		{"json", `json:{"driver":"raw","file":{"driver":"file","filename":"` + secret + `"}}`, "raw", nil, false},
		{"URL", "http://127.0.0.1:1/secret.raw", "raw", nil, false},
		{"nbd", "nbd://127.0.0.1:1/secret", "raw", nil, false},
		{"protocol", "file:" + secret, "raw", nil, false},
		{"itself", "overlay.qcow2", "qcow2", nil, false},
		{"allowed", secret, "raw", []string{"--allow-dir", top}, true},
		{"allowed, above", "../secret.raw", "raw", []string{"--allow-dir", top}, true},
		{"another one allowed", "../secret.raw", "raw", []string{"--allow-dir", filepath.Join(dir, "sub")}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			overlay := filepath.Join(dir, "overlay.qcow2")
			must(os.WriteFile(overlay, withBacking(c.backing, c.format), 0o600))
			r := gk(t, append(c.flags, "ls", overlay)...)
			if c.opens {
				if r.code != exitDone || !strings.Contains(r.out, "lost+found") {
					t.Errorf("not read: %+v", r)
				}
				watch.drain()
				return
			}
			if r.code != exitFailed || r.out != "" || !(strings.Contains(r.err, block.ErrRefused.Error()) || strings.Contains(r.err, block.ErrLoop.Error())) {
				t.Errorf("not refused: %+v", r)
			}
			// It is described all the same, by its name alone.
			d := gk(t, append(c.flags, "info", overlay)...)
			if d.code != exitDone || !strings.Contains(d.out, c.backing) {
				t.Errorf("info: %+v", d)
			}
			if watch.opened() {
				t.Error("the secret was opened")
			}
		})
	}
}

// TestMutatedCommands runs what walks a tree over filesystems with damage: no panic, no
// hang, no memory without bound. cp and tar are in the tests of each filesystem.
func TestMutatedCommands(t *testing.T) {
	for _, name := range []string{"ext4/testdata/ext4", "ntfs/testdata/small", "btrfs/testdata/single", "fat/testdata/fat16", "exfat/testdata/small",
		"iso9660/testdata/rockridge", "udf/testdata/hd", "squashfs/testdata/gzip", "erofs/testdata/lz4", "ufs/testdata/ufs2-le"} {
		kind, _, _ := strings.Cut(name, "/")
		t.Run(kind, func(t *testing.T) {
			image := testimg.Unpack(t, filepath.Join("fs", name+".img.gz"))
			dir := t.TempDir()
			sound, damaged := filepath.Join(dir, "sound"), filepath.Join(dir, "damaged")
			if err := os.WriteFile(sound, image, 0o600); err != nil {
				t.Fatal(err)
			}
			trace := &testimg.Trace{Reader: bytes.NewReader(image)}
			fsys, err := gfs.Open(trace, nil)
			if err != nil {
				t.Fatal(err)
			}
			defer fsys.Close()
			fs.WalkDir(fsys, ".", func(string, fs.DirEntry, error) error { return nil })
			testimg.Mutate(t, testimg.Mutations{Image: image, Where: trace.Ranges(), Seed: 3, N: 10, Run: func(block.Reader) error {
				if err := os.WriteFile(damaged, image, 0o600); err != nil {
					return err
				}
				for _, args := range [][]string{{"find", damaged, "/"}, {"du", damaged}, {"df", "-i", damaged}, {"grep", "-r", "x", damaged, "/"},
					{"ls", "-lR", damaged}, {"diff", sound, damaged}, {"log", damaged}, {"manifest", damaged}} {
					var errs bytes.Buffer
					run(args, streams{strings.NewReader(""), io.Discard, &errs}, nil)
					if strings.Contains(errs.String(), "internal error") {
						panic(strings.Join(args, " ") + ": " + errs.String())
					}
				}
				return nil
			}})
		})
	}
}
