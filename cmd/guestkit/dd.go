package main

import (
	"errors"
	"fmt"
	"math"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/guestkit/guestkit"
	"github.com/guestkit/guestkit/convert"
	"github.com/guestkit/guestkit/internal/bytesize"
	"github.com/guestkit/guestkit/internal/terminal"
)

func newDd(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "dd [flags] if=IMAGE of=OUTPUT [bs=SIZE] [count=N] [skip=N]",
		Short: "Copy a part of a disk into a new image, in the words of dd",
		Long: `Copies a part of the disk of an image into a new one, raw unless -O says otherwise:
count blocks of bs bytes (512) after the first skip. The same in other words is
'guestkit convert --offset SIZE --length SIZE IMAGE OUTPUT'. A part that passes the
end of the disk is cut there.`,
		Example: `  guestkit dd if=disk.qcow2 of=boot.raw bs=1M skip=1 count=512
  guestkit dd -O qcow2 if=disk.vmdk of=disk.qcow2`,
	}
	src := a.storedFlags(cmd)
	var name string
	var force bool
	cmd.Flags().VarP((*formatFlag)(&name), "output-format", "O", "write an image of this `FORMAT`")
	forceFlag(cmd, &force)
	forceShare(cmd)
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		if err := src.check(); err != nil {
			return err
		}
		from, to, part, err := ddOperands(args)
		if err != nil {
			return err
		}
		if err := a.usable(from); err != nil {
			return err
		}
		img, err := openSource(from, src.options(), a)
		if err != nil {
			return err
		}
		size := img.Size()
		img.Close()
		if part.Off > size {
			a.warn([]error{pathError(from, fmt.Errorf("it has %d bytes, and the part begins at %d: the output is empty", size, part.Off))})
		}
		part.Off = min(part.Off, size)
		part.Len = min(part.Len, size-part.Off)
		if name == "" {
			name = "raw"
		}
		o := &guestkit.ConvertOptions{Format: src.options(), Part: &part}
		o.Output.Format = name
		o.Output.Path = to
		o.Output.File = convert.FileOptions{Replace: force, Removed: a.removed}
		a.tidies.Store(true)
		x, err := guestkit.Convert(a.ctx, from, to, o)
		if err != nil {
			return hint(pathError(to, err), "--force replaces it", os.ErrExist)
		}
		if !a.quiet {
			a.out.Printf("%s: %s, %s of data\n", to, x.Output.Format, terminal.Size(x.Data))
		}
		return nil
	}
	return cmd
}

// ddOperands reads what dd is told.
func ddOperands(args []string) (from, to string, part convert.Range, err error) {
	bs, count, skip := int64(512), int64(-1), int64(0)
	for _, arg := range args {
		key, value, ok := strings.Cut(arg, "=")
		if !ok {
			return "", "", part, usagef("%q is no operand of dd: if=, of=, bs=, count=, skip=", shownImage(arg))
		}
		var to64 *int64
		switch key {
		case "if":
			from = value
			continue
		case "of":
			to = value
			continue
		case "bs":
			if bs, err = ddNumber(value); err != nil || bs < 1 {
				return "", "", part, usagef("bs=%s is no size: a whole number, with K, M, G or KiB … behind it", value)
			}
			continue
		case "count":
			to64 = &count
		case "skip":
			to64 = &skip
		case "seek", "conv", "iflag", "oflag", "ibs", "obs", "status":
			return "", "", part, usagef("%s= is not known here: a new image is written, as a whole", key)
		default:
			return "", "", part, usagef("%q is no operand of dd: if=, of=, bs=, count=, skip=", shownImage(arg))
		}
		if *to64, err = ddNumber(value); err != nil {
			return "", "", part, usagef("%s=%s is no number of blocks", key, value)
		}
	}
	switch {
	case from == "" || to == "":
		return "", "", part, usagef("dd needs if=IMAGE and of=OUTPUT")
	case skip > math.MaxInt64/bs || count > math.MaxInt64/bs:
		return "", "", part, usagef("so many blocks of %d bytes are more than any disk has", bs)
	}
	part = convert.Range{Off: skip * bs, Len: math.MaxInt64}
	if count >= 0 {
		part.Len = count * bs
	}
	return from, to, part, nil
}

// ddNumber reads a whole number with a unit like K or KiB. Others are refused: b is 512
// bytes and kB 1000 to the dd of coreutils, and not to others.
func ddNumber(value string) (int64, error) {
	unit := strings.TrimLeft(value, "0123456789")
	if unit != "" && (!strings.Contains("kKMGTPE", unit[:1]) || unit[1:] != "" && unit[1:] != "iB") {
		return 0, errors.New("no whole number")
	}
	return bytesize.Parse(value)
}
