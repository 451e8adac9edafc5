package convert

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/format"
	"github.com/guestkit/guestkit/ova"
	"github.com/guestkit/guestkit/vmdk"
)

// ovaTarget is one disk of a package.
type ovaTarget struct {
	*vmdk.StreamWriter
	w    *ova.Writer
	last bool
}

// Commit ends the disk and, after the last one, the package.
func (t *ovaTarget) Commit() error {
	if err := t.StreamWriter.Commit(); err != nil || !t.last {
		return err
	}
	return t.w.Commit()
}

// nextDisk begins the next disk of a package.
func nextDisk(out *Output, w *ova.Writer, size int64, last bool) (Target, error) {
	f, err := w.Disk()
	if err != nil {
		return nil, err
	}
	l := out.VMDK
	l.Size = size
	s, err := vmdk.NewStreamWriter(f, &l)
	if err != nil {
		return nil, err
	}
	return &ovaTarget{s, w, last}, nil
}

func startOVA(out *Output, size int64, f sink, _ func(string) (sink, error)) (Target, error) {
	l := out.OVA
	l.Sizes = []int64{size}
	w, err := ova.NewWriter(f, &l)
	if err != nil {
		return nil, err
	}
	return nextDisk(out, w, size, true)
}

// ToOVA copies several disks into a package, in this order. It appears complete
// or not at all. Of out, Path, OVA, VMDK, File and Verify count.
func ToOVA(ctx context.Context, disks []block.Device, out *Output, opts *Options) (Result, error) {
	if opts == nil {
		opts = &Options{}
	}
	var sum Result
	l := out.OVA
	l.Sizes = nil
	total := int64(0)
	for _, d := range disks {
		l.Sizes = append(l.Sizes, d.Size())
		total += d.Size()
	}
	file, err := CreateFile(out.Path, &out.File)
	if err != nil {
		return sum, err
	}
	defer file.Close()
	w, err := ova.NewWriter(file, &l)
	if err != nil {
		return sum, err
	}
	for i, d := range disks {
		t, err := nextDisk(out, w, d.Size(), i == len(disks)-1)
		if err != nil {
			return sum, err
		}
		o := *opts
		if opts.Progress != nil {
			done := sum.Size
			o.Progress = func(p Progress) { opts.Progress(Progress{done + p.Done, total}) }
		}
		if opts.MaxOutput > 0 {
			o.MaxOutput = max(opts.MaxOutput-sum.Data, 1)
		}
		res, err := Run(ctx, d, t, &o)
		sum.Size += res.Size
		sum.Data += res.Data
		sum.Zero += res.Zero
		sum.Lost = append(sum.Lost, res.Lost...)
		sum.Overlap, sum.Unsound = errors.Join(sum.Overlap, res.Overlap), errors.Join(sum.Unsound, res.Unsound)
		err = errors.Join(err, t.Close())
		if err != nil {
			return sum, fmt.Errorf("disk %d: %w", i+1, err)
		}
	}
	if out.Verify && len(sum.Lost) == 0 {
		if err := verifyOVA(ctx, disks, file); err != nil {
			return sum, err
		}
	}
	if err := file.Commit(); err != nil {
		return sum, err
	}
	sum.File = sizeOf(file)
	return sum, nil
}

// verifyOVA compares the disks of a package with what they were copied from.
func verifyOVA(ctx context.Context, disks []block.Device, file *File) error {
	fi, err := file.Stat()
	if err != nil {
		return err
	}
	images, err := format.OpenDisks(sized{file, fi.Size()}, &format.Options{Format: "ova"})
	if err == nil && len(images) != len(disks) {
		err = fmt.Errorf("it has %d disks", len(images))
	}
	if err != nil {
		return fmt.Errorf("%w: %w", ErrVerify, err)
	}
	for i, im := range images {
		defer im.Close()
		d, err := Compare(ctx, disks[i], im, false, nil)
		switch {
		case err != nil:
			return fmt.Errorf("verifying the output: %w", err)
		case d != nil:
			return fmt.Errorf("%w: disk %d at %#x", ErrVerify, i+1, d.Off)
		}
	}
	return nil
}

// TakeMachine fills in what OVA leaves open of the machine: from the package at
// path that the disk described by info comes from, or else by default.
func (out *Output) TakeMachine(path string, info *format.Info, o *format.Options) error {
	from := ova.Layout{Name: strings.TrimSuffix(filepath.Base(out.Path), filepath.Ext(out.Path)), NICs: []ova.NIC{{}}}
	if info.Disk != "" {
		info, _, err := format.DescribeFile(path, o)
		if err != nil {
			return err
		}
		if len(info.Machines) == 1 {
			from = info.Machines[0].Layout()
		}
	}
	l := &out.OVA
	l.Name = cmp.Or(l.Name, from.Name)
	l.OS = cmp.Or(l.OS, from.OS)
	l.CPUs = cmp.Or(l.CPUs, from.CPUs)
	l.Memory = cmp.Or(l.Memory, from.Memory)
	if l.Firmware == "" {
		l.Firmware = from.Firmware
		l.SecureBoot = l.SecureBoot || from.SecureBoot
	}
	l.Controller = cmp.Or(l.Controller, from.Controller)
	l.Hardware = cmp.Or(l.Hardware, from.Hardware)
	if l.NICs == nil {
		l.NICs = from.NICs
	}
	return nil
}
