package evtx_test

import (
	"flag"
	"testing"

	"github.com/guestkit/guestkit/internal/testimg"
)

var update = flag.Bool("update", false, "write the log that the tests of the command line read")

// TestKeep writes the sample, which libevtx judges in TestPeer.
func TestKeep(t *testing.T) {
	if *update {
		testimg.Keep(t, "types.evtx.gz", sample())
	}
}
