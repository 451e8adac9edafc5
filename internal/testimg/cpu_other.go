//go:build !linux

package testimg

import "time"

var begun = time.Now()

// cpuTime is the time that has passed, where the system is not asked for more.
func cpuTime() time.Duration { return time.Since(begun) }
