package main

import (
	"fmt"
	"io/fs"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/guestkit/guestkit/fs/vfs"
	"github.com/guestkit/guestkit/internal/terminal"
)

// statDoc is one line of stat --json.
type statDoc struct {
	fileDoc
	Inode     uint64 `json:"inode"`
	Links     uint64 `json:"links"`
	Allocated int64  `json:"allocated"` // bytes, -1 if not known
	Atime     string `json:"atime,omitempty"`
	Ctime     string `json:"ctime,omitempty"`
	Btime     string `json:"btime,omitempty"`
}

func newStat(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "stat [flags] IMAGE PATH…",
		Short: "Show all metadata of files of the guest",
		Long: `Shows the metadata of files of the guest: type, size, allocated bytes, inode, links,
owner, mode, four times in UTC, extended attributes. Links are not followed unless
-L is given. 'ls -l' is shorter.`,
		Example: `  guestkit stat disk.qcow2 /etc/shadow
  guestkit stat --json disk.qcow2 '/boot/*'`,
	}
	src := a.sourceFlags(cmd)
	a.jsonFlag(cmd)
	volume := src.volumeFlag(cmd)
	f := cmd.Flags()
	follow := f.BoolP("dereference", "L", false, "follow links")
	var text string
	var escapes string
	f.StringVarP(&text, "print", "c", "", "print what `FORMAT` asks for, in the words of stat: '%a %U %n'")
	f.StringVar(&escapes, "printf", "", `print a `+"`FORMAT`"+` with \n and the like, and no newline of its own`)
	cmd.ValidArgsFunction = src.completePaths(volume)
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		form, err := statForm(f.Changed("print"), text, f.Changed("printf"), escapes)
		if err != nil {
			return err
		}
		if form != nil && a.json {
			return usagef("--json and -c exclude each other")
		}
		return src.onTree(splitImage(args), *volume, func(t *guestTree, paths []string) (int, error) {
			if len(paths) == 0 {
				return 0, usagef("no PATH in the guest is given")
			}
			code := exitDone
			for i, arg := range paths {
				nodes, err := t.glob(a.ctx, arg)
				if err == nil && *follow && len(nodes) == 1 {
					nodes[0], err = t.node(arg, true)
				}
				if err != nil {
					code = a.sayError(err, code)
					continue
				}
				for j, n := range nodes {
					if form != nil {
						if err := form.print(a, t, n); err != nil {
							code = a.sayError(guestError(n.Path(), err), code)
						}
						continue
					}
					if (i > 0 || j > 0) && !a.json {
						a.out.Printf("\n")
					}
					if err := a.stat(n); err != nil {
						return 0, err
					}
				}
			}
			return code, nil
		})
	}
	return cmd
}

func (a *app) stat(n *vfs.Node) error {
	st := n.Stat()
	d := statDoc{Inode: st.Ino, Links: st.Nlink, Allocated: st.Allocated, Atime: timeText(st.Atime), Ctime: timeText(st.Ctime), Btime: timeText(st.Btime)}
	target := ""
	var err error
	if st.Mode&fs.ModeSymlink != 0 {
		if target, err = n.ReadLink(); err != nil {
			return guestError(n.Path(), err)
		}
	}
	d.fileDoc = newFileDoc(n.Path(), st, target)
	xs, err := n.Xattrs()
	if err != nil {
		d.Error = inFlags(bare(err))
	}
	d.addXattrs(xs)
	if a.json {
		return a.line(d)
	}
	name := "/" + n.RawPath()
	if target != "" {
		name += " -> " + target
	}
	t := &terminal.Table{}
	t.Row("file", name)
	t.Row("type", typeName(st.Mode))
	t.Row("size", st.Size)
	if st.Allocated >= 0 {
		t.Row("allocated", st.Allocated)
	}
	t.Row("inode", st.Ino)
	t.Row("links", st.Nlink)
	t.Row("mode", d.Mode+" "+modeString(st.Mode))
	t.Row("owner", st.UID)
	t.Row("group", st.GID)
	if d.Device != nil {
		t.Row("device", fmt.Sprintf("%d, %d", st.Major, st.Minor))
	}
	for _, x := range []struct{ name, text string }{{"accessed", d.Atime}, {"modified", d.Mtime}, {"changed", d.Ctime}, {"born", d.Btime}} {
		if x.text != "" {
			t.Row(x.name, x.text)
		}
	}
	for _, x := range xs {
		t.Row("xattr", x.Name+"="+strconv.Quote(string(x.Value)))
	}
	a.out.Table(t)
	if err != nil {
		a.warn([]error{guestError(n.Path(), err)})
	}
	return a.out.Err()
}
