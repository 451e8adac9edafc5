package main

import (
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/guestkit/guestkit/convert"
	"github.com/guestkit/guestkit/qcow2"
)

func newAmend(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "amend [flags] -o OPTIONS IMAGE",
		Short: "Change the options of a qcow2 image in place",
		Long: `Changes options of a qcow2 image in place; the disk stays the same:

  compat=0.10|1.1            the version of the format
  lazy_refcounts=on|off      QEMU may leave refcounts behind until it closes the image
  refcount_bits=1 … 64       the width of the refcounts
  data_file_raw=off          the data file is no raw image of the disk any more

For size= use 'guestkit resize', for backing_file= 'guestkit rebase'. What else an
image has is chosen when it is made: 'guestkit convert -o'. Interrupted at any moment,
the image is as before or as after.`,
		Example: `  guestkit amend -o compat=1.1 old.qcow2
  guestkit amend -o compat=1.1,lazy_refcounts=on old.qcow2`,
	}
	src := a.storedFlags(cmd)
	options := cmd.Flags().StringArrayP("options", "o", nil, "what to change, `KEY=VALUE,…`")
	a.progressFlag(cmd)
	ignoredFlags(cmd, "t")
	cmd.Flags().Bool("force", false, "ignored, for qemu-img's sake: keys are not changed")
	cmd.RunE = func(cmd *cobra.Command, words []string) error {
		if (&layout{options: *options}).wantsHelp() {
			return cmd.Help()
		}
		if err := args(1, 1, "an image")(cmd, words); err != nil {
			return err
		}
		am, err := amendment(*options)
		if err != nil {
			return err
		}
		return a.inPlace(words[0], src, func(s *convert.Storage) (string, error) {
			return strings.Join(*options, ","), qcow2.Amend(a.ctx, s, am)
		})
	}
	return cmd
}

// amendment reads the options of amend.
func amendment(options []string) (*qcow2.Amendment, error) {
	am := &qcow2.Amendment{}
	for _, list := range options {
		for _, kv := range splitOptions(list) {
			key, value, _ := strings.Cut(kv, "=")
			on := value == "on"
			if strings.HasSuffix(key, "_refcounts") || key == "data_file_raw" {
				if value != "on" && value != "off" {
					return nil, usagef("%s is on or off, not %q", key, value)
				}
			}
			switch key {
			case "compat":
				v := map[string]int{"0.10": 2, "v2": 2, "1.1": 3, "v3": 3}[value]
				if v == 0 {
					return nil, usagef("compat is 0.10 or 1.1, not %q", value)
				}
				am.Version = &v
			case "lazy_refcounts":
				am.LazyRefcounts = &on
			case "data_file_raw":
				am.DataFileRaw = &on
			case "refcount_bits":
				n, err := strconv.Atoi(value)
				if err != nil {
					return nil, usagef("refcount_bits is a number, not %q", value)
				}
				am.RefcountBits = &n
			case "size":
				return nil, usagef("use 'guestkit resize IMAGE %s'", value)
			case "backing_file", "backing_fmt":
				return nil, usagef("use 'guestkit rebase -b BASE -F FORMAT IMAGE'")
			default:
				return nil, usagef("%q cannot be changed in place; 'guestkit convert -o %s' makes another image", key, kv)
			}
		}
	}
	if *am == (qcow2.Amendment{}) {
		return nil, usagef("state what to change with -o")
	}
	return am, nil
}
