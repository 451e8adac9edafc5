package inspect

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/peers"
	"github.com/guestkit/guestkit/internal/testimg"
)

// gapless is a disc on which no gap between its sessions is of zeros.
type gapless struct {
	block.Reader
	gaps [][2]int64 // in bytes
}

func (g *gapless) ReadAt(p []byte, off int64) (int, error) {
	n, err := g.Reader.ReadAt(p, off)
	for _, gap := range g.gaps {
		for i := max(gap[0]-off, 0); i < min(gap[1]-off, int64(n)); i++ {
			p[i] = 0xA5
		}
	}
	return n, err
}

// TestSessionsOnce counts what is read of a disc whose sessions lie as far apart as they
// are looked for: the gaps are searched to tell what it is, to open it and to list its
// parts, and not again for each of them, or for what boots from it, an ISO itself.
func TestSessionsOnce(t *testing.T) {
	peers.Need(t, "genisoimage")
	const sector, sessions, apart = 2048, 5, 11_990
	dir := t.TempDir()
	image, made, files := filepath.Join(dir, "disc.iso"), filepath.Join(dir, "new.iso"), filepath.Join(dir, "files")
	if err := os.Mkdir(files, 0o755); err != nil {
		t.Fatal(err)
	}
	disc := &gapless{}
	at := int64(0)
	for i := range int64(sessions) {
		if err := os.WriteFile(filepath.Join(files, fmt.Sprint("file", i)), []byte("session"), 0o644); err != nil {
			t.Fatal(err)
		}
		args := fmt.Sprintf("-quiet -R -V S%d -o %s", i, made)
		if i > 0 {
			args += fmt.Sprintf(" -C %d,%d -M %s", at, at+apart, image)
			at += apart
		}
		if i == sessions-1 {
			peers.Run(t, "genisoimage", "-quiet", "-V", "BOOT", "-o", filepath.Join(files, "boot.iso"), filepath.Join(files, "file0"))
			args += " -b boot.iso -c boot.cat -no-emul-boot -boot-load-size 60000"
		}
		peers.Run(t, "genisoimage", append(strings.Fields(args), files)...)
		b, err := os.ReadFile(made)
		if err != nil {
			t.Fatal(err)
		}
		f, err := os.OpenFile(image, os.O_CREATE|os.O_WRONLY, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		if _, err = f.WriteAt(b, at*sector); err == nil {
			err = f.Truncate((at + apart) * sector)
		}
		if f.Close(); err != nil {
			t.Fatal(err)
		}
		disc.gaps = append(disc.gaps, [2]int64{at*sector + int64(len(b)), (at + apart) * sector})
	}
	disc.Reader = testimg.File(t, image)
	trace := &testimg.Trace{Reader: disc}
	rep, err := Run(t.Context(), []block.Device{block.Plain(trace)}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer rep.Close()
	if p := rep.Problems(); len(p) > 0 {
		t.Errorf("problems: %v", p)
	}
	var got strings.Builder
	for _, v := range append(rep.Volumes, rep.Volumes[0].Parts...) {
		fmt.Fprintf(&got, "%s %s %s, ", v.Name, v.Label, v.Status)
	}
	if want := "disk S4 read, disk:boot1 BOOT read, disk:session1 S0 read, disk:session2 S1 read, disk:session3 S2 read, disk:session4 S3 read, "; got.String() != want {
		t.Errorf("%s, want %s", &got, want)
	}
	if n := trace.Bytes(); n > 3*disc.Size()+16<<20 {
		t.Errorf("of a disc of %d bytes %d are read", disc.Size(), n)
	}
}
