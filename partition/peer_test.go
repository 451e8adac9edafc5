package partition

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/guestkit/guestkit/internal/peers"
	"github.com/guestkit/guestkit/internal/testimg"
)

// A layout is a disk made by the tools.
type layout struct {
	name   string
	size   string   // as truncate takes it, 64M if empty
	script string   // for sfdisk
	sgdisk []string // lines of arguments, run one after the other behind sfdisk
	sector int      // 512 if 0; others need root for a loop device
}

func layouts() []layout {
	var out []layout
	dos := func(name string, lines ...string) {
		out = append(out, layout{name: "mbr-" + name, script: "label: dos\nlabel-id: 0x00c0ffee\n" + strings.Join(lines, "\n") + "\n"})
	}
	dos("one", ",,83")
	dos("active", ",8M,7,*", ",,83")
	dos("four", ",1M,83", ",1M,82", ",1M,b", ",1M,ef")
	dos("gap", "3: size=4M, type=83", "1: start=40960, size=4M, type=83")
	dos("disorder", "start=65536, size=8M", "start=2048, size=8M")
	dos("empty-extended", ",8M,83", ",,5")
	dos("extended-first", ",16M,f", ",,83")
	dos("linux-extended", ",8M,83", ",,85", ",1M,83")
	dos("none")
	for _, n := range []int{1, 2, 3, 10, 25} {
		lines := []string{",4M,83", ",,5"}
		for range n {
			lines = append(lines, ",512K,83")
		}
		dos(fmt.Sprintf("logical-%d", n), lines...)
	}
	dos("logical-types", ",1M,83", ",1M,83", ",1M,83", ",,f", ",1M,82", ",1M,8e", ",1M,fd", ",1M,7", ",1M,c,*")
	dos("logical-disorder", ",,5", "5: start=65536, size=4M, type=83", "6: start=8192, size=4M, type=82")
	dos("bsd", ",8M,a5", ",8M,a6", ",8M,a9", ",8M,bf")
	dos("odd-types", ",1M,0b", ",1M,27", ",1M,42", ",1M,fb")

	gpt := func(name, size, script string, sgdisk ...string) {
		out = append(out, layout{name: "gpt-" + name, size: size, script: script, sgdisk: sgdisk})
	}
	gpt("esp", "", "label: gpt\n,8M,U\n,16M,L\n,8M,S\n,,H\n")
	gpt("attrs", "", `label: gpt
size=1M, attrs="RequiredPartition"
size=1M, attrs="NoBlockIOProtocol LegacyBIOSBootable"
size=1M, attrs="GUID:48,63"
size=1M, attrs="RequiredPartition GUID:60,61,62"
`)
	gpt("names", "", "", "-n 1:0:+1M -c 1:ÄÖÜß -n 2:0:+1M -c 2:𝔘𝔫𝔦 -n 3:0:+1M -c 3:日本語 -n 4:0:+1M -c 4:123456789012345678901234567890123456")
	for _, n := range []string{"1", "4", "56", "128", "129", "256", "1000", "4096"} {
		gpt("length-"+n, "", "label: gpt\ntable-length: "+n+"\nsize=1M\n")
	}
	gpt("numbers", "", "label: gpt\n7: size=1M\n128: size=1M\n2: size=1M\n")
	gpt("first-lba", "", "label: gpt\nfirst-lba: 4096\nlast-lba: 100000\nsize=1M\n")
	gpt("many", "", "", "-a 1"+strings.Repeat(" -n 0:0:+64", 100))
	gpt("types", "", "", "-n 0:0:+1M -t 0:ef02 -n 0:0:+1M -t 0:ef00 -n 0:0:+1M -t 0:0c01 -n 0:0:+1M -t 0:0700 -n 0:0:+1M -t 0:8e00 -n 0:0:+1M -t 0:fd00 -n 0:0:+1M -t 0:8309 -n 0:0:+1M -t 0:af00 -n 0:0:+1M -t 0:a504 -n 0:0:+1M -t 0:bf01 -n 0:0:+1M -t 0:7f00 -n 0:0:+1M -t 0:fb00")
	gpt("sgdisk-attrs", "", "", "-n 1:0:+1M -A 1:set:0 -A 1:set:2 -A 1:set:59 -A 1:set:60 -A 1:set:63")
	gpt("resized-table", "", "", "-n 1:0:+1M", "-S 256")
	gpt("moved-table", "", "", "-j 64 -n 1:0:+1M")
	gpt("hybrid", "", "", "-n 1:0:+1M -n 2:0:+2M -t 2:0700 -n 3:0:+1M", "-h 2")
	gpt("hybrid-three", "", "", "-n 1:0:+1M -n 2:0:+2M -n 3:0:+1M", "-h 1:2:3")
	gpt("hybrid-ee-last", "", "", "-n 1:0:+1M -n 2:0:+2M", "-h 1:2:EE")
	gpt("transposed", "", "", "-n 2:2048:4095 -n 1:8192:+1M", "-r 1:2")
	gpt("tiny", "1M", "", "-a 1 -n 1:0:0")
	gpt("big", "3T", "", "-n 1:0:+2T -n 2:0:0")
	gpt("from-mbr", "", "label: dos\n,8M,83\n,8M,c\n,,5\n,4M,83\n,4M,82\n", "-g")
	gpt("empty", "", "label: gpt\n")

	for _, l := range out[:len(out):len(out)] {
		switch l.name {
		case "mbr-one", "mbr-four", "mbr-logical-10", "mbr-active",
			"gpt-esp", "gpt-attrs", "gpt-names", "gpt-length-1", "gpt-length-129", "gpt-length-4096", "gpt-hybrid", "gpt-many", "gpt-types", "gpt-big":
			l.name, l.sector = l.name+"-4k", 4096
			out = append(out, l)
		}
	}
	return out
}

// makeLayout builds the disk and returns its file and the device on which the
// tools see its sectors.
func makeLayout(t *testing.T, l layout) (file, dev string) {
	t.Helper()
	file = filepath.Join(t.TempDir(), "disk")
	size := l.size
	if size == "" {
		size = "64M"
	}
	peers.Run(t, "truncate", "-s", size, file)
	dev = file
	if l.sector != 0 {
		peers.NeedRoot(t)
		dev = strings.TrimSpace(peers.Run(t, "losetup", "--show", "-f", "-b", strconv.Itoa(l.sector), file))
		t.Cleanup(func() { peers.Command(t, "losetup", "-d", dev).Run() })
	}
	if l.script != "" {
		cmd := peers.Command(t, "sfdisk", "--no-tell-kernel", "--no-reread", "-q", dev)
		cmd.Env = append(cmd.Env, utf8Locale)
		cmd.Stdin = strings.NewReader(l.script)
		peers.RunCmd(t, cmd)
	}
	for _, args := range l.sgdisk {
		cmd := peers.Command(t, "sgdisk", append(strings.Fields(args), dev)...)
		cmd.Env = append(cmd.Env, utf8Locale)
		peers.RunCmd(t, cmd)
	}
	return file, dev
}

// utf8Locale lets the tools take and give names that are not ASCII.
const utf8Locale = "LC_ALL=C.UTF-8"

func sfdiskJSON(t *testing.T, dev string) *sfdisk {
	t.Helper()
	cmd := peers.Command(t, "sfdisk", "-J", dev)
	cmd.Env = append(cmd.Env, utf8Locale)
	s := new(sfdisk)
	if err := json.Unmarshal([]byte(peers.RunCmd(t, cmd)), s); err != nil {
		t.Fatal(err)
	}
	return s
}

// TestLayouts compares disks of every shape with sfdisk and libblkid.
func TestLayouts(t *testing.T) {
	peers.Need(t, "sfdisk", "sgdisk", "partx", "truncate", "losetup")
	ls := layouts()
	t.Logf("%d layouts", len(ls))
	for _, l := range ls {
		t.Run(l.name, func(t *testing.T) {
			t.Parallel()
			file, dev := makeLayout(t, l)
			want := sfdiskJSON(t, dev)
			opts := &Options{}
			if want.Table.Label == "dos" {
				opts.SectorSize = l.sector // nothing on an MBR disk tells
			}
			table, err := Read(testimg.File(t, file), opts)
			if err != nil {
				t.Fatal(err)
			}
			sameLines(t, table.lines(), want.lines())
			comparePartx(t, table, dev)
			for _, p := range table.Problems {
				t.Errorf("problem: %v", p)
			}
			for _, p := range table.Partitions {
				if p.TypeName == "" {
					t.Errorf("type %s has no name", p.Type)
				}
			}
		})
	}
}

var pair = regexp.MustCompile(`(\w+)="(.*?)"( |\n|$)`)

// comparePartx compares numbers, places, PARTUUIDs, types and flags with
// libblkid, which always counts sectors of 512 bytes.
func comparePartx(t *testing.T, table *Table, dev string) {
	t.Helper()
	args := []string{"-P", "-o", "NR,START,SECTORS,UUID,TYPE,FLAGS,SCHEME", dev}
	if table.SectorSize != 512 {
		args = append([]string{"-S", strconv.Itoa(table.SectorSize)}, args...)
	}
	if len(table.Partitions) == 0 {
		return // partx fails on an empty table
	}
	var got, want []string
	for line := range strings.Lines(peers.Run(t, "partx", args...)) {
		f := map[string]string{}
		for _, m := range pair.FindAllStringSubmatch(line, -1) {
			f[m[1]] = m[2]
		}
		want = append(want, strings.Join([]string{f["NR"], f["START"], f["SECTORS"], f["UUID"], f["TYPE"], f["FLAGS"], f["SCHEME"]}, " "))
	}
	for _, p := range table.Partitions {
		flags, scheme := p.Attributes, "gpt"
		if table.Scheme == MBR {
			flags, scheme = 0, "dos"
			if p.Bootable {
				flags = 0x80
			}
		}
		typ := p.Type
		if n, err := strconv.ParseUint(strings.TrimPrefix(typ, "0x"), 16, 8); err == nil && table.Scheme == MBR {
			typ = fmt.Sprintf("%#x", n)
		}
		got = append(got, fmt.Sprintf("%d %d %d %s %s %#x %s", p.Number, p.Start/512, p.Size/512, p.UUID, typ, flags, scheme))
	}
	sameLines(t, got, want)
}

// flip changes a byte, whatever it is: disks have identifiers and checksums of chance.
func flip(t *testing.T, f *os.File, off int64) {
	t.Helper()
	b := make([]byte, 1)
	if _, err := f.ReadAt(b, off); err != nil {
		t.Fatal(err)
	}
	b[0] ^= 0xFF
	if _, err := f.WriteAt(b, off); err != nil {
		t.Fatal(err)
	}
}

// TestDamaged changes disks behind the tools' back and compares with what
// sfdisk said of them before.
func TestDamaged(t *testing.T) {
	peers.Need(t, "sfdisk", "truncate")
	const script = "label: gpt\nsize=8M, name=one\nsize=8M, name=two\n"
	for _, c := range []struct {
		name   string
		sector int
		change func(t *testing.T, f *os.File)
		backup bool
	}{
		{"grown", 512, func(t *testing.T, f *os.File) { f.Truncate(96 << 20) }, false},
		{"grown, primary lost", 512, func(t *testing.T, f *os.File) {
			f.Truncate(96 << 20)
			flip(t, f, 512+0x38) // the checksum fails; AlternateLBA is still right
		}, true},
		{"primary header", 512, func(t *testing.T, f *os.File) { f.WriteAt(make([]byte, 512), 512) }, true},
		{"primary entries", 512, func(t *testing.T, f *os.File) { flip(t, f, 1024+0x38) }, true},
		{"primary header, 4k", 4096, func(t *testing.T, f *os.File) { f.WriteAt(make([]byte, 4096), 4096) }, true},
		{"both sides of a header", 4096, func(t *testing.T, f *os.File) {
			flip(t, f, 4096+0x10)
			f.WriteAt(make([]byte, 446), 0)
		}, true},
		{"backup header", 512, func(t *testing.T, f *os.File) { f.WriteAt(make([]byte, 512), 64<<20-512) }, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			file, dev := makeLayout(t, layout{script: script, sector: map[int]int{4096: 4096}[c.sector]})
			f, err := os.OpenFile(file, os.O_RDWR, 0)
			if err != nil {
				t.Fatal(err)
			}
			want := sfdiskJSON(t, dev)
			c.change(t, f)
			f.Close()
			table, err := Read(testimg.File(t, file), nil)
			if err != nil {
				t.Fatal(err)
			}
			sameLines(t, table.lines(), want.lines())
			if table.Backup != c.backup {
				t.Errorf("Backup = %v", table.Backup)
			}
			if len(table.Problems) == 0 && c.name != "grown" {
				t.Error("nothing is said of the damage")
			}
		})
	}
}
