package main

import (
	"strings"

	"github.com/spf13/cobra"

	"github.com/guestkit/guestkit/inspect"
	"github.com/guestkit/guestkit/internal/terminal"
)

// completeVolumes completes --volume with the volumes of the image that is
// given already.
func (s *source) completeVolumes(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	return s.volumesOf(args, func(v *inspect.Volume) bool { _, err := v.FS(); return err == nil })
}

// volumesOf are the volumes of the image that is given, of those that are wanted.
func (s *source) volumesOf(args []string, wanted func(*inspect.Volume) bool) ([]string, cobra.ShellCompDirective) {
	const none = cobra.ShellCompDirectiveNoFileComp
	disks, _, err := s.one(args)
	if err != nil {
		return nil, none
	}
	g, err := s.open(disks, nil)
	if err != nil {
		return nil, none
	}
	defer g.Close()
	rep, err := g.Volumes(s.a.ctx)
	if err != nil {
		return nil, none
	}
	var out []string
	for _, v := range rep.Volumes {
		for _, v := range append([]*inspect.Volume{v}, v.Parts...) {
			if wanted(v) && terminal.Escape(v.Name) == v.Name {
				out = append(out, v.Name+"\t"+terminal.Escape(v.Content+" "+v.Label))
			}
		}
	}
	return out, none
}

// completePaths completes the image with files of the host, and what follows
// it with files of the guest.
func (s *source) completePaths(volume *string) cobra.CompletionFunc {
	return func(_ *cobra.Command, args []string, partial string) ([]string, cobra.ShellCompDirective) {
		if len(args) == 0 && s.image == "" {
			return nil, cobra.ShellCompDirectiveDefault
		}
		const none = cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
		disks, _, err := s.one(args)
		if err != nil {
			return nil, none
		}
		t, err := s.tree(disks, *volume)
		if err != nil {
			return nil, none
		}
		defer t.Close()
		dir, slash := partial[:strings.LastIndex(partial, "/")+1], "/"
		if i := strings.LastIndex(partial, `\`) + 1; i > len(dir) && t.windows() {
			dir, slash = partial[:i], `\`
		}
		d, err := t.node(dir, true)
		if err != nil {
			return nil, none
		}
		children, _ := d.Children()
		var out []string
		for _, c := range children {
			// A shell would act on what has to be escaped.
			if name := c.Name(); terminal.Escape(name) == name && strings.HasPrefix(dir+name, partial) {
				if dir == "" {
					dir = "/"
				}
				out = append(out, dir+name+iff(c.Type().IsDir(), slash))
			}
		}
		return out, none
	}
}
