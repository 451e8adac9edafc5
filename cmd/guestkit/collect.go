package main

import (
	"os"
	"runtime"
	"runtime/debug"
)

// collectLate has the first collection of garbage come when there may be 8 MiB of it and
// not 4, unless the user says when. The first one starts threads and is a tenth of the
// processor time of an inspection, most of which end before there is more. From that
// collection on all is as ever.
func collectLate() {
	if os.Getenv("GOGC") != "" {
		return
	}
	const usual = 100
	debug.SetGCPercent(2 * usual)
	type garbage struct{ _ *byte } // with a pointer, so that it shares its block with nothing
	runtime.AddCleanup(&garbage{}, func(percent int) { debug.SetGCPercent(percent) }, usual)
}
