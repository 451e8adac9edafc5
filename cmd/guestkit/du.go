package main

import (
	"io/fs"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/guestkit/guestkit/fs/vfs"
	"github.com/guestkit/guestkit/internal/terminal"
)

// du is one run of the command.
type du struct {
	a        *app
	human    bool
	bytes    bool
	apparent bool
	all      bool
	total    bool
	oneFS    bool
	depth    int
	seen     map[vfs.FileID]bool
	code     int
	buf      []byte // of a line
}

type duDoc struct {
	Path  string `json:"path"`
	Bytes int64  `json:"bytes"` // allocated, or their sizes with --apparent-size
}

func newDu(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "du [flags] IMAGE [PATH…]",
		Short: "Show how much space directories of the guest take",
		Long: `Shows how much each directory takes with all that is below it, in KiB: what is
allocated, or the sizes of files with --apparent-size. A file of several names
counts once.`,
		Example: `  guestkit du -sh disk.qcow2 /var /home
  guestkit du -h -d 1 disk.qcow2 /
  guestkit du -ah disk.qcow2 /etc`,
	}
	src := a.sourceFlags(cmd)
	a.jsonFlag(cmd)
	volume := src.volumeFlag(cmd)
	d := &du{a: a, seen: map[vfs.FileID]bool{}}
	humanFlag(cmd, &d.human)
	f := cmd.Flags()
	summary := f.BoolP("summarize", "s", false, "one line for each PATH")
	f.BoolVarP(&d.bytes, "bytes", "b", false, "sizes of files in bytes")
	f.BoolVar(&d.apparent, "apparent-size", false, "count the sizes of files, not what is allocated")
	f.BoolVar(&d.all, "all", false, "a line for each file too")
	f.BoolVarP(&d.total, "total", "c", false, "a line for all together")
	f.BoolVarP(&d.oneFS, "one-file-system", "x", false, "leave out what other filesystems hold")
	f.IntVarP(&d.depth, "max-depth", "d", 0, "print directories down to `N` levels below PATH")
	cmd.ValidArgsFunction = src.completePaths(volume)
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		if *summary && d.all {
			return usagef("one line for each PATH (-s) and one for each file (--all) exclude each other")
		}
		if !cmd.Flags().Changed("max-depth") && !*summary {
			d.depth = -1
		}
		return src.onTree(splitImage(args), *volume, d.run)
	}
	return cmd
}

// humanFlag gives a command -h for sizes that people read; its help is --help.
func humanFlag(cmd *cobra.Command, human *bool) {
	cmd.Flags().BoolVarP(human, "human-readable", "h", false, "print sizes as 1.5 GiB")
	cmd.Flags().Bool("help", false, "help for "+cmd.Name())
}

func (d *du) run(t *guestTree, paths []string) (int, error) {
	if len(paths) == 0 {
		paths = []string{"/"}
	}
	var all int64
	for _, arg := range paths {
		nodes, err := t.glob(d.a.ctx, arg)
		if err != nil {
			d.code = d.a.sayError(err, d.code)
		}
		for _, n := range nodes {
			bytes, err := d.tree(n)
			if err != nil {
				return 0, err
			}
			all += bytes
		}
	}
	if d.total {
		if err := d.line("total", all); err != nil {
			return 0, err
		}
	}
	return d.code, d.a.out.Err()
}

// open is a directory that is being counted.
type open struct {
	n     *vfs.Node
	bytes int64
}

// tree prints a tree from below: the sum of a directory comes when all in it was
// counted.
func (d *du) tree(start *vfs.Node) (int64, error) {
	var stack []open
	var total int64
	closeTo := func(depth int) error {
		for len(stack) > depth {
			top := stack[len(stack)-1]
			stack = stack[:len(stack)-1]
			if len(stack) > 0 {
				stack[len(stack)-1].bytes += top.bytes
			} else {
				total += top.bytes
			}
			if d.depth < 0 || len(stack) <= d.depth {
				if err := d.line("/"+top.n.RawPath(), top.bytes); err != nil {
					return err
				}
			}
		}
		return nil
	}
	err := vfs.Walk(d.a.ctx, start, &vfs.WalkOptions{OneFilesystem: d.oneFS}, func(n *vfs.Node, err error) error {
		if err != nil {
			d.code = d.a.sayError(guestError(n.Path(), err), d.code)
			return nil
		}
		depth := n.Depth() - start.Depth()
		if err := closeTo(depth); err != nil {
			return err
		}
		size := d.size(n)
		if n.Stat().Mode.IsDir() {
			stack = append(stack, open{n, size})
			return nil
		}
		if len(stack) == 0 {
			total = size
			return d.line("/"+n.RawPath(), size)
		}
		stack[len(stack)-1].bytes += size
		if d.all && (d.depth < 0 || depth <= d.depth) {
			return d.line("/"+n.RawPath(), size)
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	return total, closeTo(0)
}

// size is what a file counts for.
func (d *du) size(n *vfs.Node) int64 {
	st := n.Stat()
	if id, ok := n.ID(); ok && st.Nlink > 1 && !st.Mode.IsDir() {
		if d.seen[id] {
			return 0
		}
		d.seen[id] = true
	}
	if d.apparent || d.bytes || st.Allocated < 0 {
		if st.Mode.IsDir() || st.Mode.IsRegular() || st.Mode&fs.ModeSymlink != 0 {
			return st.Size
		}
		return 0
	}
	return st.Allocated
}

func (d *du) line(path string, bytes int64) error {
	switch {
	case d.a.json:
		return d.a.line(duDoc{vfs.EscapeTarget(strings.TrimSuffix(path, "\n")), bytes})
	case d.human:
		d.a.out.Printf("%s\t%s\n", terminal.Size(bytes), path)
	case d.bytes:
		d.a.out.Printf("%d\t%s\n", bytes, path)
	default:
		d.buf = append(strconv.AppendInt(d.buf[:0], bytes/1024+min(bytes%1024, 1), 10), '\t')
		d.a.out.Line(d.buf, terminal.Styled{Text: path})
	}
	return d.a.out.Err()
}
