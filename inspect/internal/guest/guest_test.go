package guest

import (
	"context"
	"encoding/hex"
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/guestkit/guestkit/fs/vfs"
	"github.com/guestkit/guestkit/internal/testimg"
)

func link(target string) *fstest.MapFile {
	return &fstest.MapFile{Data: []byte(target), Mode: fs.ModeSymlink | 0o777}
}

func TestAssignments(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"A=b\n", "A=b"},
		{"A=\"b c\" # d\nB='$x\\'\n", "A=b c|B=$x\\"},
		{`A="\"q\" \$x \\ \y"` + "\n", `A="q" $x \ \y`},
		{"A=b c d\n", "A=b c d"},
		{"export A=b\nif [ x ]; then\n B=2\nfi\n", "A=b|B=2"},
		{"A=\"x\ny\"\nB=2", "A=x\ny|B=2"},
		{"A=\nB=''\n", "A=|B="},
		{"A=b\\\nB=c", "A=b|B=c"},
		{"A='x'\"y\"z\r\n", "A=xyz"},
		{"A=\"x\nB=c\n", "A=x|B=c"},
		{"1A=x\n=y\nA-B=z\n", ""},
	} {
		var got []string
		for _, a := range Assignments([]byte(c.text)) {
			got = append(got, a.Name+"="+a.Value)
		}
		if s := strings.Join(got, "|"); s != c.want {
			t.Errorf("%q: got %q, want %q", c.text, s, c.want)
		}
	}
}

func TestRealStaysInside(t *testing.T) {
	m := fstest.MapFS{"a/b": &fstest.MapFile{}, "l": link("/../../a/b"), "d": link("a"), "x": link("d/../l"), "loop": link("loop"), "out": link("gone")}
	tr := NewTree(context.Background(), testimg.MapFS(t, m, vfs.Info{}), nil)
	for name, want := range map[string]string{"a/b": "a/b", "l": "a/b", "d/b": "a/b", "x": "a/b", "loop": "", "out": "", "no": ""} {
		if got := tr.Real(name); got != want {
			t.Errorf("real(%s) = %q, want %q", name, got, want)
		}
	}
}

// negative is a filesystem whose files say that they have less than no bytes, as one of
// somebody else might.
type negative struct{ fstest.MapFS }

func (f negative) Stat(name string) (fs.FileInfo, error) {
	fi, err := f.MapFS.Stat(name)
	return negativeInfo{fi}, err
}

type negativeInfo struct{ fs.FileInfo }

func (negativeInfo) Size() int64 { return -1000 }

// TestNegativeSize reads nothing of such a file.
func TestNegativeSize(t *testing.T) {
	tree := NewTree(t.Context(), negative{fstest.MapFS{"a": {Data: []byte("text")}}}, nil)
	if b, ok := tree.Text("a"); len(b) > 0 || !ok {
		t.Errorf("%q, %v", b, ok)
	}
}

// TestPEOfARM64 has the headers of a program that Microsoft's linker made for ARM64: that of
// setuptools (cli-arm64.exe), without the stub of DOS.
func TestPEOfARM64(t *testing.T) {
	b := make([]byte, 0x180)
	copy(b, "MZ\x90\x00\x03\x00\x00\x00\x04\x00\x00\x00\xff\xff")
	b[0x3c], b[0x3d] = 0x08, 0x01
	pe, err := hex.DecodeString("5045000064aa050046bb57610000000000000000f00022000b020e1d006e010000b80000000000006829000000100000000000400100000000100000000200000600020000000000060002000000000000500200000400000000000003006081")
	if err != nil {
		t.Fatal(err)
	}
	copy(b[0x108:], pe)
	if arch := PEArch(b); arch != "aarch64" {
		t.Errorf("%q", arch)
	}
	if arch := PEArch(b[:0x10d]); arch != "" {
		t.Errorf("cut: %q", arch)
	}
}
