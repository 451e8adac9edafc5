package btrfs

import (
	"os"
	"testing"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/testimg"
)

func explore(r block.Reader) error { return testimg.Explore(r, openFS, true) }

// TestMutations damages the metadata of each fixture; every second mutant has its
// checksums repaired.
func TestMutations(t *testing.T) {
	n := 0
	if os.Getenv("GUESTKIT_MUTATIONS") == "" {
		n = 100 // of each of three
	}
	for _, name := range fixtures {
		t.Run(name, func(t *testing.T) {
			image := fixture(t, name)
			testimg.Mutate(t, testimg.Mutations{Image: image, Where: testimg.Metadata(t, image, openFS), Seed: 1, N: n, Run: explore,
				Seal: newSealer(t, image).seal})
		})
	}
}

// FuzzBtrfs opens, walks and reads the fixtures with damage to their metadata.
func FuzzBtrfs(f *testing.F) {
	var bases []testimg.Base
	for _, name := range fixtures {
		image := fixture(f, name)
		bases = append(bases, testimg.Base{Image: image, Seal: newSealer(f, image).seal})
	}
	testimg.Fuzz(f, bases, openFS)
}
