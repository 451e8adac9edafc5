package partition

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/peers"
	"github.com/guestkit/guestkit/internal/testimg"
)

// partx writes partitions as partx does: start and sectors, of 512 bytes from the
// start of the disk, and the type. Those inside a partition of an MBR follow it.
func partx(t testing.TB, r block.Reader) []string {
	t.Helper()
	table, err := Read(r, nil)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for i := range table.Partitions {
		p := &table.Partitions[i]
		out = append(out, fmt.Sprintf("%d %d %s", p.Start/512, p.Size/512, p.Type))
		label, err := ReadLabel(block.Section(block.Plain(r), p.Start, p.Size), p)
		if errors.Is(err, block.ErrFormat) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		for _, q := range label.Partitions {
			out = append(out, fmt.Sprintf("%d %d %s", (p.Start+q.Start)/512, q.Size/512, q.Type))
		}
	}
	return out
}

// wanted turns what partx says into the same lines. It lists what is no partition
// as well: the map of a Macintosh and its gaps, the header of an SGI and all of its
// disk.
func wanted(lines string) []string {
	var out []string
	for line := range strings.Lines(lines) {
		f := strings.Fields(line)
		for len(f) < 4 {
			f = append(f, "")
		}
		if n := strings.TrimPrefix(f[3], "0x"); len(n) == 1 {
			f[3] = "0x0" + n
		}
		switch f[3] {
		case "Apple_partition_map", "Apple_Free":
		default:
			if f[0] != "9" && f[0] != "11" {
				out = append(out, strings.Join(f[1:], " "))
			}
		}
	}
	return out
}

// TestLabels reads disks of other machines, which parted, fdisk and sfdisk made
// (testdata/make.sh), and compares them with what libblkid said of them.
func TestLabels(t *testing.T) {
	files, err := filepath.Glob("testdata/*.partx")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".partx")
		t.Run(name, func(t *testing.T) {
			b, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			disk := testDisk(fixture(t, name))
			if got, want := partx(t, disk), wanted(string(b)); !slices.Equal(got, want) {
				t.Errorf("%q, not %q", got, want)
			}
			table, err := Read(disk, nil)
			if err != nil {
				t.Fatal(err)
			}
			if want := map[string]Scheme{"slice": MBR}[name]; table.Scheme != want && string(table.Scheme) != name {
				t.Errorf("scheme %s", table.Scheme)
			}
			for _, p := range table.Partitions {
				if p.TypeName == "" {
					t.Errorf("type %s has no name", p.Type)
				}
			}
			// parted writes a checksum that is wrong.
			if (name == "bsd") != (len(table.Problems) == 1) {
				t.Error(table.Problems)
			}
		})
	}
}

// TestLabelSuite does so for the images that util-linux tests libblkid with.
func TestLabelSuite(t *testing.T) {
	peers.Need(t, "partx", "xz")
	dir := filepath.Join(peers.Suite(t, "util-linux"), "tests/ts/blkid/images-pt")
	files, err := filepath.Glob(filepath.Join(dir, "*.img.xz"))
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".img.xz")
		t.Run(name, func(t *testing.T) {
			disk := filepath.Join(t.TempDir(), "disk")
			if err := os.WriteFile(disk, []byte(peers.Run(t, "xz", "-dc", file)), 0o644); err != nil {
				t.Fatal(err)
			}
			// Some are the beginning of a larger disk. A GPT has its backup at the end.
			if name != "gpt" {
				if err := os.Truncate(disk, 32<<30); err != nil {
					t.Fatal(err)
				}
			}
			want := wanted(peers.Run(t, "partx", "--show", "-g", "-o", "NR,START,SECTORS,TYPE", disk))
			if got := partx(t, testimg.File(t, disk)); !slices.Equal(got, want) {
				t.Errorf("%q, not %q", got, want)
			}
		})
	}
}

// TestSolaris reads a VTOC that is written here, since no tool does: libblkid is
// the judge of it.
func TestSolaris(t *testing.T) {
	peers.Need(t, "partx")
	d := newDisk(40000)
	d.mbr(0, entry{0x83, 2048, 2048}, entry{0x82, 4096, 30000})
	v := d[4097*512:]
	binary.LittleEndian.PutUint32(v[0x0C:], 0x600DDEEE)
	binary.LittleEndian.PutUint32(v[0x10:], 1)
	binary.LittleEndian.PutUint16(v[0x1C:], 512)
	binary.LittleEndian.PutUint16(v[0x1E:], 16)
	for i, s := range []solarisSlice{{2, 2000, 9000}, {3, 11000, 3000}, {5, 0, 30000}, {}, {7, 14000, 100}} {
		binary.LittleEndian.PutUint16(v[0x48+12*i:], s.tag)
		binary.LittleEndian.PutUint32(v[0x4C+12*i:], s.first)
		binary.LittleEndian.PutUint32(v[0x50+12*i:], s.count)
	}
	disk := filepath.Join(t.TempDir(), "disk")
	if err := os.WriteFile(disk, d, 0o644); err != nil {
		t.Fatal(err)
	}
	want := wanted(peers.Run(t, "partx", "--show", "-g", "-o", "NR,START,SECTORS,TYPE", disk))
	if got := partx(t, d); !slices.Equal(got, want) || len(want) != 5 {
		t.Errorf("%q, not %q", got, want)
	}
}

// TestSunChecksum: two bytes of magic make no label of a disk that holds something
// else; with those of a VTOC a wrong checksum is a damaged one.
func TestSunChecksum(t *testing.T) {
	d := fixture(t, "sun")
	d[100] ^= 1
	if _, err := Read(testDisk(d), nil); !errors.Is(err, block.ErrCorrupt) {
		t.Errorf("damaged: %v", err)
	}
	other := newDisk(2048)
	other.put(0, []byte("hsqs, and then anything")...)
	other.put(0x1FC, 0xDA, 0xBE)
	if table, err := Read(other, nil); !errors.Is(err, block.ErrFormat) {
		t.Errorf("no label: %+v, %v", table, err)
	}
}

// TestSlice4096 reads a disklabel on a disk with sectors of 4,096 bytes: as Linux's
// fdisk writes it, which lists it as well, and in the second sector, where FreeBSD has it.
func TestSlice4096(t *testing.T) {
	peers.Need(t, "fdisk")
	disk := filepath.Join(t.TempDir(), "disk")
	if err := os.WriteFile(disk, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(disk, 64<<20); err != nil {
		t.Fatal(err)
	}
	cmd := peers.Command(t, "fdisk", "-b", "4096", disk)
	cmd.Stdin = strings.NewReader("o\nn\np\n1\n256\n1279\nn\np\n2\n1280\n9471\nt\n2\na5\n" +
		"b\ny\nn\na\n\n+8M\nt\na\n7\nn\nb\n3500\n+4M\nt\nb\n1\np\nw\nr\nw\n")
	said := peers.RunCmd(t, cmd)
	var want []string
	for line := range strings.Lines(said) {
		var letter string
		var first, last, count int64
		if n, _ := fmt.Sscan(line, &letter, &first, &last, &count); n == 4 && len(letter) == 1 && !strings.Contains(line, "unused") {
			want = append(want, fmt.Sprintf("%s %d+%d", letter, (first-1280)*4096, count*4096))
		}
	}
	if len(want) != 2 {
		t.Fatalf("fdisk lists %q\n%s", want, said)
	}
	b, err := os.ReadFile(disk)
	if err != nil {
		t.Fatal(err)
	}
	read := func(problems int) {
		t.Helper()
		table, err := Read(testDisk(b), &Options{SectorSize: 4096})
		if err != nil {
			t.Fatal(err)
		}
		p := &table.Partitions[1]
		label, err := ReadLabel(testDisk(b[p.Start:p.Start+p.Size]), p)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, q := range label.Partitions {
			got = append(got, fmt.Sprintf("%s %d+%d", q.Name, q.Start, q.Size))
		}
		if !slices.Equal(got, want) || len(label.Problems) != problems {
			t.Errorf("%q, not %q; %v", got, want, label.Problems)
		}
	}
	read(1) // it states 512
	label := b[1280*4096:]
	copy(label[4096:], label[512:1024])
	clear(label[512:1024])
	l := label[4096:]
	binary.LittleEndian.PutUint32(l[0x28:], 4096)
	binary.LittleEndian.PutUint16(l[0x88:], 0)
	binary.LittleEndian.PutUint16(l[0x88:], xor16(l[:bsdHeadLen+bsdEntryLen*int(l[0x8A])], binary.LittleEndian))
	read(0)
}
