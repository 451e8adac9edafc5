package qed_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/peers"
	"github.com/guestkit/guestkit/internal/testimg"
	"github.com/guestkit/guestkit/qed"
)

// Where things lie in the images of build.
const (
	cluster = 4 << 10
	l1      = 1 * cluster
	entries = 2 * cluster / 8
	l2      = 3 * cluster // the first L2 table
	first   = 5 * cluster // what comes behind it
)

// build makes an image byte by byte, with clusters of 4 KiB and tables of two
// (QEMU makes images with tables of one, and then does not open them): the clusters of the disk are those of plan, 'd' for data, 'z' for zeros, '.'
// for none. It returns the image and the disk.
func build(plan string, size int64, change func([]byte)) (image, disk []byte) {
	le := binary.LittleEndian
	image = make([]byte, first)
	copy(image, "QED\x00")
	le.PutUint32(image[0x04:], cluster)
	le.PutUint32(image[0x08:], 2)
	le.PutUint32(image[0x0c:], 1)
	le.PutUint64(image[0x28:], l1)
	le.PutUint64(image[0x30:], uint64(size))
	disk = make([]byte, len(plan)*cluster)
	rng := rand.New(rand.NewPCG(uint64(len(plan)), 7))
	table := l2
	for i, c := range plan {
		if i%entries == 0 {
			if i > 0 {
				table = len(image)
				image = append(image, make([]byte, 2*cluster)...)
			}
			le.PutUint64(image[l1+i/entries*8:], uint64(table))
		}
		e := uint64(0)
		switch c {
		case 'z':
			e = 1
		case 'd':
			e = uint64(len(image))
			b := disk[i*cluster : (i+1)*cluster]
			for j := range b {
				b[j] = byte(rng.Uint32())
			}
			image = append(image, b...)
		}
		le.PutUint64(image[table+i%entries*8:], e)
	}
	if change != nil {
		change(image)
	}
	return image, disk[:size]
}

func put32(off int, v uint32) func([]byte) {
	return func(b []byte) { binary.LittleEndian.PutUint32(b[off:], v) }
}

func put64(off int, v uint64) func([]byte) {
	return func(b []byte) { binary.LittleEndian.PutUint64(b[off:], v) }
}

// upon makes the image one upon a backing file.
func upon(name string, raw bool) func([]byte) {
	return func(b []byte) {
		b[0x10] |= 1
		if raw {
			b[0x10] |= 4
		}
		put32(0x38, 0x40)(b)
		put32(0x3c, uint32(len(name)))(b)
		copy(b[0x40:], name)
	}
}

func TestReadsClusters(t *testing.T) {
	long := strings.Repeat("d.zd", 300)
	for _, plan := range []string{"d.zdd.dz.d", long} {
		image, disk := build(plan, int64(len(plan))*cluster-5*512, nil)
		im, err := qed.Open(bytes.NewReader(image), nil)
		if err != nil {
			t.Fatal(err)
		}
		testimg.TestDevice(t, im, bytes.NewReader(disk), cluster)
		for off, want := range map[int64]block.Extent{cluster: {Zero: true, Unset: true}, 2 * cluster: {Zero: true}} {
			if e, err := im.Extent(off); err != nil || e.Zero != want.Zero || e.Unset != want.Unset {
				t.Errorf("Extent(%#x) = %+v, %v; want %+v", off, e, err, want)
			}
		}
		if err := im.Close(); err != nil {
			t.Fatal(err)
		}
		if _, err := im.ReadAt(make([]byte, 1), 0); !errors.Is(err, os.ErrClosed) {
			t.Errorf("ReadAt after Close: %v", err)
		}
	}
}

func TestBackingFile(t *testing.T) {
	below, bdisk := build("ddd.", 4*cluster, nil)
	image, disk := build(".zd..d", 6*cluster, upon("base.qed", false))
	if _, err := qed.Open(bytes.NewReader(image), nil); !errors.Is(err, block.ErrRefused) {
		t.Fatalf("no Opener: %v, want ErrRefused", err)
	}
	if info, _, err := qed.Describe(bytes.NewReader(image), nil); err != nil || info.Backing != "base.qed" || info.BackingFormat != "" {
		t.Errorf("%+v, %v", info, err)
	}
	copy(disk[:cluster], bdisk)
	im, err := qed.Open(bytes.NewReader(image), &qed.Options{BackingFormat: "qed", Opener: func(r block.Ref) (block.Device, error) {
		if r.Name != "base.qed" || r.Kind != "backing file" || r.Format != "qed" {
			t.Errorf("Ref %+v", r)
		}
		return qed.Open(bytes.NewReader(below), nil)
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer im.Close()
	testimg.TestDevice(t, im, bytes.NewReader(disk), cluster)
	if e, _ := im.Extent(0); e.Depth != 1 {
		t.Errorf("the backing file's run has depth %d", e.Depth)
	}
	// The image itself says that the file is a raw disk, whatever the caller says.
	image, _ = build(".", cluster, upon("base.img", true))
	_, err = qed.Open(bytes.NewReader(image), &qed.Options{BackingFormat: "qcow2", Opener: func(r block.Ref) (block.Device, error) {
		if r.Format != "raw" {
			t.Errorf("Ref %+v", r)
		}
		return nil, block.ErrRefused
	}})
	if !errors.Is(err, block.ErrRefused) {
		t.Errorf("%v", err)
	}
}

func TestHostile(t *testing.T) {
	for name, c := range map[string]struct {
		change func([]byte)
		want   error
	}{
		"no magic":                        {put32(0, 0), block.ErrFormat},
		"features":                        {put32(0x10, 8), block.ErrUnsupported},
		"clusters":                        {put32(0x04, 1), block.ErrCorrupt},
		"largest clusters, short file":    {put32(0x04, 64<<20), block.ErrCorrupt},
		"disk larger than its tables":     {put64(0x30, entries*entries*cluster+512), block.ErrCorrupt},
		"largest disk of this table":      {put64(0x30, entries*entries*cluster), nil},
		"L1 table in the header":          {put64(0x28, 0), block.ErrCorrupt},
		"L1 table past the end":           {put64(0x28, 1<<62), block.ErrTruncated},
		"L1 entry unaligned":              {put64(l1, l2+512), block.ErrCorrupt},
		"L1 entry with reserved bits":     {put64(l1, l2|1), block.ErrCorrupt},
		"L1 entry into the header":        {put64(l1, 1), block.ErrCorrupt},
		"L2 table over the L1 table":      {put64(l1, l1), block.ErrCorrupt},
		"L2 table past the end":           {put64(l1, 1<<40), block.ErrTruncated},
		"L2 table that is negative":       {put64(l1, 1<<63), block.ErrTruncated},
		"cluster past the end":            {put64(l2, 1<<40), block.ErrTruncated},
		"cluster that is negative":        {put64(l2, 1<<63), block.ErrTruncated},
		"cluster unaligned":               {put64(l2, first+512), block.ErrCorrupt},
		"cluster in the header":           {put64(l2, 2), block.ErrCorrupt},
		"cluster in the L1 table":         {put64(l2, l1), block.ErrCorrupt},
		"a backing file without a name":   {upon("", false), block.ErrCorrupt},
		"a name that leaves the header":   {func(b []byte) { upon("x", false)(b); put32(0x3c, cluster)(b) }, block.ErrCorrupt},
		"a name that leaves 32 bits":      {func(b []byte) { upon("x", false)(b); put32(0x38, 1<<32-1)(b) }, block.ErrCorrupt},
		"a backing file that is not open": {upon("/etc/passwd", true), block.ErrRefused},
	} {
		image, disk := build("dd.d", 4*cluster, c.change)
		im, err := qed.Open(bytes.NewReader(image), nil)
		if err == nil {
			_, err = im.ReadAt(make([]byte, len(disk)), 0)
			if c.want != nil {
				if e := testimg.Extents(im); !errors.Is(e, c.want) {
					t.Errorf("%s: the extents give %v, want %v", name, e, c.want)
				}
			}
		}
		if !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
	image, _ := build("d", cluster, nil)
	for _, n := range []int{0, 1, 63} {
		if _, err := qed.Open(bytes.NewReader(image[:n]), nil); !errors.Is(err, block.ErrFormat) {
			t.Errorf("%d bytes: %v, want ErrFormat", n, err)
		}
	}
	if _, err := qed.Open(bytes.NewReader(image[:3*cluster-1]), nil); !errors.Is(err, block.ErrTruncated) {
		t.Errorf("half an L1 table: %v, want ErrTruncated", err)
	}
}

// TestNeedCheck has an image that was not closed: it is read, and that is said.
func TestNeedCheck(t *testing.T) {
	image, disk := build("d.d", 3*cluster, put32(0x10, 2))
	im, err := qed.Open(bytes.NewReader(image), nil)
	if err != nil {
		t.Fatal(err)
	}
	testimg.TestDevice(t, im, bytes.NewReader(disk), cluster)
	if p := im.Problems(); len(p) != 1 || !errors.Is(p[0], block.ErrCorrupt) || !im.Info().Dirty {
		t.Errorf("%v, %+v", p, im.Info())
	}
	if res, err := qed.Check(context.Background(), bytes.NewReader(image), nil, nil); err != nil || !res.Dirty || res.Corruptions != 0 {
		t.Errorf("%+v, %v", res, err)
	}
}

// checkCases are images with what is wrong with each.
var checkCases = map[string]struct {
	change                        func([]byte)
	corruptions, leaks, allocated int64
	overlap                       bool // what lies over something else
}{
	"clean":                 {nil, 0, 0, 3, false},
	"past the end":          {put64(l2, 1<<40), 1, 1, 2, false}, // and what it led to is lost
	"shared":                {put64(l2, first+cluster), 1, 1, 3, true},
	"lost":                  {put64(l2, 0), 0, 1, 2, false},
	"a lost table":          {put64(l1, 0), 0, 5, 0, false},
	"data in the L2 table":  {put64(l2, l2), 1, 1, 3, true},
	"two tables in a place": {func(b []byte) { put64(0x30, (entries+1)*cluster)(b); put64(l1+8, l2)(b) }, 1, 0, 3, true},
}

func TestCheck(t *testing.T) {
	for name, c := range checkCases {
		image, _ := build("dd.d", 4*cluster, c.change)
		res, err := qed.Check(context.Background(), bytes.NewReader(image), nil, nil)
		if err != nil || res.Corruptions != c.corruptions || res.Leaks != c.leaks || res.Allocated != c.allocated {
			t.Errorf("%s: %+v, %v", name, res, err)
		}
		im, err := qed.Open(bytes.NewReader(image), nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := im.Overlap(context.Background()); errors.Is(err, block.ErrCorrupt) != c.overlap {
			t.Errorf("%s: Overlap: %v", name, err)
		}
	}
}

// TestCheckPeer has qemu-img judge the same images.
func TestCheckPeer(t *testing.T) {
	peers.Need(t, "qemu-img")
	for name, c := range checkCases {
		image, _ := build("dd.d", 4*cluster, c.change)
		path := filepath.Join(t.TempDir(), "a.qed")
		if err := os.WriteFile(path, image, 0o600); err != nil {
			t.Fatal(err)
		}
		code := 0
		switch {
		case c.corruptions > 0:
			code = 2
		case c.leaks > 0:
			code = 3
		}
		cmd := peers.Command(t, "qemu-img", "check", "-q", "-f", "qed", path)
		if cmd.Run(); cmd.ProcessState.ExitCode() != code {
			t.Errorf("%s: qemu-img check says %d, %d corruptions and %d leaks were found", name, cmd.ProcessState.ExitCode(), c.corruptions, c.leaks)
		}
	}
}

// TestCheckUnreadable has a file that cannot be read, which is no corruption.
func TestCheckUnreadable(t *testing.T) {
	image, _ := build("dd.d", 4*cluster, nil)
	broken := errors.New("broken disk")
	r := testimg.Unreadable{Reader: bytes.NewReader(image), At: l2, Err: broken}
	if res, err := qed.Check(context.Background(), r, nil, nil); !errors.Is(err, broken) {
		t.Errorf("%+v, %v", res, err)
	}
}

func TestMutations(t *testing.T) {
	image, _ := build("d.zd.dz.d", 9*cluster, nil)
	testimg.Mutate(t, testimg.Mutations{Image: image, Where: []testimg.Range{{Off: 0, N: 64}, {Off: l1, N: 16}, {Off: l2, N: 80}}, Run: func(r block.Reader) error {
		qed.Check(context.Background(), r, nil, nil)
		im, err := qed.Open(r, nil)
		if err != nil {
			return err
		}
		im.Overlap(context.Background())
		return testimg.ReadDevice(im, 64<<20)
	}})
}

// TestPeer reads images that qemu made and compares every byte and run.
func TestPeer(t *testing.T) {
	peers.Need(t, "qemu-img", "qemu-io")
	for _, opts := range []string{"cluster_size=64k,table_size=4", "cluster_size=4k,table_size=2", "cluster_size=4k,table_size=16", "cluster_size=2M,table_size=2"} {
		t.Run(opts, func(t *testing.T) {
			dir := t.TempDir()
			base, img, raw := filepath.Join(dir, "base.raw"), filepath.Join(dir, "a.qed"), filepath.Join(dir, "a.raw")
			content := make([]byte, 20<<20)
			for i := range content {
				content[i] = byte(i>>9) | 1
			}
			if err := os.WriteFile(base, content, 0o600); err != nil {
				t.Fatal(err)
			}
			for _, backing := range [][]string{nil, {"-b", "base.raw", "-F", "raw"}} {
				args := slices.Concat([]string{"create", "-q", "-f", "qed", "-o", opts}, backing, []string{img, "37.5M"})
				peers.Run(t, "qemu-img", args...)
				peers.Run(t, "qemu-io", "-f", "qed", "-c", "write -P 0x41 0 64k", "-c", "write -P 0x42 5M 3M", "-c", "write -P 7 20000000 100k", "-c", "write -z 8M 4M", "-c", "write -P 9 37M 512k", "-c", "write -P 3 12345344 512", img)
				peers.Run(t, "qemu-img", "convert", "-f", "qed", "-O", "raw", img, raw)
				im, err := qed.Open(testimg.File(t, img), &qed.Options{Opener: func(r block.Ref) (block.Device, error) {
					if r.Name != "base.raw" || r.Format != "raw" {
						t.Errorf("Ref %+v", r)
					}
					return block.Plain(bytes.NewReader(content)), nil
				}})
				if err != nil {
					t.Fatal(err)
				}
				want, err := os.ReadFile(raw)
				if err != nil {
					t.Fatal(err)
				}
				testimg.TestDevice(t, im, bytes.NewReader(want), 64<<10)
				if err := im.Overlap(context.Background()); err != nil {
					t.Error(err)
				}
				res, err := qed.Check(context.Background(), testimg.File(t, img), nil, func(f block.Fault) { t.Errorf("check: %v", f.Err) })
				if err != nil {
					t.Fatal(err)
				}
				var says struct {
					Total      int64 `json:"total-clusters"`
					Allocated  int64 `json:"allocated-clusters"`
					Fragmented int64 `json:"fragmented-clusters"`
				}
				if err := json.Unmarshal([]byte(peers.Run(t, "qemu-img", "check", "--output=json", "-f", "qed", img)), &says); err != nil {
					t.Fatal(err)
				}
				if res.Total != says.Total || res.Allocated != says.Allocated || res.Fragmented != says.Fragmented {
					t.Errorf("%+v, qemu-img says %+v", res, says)
				}
			}
		})
	}
}

func FuzzOpen(f *testing.F) {
	image, _ := build("d.z", 3*cluster, nil)
	f.Add(uint16(0x10), []byte{1})
	f.Add(uint16(0x04), []byte{0, 0, 0, 4})
	f.Add(uint16(l1), []byte{0, 0x10})
	f.Add(uint16(l2), []byte{0xff, 0xff, 0xff, 0x0f})
	f.Fuzz(func(t *testing.T, at uint16, with []byte) {
		b := bytes.Clone(image)
		copy(b[int(at)%first:first], with)
		qed.Check(context.Background(), bytes.NewReader(b), nil, nil)
		if im, err := qed.Open(bytes.NewReader(b), nil); err == nil {
			im.Overlap(context.Background())
			testimg.ReadDevice(im, 16<<20)
		}
	})
}
