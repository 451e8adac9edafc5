package main

import (
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/guestkit/guestkit/convert"
	"github.com/guestkit/guestkit/qcow2"
	"github.com/guestkit/guestkit/vmdk"
)

// layout is what image a command writes: the flags that create, convert and
// measure share.
type layout struct {
	format   string   // -O, or -f of create
	options  []string // -o key=value,…
	compress string   // -c: "", or zlib or zstd with a level behind a comma
}

// flags gives a command the flags of what it writes; short is the letter of
// the format.
func (l *layout) flags(cmd *cobra.Command, name, short string) {
	f := cmd.Flags()
	f.StringVarP(&l.format, name, short, "", "write this `FORMAT`: "+strings.Join(convert.Formats(), " or "))
	f.StringArrayVarP(&l.options, "options", "o", nil, "options of the format as `KEY=VALUE,…`: "+strings.Join(layoutKeys(""), ", "))
	cmd.RegisterFlagCompletionFunc(name, cobra.FixedCompletions(convert.Formats(), cobra.ShellCompDirectiveNoFileComp))
}

// A setter sets one option of what is written.
type setter func(o *convert.Output, v string) error

// layoutOptions are the options of each format.
var layoutOptions = map[string]map[string]setter{
	"raw": {
		"preallocation": func(o *convert.Output, v string) error { o.Raw.Preallocation = v; return nil },
		"split_size":    func(o *convert.Output, v string) error { return setSize(&o.SplitSize, v) },
	},
	"qcow2": {
		"cluster_size":      func(o *convert.Output, v string) error { return setSize(&o.Qcow2.ClusterSize, v) },
		"compat":            setCompat,
		"refcount_bits":     func(o *convert.Output, v string) error { return setInt(&o.Qcow2.RefcountBits, v) },
		"lazy_refcounts":    func(o *convert.Output, v string) error { return setBool(&o.Qcow2.LazyRefcounts, v) },
		"extended_l2":       func(o *convert.Output, v string) error { return setBool(&o.Qcow2.ExtendedL2, v) },
		"compression_type":  func(o *convert.Output, v string) error { o.Qcow2.Compression = v; return nil },
		"compression_level": func(o *convert.Output, v string) error { return setInt(&o.Qcow2.Level, v) },
		"backing_file":      func(o *convert.Output, v string) error { o.Qcow2.Backing = v; return nil },
		"backing_fmt":       func(o *convert.Output, v string) error { o.Qcow2.BackingFormat = v; return nil },
		"data_file":         func(o *convert.Output, v string) error { o.Qcow2.DataFile = v; return nil },
		"data_file_raw":     func(o *convert.Output, v string) error { return setBool(&o.Qcow2.DataFileRaw, v) },
		"preallocation":     func(o *convert.Output, v string) error { o.Qcow2.Preallocation = qcow2.Preallocation(v); return nil },
	},
	"ova": {
		"name":              func(o *convert.Output, v string) error { o.OVA.Name = v; return nil },
		"os":                func(o *convert.Output, v string) error { o.OVA.OS = v; return nil },
		"cpus":              func(o *convert.Output, v string) error { return setInt(&o.OVA.CPUs, v) },
		"memory":            func(o *convert.Output, v string) error { return setSize(&o.OVA.Memory, v) },
		"firmware":          func(o *convert.Output, v string) error { o.OVA.Firmware = v; return nil },
		"secure_boot":       func(o *convert.Output, v string) error { return setBool(&o.OVA.SecureBoot, v) },
		"controller":        func(o *convert.Output, v string) error { o.OVA.Controller = v; return nil },
		"nic":               setNIC,
		"network":           setNetwork,
		"hardware":          func(o *convert.Output, v string) error { o.OVA.Hardware = v; return nil },
		"compression_level": func(o *convert.Output, v string) error { return setInt(&o.VMDK.Level, v) },
	},
	"vmdk": {
		"subformat":         func(o *convert.Output, v string) error { o.VMDK.Subformat = v; return nil },
		"adapter_type":      func(o *convert.Output, v string) error { o.VMDK.Adapter = v; return nil },
		"hwversion":         setHardware,
		"compat6":           setCompat6,
		"toolsversion":      func(o *convert.Output, v string) error { o.VMDK.ToolsVersion = v; return nil },
		"zeroed_grain":      func(o *convert.Output, v string) error { return setBool(&o.VMDK.ZeroedGrain, v) },
		"grain_size":        func(o *convert.Output, v string) error { return setSize(&o.VMDK.GrainSize, v) },
		"split_size":        func(o *convert.Output, v string) error { return setSize(&o.VMDK.SplitSize, v) },
		"compression_level": func(o *convert.Output, v string) error { return setInt(&o.VMDK.Level, v) },
	},
	"vhd": {
		"subformat":  func(o *convert.Output, v string) error { o.VHD.Subformat = v; return nil },
		"force_size": func(o *convert.Output, v string) error { return setNot(&o.VHD.Geometry, v) },
		"block_size": func(o *convert.Output, v string) error { return setSize(&o.VHD.BlockSize, v) },
	},
	"vhdx": {
		"subformat":           func(o *convert.Output, v string) error { o.VHDX.Subformat = v; return nil },
		"block_size":          func(o *convert.Output, v string) error { return setSize(&o.VHDX.BlockSize, v) },
		"block_state_zero":    func(o *convert.Output, v string) error { return setBool(&o.VHDX.BlockStateZero, v) },
		"log_size":            func(o *convert.Output, v string) error { return setSize(&o.VHDX.LogSize, v) },
		"logical_sector_size": func(o *convert.Output, v string) error { return setInt(&o.VHDX.LogicalSector, v) },
	},
	"vdi": {
		"static": func(o *convert.Output, v string) error {
			var static bool
			if err := setBool(&static, v); err != nil || !static {
				return err
			}
			o.VDI.Subformat = "static"
			return nil
		},
	},
}

// compressors take what -c says, for each format that has choices.
var compressors = map[string]func(o *convert.Output, typ, level string) error{
	"qcow2": func(o *convert.Output, typ, level string) error {
		if typ != "auto" {
			o.Qcow2.Compression = typ
		}
		if level == "" {
			return nil
		}
		return setInt(&o.Qcow2.Level, level)
	},
	"ova": func(o *convert.Output, typ, level string) error {
		if typ != "auto" && typ != "zlib" {
			return usagef("disks of packages are compressed by zlib, not %q", typ)
		}
		if level == "" {
			return nil
		}
		return setInt(&o.VMDK.Level, level)
	},
	"vmdk": func(o *convert.Output, typ, level string) error {
		switch {
		case typ != "auto" && typ != "zlib":
			return usagef("vmdk images are compressed by zlib, not %q", typ)
		case o.VMDK.Subformat == "":
			o.VMDK.Subformat = vmdk.StreamOptimized
		case o.VMDK.Subformat != vmdk.StreamOptimized:
			return usagef("%s images cannot be compressed; streamOptimized ones are", o.VMDK.Subformat)
		}
		if level == "" {
			return nil
		}
		return setInt(&o.VMDK.Level, level)
	},
}

// layoutKeys are the options of a format; of all, where format is empty.
func layoutKeys(format string) []string {
	var keys []string
	for f, options := range layoutOptions {
		for k := range options {
			if format == "" || f == format {
				keys = append(keys, k)
			}
		}
	}
	slices.Sort(keys)
	return slices.Compact(keys)
}

// output makes what is written to path of the flags.
func (l *layout) output(path string) (*convert.Output, error) {
	out := &convert.Output{Path: path, Format: convert.FormatNamed(l.format)}
	switch {
	case l.format == "":
		if out.Format = convert.FormatOf(path); out.Format == "" {
			return nil, usagef("the name %q tells no format; state one with -O", path)
		}
	case out.Format == "":
		return nil, usagef("images of the format %q are not written; the formats are %s", l.format, strings.Join(convert.Formats(), ", "))
	}
	for _, list := range l.options {
		for _, kv := range splitOptions(list) {
			k, v, found := strings.Cut(kv, "=")
			if k == "size" || kv == "" {
				continue
			}
			set := layoutOptions[out.Format][k]
			if set == nil {
				return nil, usagef("%s images have no option %q; they have %s", out.Format, k, strings.Join(layoutKeys(out.Format), ", "))
			}
			if !found {
				v = "on"
			}
			if err := set(out, v); err != nil {
				return nil, err
			}
		}
	}
	if l.compress != "" {
		if !convert.Compresses(out.Format) {
			return nil, usagef("%s images cannot be compressed", out.Format)
		}
		typ, level, _ := strings.Cut(l.compress, ",")
		if set := compressors[out.Format]; set != nil {
			if err := set(out, typ, level); err != nil {
				return nil, err
			}
		}
	}
	return out, nil
}

// splitOptions splits at commas; two of them stand for one in a value.
func splitOptions(s string) []string {
	parts := strings.Split(strings.ReplaceAll(s, ",,", "\x00"), ",")
	for i := range parts {
		parts[i] = strings.ReplaceAll(parts[i], "\x00", ",")
	}
	return parts
}

func setCompat(o *convert.Output, v string) error {
	switch v {
	case "0.10", "v2":
		o.Qcow2.Version = 2
	case "1.1", "v3":
		o.Qcow2.Version = 3
	default:
		return usagef("compat is 0.10 or 1.1, not %q", v)
	}
	return nil
}

// setHardware takes the version of the virtual hardware, which compat6 tells
// too.
func setHardware(o *convert.Output, v string) error {
	old := o.VMDK.HWVersion
	if err := setInt(&o.VMDK.HWVersion, v); err != nil {
		return err
	}
	if old != 0 && old != o.VMDK.HWVersion {
		return usagef("the hardware version is %d or %s; compat6 means 6", old, v)
	}
	return nil
}

func setCompat6(o *convert.Output, v string) error {
	var six bool
	if err := setBool(&six, v); err != nil || !six {
		return err
	}
	return setHardware(o, "6")
}

func setSize(p *int64, v string) (err error) {
	*p, err = parseSize(v)
	return err
}

func setInt(p *int, v string) (err error) {
	if *p, err = strconv.Atoi(v); err != nil {
		return usagef("%q is no number", v)
	}
	return nil
}

func setBool(p *bool, v string) error {
	switch v {
	case "on", "true", "yes":
		*p = true
	case "off", "false", "no":
		*p = false
	default:
		return usagef("%q is not on or off", v)
	}
	return nil
}

// setNot sets an option that is on by default.
func setNot(p *bool, v string) error {
	err := setBool(p, v)
	*p = !*p && err == nil
	return err
}
