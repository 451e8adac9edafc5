//go:build linux || darwin

package format

import "os"

// holeAt returns how many bytes of hole start at off, 0 if there is data or the
// system does not know. It moves the position of the file, which nothing uses.
func holeAt(f *os.File, off, size int64) int64 {
	data, err := f.Seek(off, seekData)
	if err != nil {
		if isENXIO(err) { // no data from off to the end
			return size - off
		}
		return 0
	}
	return min(max(data, off), size) - off
}

// dataAt returns how many bytes of data start at off, all that are left if the
// system does not know.
func dataAt(f *os.File, off, size int64) int64 {
	hole, err := f.Seek(off, seekHole)
	if err != nil || hole <= off || hole > size {
		return size - off
	}
	return hole - off
}
