package iso9660

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/guestkit/guestkit/internal/peers"
	"github.com/guestkit/guestkit/internal/testimg"
)

// TestLibarchiveSuite reads the discs of libarchive's tests, which other makers
// made, and compares them with what bsdtar reads: type, mode, owner, time, target
// and sum of each file.
func TestLibarchiveSuite(t *testing.T) {
	peers.Need(t, "bsdtar", "gzip")
	images, err := filepath.Glob(filepath.Join(peers.Suite(t, "libarchive"), "libarchive/test/*iso*.uu"))
	if err != nil || len(images) < 12 {
		t.Fatalf("%d images, %v", len(images), err)
	}
	for _, image := range images {
		name := strings.TrimSuffix(filepath.Base(image), ".iso.Z.uu")
		t.Run(strings.TrimPrefix(name, "test_read_format_"), func(t *testing.T) {
			disc := filepath.Join(t.TempDir(), "iso")
			packed := disc + ".Z"
			text, err := os.ReadFile(image)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(packed, uudecode(text), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(disc, []byte(peers.Run(t, "gzip", "-dc", packed)), 0o600); err != nil {
				t.Fatal(err)
			}
			fsys, err := Open(testimg.File(t, disc), nil)
			if err != nil {
				t.Fatal(err)
			}
			tree, err := testimg.ReadTree(fsys, testimg.TreeOptions{NoXattrs: true})
			if err != nil {
				t.Fatal(err)
			}
			if len(fsys.Problems()) > 0 {
				t.Errorf("problems: %v", fsys.Problems())
			}
			bare := !slices.Contains(fsys.Info().Features, "rock_ridge")
			judged := mtree(t, peers.Run(t, "bsdtar", "-cf", "-", "--format=mtree", "--options=!all,type,mode,uid,gid,time,size,link,sha256", "@"+disc), bare)
			if _, ok := judged["rr_moved"]; !ok { // bsdtar never shows it, Linux does where nothing marks it
				delete(tree, "rr_moved")
			}
			if strings.HasSuffix(name, "zisofs") { // of which bsdtar 3.6 unpacks one block
				b, err := fs.ReadFile(fsys, "file")
				if err != nil || string(bytes.TrimRight(b, "\x00")) != "hello\n" || len(b) != 12345684 {
					t.Errorf("file has %d bytes, %v", len(b), err)
				}
				delete(judged["file"], "sha256digest")
			}
			if len(judged) == 0 || len(judged) != len(tree) {
				t.Errorf("%d files, and bsdtar sees %d", len(tree), len(judged))
			}
			for p, n := range tree {
				want, ok := judged[p]
				got := map[string]string{"type": "file", "sha256digest": n.SHA256, "size": fmt.Sprint(n.Size), "time": fmt.Sprint(n.Mtime.Unix(), ".0"),
					"mode": fmt.Sprintf("%o", n.Mode.Perm()), "uid": fmt.Sprint(n.UID), "gid": fmt.Sprint(n.GID)}
				switch {
				case n.Mode.IsDir():
					got["type"] = "dir"
				case n.Mode&fs.ModeSymlink != 0:
					got["type"], got["link"] = "link", n.Target
				}
				if bare { // libarchive's own
					delete(want, "mode")
				}
				if p == "." && n.Mtime.IsZero() {
					delete(want, "time") // no date
				}
				if want["size"] == "0" && n.Size > 0 { // the content of links comes with the first name
					delete(want, "size")
					delete(want, "sha256digest")
				}
				for k, v := range want {
					if strings.ReplaceAll(got[k], " ", "") != v {
						t.Errorf("%s: %s is %q, and bsdtar says %q", p, k, got[k], v)
					}
				}
				if !ok {
					t.Errorf("%s, which bsdtar does not see", p)
				}
			}
		})
	}
}

// mtree reads what bsdtar prints: the fields of each file by its path, which is in
// lower case where ISO 9660 has it in upper case.
func mtree(t *testing.T, text string, bare bool) map[string]map[string]string {
	t.Helper()
	out := map[string]map[string]string{}
	octal := regexp.MustCompile(`\\[0-7]{3}`)
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		if len(f) == 0 || f[0] == "#mtree" {
			continue
		}
		name := octal.ReplaceAllStringFunc(f[0], func(s string) string {
			n, err := strconv.ParseUint(s[1:], 8, 8)
			if err != nil {
				t.Fatal(err)
			}
			return string([]byte{byte(n)})
		})
		if bare {
			name = strings.ToLower(name)
		}
		fields := map[string]string{}
		for _, kv := range f[1:] {
			k, v, _ := strings.Cut(kv, "=")
			fields[k] = v
		}
		out[path.Clean(name)] = fields
	}
	return out
}

// uudecode unpacks the text of uuencode.
func uudecode(text []byte) []byte {
	var out []byte
	_, text, _ = bytes.Cut(text, []byte("begin "))
	_, text, _ = bytes.Cut(text, []byte("\n"))
	for line := range bytes.Lines(text) {
		if line = bytes.TrimRight(line, "\r\n"); len(line) == 0 || string(line) == "end" {
			break
		}
		n := int(line[0]-' ') & 63
		var b []byte
		for g := range slices.Chunk(line[1:], 4) {
			v := uint32(0)
			for i := range 4 {
				v <<= 6
				if i < len(g) {
					v |= uint32(g[i]-' ') & 63
				}
			}
			b = append(b, byte(v>>16), byte(v>>8), byte(v))
		}
		out = append(out, b[:min(n, len(b))]...)
	}
	return out
}
