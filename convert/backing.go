package convert

import (
	"fmt"
	"os"
	"strings"

	"github.com/guestkit/guestkit/format"
	"github.com/guestkit/guestkit/vhd"
	"github.com/guestkit/guestkit/vmdk"
)

// SetBacking makes what is written an overlay of the file of that name, which
// is relative to Path, and states the file's format. Empty strings leave what
// Qcow2 says. The error wraps block.ErrOption if the image cannot be one.
func (out *Output) SetBacking(name, stated string) error {
	if stated != "" && !format.KnownWrapped(stated) {
		return badOption("unknown format %q (supported: %s)", stated, strings.Join(format.Names(), ", "))
	}
	switch {
	case out.Format == "qcow2":
		if name != "" {
			out.Qcow2.Backing = name
		}
		if stated != "" {
			out.Qcow2.BackingFormat = stated
		}
	case name == "":
		return nil
	case out.Format == "vhd" && (stated == "" || stated == "vhd" || stated == "vpc"):
		if err := out.setParentVHD(name); err != nil {
			return err
		}
	case out.Format == "vmdk" && (stated == "" || stated == "vmdk"):
		if err := out.setParentVMDK(name); err != nil {
			return err
		}
	case out.Format == "vmdk", out.Format == "vhd":
		f := strings.ToUpper(out.Format)
		return badOption("the parent of a %s is a %s, not %q", f, f, stated)
	default:
		return badOption("%s images have no backing file", out.Format)
	}
	if name, _ := out.Backing(); name != "" {
		out.File.Sources = append(out.File.Sources, besidePath(out.Path, name))
	}
	return nil
}

// Backing is the backing file that what is written names, and its format; ""
// if there is none.
func (out *Output) Backing() (name, format string) {
	if out.VHD.Parent != nil {
		return out.VHD.Parent.Name, "vhd"
	}
	if out.VMDK.Parent != "" {
		return out.VMDK.Parent, "vmdk"
	}
	return out.Qcow2.Backing, out.Qcow2.BackingFormat
}

// BackingPath is where the backing file lies, "" if there is none.
func (out *Output) BackingPath() string {
	name, _ := out.Backing()
	if name == "" {
		return ""
	}
	return besidePath(out.Path, name)
}

// KeepBacking leaves to the backing file of the output what the source has from
// the same file (opts.KeepDepth), and takes its format from there if none is
// stated. source describes the source, with the images behind it.
func (out *Output) KeepBacking(source *format.Info, opts *Options) error {
	path := out.BackingPath()
	if path == "" {
		return nil
	}
	fi, err := os.Stat(path)
	if err != nil {
		return err
	}
	for i, below := range source.Chain {
		if bfi, err := os.Stat(below.Name); err == nil && os.SameFile(fi, bfi) {
			if out.Qcow2.BackingFormat == "" {
				out.Qcow2.BackingFormat = below.Format
			}
			opts.KeepDepth = i + 1
		}
	}
	if _, stated := out.Backing(); stated == "" {
		return badOption("state the format of the backing file with -F")
	}
	return nil
}

// setParentVHD makes what is written a differencing VHD, which identifies its
// parent by what that says about itself.
func (out *Output) setParentVHD(name string) error {
	path := besidePath(out.Path, name)
	fi, err := os.Stat(path)
	if err != nil {
		return err
	}
	f, err := format.OpenHostFile(path)
	if err != nil {
		return err
	}
	defer f.Close()
	info, _, err := vhd.Describe(f, nil)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	out.VHD.Parent = &vhd.Parent{Name: name, UUID: info.UUID, Size: info.Size, Modified: fi.ModTime()}
	return nil
}

// setParentVMDK makes what is written a child of a VMDK, which it identifies by
// the identity of its content.
func (out *Output) setParentVMDK(name string) error {
	path := besidePath(out.Path, name)
	f, err := format.OpenHostFile(path)
	if err != nil {
		return err
	}
	defer f.Close()
	info, _, err := vmdk.Describe(f, nil)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	out.VMDK.Parent, out.VMDK.ParentCID = name, info.CID
	return nil
}
