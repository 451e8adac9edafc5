//go:build !linux

package testimg

import "time"

var begun = time.Now()

// CPUTime is the time that has passed, where the system is not asked for more.
func CPUTime() time.Duration { return time.Since(begun) }
