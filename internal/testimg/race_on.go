//go:build race

package testimg

// raceEnabled says that the race detector slows this run and inflates memory.
const raceEnabled = true
