package main

import (
	"fmt"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/guestkit/guestkit/cmd/guestkit/internal/fusemount"
)

func newMount(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "mount [flags] IMAGE DIR",
		Short: "Show the files of a guest as a filesystem of the host, by FUSE",
		Long: `Mounts the tree of a guest, or one volume, on a directory, read only, and stays there
until it is interrupted or unmounted (umount, fusermount -u). It needs FUSE, and where
you are not root fusermount; 'cp', 'tar', 'find' and 'cat' need neither.

You see all files, whatever their owners and modes. With -o allow_other others see them
too, as owners and modes allow; -o default_permissions holds you to them as well.`,
		Example: `  guestkit mount disk.qcow2 /mnt
  guestkit mount --volume gpt2 -o allow_other disk.vmdk /mnt &
  rsync -a /mnt/home/ backup/ && fusermount -u /mnt`,
	}
	src := a.sourceFlags(cmd)
	volume := src.volumeFlag(cmd)
	options := cmd.Flags().StringSliceP("options", "o", nil, "mount `OPTIONS`: allow_other, default_permissions, fsname=NAME")
	ignored := cmd.Flags().Bool("foreground", true, "")
	cmd.Flags().MarkHidden("foreground")
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		if !*ignored {
			return usagef("mount stays in the foreground; let the shell put it away (&)")
		}
		o, err := mountOptions(*options)
		if err != nil {
			return err
		}
		return src.onTree(args, *volume, func(t *guestTree, rest []string) (int, error) {
			if len(rest) != 1 {
				return 0, usagef("mount takes an image and a DIR")
			}
			if o.Name == "" {
				o.Name = "guestkit"
				if images := t.guest.Images(); len(images) > 0 {
					o.Name = shownName(images[0].Info())
				}
			}
			return a.mount(t, rest[0], o)
		})
	}
	return cmd
}

// mountOptions reads the values of -o.
func mountOptions(list []string) (*fusemount.Options, error) {
	o := &fusemount.Options{}
	for _, text := range list {
		name, value, _ := strings.Cut(text, "=")
		switch name {
		case "allow_other":
			o.AllowOther = true
		case "default_permissions":
			o.Permissions = true
		case "fsname":
			o.Name = value
		case "ro", "nosuid", "nodev", "": // always so
		case "rw":
			return nil, usagef("a guest is mounted read only")
		default:
			return nil, usagef("there is no mount option %q; there are allow_other, default_permissions and fsname=NAME", text)
		}
	}
	return o, nil
}

// mount shows the tree at dir until it is unmounted, or a signal comes.
func (a *app) mount(t *guestTree, dir string, o *fusemount.Options) (int, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return 0, err
	}
	a.tidies.Store(true) // the mount goes with the program
	m, err := fusemount.Mount(t.FS, dir, o)
	if err != nil {
		return 0, pathError(dir, err)
	}
	ended := make(chan struct{})
	go func() {
		m.Wait()
		close(ended)
	}()
	if !a.quiet {
		a.out.Printf("mounted at %s\n", dir)
		if err := a.finish(); err != nil {
			m.Unmount()
			return 0, err
		}
	}
	select {
	case <-ended:
		return exitDone, nil
	case <-a.ctx.Done():
	}
	if err := m.Unmount(); err != nil {
		return 0, &leftBehind{fmt.Errorf("%s: it is in use and stays mounted, with nothing behind it; unmount it (fusermount -uz): %w", dir, err)}
	}
	return exitDone, nil
}
