package md_test

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/peers"
	"github.com/guestkit/guestkit/internal/testimg"
	"github.com/guestkit/guestkit/volume/md"
)

// arrays is what testdata/make.sh made with mdadm and the kernel.
const arrays = "testdata/arrays.tar.zst"

// members opens the members of a case but those of the given numbers.
func members(t testing.TB, files map[string][]byte, without ...int) []*md.Member {
	t.Helper()
	var out []*md.Member
	for i := 0; ; i++ {
		b, ok := files[fmt.Sprintf("m%d", i)]
		if !ok {
			return out
		}
		skip := false
		for _, w := range without {
			skip = skip || w == i
		}
		if skip {
			continue
		}
		m, err := md.Open(block.Plain(bytes.NewReader(b)))
		if err != nil {
			t.Fatalf("member %d: %v", i, err)
		}
		out = append(out, m)
	}
}

// assemble makes the one array of a case.
func assemble(t testing.TB, files map[string][]byte, without ...int) *md.Array {
	t.Helper()
	all := md.Assemble(members(t, files, without...))
	if len(all) != 1 {
		t.Fatalf("%d arrays", len(all))
	}
	return all[0]
}

// sum is the sha256 of a device, and its size, as the file "sum" of a case has
// them.
func sum(t testing.TB, d block.Device) string {
	t.Helper()
	h := sha256.New()
	if _, err := io.CopyBuffer(h, struct{ io.Reader }{io.NewSectionReader(d, 0, d.Size())}, make([]byte, 100<<10)); err != nil {
		t.Fatalf("it does not read: %v", err)
	}
	return fmt.Sprintf("%x\n%d\n", h.Sum(nil), d.Size())
}

// check compares an array with what the kernel read of it.
func check(t *testing.T, files map[string][]byte, without ...int) *md.Array {
	t.Helper()
	a := assemble(t, files, without...)
	if a.Err != nil {
		t.Errorf("without %v: %v", without, a.Err)
		return a
	}
	if got := sum(t, a.Device); got != string(files["sum"]) {
		t.Errorf("without %v: it has %q, the kernel read %q", without, got, files["sum"])
	}
	return a
}

// spared is how many members a case can lose.
func spared(name string) int {
	switch {
	case strings.Contains(name, "raid1-"), strings.HasSuffix(name, "raid1"), strings.Contains(name, "raid4"), strings.Contains(name, "raid5"), name == "bitmap", name == "ppl", name == "guest",
		strings.HasPrefix(name, "raid10-") && strings.Contains(name, "2-"):
		return 1
	case strings.HasPrefix(name, "raid6"), strings.HasPrefix(name, "raid10-"):
		return 2
	}
	return 0
}

// special are the cases that are not a whole array without a fault.
var special = map[string]func(t *testing.T, files map[string][]byte){
	"badblocks":       badBlocks,
	"badblocks5":      badBlocks5,
	"dirty":           dirty,
	"recovering":      recovering,
	"replaced":        replaced,
	"replacing":       replacing,
	"spare":           spare,
	"split":           split,
	"stale-raid1":     func(t *testing.T, f map[string][]byte) { stale(t, f, 0) },
	"stale-bitmap":    func(t *testing.T, f map[string][]byte) { stale(t, f, 0) },
	"stale-raid5":     func(t *testing.T, f map[string][]byte) { stale(t, f, 1) },
	"stale-raid6":     func(t *testing.T, f map[string][]byte) { stale(t, f, 1, 3) },
	"stale-raid10":    func(t *testing.T, f map[string][]byte) { stale(t, f, 2) },
	"journal":         journal,
	"writeback":       journal,
	"raid0-dangerous": func(t *testing.T, f map[string][]byte) { refused(t, f, block.ErrAmbiguous, "layout") },
	"reshape":         func(t *testing.T, f map[string][]byte) { refused(t, f, block.ErrUnsupported, "reshape") },
	"faulty":          func(t *testing.T, f map[string][]byte) { refused(t, f, block.ErrUnsupported, "the level faulty") },
	"imsm":            func(t *testing.T, f map[string][]byte) { firmware(t, f, "imsm", "0") },
	"ddf":             func(t *testing.T, f map[string][]byte) { firmware(t, f, "ddf", "4c696e75782d4d44deadbeef00000000") },
}

// TestArrays compares each array, whole and without what it can lose, with what
// the kernel read.
func TestArrays(t *testing.T) { testArrays(t, arrays) }

// TestRemade makes all arrays anew, in libguestfs's appliance. That takes
// minutes: it runs where GUESTKIT_LARGE is set.
func TestRemade(t *testing.T) {
	if os.Getenv("GUESTKIT_LARGE") == "" {
		t.Skip("GUESTKIT_LARGE is not set")
	}
	peers.NeedRoot(t)
	peers.Need(t, "guestfish", "mdadm", "zstd", "python3")
	archive := filepath.Join(t.TempDir(), "arrays.tar.zst")
	peers.Run(t, "sh", "../testdata/appliance.sh", "testdata/make-arrays.sh", archive)
	testArrays(t, archive)
}

func testArrays(t *testing.T, archive string) {
	testimg.Cases(t, archive, func(name string, files map[string][]byte) {
		t.Run(name, func(t *testing.T) {
			if f := special[name]; f != nil {
				f(t, files)
				return
			}
			a := check(t, files)
			if a.Err != nil {
				return
			}
			if len(a.Problems) > 0 || len(a.Missing) > 0 {
				t.Errorf("a whole array has problems: %v", a.Problems)
			}
			for i := range a.Disks {
				degraded(t, files, spared(name), i)
				for j := range i {
					if spared(name) == 2 {
						check(t, files, i, j)
					}
				}
			}
		})
	})
}

// degraded checks an array that can lose so many members without one.
func degraded(t *testing.T, files map[string][]byte, spared, without int) {
	t.Helper()
	ms := members(t, files, without)
	if len(ms) == 0 {
		return
	}
	if spared == 0 {
		if a := md.Assemble(ms)[0]; !errors.Is(a.Err, block.ErrMissing) || a.Device != nil {
			t.Errorf("without member %d: %v, want ErrMissing", without, a.Err)
		}
		return
	}
	if a := check(t, files, without); len(a.Problems) == 0 || !errors.Is(a.Problems[0], block.ErrMissing) {
		t.Errorf("without member %d: the problems %v", without, a.Problems)
	}
}

// said checks that a problem of the array wraps class and has the words.
func said(t *testing.T, a *md.Array, class error, words string) {
	t.Helper()
	for _, err := range a.Problems {
		if errors.Is(err, class) && strings.Contains(err.Error(), words) {
			return
		}
	}
	t.Errorf("no problem says %q: %v", words, a.Problems)
}

// states are what the members are to an array.
func states(t *testing.T, a *md.Array, want ...md.State) {
	t.Helper()
	var got []md.State
	for _, m := range a.Members {
		got = append(got, m.State)
	}
	if !slices.Equal(got, want) {
		t.Errorf("the members are %v, want %v", got, want)
	}
}

func refused(t *testing.T, files map[string][]byte, class error, words string) {
	a := assemble(t, files)
	if !errors.Is(a.Err, class) || !strings.Contains(fmt.Sprint(a.Err), words) || a.Device != nil {
		t.Errorf("%v, want %v with %q", a.Err, class, words)
	}
}

// stale is an array that went on without some members, which are there too.
func stale(t *testing.T, files map[string][]byte, old ...int) {
	a := check(t, files)
	said(t, a, block.ErrMissing, "is stale")
	for i, m := range a.Members {
		if (m.State == md.Stale) != slices.Contains(old, i) {
			t.Errorf("member %d is %s", i, m.State)
		}
	}
	check(t, files, old...)
	var kept int
	for kept = 0; slices.Contains(old, kept); kept++ {
	}
	if a := assemble(t, files, kept); !errors.Is(a.Err, block.ErrMissing) && a.Level != "raid10" && a.Level != "raid1" {
		t.Errorf("without a member that went on: %v", a.Err)
	}
}

// split are the halves of a mirror that went on without each other: the one
// with more events counts, and alone each is what it is.
func split(t *testing.T, files map[string][]byte) {
	a := assemble(t, files)
	said(t, a, block.ErrMissing, "is stale")
	for i := range 2 {
		want := string(files[fmt.Sprintf("sum%d", i)])
		one := assemble(t, files, 1-i)
		if got := sum(t, one.Device); got != want {
			t.Errorf("member %d alone is %q, want %q", i, got, want)
		}
		if m := a.Members[i]; m.State == md.Active && sum(t, a.Device) != want {
			t.Errorf("member %d counts, and the array is another", i)
		}
	}
}

func dirty(t *testing.T, files map[string][]byte) {
	a := check(t, files)
	if len(a.Problems) != 0 {
		t.Errorf("problems: %v", a.Problems)
	}
	said(t, assemble(t, files, 1), block.ErrDirty, "parity may be wrong")
}

func recovering(t *testing.T, files map[string][]byte) {
	a := check(t, files)
	states(t, a, md.Active, md.Stale, md.Active, md.Rebuilding)
	said(t, a, block.ErrMissing, "was rebuilt up to byte")
	if a := assemble(t, files, 0); !errors.Is(a.Err, block.ErrMissing) {
		t.Errorf("a member missing and one that was not rebuilt: %v", a.Err)
	}
}

func replaced(t *testing.T, files map[string][]byte) {
	a := check(t, files)
	states(t, a, md.Stale, md.Active, md.Active)
	check(t, files, 0)
}

func replacing(t *testing.T, files map[string][]byte) {
	a := check(t, files)
	states(t, a, md.Active, md.Active, md.Active, md.Replacement)
	for i := range 3 {
		check(t, files, i)
	}
}

func spare(t *testing.T, files map[string][]byte) {
	a := check(t, files)
	states(t, a, md.Active, md.Active, md.Active, md.Spare)
	check(t, files, 3)
	degraded(t, files, 1, 0)
}

func journal(t *testing.T, files map[string][]byte) {
	a := check(t, files)
	states(t, a, md.Active, md.Active, md.Active, md.Journal)
	said(t, assemble(t, files, 3), block.ErrMissing, "journal is missing")
}

// badBlocks has blocks that are known to be bad on both members of a mirror.
func badBlocks(t *testing.T, files map[string][]byte) {
	check(t, files)
	for i, sector := range []int64{500, 300} {
		a := assemble(t, files, i)
		if _, err := a.Device.ReadAt(make([]byte, 512), sector*512); !errors.Is(err, block.ErrMissing) {
			t.Errorf("sector %d without member %d: %v", sector, i, err)
		}
		n, err := a.Device.ReadAt(make([]byte, 1<<20), 0)
		if int64(n) != sector*512 || !errors.Is(err, block.ErrMissing) {
			t.Errorf("without member %d: read %d bytes, %v", i, n, err)
		}
	}
}

func badBlocks5(t *testing.T, files map[string][]byte) { check(t, files) }

// firmware is named and not read.
func firmware(t *testing.T, files map[string][]byte, format, name string) {
	for i := range 3 {
		r := bytes.NewReader(files[fmt.Sprintf("m%d", i)])
		if _, err := md.Open(block.Plain(r)); !errors.Is(err, block.ErrFormat) {
			t.Errorf("as Linux software RAID: %v", err)
		}
		f, err := md.OpenFirmware(r)
		if err != nil || f.Format != format || len(f.Arrays) != 1 {
			t.Fatalf("%+v, %v", f, err)
		}
		if a := f.Arrays[0]; !strings.HasPrefix(a.Name, name) || a.Level != "raid5" || a.Members != 3 {
			t.Errorf("%+v", a)
		}
	}
}

// TestExamine compares what superblocks say with mdadm --examine.
func TestExamine(t *testing.T) {
	fields := func(text string) []map[string]string {
		var out []map[string]string
		for line := range strings.Lines(text) {
			if strings.HasPrefix(line, "/dev/") || strings.HasPrefix(line, "m") && strings.HasSuffix(line, ":\n") && len(line) == 4 {
				out = append(out, map[string]string{})
			} else if k, v, ok := strings.Cut(line, " : "); ok && len(out) > 0 {
				out[len(out)-1][strings.TrimSpace(k)] = strings.TrimSpace(v)
			}
		}
		return out
	}
	testimg.Cases(t, arrays, func(name string, files map[string][]byte) {
		if name == "imsm" || name == "ddf" {
			return
		}
		t.Run(name, func(t *testing.T) {
			told := fields(string(files["examine"]))
			a := assemble(t, files)
			for i, m := range a.Members {
				want := told[i]
				if _, short, _ := strings.Cut(m.Version, "."); !strings.HasPrefix(want["Version"], m.Version) || short == "" {
					t.Errorf("member %d: version %s, mdadm says %s", i, m.Version, want["Version"])
				}
				id, _, _ := strings.Cut(want["Array UUID"]+want["UUID"], " ")
				if m.UUID != id {
					t.Errorf("member %d: UUID %s, mdadm says %s", i, m.UUID, id)
				}
				if m.Version != "0.90" && fmt.Sprint(m.Events) != want["Events"] {
					t.Errorf("member %d: %d events, mdadm says %s", i, m.Events, want["Events"])
				}
			}
			if a.Level != told[0]["Raid Level"] && a.Level != "faulty" && a.Level != "multipath" {
				t.Errorf("level %s, mdadm says %s", a.Level, told[0]["Raid Level"])
			}
			if l := told[0]["Layout"]; l != "" && l != a.Layout && a.Layout != "" && a.Chunk > 0 {
				t.Errorf("layout %q, mdadm says %q", a.Layout, l)
			}
			if c := told[0]["Chunk Size"]; a.Chunk > 0 && c != "" && c != fmt.Sprintf("%dK", a.Chunk>>10) {
				t.Errorf("chunks of %d bytes, mdadm says %s", a.Chunk, c)
			}
		})
	})
}

// TestByteOrder turns the words of superblocks of version 0.90 around, as a
// machine of the other byte order would have written them; mdadm knows no more
// of it (--update=byteorder).
func TestByteOrder(t *testing.T) {
	testimg.Cases(t, arrays, func(name string, files map[string][]byte) {
		if !strings.HasPrefix(name, "v090") {
			return
		}
		t.Run(name, func(t *testing.T) {
			for i := range 3 {
				b := files[fmt.Sprintf("m%d", i)]
				if b == nil {
					break
				}
				at := len(b)&^0xffff - 0x10000
				for j := at; j < at+4096; j += 4 {
					slices.Reverse(b[j : j+4])
				}
				for _, j := range []int{0x9c, 0xa4, 0xb0} { // numbers of two words
					slices.Reverse(b[at+j : at+j+4])
					slices.Reverse(b[at+j+4 : at+j+8])
					slices.Reverse(b[at+j : at+j+8])
				}
			}
			check(t, files)
		})
	})
}
