package testimg

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io/fs"
	"sort"
	"strings"
	"testing"
	"time"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/fs/vfs"
)

// Opener opens a filesystem that is to be explored.
type Opener func(r block.Reader) (vfs.FS, error)

// Explore reads all that it can reach of a filesystem, up to a number of paths
// and no more than the head of each file, and returns the first error.
func Explore(r block.Reader, open Opener, contents bool) error {
	fsys, err := open(r)
	if err != nil {
		return err
	}
	x := explorer{fsys: fsys, budget: 4 << 20, paths: 5000}
	x.note(fs.WalkDir(fsys, ".", func(path string, d fs.DirEntry, err error) error {
		x.note(err)
		if x.paths--; x.paths < 0 {
			return fs.SkipAll
		}
		if d != nil {
			x.visit(path, d, contents)
		}
		return nil
	}))
	fsys.Problems()
	fsys.Info()
	return x.first
}

type explorer struct {
	fsys   vfs.FS
	first  error
	budget int64
	paths  int
}

func (x *explorer) note(err error) {
	if x.first == nil {
		x.first = err
	}
}

func (x *explorer) visit(path string, d fs.DirEntry, contents bool) {
	fi, err := d.Info()
	if err != nil {
		x.note(err)
		return
	}
	_, err = x.fsys.Lstat(path)
	x.note(err)
	_, err = x.fsys.Xattrs(path)
	x.note(err)
	switch {
	case fi.Mode()&fs.ModeSymlink != 0:
		_, err = x.fsys.ReadLinkRaw(path)
		x.note(err)
	case fi.Mode().IsRegular() && contents && x.budget > 0:
		f, err := x.fsys.Open(path)
		if err != nil {
			x.note(err)
			return
		}
		defer f.Close()
		if _, ok := f.(*vfs.File); !ok {
			x.note(fmt.Errorf("%s is listed as a file and opened as a directory", path))
			return
		}
		n := min(fi.Size(), 64<<10, x.budget)
		x.budget -= n
		_, err = block.ReadBytes(f.(*vfs.File), 0, n, n)
		x.note(err)
		if fi.Size() > n { // and the end
			tail := min(fi.Size(), 100)
			_, err = block.ReadBytes(f.(*vfs.File), fi.Size()-tail, tail, tail)
			x.note(err)
		}
		count := 0
		for _, err := range block.Extents(f.(*vfs.File), 0, fi.Size()) {
			x.note(err)
			if count++; count > 100 {
				break
			}
		}
	}
}

// Metadata returns the ranges of an image that a walk without contents reads.
func Metadata(t testing.TB, image []byte, open Opener) []Range {
	t.Helper()
	trace := &Trace{Reader: bytes.NewReader(image)}
	if err := Explore(trace, open, false); err != nil {
		t.Fatal(err)
	}
	return trace.Ranges()
}

// A Base is an image that a fuzz target damages. Seal may be nil.
type Base struct {
	Image []byte
	Seal  func(p *Patch, changed []int64)
}

// Fuzz opens, walks and reads the images with damage to their metadata.
func Fuzz(f *testing.F, bases []Base, open Opener) {
	var where [][]Range
	for i, b := range bases {
		where = append(where, Metadata(f, b.Image, open))
		f.Add(uint8(i), []byte{0, 0, 0, 0, 1, 0xFF, 0xFF})
		f.Add(uint8(i)|0x80, []byte{0, 8, 0, 0, 3, 0xFF, 0xFF, 0xFF, 0xFF, 77, 20, 0, 0, 1, 0, 0})
	}
	f.Fuzz(func(t *testing.T, which uint8, data []byte) {
		i := int(which&0x7F) % len(bases)
		b := bases[i]
		p := &Patch{Image: b.Image}
		defer p.Undo()
		changed := p.Apply(where[i], data)
		if which&0x80 != 0 && b.Seal != nil {
			b.Seal(p, changed)
		}
		Explore(bytes.NewReader(b.Image), open, true)
	})
}

// Apply changes the image as the bytes of a fuzzer say: pairs of a place among
// the ranges and up to 8 bytes.
func (p *Patch) Apply(where []Range, data []byte) (changed []int64) {
	total := int64(0)
	for _, w := range where {
		total += w.N
	}
	for len(data) > 5 {
		at := int64(binary.LittleEndian.Uint32(data)) % total
		n := min(1+int(data[4]%8), len(data)-5)
		for _, w := range where {
			if at < w.N {
				at += w.Off
				break
			}
			at -= w.N
		}
		p.Write(at, data[5:5+n])
		changed = append(changed, at, at+int64(n)-1)
		data = data[5+n:]
	}
	return changed
}

// Listing writes a tree as sorted text, a line for each path: what a judge
// showed of a fixture.
func Listing(tree map[string]Node) string {
	var lines []string
	for p, n := range tree {
		content := n.SHA256
		if n.Mode&fs.ModeSymlink != 0 {
			content = "-> " + quoteWord(n.Target)
		}
		if n.Mode&fs.ModeDevice != 0 {
			content = fmt.Sprintf("%d:%d", n.Major, n.Minor)
		}
		var xs []string
		for k, v := range n.Xattrs {
			if len(v) > 64 {
				v = "..." + v[len(v)-64:]
			}
			xs = append(xs, quoteWord(k)+"="+hex.EncodeToString([]byte(v)))
		}
		sort.Strings(xs)
		lines = append(lines, strings.TrimRight(fmt.Sprintf("%s %v %d:%d links=%d size=%d mtime=%s %s %s", quoteWord(p), n.Mode, n.UID, n.GID, n.Nlink, n.Size,
			n.Mtime.UTC().Format(time.RFC3339Nano), content, strings.Join(xs, ",")), " "))
	}
	sort.Strings(lines)
	return strings.Join(lines, "\n") + "\n"
}

// quoteWord makes any bytes one word of ASCII.
func quoteWord(s string) string {
	var b strings.Builder
	for i := range len(s) {
		if c := s[i]; c > ' ' && c < 0x7F && c != '%' {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}

// CompareListings reports the lines that only one of two listings has.
func CompareListings(t testing.TB, got, want string) {
	t.Helper()
	in := func(lines []string) map[string]bool {
		m := map[string]bool{}
		for _, l := range lines {
			m[l] = true
		}
		return m
	}
	g, w := strings.Split(got, "\n"), strings.Split(want, "\n")
	gs, ws := in(g), in(w)
	for _, l := range w {
		if !gs[l] {
			t.Errorf("missing: %s", l)
		}
	}
	for _, l := range g {
		if !ws[l] {
			t.Errorf("not in the judge's view: %s", l)
		}
	}
}
