package format_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/guestkit/guestkit/format"
)

// TestLinksMissing lets an image name a file elsewhere on the host: the chain names
// it, and says nothing of that file.
func TestLinksMissing(t *testing.T) {
	dir := t.TempDir()
	secret := filepath.Join(t.TempDir(), "secret.raw")
	if err := os.WriteFile(secret, make([]byte, 1<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	image := filepath.Join(dir, "over.qcow2")
	if err := os.WriteFile(image, overlay(secret, "raw"), 0o600); err != nil {
		t.Fatal(err)
	}
	links, err := format.Links(image, &format.Options{FollowOwnDir: true})
	if err == nil || len(links) != 2 {
		t.Fatalf("%+v, %v", links, err)
	}
	if l := links[1]; l.Name != secret || l.Err == nil || !l.Modified.IsZero() {
		t.Errorf("%+v", l)
	}
	if links[0].Modified.IsZero() {
		t.Error("it is not known when the image was written to")
	}
}
