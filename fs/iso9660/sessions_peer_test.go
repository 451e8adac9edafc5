package iso9660

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/fs/vfs"
	"github.com/guestkit/guestkit/internal/peers"
	"github.com/guestkit/guestkit/internal/sessions"
	"github.com/guestkit/guestkit/internal/testimg"
)

// TestSessions reads discs of three sessions: where each was appended to a disc
// that is written once, the gap that a CD has between them included, and where
// xorriso put the new descriptors into the place of the old ones. isoinfo is told
// where the last session starts.
func TestSessions(t *testing.T) {
	peers.Need(t, "genisoimage", "xorriso", "isoinfo")
	const align, cd = 16, 11_400
	for name, c := range map[string]struct {
		gap  int64
		make string
	}{
		"genisoimage":    {0, "genisoimage -quiet -R -V S"},
		"genisoimage-cd": {cd, "genisoimage -quiet -R -V S"},
		"genisoimage-J":  {cd, "genisoimage -quiet -J -R -V S"},
		"xorriso":        {cd, "xorriso -as mkisofs -quiet -R -V S"},
		"overwritten":    {-1, ""},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			image := filepath.Join(dir, "disc.iso")
			starts := []int64{0}
			for i := range 3 {
				files := filepath.Join(dir, fmt.Sprint("files", i))
				write(t, filepath.Join(files, fmt.Sprint("file", i)), strings.Repeat(fmt.Sprintln("session", i), 1000*i+1))
				write(t, filepath.Join(files, "same"), "as of"+strings.Repeat(" ", i)+fmt.Sprintln(i))
				if c.gap < 0 {
					peers.Run(t, "xorriso", "-report_about", "FAILURE", "-dev", image, "-volid", fmt.Sprint("S", i), "-map", files, "/")
					continue
				}
				args := append(strings.Fields(c.make+fmt.Sprint(i)), "-o", filepath.Join(dir, "new.iso"))
				var size int64
				if i > 0 {
					info, err := os.Stat(image)
					if err != nil {
						t.Fatal(err)
					}
					size = (info.Size()/sector + c.gap + align - 1) / align * align
					args = append(args, "-C", fmt.Sprintf("%d,%d", starts[i-1], size), "-M", image)
					starts = append(starts, size)
				}
				peers.Run(t, args[0], append(args[1:], files)...)
				b, err := os.ReadFile(filepath.Join(dir, "new.iso"))
				if err != nil {
					t.Fatal(err)
				}
				f, err := os.OpenFile(image, os.O_CREATE|os.O_WRONLY, 0o600)
				if err != nil {
					t.Fatal(err)
				}
				_, err = f.WriteAt(b, size*sector)
				if f.Close(); err != nil {
					t.Fatal(err)
				}
			}
			r := testimg.File(t, image)
			if got, err := sessions.Find(r); err != nil || !slices.Equal(got, starts) {
				t.Fatalf("Find = %v, %v, want %v", got, err, starts)
			}
			last := starts[len(starts)-1]
			text := func(r block.Reader) string {
				fsys, err := Open(r, nil)
				if err != nil {
					t.Fatal(err)
				}
				if p := fsys.Problems(); len(p) > 0 {
					t.Errorf("problems: %v", p)
				}
				if multi := slices.Contains(fsys.Info().Features, "multi_session"); multi != (len(starts) > 1 && r.Size() > starts[1]*sector) {
					t.Errorf("Info = %+v", fsys.Info())
				}
				return fmt.Sprintf("%s: %s", fsys.Info().Label, strings.Join(contents(t, fsys), " "))
			}
			got := text(r)
			want := "S2: "
			for i := range 3 {
				want += fmt.Sprintf("file%d=%s ", i, strings.Repeat(fmt.Sprintln("session", i), 1000*i+1))
			}
			if want += "same=as of  2\n"; got != want {
				t.Errorf("%q, want %q", short(got), short(want))
			}
			list := peers.Run(t, "isoinfo", "-i", image, "-T", fmt.Sprint(last), "-f", "-R")
			if n := strings.Count(list, "\n"); n != 4 {
				t.Errorf("isoinfo lists %d files:\n%s", n, list)
			}
			if len(starts) > 1 {
				first := text(block.Section(block.Plain(r), 0, starts[1]*sector))
				if first != "S0: file0=session 0\n same=as of0\n" {
					t.Errorf("before the second session: %q", first)
				}
			}
		})
	}
}

func contents(t *testing.T, fsys vfs.FS) (out []string) {
	t.Helper()
	es, err := fsys.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range es {
		b, err := fs.ReadFile(fsys, e.Name())
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, strings.TrimSuffix(e.Name(), ".")+"="+string(b))
	}
	return out
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// short leaves out what a line repeats.
func short(s string) string {
	lines := strings.SplitAfter(s, "\n")
	return strings.Join(slices.Compact(lines), "")
}
