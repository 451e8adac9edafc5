//go:build qemu && linux

package qemuimg

import (
	"encoding/json"
	"fmt"
	"os"

	"github.com/guestkit/guestkit/block"
)

// MaxSize is the largest virtual disk that is read, in bytes.
const MaxSize = 1 << 40

// Info is what qemu-img tells of an image. Sizes are in bytes.
type Info struct {
	VirtualSize   int64  `json:"virtual-size"`
	ClusterSize   int64  `json:"cluster-size"`
	Backing       string `json:"backing-filename"`
	BackingFormat string `json:"backing-filename-format"`
	Encrypted     bool   `json:"encrypted"`
	Dirty         bool   `json:"dirty-flag"`
}

// Describe tells of the image of that format in f.
func Describe(f *os.File, format string) (*Info, error) {
	out, _, err := run([]*os.File{f}, "info", "--output=json", source(format))
	if err != nil {
		return nil, block.Errorf(format, "image", -1, err, "")
	}
	info := &Info{}
	if err := json.Unmarshal(out, info); err != nil {
		return nil, block.Errorf(format, "image", -1, err, "what qemu-img info says")
	}
	if info.VirtualSize < 0 {
		return nil, block.Errorf(format, "image", -1, block.ErrCorrupt, "a virtual disk of %d bytes", info.VirtualSize)
	}
	return info, nil
}

// Read has the disk of the image in f written to a scratch file, which has no
// name any more and is gone when it is closed. Zeros take no room in it.
func Read(f *os.File, format string) (*os.File, error) {
	info, err := Describe(f, format)
	switch {
	case err != nil:
		return nil, err
	case info.Backing != "":
		return nil, block.Errorf(format, "backing file", -1, block.ErrRefused, "%q: qemu-img may open the image alone", info.Backing)
	case info.Encrypted:
		return nil, block.Errorf(format, "image", -1, block.ErrEncrypted, "")
	case info.VirtualSize > MaxSize:
		return nil, block.Errorf(format, "image", -1, block.ErrLimit, "a virtual disk of %d bytes, more than %d", info.VirtualSize, int64(MaxSize))
	}
	if err := check(f, format); err != nil {
		return nil, err
	}
	scratch, err := newScratch(info.VirtualSize)
	if err != nil {
		return nil, err
	}
	err = convert(f, scratch, format)
	if err == nil {
		err = sized(scratch, info.VirtualSize)
	}
	if err != nil {
		scratch.Close()
		return nil, block.Errorf(format, "image", -1, err, "")
	}
	return scratch, nil
}

// convert writes the disk of the image to a file of its size that is all zeros.
func convert(f, to *os.File, format string) error {
	_, _, err := run([]*os.File{f, to}, "convert", "-n", "--target-is-zero", "--target-image-opts",
		source(format), "driver=raw,file.driver=file,file.filename="+name(1))
	return err
}

// check refuses an image in which qemu-img check finds a fault, since reading it
// may give zeros for what is not there.
func check(f *os.File, format string) error {
	const corrupt, leaks, cannot = 2, 3, 63 // exit codes
	out, code, err := run([]*os.File{f}, "check", "--output=json", source(format))
	switch {
	case code == leaks || code == cannot:
		return nil
	case code == corrupt:
		var found struct {
			Corruptions int64 `json:"corruptions"`
		}
		if err := json.Unmarshal(out, &found); err != nil {
			return block.Errorf(format, "image", -1, err, "what qemu-img check says")
		}
		return block.Errorf(format, "image", -1, block.ErrCorrupt, "qemu-img check finds %d corruptions", found.Corruptions)
	case err != nil:
		return block.Errorf(format, "image", -1, err, "")
	}
	return nil
}

// newScratch makes a file of that size, all holes, that only this process has.
func newScratch(size int64) (*os.File, error) {
	f, err := os.CreateTemp("", "guestkit-*")
	if err != nil {
		return nil, err
	}
	if err = os.Remove(f.Name()); err == nil {
		err = f.Truncate(size)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

func sized(f *os.File, want int64) error {
	fi, err := f.Stat()
	if err == nil && fi.Size() != want {
		err = fmt.Errorf("qemu-img wrote a disk of %d bytes, and said that it has %d", fi.Size(), want)
	}
	return err
}
