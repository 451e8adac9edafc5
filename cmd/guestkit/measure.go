package main

import (
	"github.com/spf13/cobra"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/convert"
	"github.com/guestkit/guestkit/format"
	"github.com/guestkit/guestkit/internal/terminal"
)

type measureDoc struct {
	Schema         string `json:"schema"`
	Format         string `json:"format"`
	Required       int64  `json:"required"`
	FullyAllocated int64  `json:"fully_allocated"`
	Exact          bool   `json:"exact"` // else required is an upper bound
}

func newMeasure(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "measure [flags] IMAGE | --size SIZE",
		Short: "Tell how large an image will be before it is written",
		Long: `Tells how large the output of convert will be, from what the source says about
itself: an upper bound, since data may be zeros or compress well. --exact reads
and compresses everything, and writes nothing. An OVA is measured with all disks
of the source and of -a, as convert writes it, under the name of -o name=.`,
		Example: `  guestkit measure -O qcow2 disk.raw
  guestkit measure -O qcow2 -c --exact disk.raw
  guestkit measure -O ova --exact system.qcow2 -a data.qcow2
  guestkit measure -O qcow2 --size 100G`,
	}
	src := a.sourceFlags(cmd)
	l := &layout{}
	l.flags(cmd, "output-format", "O")
	a.jsonFlag(cmd)
	size := sizeFlag(-1)
	var exact, skipFree bool
	var snapshot string
	compat := compatFlag(cmd, "measure")
	f := cmd.Flags()
	f.Var(&size, "size", "measure an empty disk of this size")
	f.BoolVar(&exact, "exact", false, "read everything for the exact size")
	skipFreeFlag(cmd, &skipFree)
	l.compressFlag(cmd)
	snapshotFlag(cmd, &snapshot, "measure")
	ignoredFlags(cmd, "T")
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		qemu, err := compat.qemu()
		if err != nil {
			return err
		}
		if l.wantsHelp() {
			return l.help(a, "")
		}
		if l.format == "" {
			l.format = "raw"
		}
		out, err := l.output("")
		if err != nil {
			return err
		}
		var m convert.Measure
		var source *format.Info
		if size >= 0 {
			if len(args) > 0 {
				return usagef("--size and %q exclude each other", args[0])
			}
			m, err = convert.MeasureSize(out, int64(size))
			exact = true
		} else {
			disks, rest, oerr := src.one(args)
			switch {
			case oerr != nil:
			case len(rest) > 0:
				oerr = usagef("measure takes one image, and with -a the further disks of an OVA")
			case len(disks) > 1 && out.Format != "ova":
				oerr = usagef("%s images hold one disk; an OVA takes several", out.Format)
			}
			if oerr != nil {
				return oerr
			}
			o := src.options()
			o.Snapshot = snapshot
			opts := &convert.Options{Compress: l.compress != ""}
			if m, source, err = a.measure(disks, out, o, opts, exact, skipFree); err != nil {
				return err
			}
			if err := src.chosen(source); err != nil {
				return err
			}
		}
		if err != nil {
			return err
		}
		switch {
		case qemu:
			doc := map[string]int64{"required": m.Required, "fully-allocated": m.FullyAllocated}
			if source != nil && source.Compat == "1.1" && out.Format == "qcow2" && out.Qcow2.Version != 2 {
				doc["bitmaps"] = bitmapsSize(source, out)
			}
			return a.document(doc)
		case a.json:
			return a.document(measureDoc{schema("measure"), out.Format, m.Required, m.FullyAllocated, exact})
		}
		a.out.Printf("required: %d bytes (%s)\nfully allocated: %d bytes (%s)\n", m.Required, terminal.Size(m.Required), m.FullyAllocated, terminal.Size(m.FullyAllocated))
		return nil
	}
	return cmd
}

// measure measures the copy of disks, and describes the first of them.
func (a *app) measure(disks []string, out *convert.Output, o *format.Options, opts *convert.Options, exact, skipFree bool) (convert.Measure, *format.Info, error) {
	if out.Format != "ova" {
		img, err := openSource(disks[0], o, a)
		if err != nil {
			return convert.Measure{}, nil, err
		}
		defer img.Close()
		d, err := a.skipFree(img, skipFree)
		if err != nil {
			return convert.Measure{}, nil, err
		}
		m, err := convert.MeasureDisk(a.ctx, d, out, opts, exact)
		return m, img.Info(), err
	}
	var from []block.Device
	var info *format.Info
	for _, path := range disks {
		if err := a.usable(path); err != nil {
			return convert.Measure{}, nil, err
		}
		images, err := format.OpenFileDisks(path, o)
		if err != nil {
			return convert.Measure{}, nil, err
		}
		for _, img := range images {
			defer img.Close()
			a.warn(img.Problems())
			d, err := a.skipFree(img, skipFree)
			if err != nil {
				return convert.Measure{}, nil, err
			}
			if from = append(from, d); info == nil {
				info = img.Info()
			}
		}
	}
	if err := out.TakeMachine(disks[0], info, o); err != nil {
		return convert.Measure{}, nil, err
	}
	m, err := convert.MeasureOVA(a.ctx, from, out, opts, exact)
	return m, info, err
}

// bitmapsSize is what the persistent bitmaps of an image would take in a qcow2
// image, as qemu-img measure counts it. Convert copies them where it is told to.
func bitmapsSize(i *format.Info, out *convert.Output) int64 {
	cs := out.Qcow2.ClusterSize
	if cs == 0 {
		cs = 64 << 10
	}
	clusters := func(n int64) int64 { return (n + cs - 1) / cs }
	total, dir := int64(0), int64(0)
	for _, b := range i.Bitmaps {
		if b.InUse || b.Granularity <= 0 {
			continue
		}
		bits := (i.VirtualSize + b.Granularity - 1) / b.Granularity
		n := clusters((bits + 7) / 8)
		total += n*cs + clusters(n*8)*cs
		dir += (24 + int64(len(b.Name)) + 7) &^ 7
	}
	return total + clusters(dir)*cs
}
