package lvm_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/peers"
	"github.com/guestkit/guestkit/internal/testimg"
	"github.com/guestkit/guestkit/volume/lvm"
)

const (
	extent = 64 << 10 // bytes, of built groups
	start  = 64 << 10 // of extent 0
	mdaAt  = 4096
	mdaLen = start - mdaAt
)

var le = binary.LittleEndian

func crc(b []byte) uint32 { return ^crc32.Update(^uint32(0xf597a6cf), crc32.IEEETable, b) }

func id(n int) string { return strings.Repeat(fmt.Sprint(n), 32) }

// text describes a group of two physical volumes; body is its logical volumes.
func text(seqno int, body string) string {
	return fmt.Sprintf(`# made by a test
vg0 {
id = "VGVGVG-0000-0000-0000-0000-0000-000000"
seqno = %d
format = "lvm2" # informational
status = ["RESIZEABLE", "READ", "WRITE"]
flags = []
extent_size = %d
max_lv = 0
physical_volumes {
pv0 { id = "%s" device = "/dev/sd\"a" status = ["ALLOCATABLE"] pe_start = %d pe_count = 16 }
pv1 { id = "%s" pe_start = %d pe_count = 16 }
}
logical_volumes {
%s
}
}
contents = "Text Format Volume Group"
version = 1
`, seqno, extent/512, id(0), start/512, id(1), start/512, body)
}

// lv is a logical volume of the given segments.
func lv(name string, segments ...string) string {
	s := fmt.Sprintf("%s {\nid = \"x\"\nstatus = [\"READ\", \"WRITE\", \"VISIBLE\"]\nsegment_count = %d\n", name, len(segments))
	for i, seg := range segments {
		s += fmt.Sprintf("segment%d {\n%s\n}\n", i+1, seg)
	}
	return s + "}\n"
}

func linear(first, count int, pv string, pe int) string {
	return fmt.Sprintf("start_extent = %d\nextent_count = %d\ntype = \"striped\"\nstripe_count = 1\nstripes = [\n\"%s\", %d\n]", first, count, pv, pe)
}

// device builds physical volume n with a text that begins at offset at of its
// ring.
func device(n int, text string, at int) []byte {
	b := make([]byte, start+16*extent)
	rng := rand.New(rand.NewPCG(uint64(n), 1))
	for i := start; i < len(b); i += 8 {
		le.PutUint64(b[i:], rng.Uint64())
	}
	l := b[512:1024]
	copy(l, "LABELONE")
	le.PutUint64(l[8:], 1)
	le.PutUint32(l[0x14:], 32)
	copy(l[0x18:], "LVM2 001")
	copy(l[32:], id(n))
	le.PutUint64(l[64:], uint64(len(b)))
	le.PutUint64(l[72:], start)
	le.PutUint64(l[104:], mdaAt)
	le.PutUint64(l[112:], mdaLen)
	m := b[mdaAt : mdaAt+mdaLen]
	copy(m[4:], " LVM2 x[5A%r0N*>")
	le.PutUint32(m[0x14:], 1)
	le.PutUint64(m[0x18:], mdaAt)
	le.PutUint64(m[0x20:], mdaLen)
	if text != "" {
		le.PutUint64(m[0x28:], uint64(at))
		le.PutUint64(m[0x30:], uint64(len(text)))
		le.PutUint32(m[0x38:], crc([]byte(text)))
		for i, c := range []byte(text) {
			p := at + i
			if p >= mdaLen {
				p -= mdaLen - 512
			}
			m[p] = c
		}
	}
	seal(b)
	return b
}

func seal(b []byte) {
	le.PutUint32(b[512+0x10:], crc(b[512+0x14:1024]))
	le.PutUint32(b[mdaAt:], crc(b[mdaAt+4:mdaAt+512]))
}

// assemble opens the devices and puts them together.
func assemble(devices ...[]byte) (groups []*lvm.Group, problems []error, err error) {
	var pvs []*lvm.PhysicalVolume
	for _, b := range devices {
		pv, err := lvm.Open(block.Plain(bytes.NewReader(b)))
		if err != nil {
			return nil, nil, err
		}
		pvs = append(pvs, pv)
	}
	groups, problems = lvm.Assemble(pvs)
	return groups, problems, nil
}

func TestLinearAndStriped(t *testing.T) {
	body := lv("lin", linear(0, 3, "pv0", 2), linear(3, 2, "pv1", 0)) +
		lv("str", fmt.Sprintf("start_extent = 0\nextent_count = 4\ntype = \"striped\"\nstripe_count = 2\nstripe_size = %d\nstripes = [ \"pv0\", 8, \"pv1\", 4 ]", extent/4/512)) +
		strings.Replace(lv("hidden", linear(0, 1, "pv0", 0)), ", \"VISIBLE\"", "", 1)
	a, b := device(0, text(3, body), 512), device(1, text(3, body), mdaLen-100) // the second ring wraps
	groups, problems, err := assemble(a, b)
	if err != nil || len(problems) > 0 || len(groups) != 1 || len(groups[0].Volumes) != 2 {
		t.Fatalf("%+v, %v, %v", groups, problems, err)
	}
	pe := func(b []byte, n, count int) []byte { return b[start+n*extent : start+(n+count)*extent] }
	vols := groups[0].Volumes
	testimg.TestDevice(t, vols[0].Device, bytes.NewReader(append(bytes.Clone(pe(a, 2, 3)), pe(b, 0, 2)...)), extent)
	var want []byte
	for i := range 8 {
		want = append(want, pe(a, 8, 2)[i*extent/4:(i+1)*extent/4]...)
		want = append(want, pe(b, 4, 2)[i*extent/4:(i+1)*extent/4]...)
	}
	testimg.TestDevice(t, vols[1].Device, bytes.NewReader(want), extent/4)
}

func TestTheNewestMetadataCounts(t *testing.T) {
	old, new := text(3, lv("old", linear(0, 1, "pv0", 0))), text(4, lv("new", linear(0, 1, "pv0", 0)))
	for name, devices := range map[string][][]byte{"first": {device(0, new, 512), device(1, old, 512)}, "second": {device(0, old, 512), device(1, new, 512)}, "only one": {device(0, "", 0), device(1, new, 512)}} {
		groups, _, err := assemble(devices...)
		if err != nil || len(groups) != 1 || groups[0].Volumes[0].Name != "new" || groups[0].Sequence != 4 {
			t.Errorf("%s: %+v, %v", name, groups, err)
		}
	}
	bad := device(1, new, 512)
	bad[mdaAt+600]++ // in the text: its checksum is wrong
	groups, problems, err := assemble(device(0, old, 512), bad)
	if err != nil || len(groups) != 1 || groups[0].Volumes[0].Name != "old" || len(problems) != 1 || !errors.Is(problems[0], block.ErrCorrupt) {
		t.Errorf("a bad copy: %+v, %v, %v", groups, problems, err)
	}
}

func TestMissingAndDuplicate(t *testing.T) {
	body := lv("here", linear(0, 1, "pv0", 0)) + lv("gone", linear(0, 1, "pv0", 1), linear(1, 1, "pv1", 0))
	groups, _, err := assemble(device(0, text(1, body), 512))
	if err != nil || len(groups) != 1 || len(groups[0].Missing) != 1 {
		t.Fatalf("%+v, %v", groups, err)
	}
	if v := groups[0].Volumes[0]; v.Err != nil || v.Device == nil {
		t.Errorf("the volume that is whole: %v", v.Err)
	}
	if v := groups[0].Volumes[1]; !errors.Is(v.Err, block.ErrMissing) || v.Device != nil || v.Size != 2*extent {
		t.Errorf("the volume that is not: %+v", v)
	}
	_, problems, err := assemble(device(0, text(1, body), 512), device(0, text(1, body), 512))
	if err != nil || len(problems) != 1 || !errors.Is(problems[0], block.ErrAmbiguous) {
		t.Errorf("a copy of a physical volume: %v, %v", problems, err)
	}
}

func TestHostile(t *testing.T) {
	// Of a volume: its Err.
	for name, c := range map[string]struct {
		body string
		want error
	}{
		"K04 stripes to itself": {lv("self", linear(0, 1, "self", 0)), block.ErrLoop},
		"K05 overflow":          {lv("x", linear(0, 1, "pv0", 0), strings.Replace(linear(1, 1, "pv0", 0), "extent_count = 1", "extent_count = 9223372036854775807", 1)), block.ErrCorrupt},
		"past the extents":      {lv("x", linear(0, 2, "pv0", 15)), block.ErrCorrupt},
		"negative extent":       {lv("x", linear(0, 2, "pv0", -1)), block.ErrCorrupt},
		"gap":                   {lv("x", linear(0, 1, "pv0", 0), linear(2, 1, "pv0", 3)), block.ErrCorrupt},
		"overlap":               {lv("x", linear(0, 2, "pv0", 0), linear(1, 1, "pv0", 3)), block.ErrCorrupt},
		"no extents":            {lv("x", linear(0, 0, "pv0", 0)), block.ErrCorrupt},
		"no segments":           {lv("x"), block.ErrCorrupt},
		"many segments":         {strings.Replace(lv("x", linear(0, 1, "pv0", 0)), "segment_count = 1", "segment_count = 2147483647", 1), block.ErrCorrupt},
		"raid":                  {lv("x", strings.Replace(linear(0, 1, "pv0", 0), "striped", "raid1", 1)), block.ErrCorrupt},
		"thin":                  {lv("x", "start_extent = 0\nextent_count = 1\ntype = \"thin\"\nthin_pool = \"p\""), block.ErrCorrupt},
		"stripe size 0":         {lv("x", "start_extent = 0\nextent_count = 2\ntype = \"striped\"\nstripe_count = 2\nstripe_size = 0\nstripes = [\"pv0\", 0, \"pv1\", 0]"), block.ErrCorrupt},
		"stripes missing":       {lv("x", "start_extent = 0\nextent_count = 2\ntype = \"striped\"\nstripe_count = 2\nstripe_size = 8\nstripes = [\"pv0\", 0]"), block.ErrCorrupt},
		"2^31 stripes":          {lv("x", "start_extent = 0\nextent_count = 2\ntype = \"striped\"\nstripe_count = 2147483648\nstripes = []"), block.ErrCorrupt},
	} {
		groups, problems, err := assemble(device(0, text(1, c.body), 512), device(1, "", 0))
		if err != nil || len(groups) != 1 || len(groups[0].Volumes) != 1 {
			t.Errorf("%s: %+v, %v, %v", name, groups, problems, err)
			continue
		}
		if v := groups[0].Volumes[0]; !errors.Is(v.Err, c.want) || v.Device != nil {
			t.Errorf("%s: %v, want %v", name, v.Err, c.want)
		}
	}
	// Of the text: a problem.
	for name, c := range map[string]struct {
		text string
		want error
	}{
		"K02 sections without end": {strings.Repeat("a{", 20000), block.ErrLimit},
		"string without end":       {`vg0 { id = "`, block.ErrCorrupt},
		"no value":                 {"vg0 { id = }", block.ErrCorrupt},
		"end without beginning":    {"}", block.ErrCorrupt},
		"two groups":               {text(1, "") + text(1, ""), block.ErrCorrupt},
		"section twice":            {text(1, "a { }\na { }"), block.ErrCorrupt},
		"extent size 0":            {strings.Replace(text(1, ""), "extent_size = 128", "extent_size = 0", 1), block.ErrCorrupt},
		"name with a slash":        {strings.Replace(text(1, ""), "vg0 {", "../vg {", 1), block.ErrCorrupt},
		"negative start":           {strings.Replace(text(1, ""), "pe_start = 128", "pe_start = -128", 1), block.ErrCorrupt},
		"list without end":         {"vg0 { a = [ 1, 2", block.ErrCorrupt},
	} {
		groups, problems, err := assemble(device(0, c.text, 512))
		if err != nil || len(groups) != 0 || len(problems) != 1 || !errors.Is(problems[0], c.want) {
			t.Errorf("%s: %+v, %v, %v; want %v", name, groups, problems, err, c.want)
		}
	}
	// Of the label: Open.
	for name, c := range map[string]struct {
		change func([]byte)
		want   error
	}{
		"no label":      {func(b []byte) { b[512] = 'x' }, block.ErrFormat},
		"sector":        {func(b []byte) { b[512+8] = 2; seal(b) }, block.ErrCorrupt},
		"checksum":      {func(b []byte) { b[512+40]++ }, block.ErrCorrupt},
		"header offset": {func(b []byte) { le.PutUint32(b[512+0x14:], 0xffffffff); seal(b) }, block.ErrCorrupt},
		"K01 area size": {func(b []byte) { le.PutUint64(b[512+112:], 1<<63); seal(b) }, block.ErrTruncated},
		"area offset":   {func(b []byte) { le.PutUint64(b[512+104:], 1<<63); seal(b) }, block.ErrTruncated},
		"areas do not end": {func(b []byte) {
			for at := 512 + 72; at < 1024; at += 8 {
				le.PutUint64(b[at:], 4096)
			}
			seal(b)
		}, block.ErrLimit},
	} {
		b := device(0, text(1, ""), 512)
		c.change(b)
		if _, _, err := assemble(b); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
	// Of the metadata area: a problem.
	for name, change := range map[string]func([]byte){
		"K03 offset past the ring": func(m []byte) { le.PutUint64(m[0x28:], mdaLen) },
		"K03 offset wraps":         func(m []byte) { le.PutUint64(m[0x28:], 1<<64-1) },
		"size past the ring":       func(m []byte) { le.PutUint64(m[0x30:], mdaLen) },
		"version":                  func(m []byte) { m[0x14] = 2 },
		"start":                    func(m []byte) { m[0x18]++ },
		"magic":                    func(m []byte) { m[4]++ },
	} {
		b := device(0, text(1, ""), 512)
		change(b[mdaAt:])
		seal(b)
		if groups, problems, err := assemble(b); err != nil || len(groups) != 0 || len(problems) != 1 {
			t.Errorf("%s: %+v, %v, %v", name, groups, problems, err)
		}
	}
	short := device(0, text(1, lv("x", linear(0, 2, "pv0", 14))), 512)
	groups, _, err := assemble(short[:start+15*extent])
	if err != nil || len(groups) != 1 || !errors.Is(groups[0].Volumes[0].Err, block.ErrTruncated) {
		t.Errorf("a device that was cut: %+v, %v", groups, err)
	}
}

func TestMutations(t *testing.T) {
	body := lv("lin", linear(0, 3, "pv0", 2)) + lv("str", "start_extent = 0\nextent_count = 4\ntype = \"striped\"\nstripe_count = 2\nstripe_size = 32\nstripes = [ \"pv0\", 8, \"pv1\", 4 ]")
	s := text(1, body)
	other := device(1, "", 0)
	testimg.Mutate(t, testimg.Mutations{Image: device(0, s, 512), Where: []testimg.Range{{Off: 512, N: 130}, {Off: mdaAt, N: 64}, {Off: mdaAt + 512, N: int64(len(s))}, {Off: mdaAt + 700, N: int64(len(s)) - 200}},
		Seal: func(p *testimg.Patch, _ []int64) {
			b := bytes.Clone(p.Image)
			m := b[mdaAt:]
			if off, n := le.Uint64(m[0x28:]), le.Uint64(m[0x30:]); off < mdaLen && n < mdaLen-off {
				le.PutUint32(m[0x38:], crc(m[off:off+n]))
			}
			seal(b)
			p.Write(512, b[512:1024])
			p.Write(mdaAt, b[mdaAt:mdaAt+512])
		},
		Run: func(r block.Reader) error {
			pv, err := lvm.Open(block.Plain(r))
			if err != nil {
				return err
			}
			pv2, err := lvm.Open(block.Plain(bytes.NewReader(other)))
			if err != nil {
				return err
			}
			groups, problems := lvm.Assemble([]*lvm.PhysicalVolume{pv, pv2})
			for _, g := range groups {
				for _, v := range g.Volumes {
					if v.Err != nil {
						return v.Err
					}
					if err := testimg.ReadDevice(v.Device, 16<<20); err != nil {
						return err
					}
				}
			}
			return errors.Join(problems...)
		}})
}

func FuzzAssemble(f *testing.F) {
	f.Add(text(1, lv("lin", linear(0, 3, "pv0", 2), linear(3, 2, "pv1", 0))))
	f.Add("a { b = [1, \"x\\\"\"] # c\n }")
	f.Fuzz(func(t *testing.T, s string) {
		if len(s) > mdaLen-512 {
			return
		}
		groups, _, err := assemble(device(0, s, 512), device(1, "", 0))
		if err != nil {
			t.Fatal(err) // the label is right, whatever the text
		}
		for _, g := range groups {
			for _, v := range g.Volumes {
				if (v.Device == nil) != (v.Err != nil) {
					t.Errorf("volume %q has a device: %v, and the error %v", v.Name, v.Device != nil, v.Err)
				}
				if v.Device != nil {
					if err := testimg.ReadDevice(v.Device, 1<<20); err != nil {
						t.Errorf("volume %q does not read: %v", v.Name, err)
					}
				}
			}
		}
	})
}

func ExampleAssemble() {
	body := lv("root", linear(0, 3, "pv0", 2))
	pv, err := lvm.Open(block.Plain(bytes.NewReader(device(0, text(7, body), 512))))
	if err != nil {
		fmt.Println(err)
		return
	}
	groups, _ := lvm.Assemble([]*lvm.PhysicalVolume{pv})
	for _, v := range groups[0].Volumes {
		fmt.Println(groups[0].Name, v.Name, v.Size)
	}
	// Output: vg0 root 196608
}

// TestPeer has the lvm tool lay out a group on two loop devices, and takes from
// it where each volume's extents are.
func TestPeer(t *testing.T) {
	peers.Need(t, "lvm")
	dir := t.TempDir()
	var devs []string
	var images [][]byte
	for i, size := range []int{64 << 20, 80 << 20} {
		path := filepath.Join(dir, fmt.Sprint(i))
		b := make([]byte, size)
		rng := rand.New(rand.NewPCG(uint64(i), 9))
		for j := 0; j < size; j += 8 {
			le.PutUint64(b[j:], rng.Uint64())
		}
		clear(b[:1<<20])
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		images = append(images, b)
		devs = append(devs, peers.Loop(t, path))
	}
	run := func(tool string, args ...string) string {
		cmd := peers.Command(t, "lvm", append([]string{tool, "--driverloaded", "n", "--devices", strings.Join(devs, ",")}, args...)...)
		cmd.Env = append(cmd.Env, "LVM_SUPPRESS_FD_WARNINGS=1")
		return peers.RunCmd(t, cmd)
	}
	vg := fmt.Sprintf("gk-test%d", os.Getpid())
	run("pvcreate", append([]string{"-y"}, devs...)...)
	run("vgcreate", append([]string{"-y", vg}, devs...)...)
	create := []string{"-y", "-an", "-Zn", "-Wn"}
	run("lvcreate", append(create, "-n", "root", "-L", "24M", vg)...)
	run("lvcreate", append(create, "-n", "striped", "-i2", "-I", "64k", "-L", "24M", vg)...)
	run("lvextend", "-y", "-L", "+20M", vg+"/root")
	var pvs []*lvm.PhysicalVolume
	for i := range devs {
		file := testimg.File(t, filepath.Join(dir, fmt.Sprint(i)))
		pv, err := lvm.Open(block.Plain(file))
		if err != nil {
			t.Fatal(err)
		}
		copy(images[i], mustRead(t, file, 2<<20)) // what lvm wrote
		pvs = append(pvs, pv)
	}
	groups, problems := lvm.Assemble(pvs)
	if len(groups) != 1 || groups[0].Name != vg || len(problems) != 0 {
		t.Fatalf("%+v, %v", groups, problems)
	}
	const peStart, peSize = 1 << 20, 4 << 20
	for _, v := range groups[0].Volumes {
		var want []byte
		for line := range strings.Lines(run("lvs", "--noheadings", "--segments", "--separator", "|", "-o", "seg_pe_ranges", vg+"/"+v.Name)) {
			var parts [][]byte
			for _, r := range strings.Fields(line) { // /dev/loop0:0-5 …
				name, span, _ := strings.Cut(r, ":")
				var a, b int
				if _, err := fmt.Sscanf(span, "%d-%d", &a, &b); err != nil {
					t.Fatalf("%q: %v", line, err)
				}
				for i, d := range devs {
					if d == name {
						parts = append(parts, images[i][peStart+a*peSize:peStart+(b+1)*peSize])
					}
				}
			}
			for off := 0; off < len(parts[0]); off += 64 << 10 {
				for _, p := range parts {
					want = append(want, p[off:off+64<<10]...)
				}
			}
		}
		if v.Err != nil {
			t.Errorf("%s: %v", v.Name, v.Err)
			continue
		}
		testimg.TestDevice(t, v.Device, bytes.NewReader(want), 64<<10)
	}
	if len(groups[0].Volumes) != 2 {
		t.Errorf("%d volumes", len(groups[0].Volumes))
	}
}

func mustRead(t *testing.T, r block.Reader, n int64) []byte {
	t.Helper()
	b, err := block.ReadBytes(r, 0, n, n)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
