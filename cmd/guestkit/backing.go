package main

import (
	"os"
	"path/filepath"

	"github.com/guestkit/guestkit/convert"
	"github.com/guestkit/guestkit/format"
	"github.com/guestkit/guestkit/vhd"
	"github.com/guestkit/guestkit/vmdk"
)

// setBacking makes what is written an overlay of the file of that name, which
// is relative to the new image, and states the file's format. Empty strings
// leave what the options of the format say.
func setBacking(out *convert.Output, name, stated string) error {
	if err := knownFormat(stated); err != nil {
		return err
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
		if err := setParent(out, name); err != nil {
			return err
		}
	case out.Format == "vmdk" && (stated == "" || stated == "vmdk"):
		if err := setParentVMDK(out, name); err != nil {
			return err
		}
	case out.Format == "vmdk":
		return usagef("the parent of a VMDK is a VMDK, not of the format %q", stated)
	case out.Format == "vhd":
		return usagef("the parent of a VHD is a VHD, not of the format %q", stated)
	default:
		return usagef("%s images have no backing file", out.Format)
	}
	if name, _ := backingOf(out); name != "" {
		out.File.Sources = append(out.File.Sources, besideOutput(out, name))
	}
	return nil
}

// setParent makes what is written a differencing VHD, which identifies its
// parent by what that says about itself.
func setParent(out *convert.Output, name string) error {
	path := besideOutput(out, name)
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
		return pathError(path, err)
	}
	out.VHD.Parent = &vhd.Parent{Name: name, UUID: info.UUID, Size: info.Size, Modified: fi.ModTime()}
	return nil
}

// setParentVMDK makes what is written a child of a VMDK, which it identifies by
// the identity of its content.
func setParentVMDK(out *convert.Output, name string) error {
	path := besideOutput(out, name)
	f, err := format.OpenHostFile(path)
	if err != nil {
		return err
	}
	defer f.Close()
	info, _, err := vmdk.Describe(f, nil)
	if err != nil {
		return pathError(path, err)
	}
	out.VMDK.Parent, out.VMDK.ParentCID = name, info.CID
	return nil
}

// backingOf is the backing file of what is written and its format, "" if there
// is none.
func backingOf(out *convert.Output) (name, format string) {
	if out.VHD.Parent != nil {
		return out.VHD.Parent.Name, "vhd"
	}
	if out.VMDK.Parent != "" {
		return out.VMDK.Parent, "vmdk"
	}
	return out.Qcow2.Backing, out.Qcow2.BackingFormat
}

// besideOutput is where a file lies that what is written names.
func besideOutput(out *convert.Output, name string) string {
	if filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(filepath.Dir(out.Path), name)
}
