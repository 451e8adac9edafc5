package target

import (
	"fmt"
	"strings"
)

const (
	kib = 1 << 10
	mib = 1 << 20
	gib = 1 << 30
	tib = 1 << 40
)

// The rules that several platforms have.

// takes asks for one of some formats.
func takes(source string, formats ...string) Rule {
	list := strings.Join(formats, ", ")
	return Rule{ID: "format", Text: "the format is " + list, Source: source, Fix: "writes that format", broken: func(f *Facts) string {
		if known(f.Format, formats...) {
			return ""
		}
		return "it is " + f.Format
	}}
}

// layouts asks that images of a format have one of some subformats.
func layouts(id, source, format string, subformats ...string) Rule {
	list := strings.Join(subformats, " or ")
	return Rule{ID: id, Text: format + " images are " + list, Source: source, Fix: "writes that subformat", broken: func(f *Facts) string {
		for _, d := range f.disks() {
			if d.Format == format && !known(d.Subformat, subformats...) {
				return "it is " + d.Subformat
			}
		}
		return ""
	}}
}

// disks are the images of disks: those in a package, or the image itself.
func (f *Facts) disks() []*Facts {
	if f.Format == "ova" || f.Format == "ovf" {
		return f.Disks
	}
	return []*Facts{f}
}

// multiple asks that the size of the disk is a multiple of unit.
func multiple(source string, unit int64, what string) Rule {
	return Rule{ID: "aligned", Text: "the size of the disk is a multiple of " + what, Source: source, Fix: "adds zeros at the end of the disk", broken: func(f *Facts) string {
		for _, d := range f.disks() {
			if over := d.Size % unit; over != 0 {
				return fmt.Sprintf("%d bytes are %d too many, or %d too few", d.Size, over, unit-over)
			}
		}
		return ""
	}}
}

// atMost asks that the disk is no larger; format is "" for all formats.
func atMost(id, source, format string, most int64, what string) Rule {
	text := "the disk has at most " + what
	if format != "" {
		text = "the disk of a " + format + " image has at most " + what
	}
	return Rule{ID: id, Text: text, Source: source, Fix: "refuses to write it", broken: func(f *Facts) string {
		for _, d := range f.disks() {
			if (format == "" || d.Format == format) && d.Size > most {
				return fmt.Sprintf("it has %d bytes", d.Size)
			}
		}
		return ""
	}}
}

// atLeast asks that the disk is no smaller.
func atLeast(id, source string, least int64, what string) Rule {
	return Rule{ID: id, Text: "the disk has at least " + what, Source: source, Fix: "adds zeros at the end of the disk", broken: func(f *Facts) string {
		for _, d := range f.disks() {
			if d.Size < least {
				return fmt.Sprintf("it has %d bytes", d.Size)
			}
		}
		return ""
	}}
}

// whole asks that an image needs no other one, and no second file of bytes.
func whole(source string) Rule {
	return Rule{ID: "whole", Text: "the image needs no other file", Source: source, Fix: "writes all of the disk into one file", broken: func(f *Facts) string {
		for _, d := range f.disks() {
			switch {
			case d.Parent != "":
				return fmt.Sprintf("it holds the changes to %.80q", d.Parent)
			case d.DataFile != "":
				return fmt.Sprintf("its data lies in %.80q", d.DataFile)
			}
		}
		return ""
	}}
}

// oneFile asks that a VMDK is not a descriptor with extents beside it.
func oneFile(source string) Rule {
	return Rule{ID: "one-file", Text: "a VMDK lies in one file", Source: source, Fix: "writes one file", broken: func(f *Facts) string {
		for _, d := range f.disks() {
			if d.Format == "vmdk" && !known(d.Subformat, "monolithicSparse", "streamOptimized") {
				return "it is " + d.Subformat
			}
		}
		return ""
	}}
}

// plain asks that an image is not encrypted.
func plain(source string) Rule {
	return Rule{ID: "plain", Text: "the image is not encrypted", Source: source, Fix: "reads encrypted images only with their key", broken: func(f *Facts) string {
		for _, d := range f.disks() {
			if d.Encryption != "" {
				return "it is encrypted by " + d.Encryption
			}
		}
		return ""
	}}
}
