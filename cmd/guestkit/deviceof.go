package main

import (
	"strings"

	"github.com/spf13/cobra"

	"github.com/guestkit/guestkit/inspect"
)

// devicesOf are those of --device-of.
type devicesOf []inspect.DeviceOf

// deviceFlag gives a command the flag of devices that filesystems have besides their own.
func (s *source) deviceFlag(cmd *cobra.Command) {
	cmd.Flags().Var(&s.devices, "device-of", "the filesystem on a volume lies on another one too, of a disk of -a: `VOLUME:USE=DEVICE`; USE is logdev (XFS, ext), rtdev (XFS) or device (EROFS), as for mount; repeatable. What its own UUID tells is found without")
	cmd.RegisterFlagCompletionFunc("device-of", s.completeDevices)
}

// Set takes VOLUME:USE=DEVICE, of which the names may have colons themselves.
func (d *devicesOf) Set(text string) error {
	at, use := len(text), inspect.DeviceUse("")
	for _, u := range inspect.DeviceUses() {
		if i := strings.Index(text, ":"+string(u)+"="); i >= 0 && i < at {
			at, use = i, u
		}
	}
	if use == "" || at == 0 || at+len(use)+2 == len(text) {
		return usagef("%q is not of the form VOLUME:USE=DEVICE, where USE is logdev, rtdev or device", text)
	}
	*d = append(*d, inspect.DeviceOf{Volume: text[:at], Use: use, Device: text[at+len(use)+2:]})
	return nil
}

func (d *devicesOf) String() string { return "" }
func (d *devicesOf) Type() string   { return "device" }

// inspectOptions are o with the devices.
func (d devicesOf) inspectOptions(o *inspect.Options) *inspect.Options {
	o.Devices = append(o.Devices, d...)
	return o
}

// completeDevices completes both names with the volumes of the image that is given, and
// between them the uses.
func (s *source) completeDevices(cmd *cobra.Command, args []string, partial string) ([]string, cobra.ShellCompDirective) {
	s.devices = nil // one that is half there is an error
	names, none := s.volumesOf(args, func(v *inspect.Volume) bool { return v.Status != inspect.StatusContainer })
	for _, u := range inspect.DeviceUses() {
		volume, _, ok := strings.Cut(partial, ":"+string(u)+"=")
		if !ok {
			continue
		}
		for i, name := range names {
			names[i] = volume + ":" + string(u) + "=" + name
		}
		return names, none
	}
	var out []string
	for _, name := range names {
		name, _, _ = strings.Cut(name, "\t")
		for _, u := range inspect.DeviceUses() {
			out = append(out, name+":"+string(u)+"=")
		}
	}
	return out, none | cobra.ShellCompDirectiveNoSpace
}
