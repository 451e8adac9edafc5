package main

import (
	"github.com/spf13/cobra"

	"github.com/guestkit/guestkit/convert"
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
and compresses everything, and writes nothing.`,
		Example: `  guestkit measure -O qcow2 disk.raw
  guestkit measure -O qcow2 -c --exact disk.raw
  guestkit measure -O qcow2 --size 100G`,
	}
	src := a.sourceFlags(cmd)
	l := &layout{}
	l.flags(cmd, "output-format", "O")
	a.jsonFlag(cmd)
	size := sizeFlag(-1)
	var exact bool
	var compat, snapshot string
	f := cmd.Flags()
	f.Var(&size, "size", "measure an empty disk of this size")
	f.BoolVar(&exact, "exact", false, "read everything for the exact size")
	f.StringVarP(&l.compress, "compress", "c", "", "compress: `TYPE[,LEVEL]`, zlib or zstd")
	f.Lookup("compress").NoOptDefVal = "auto"
	f.StringVarP(&snapshot, "snapshot", "l", "", "measure the internal snapshot of this `ID` or name")
	f.StringVar(&compat, "compat", "", "print JSON as another `PROGRAM` does: qemu, that of qemu-img measure")
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		if l.format == "" {
			l.format = "raw"
		}
		out, err := l.output("")
		if err != nil {
			return err
		}
		var m convert.Measure
		if size >= 0 {
			if len(args) > 0 {
				return usagef("--size and %q exclude each other", args[0])
			}
			m, err = convert.MeasureSize(out, int64(size))
			exact = true
		} else {
			disks, rest, oerr := src.one(args)
			if oerr == nil && (len(rest) > 0 || len(disks) > 1) {
				oerr = usagef("measure takes one image")
			}
			if oerr != nil {
				return oerr
			}
			o := src.options()
			o.Snapshot = snapshot
			img, oerr := openSource(disks[0], o, a)
			if oerr != nil {
				return oerr
			}
			defer img.Close()
			m, err = convert.MeasureDisk(a.ctx, img, out, &convert.Options{Compress: l.compress != ""}, exact)
		}
		if err != nil {
			return err
		}
		switch {
		case compat == "qemu":
			return a.document(map[string]int64{"required": m.Required, "fully-allocated": m.FullyAllocated})
		case a.json:
			return a.document(measureDoc{schema("measure"), out.Format, m.Required, m.FullyAllocated, exact})
		}
		a.out.Printf("required: %d bytes (%s)\nfully allocated: %d bytes (%s)\n", m.Required, terminal.Size(m.Required), m.FullyAllocated, terminal.Size(m.FullyAllocated))
		return nil
	}
	return cmd
}
