package main

import (
	"os"
	"strings"

	"github.com/guestkit/guestkit/format"
)

// added are the disks of -a, each with its format, "" for that of -f.
type added struct{ disks, formats []string }

// addMark is what a format follows behind the name of a disk.
const addMark = ",format="

// Set takes DISK or DISK,format=FORMAT. A file that has all of that as its name is
// a DISK.
func (a *added) Set(s string) error {
	var name formatFlag
	if i := strings.LastIndex(s, addMark); i > 0 {
		if _, err := os.Lstat(s); err != nil {
			if err := name.Set(s[i+len(addMark):]); err != nil {
				return err
			}
			s = s[:i]
		}
	}
	a.disks, a.formats = append(a.disks, s), append(a.formats, string(name))
	return nil
}

func (a *added) String() string { return strings.Join(a.disks, ",") }
func (a *added) Type() string   { return "disk" }

// options are those of the added disks where they are not o; nil if all are.
func (a *added) options(o *format.Options) (out []*format.Options) {
	for i, name := range a.formats {
		if name == "" {
			continue
		}
		own := *o
		own.Format = name
		out = append(out, make([]*format.Options, i-len(out))...)
		out = append(out, &own)
	}
	return out
}
