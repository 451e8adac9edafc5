package udf

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/guestkit/guestkit/internal/peers"
	"github.com/guestkit/guestkit/internal/testimg"
)

// TestBlkidSuite opens the images of util-linux, which all tools that write UDF
// have made: Nero, macOS, Windows 7, udfclient, mkudffs and genisoimage.
func TestBlkidSuite(t *testing.T) {
	peers.Need(t, "xz")
	images, err := filepath.Glob(filepath.Join(peers.Suite(t, "util-linux"), "tests/ts/blkid/images-fs/udf*.img.xz"))
	if err != nil || len(images) < 20 {
		t.Fatalf("%d images, %v", len(images), err)
	}
	files := map[string]string{"udf-bdr-2.60-nero": "test.txt", "udf-cd-nero-6": "test.txt", "udf-hdd-mkudffs-1.0.0-1": "lost+found"}
	for _, image := range images {
		name := strings.TrimSuffix(filepath.Base(image), ".img.xz")
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "img")
			cmd := peers.Command(t, "xz", "-dc", image)
			out, err := os.Create(path)
			if err != nil {
				t.Fatal(err)
			}
			cmd.Stdout = out
			err = cmd.Run()
			if out.Close(); err != nil {
				t.Fatal(err)
			}
			fsys, err := Open(testimg.File(t, path), nil)
			if err != nil {
				t.Fatal(err)
			}
			tree, err := testimg.ReadTree(fsys, testimg.TreeOptions{})
			if err != nil || len(fsys.Problems()) > 0 {
				t.Errorf("%v, problems %v", err, fsys.Problems())
			}
			if want := files[name]; want != "" {
				if _, ok := tree[want]; !ok {
					t.Errorf("no %s in %v", want, tree)
				}
			}
			if i := fsys.Info(); i.Version == "" || strings.Contains(name, "-multi-") && i.Label != "third session" {
				t.Errorf("Info = %+v", i)
			}
			// One with sectors of 512 bytes lies under it.
			if i := fsys.Info(); name == "udf-hdd-mkudffs-1.3-7" && i.Label != "Label4096" {
				t.Errorf("Info = %+v", i)
			}
			t.Logf("%+v, %d files", fsys.Info(), len(tree))
		})
	}
}
