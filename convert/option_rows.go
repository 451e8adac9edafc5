package convert

import (
	"slices"

	"github.com/guestkit/guestkit/ova"
	"github.com/guestkit/guestkit/qcow2"
	"github.com/guestkit/guestkit/vmdk"
)

// The options of each format, for the rows of writers.

func rawOptions() []Option {
	return []Option{
		textOption("preallocation", "reserve room for the whole disk, or write it", "off", []string{"off", "falloc", "full"}, func(o *Output) *string { return &o.Raw.Preallocation }),
		sizeOption("split_size", "cut the image into files of this size, called OUTPUT.001 and so on", "", func(o *Output) *int64 { return &o.SplitSize }),
	}
}

func qcow2Options() []Option {
	return []Option{
		textOption("backing_file", "make an overlay of this file", "", nil, func(o *Output) *string { return &o.Qcow2.Backing }),
		textOption("backing_fmt", "the format of the backing file", "", nil, func(o *Output) *string { return &o.Qcow2.BackingFormat }),
		sizeOption("cluster_size", "the unit of allocation, a power of two from 512 to 2M", "64K", func(o *Output) *int64 { return &o.Qcow2.ClusterSize }),
		{"compat", "the version: 0.10 is v2, 1.1 is v3", KindText, []string{"0.10", "1.1", "v2", "v3"}, "1.1", func(o *Output, v string) error {
			o.Qcow2.Version = 3
			if v == "0.10" || v == "v2" {
				o.Qcow2.Version = 2
			}
			return nil
		}},
		numberOption("compression_level", "1 to 9 for zlib, 1 to 22 for zstd", "", func(o *Output) *int { return &o.Qcow2.Level }),
		textOption("compression_type", "how compressed clusters are compressed", "zlib", []string{"zlib", "zstd"}, func(o *Output) *string { return &o.Qcow2.Compression }),
		textOption("data_file", "keep the data in this file beside the image", "", nil, func(o *Output) *string { return &o.Qcow2.DataFile }),
		boolOption("data_file_raw", "keep the data file a raw image of the disk", "off", func(o *Output) *bool { return &o.Qcow2.DataFileRaw }),
		boolOption("extended_l2", "divide each cluster into 32 subclusters", "off", func(o *Output) *bool { return &o.Qcow2.ExtendedL2 }),
		boolOption("lazy_refcounts", "let QEMU update refcounts when it closes the image", "off", func(o *Output) *bool { return &o.Qcow2.LazyRefcounts }),
		{"preallocation", "allocate metadata, reserve room, or write the whole disk", KindText, []string{"off", "metadata", "falloc", "full"}, "off",
			func(o *Output, v string) error { o.Qcow2.Preallocation = qcow2.Preallocation(v); return nil }},
		numberOption("refcount_bits", "the width of a refcount, a power of two from 1 to 64", "16", func(o *Output) *int { return &o.Qcow2.RefcountBits }),
	}
}

// compressQcow2 takes either type.
func compressQcow2(o *Output, typ, level string) error {
	if typ != "" {
		o.Qcow2.Compression = typ
	}
	if level == "" {
		return nil
	}
	return setNumber("the level of compression", level, &o.Qcow2.Level)
}

func vmdkOptions() []Option {
	return []Option{
		textOption("adapter_type", "the controller that the disk is made for; ide, but lsilogic for streamOptimized", "", vmdk.Adapters(), func(o *Output) *string { return &o.VMDK.Adapter }),
		{"compat6", "write hardware version 6", KindBool, nil, "off", func(o *Output, v string) error {
			six, err := parseBool("compat6", v)
			if err != nil || !six {
				return err
			}
			return setHardware(o, "6")
		}},
		numberOption("compression_level", "1 to 9, for streamOptimized", "", func(o *Output) *int { return &o.VMDK.Level }),
		sizeOption("grain_size", "the unit of allocation, a power of two from 8K to 1M", "64K", func(o *Output) *int64 { return &o.VMDK.GrainSize }),
		{"hwversion", "the version of the virtual hardware", KindNumber, nil, "4", setHardware},
		sizeOption("split_size", "how much of the disk lies in one extent of the twoGbMaxExtent kinds, in MiB; by default 2047M", "", func(o *Output) *int64 { return &o.VMDK.SplitSize }),
		textOption("subformat", "the kind of VMDK", vmdk.MonolithicSparse, vmdk.Subformats(), func(o *Output) *string { return &o.VMDK.Subformat }),
		textOption("toolsversion", "the version of VMware Tools in the guest", "", nil, func(o *Output) *string { return &o.VMDK.ToolsVersion }),
		boolOption("zeroed_grain", "tell zeros in the tables; older programs cannot read that", "off", func(o *Output) *bool { return &o.VMDK.ZeroedGrain }),
	}
}

// setHardware takes the version of the virtual hardware, which compat6 tells
// too.
func setHardware(o *Output, v string) error {
	old := o.VMDK.HWVersion
	if err := setNumber("hwversion", v, &o.VMDK.HWVersion); err != nil {
		return err
	}
	if old != 0 && old != o.VMDK.HWVersion {
		return badOption("hwversion is %d or %s; compat6 means 6", old, v)
	}
	return nil
}

// compressVMDK makes a stream, the one kind that is compressed.
func compressVMDK(o *Output, typ, level string) error {
	switch {
	case typ != "" && typ != "zlib":
		return badOption("vmdk images are compressed with zlib, not %q", typ)
	case o.VMDK.Subformat == "":
		o.VMDK.Subformat = vmdk.StreamOptimized
	case o.VMDK.Subformat != vmdk.StreamOptimized:
		return badOption("%s images cannot be compressed; streamOptimized ones are", o.VMDK.Subformat)
	}
	if level == "" {
		return nil
	}
	return setNumber("the level of compression", level, &o.VMDK.Level)
}

func vhdOptions() []Option {
	return []Option{
		sizeOption("block_size", "the unit of allocation, a power of two from 512K to 64M", "2M", func(o *Output) *int64 { return &o.VHD.BlockSize }),
		{"force_size", "off rounds the size up to what cylinders, heads and sectors can say", KindBool, nil, "on", func(o *Output, v string) error {
			on, err := parseBool("force_size", v)
			o.VHD.Geometry = err == nil && !on
			return err
		}},
		textOption("subformat", "the kind of VHD", "dynamic", []string{"dynamic", "fixed"}, func(o *Output) *string { return &o.VHD.Subformat }),
	}
}

func vhdxOptions() []Option {
	return []Option{
		sizeOption("block_size", "the unit of allocation, a power of two from 1M to 256M; by default it grows with the disk", "", func(o *Output) *int64 { return &o.VHDX.BlockSize }),
		boolOption("block_state_zero", "say of blocks without data that they are zeros", "off", func(o *Output) *bool { return &o.VHDX.BlockStateZero }),
		sizeOption("log_size", "room for the log, in MiB", "1M", func(o *Output) *int64 { return &o.VHDX.LogSize }),
		numberOption("logical_sector_size", "512 or 4096", "512", func(o *Output) *int { return &o.VHDX.LogicalSector }),
		textOption("subformat", "the kind of VHDX", "dynamic", []string{"dynamic", "fixed"}, func(o *Output) *string { return &o.VHDX.Subformat }),
	}
}

func vdiOptions() []Option {
	return []Option{
		{"static", "give every block its place", KindBool, nil, "off", func(o *Output, v string) error {
			static, err := parseBool("static", v)
			if err == nil && static {
				o.VDI.Subformat = "static"
			}
			return err
		}},
		textOption("subformat", "the kind of VDI", "dynamic", []string{"dynamic", "static"}, func(o *Output) *string { return &o.VDI.Subformat }),
	}
}

func ovaOptions() []Option {
	return []Option{
		numberOption("compression_level", "1 to 9", "", func(o *Output) *int { return &o.VMDK.Level }),
		textOption("controller", "the controller of the disks", "lsilogic", ova.Controllers(), func(o *Output) *string { return &o.OVA.Controller }),
		numberOption("cpus", "processors of the machine", "1", func(o *Output) *int { return &o.OVA.CPUs }),
		textOption("firmware", "what boots the machine", "bios", []string{"bios", "efi"}, func(o *Output) *string { return &o.OVA.Firmware }),
		textOption("hardware", "the version of the virtual hardware; vmx-13 with secure_boot", "vmx-10", nil, func(o *Output) *string { return &o.OVA.Hardware }),
		sizeOption("memory", "memory of the machine, in MiB", "1G", func(o *Output) *int64 { return &o.OVA.Memory }),
		textOption("name", "the name of the machine; by default that of the file", "", nil, func(o *Output) *string { return &o.OVA.Name }),
		{"network", "the network that the adapter is on", KindText, nil, "", func(o *Output, v string) error {
			return setAdapter(o, func(n *ova.NIC) { n.Network = v })
		}},
		{"nic", "the model of the network adapter, or none", KindText, nil, "", func(o *Output, v string) error {
			if v == "none" {
				o.OVA.NICs = []ova.NIC{}
				return nil
			}
			return setAdapter(o, func(n *ova.NIC) { n.Model = v })
		}},
		textOption("os", "the guest system, as VMware names it", "otherGuest64", nil, func(o *Output) *string { return &o.OVA.OS }),
		boolOption("secure_boot", "boot signed code only; needs firmware=efi", "off", func(o *Output) *bool { return &o.OVA.SecureBoot }),
	}
}

// setAdapter sets something of the one network adapter that options tell of.
func setAdapter(o *Output, set func(n *ova.NIC)) error {
	if o.OVA.NICs == nil {
		o.OVA.NICs = []ova.NIC{{}}
	}
	if len(o.OVA.NICs) == 0 {
		return badOption("nic=none and another option of the network adapter exclude each other")
	}
	// A copy, since Outputs are copied.
	o.OVA.NICs = slices.Clone(o.OVA.NICs)
	set(&o.OVA.NICs[0])
	return nil
}

// compressOVA sets the level; disks of packages are always compressed.
func compressOVA(o *Output, typ, level string) error {
	if typ != "" && typ != "zlib" {
		return badOption("disks of packages are compressed with zlib, not %q", typ)
	}
	if level == "" {
		return nil
	}
	return setNumber("the level of compression", level, &o.VMDK.Level)
}
