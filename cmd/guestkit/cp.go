package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/guestkit/guestkit/fs/vfs"
	"github.com/guestkit/guestkit/internal/terminal"
)

// copyDoc is what cp --json prints.
type copyDoc struct {
	Schema string `json:"schema"`
	copyCounts
	Renamed  []renamedDoc `json:"renamed"`
	Problems []string     `json:"problems"`
}

type copyCounts struct {
	Files       int64 `json:"files"`
	Directories int64 `json:"directories"`
	Links       int64 `json:"links"`
	HardLinks   int64 `json:"hard_links"`
	Special     int64 `json:"special"`
	Identical   int64 `json:"identical"`
	Bytes       int64 `json:"bytes"`
	Failed      int64 `json:"failed"`
	NoOwner     int64 `json:"without_owner"`
	NoMode      int64 `json:"without_mode"`
	NoXattrs    int64 `json:"without_xattrs"`
	NoSpecial   int64 `json:"special_left_out"`
}

type renamedDoc struct {
	Path string `json:"path"`
	Name string `json:"name"`
}

// cp is one run of the command.
type cp struct {
	a       *app
	o       vfs.CopyOptions
	noOwner bool
	max     sizeFlag
	how     *string
	code    int
	doc     copyDoc
}

func newCp(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "cp [flags] IMAGE PATH… DEST",
		Short: "Copy files and directories out of the guest",
		Long: `Copies files of the guest, and directories whole, to the host: modes, times, hard
links, holes, extended attributes and ACLs, and owners where you may set them.
A PATH may have wildcards, "**" for any depth. IMAGE:PATH works as well. DEST is
a directory, or the name for a single PATH.

Nothing outside DEST is written, and nothing through a link, whatever names and
links the guest has. Setuid bits, file capabilities, device nodes and fifos are
left out unless --special asks for them. What cannot be copied is said, the rest
goes on, and the exit code is 1.`,
		Example: `  guestkit cp disk.qcow2 /etc/passwd /var/log .
  guestkit cp disk.qcow2 '/etc/*release' out/
  guestkit cp disk.qcow2:/home/anna restored`,
	}
	src := a.sourceFlags(cmd)
	a.jsonFlag(cmd)
	volume := src.volumeFlag(cmd)
	c := &cp{a: a}
	f := cmd.Flags()
	f.BoolVar(&c.noOwner, "no-same-owner", false, "make the files yours, also as root")
	f.BoolVar(&c.o.Special, "special", false, "keep setuid bits and capabilities, and make device nodes and fifos")
	f.BoolVar(&c.o.NoXattrs, "no-xattrs", false, "leave out extended attributes and ACLs")
	f.BoolVar(&c.o.SkipIdentical, "skip-identical", false, "leave files alone that have the same size and time already")
	f.BoolVar(&c.o.OneFilesystem, "one-file-system", false, "leave out what other filesystems hold")
	f.Var(&c.max, "max-bytes", "stop after this many bytes of content")
	f.Int64Var(&c.o.MaxFiles, "max-files", 0, "stop after `N` files")
	for _, habit := range []struct{ name, letter string }{{"recursive", "r"}, {"archive", ""}} { // as always
		f.BoolP(habit.name, habit.letter, false, "")
		f.MarkHidden(habit.name)
	}
	c.how = a.progressFlag(cmd)
	cmd.ValidArgsFunction = src.completePaths(volume)
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		c.o.MaxBytes = int64(c.max)
		return src.onTree(splitImage(args), *volume, c.run)
	}
	return cmd
}

// splitImage takes IMAGE:PATH apart where that is no file and IMAGE is one.
func splitImage(args []string) []string {
	if len(args) == 0 {
		return args
	}
	if _, err := os.Lstat(args[0]); err == nil {
		return args
	}
	for i := len(args[0]) - 1; i > 0; i-- {
		if args[0][i] != ':' {
			continue
		}
		if fi, err := os.Stat(args[0][:i]); err == nil && !fi.IsDir() {
			return append([]string{args[0][:i], args[0][i+1:]}, args[1:]...)
		}
	}
	return args
}

func (c *cp) run(t *guestTree, args []string) (int, error) {
	if len(args) < 2 {
		return 0, usagef("cp takes the PATHs in the guest and a DEST; got %d", len(args))
	}
	dest := args[len(args)-1]
	nodes, err := c.sources(t, args[:len(args)-1])
	if err != nil {
		return 0, err
	}
	if len(nodes) == 0 {
		return c.code, nil
	}
	root, items, err := c.place(nodes, dest)
	if err != nil {
		return 0, err
	}
	defer root.Close()
	c.o.Owner = !c.noOwner && os.Geteuid() == 0
	c.o.Progress = new(vfs.CopyCount)
	c.o.OnError = func(p string, err error) {
		err = guestError(p, err)
		c.doc.Problems = append(c.doc.Problems, inFlags(err))
		c.code = c.a.sayError(err, c.code)
	}
	c.o.OnRename = func(p, name string) {
		c.doc.Renamed = append(c.doc.Renamed, renamedDoc{shownPath(p), name})
		c.a.warn([]error{fmt.Errorf("%s is %q here: the host cannot have its name", shownPath(p), name)})
	}
	c.a.tidies.Store(true) // a file that is half written goes
	stop, err := c.watch()
	if err != nil {
		return 0, err
	}
	err = vfs.Copy(c.a.ctx, root, items, &c.o)
	stop()
	if err != nil {
		return 0, err
	}
	if c.code != exitDone {
		c.code = exitFailed
	}
	return c.code, c.summary()
}

// sources finds what the PATHs name; one that names nothing is said.
func (c *cp) sources(t *guestTree, paths []string) ([]*vfs.Node, error) {
	var nodes []*vfs.Node
	for _, arg := range paths {
		found, err := t.glob(c.a.ctx, arg)
		if cerr := c.a.ctx.Err(); cerr != nil {
			return nil, cerr
		}
		if err != nil {
			c.doc.Problems = append(c.doc.Problems, inFlags(err))
			c.code = c.a.sayError(err, c.code)
		}
		nodes = append(nodes, found...)
	}
	return nodes, nil
}

// place opens the folder that is written to, and gives each file its name in it.
func (c *cp) place(nodes []*vfs.Node, dest string) (*os.Root, []vfs.CopyItem, error) {
	folder, as := dest, ""
	fi, err := os.Stat(dest)
	switch {
	case err == nil && fi.IsDir():
	case err == nil && len(nodes) == 1 && !nodes[0].Stat().Mode.IsDir() && !strings.HasSuffix(dest, "/"):
		folder, as = filepath.Split(filepath.Clean(dest))
	case err == nil:
		return nil, nil, fmt.Errorf("%s: it is no directory", dest)
	case !errors.Is(err, fs.ErrNotExist):
		return nil, nil, err
	case len(nodes) > 1 || strings.HasSuffix(dest, "/"):
		return nil, nil, fmt.Errorf("%s: there is no such directory", dest)
	default:
		folder, as = filepath.Split(filepath.Clean(dest))
	}
	if folder == "" {
		folder = "."
	}
	root, err := os.OpenRoot(folder)
	if err != nil {
		return nil, nil, err
	}
	var items []vfs.CopyItem
	taken := map[string]string{}
	for _, n := range nodes {
		name := as
		if name == "" {
			name = path.Base(n.Path())
			if n.Name() != "" {
				name = n.Name()
			}
		}
		if n.Path() == "." && as == "" { // the whole tree, into the folder
			name = "."
		}
		if other, ok := taken[name]; ok {
			root.Close()
			return nil, nil, fmt.Errorf("%s and %s would both be %s in %s", other, shownPath(n.Path()), name, dest)
		}
		taken[name] = shownPath(n.Path())
		items = append(items, vfs.CopyItem{Node: n, As: name})
	}
	return root, items, nil
}

// watch shows how far the copy is until it is stopped.
func (c *cp) watch() (stop func(), err error) {
	switch *c.how {
	case "", "bar", "json", "none":
	default:
		return nil, usagef("--progress is bar, json or none, not %q", *c.how)
	}
	json := *c.how == "json"
	if c.a.quiet || *c.how == "none" || *c.how == "" && !term.IsTerminal(int(os.Stderr.Fd())) {
		return func() {}, nil
	}
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(100 * time.Millisecond)
		defer tick.Stop()
		shown := false
		for {
			select {
			case <-done:
				if shown && !json {
					c.a.err.Printf("\r\x1b[K")
				}
				return
			case <-tick.C:
				n := c.o.Progress
				shown = true
				if json {
					c.a.err.Printf("{\"files\": %d, \"transferred\": %d}\n", n.Files.Load(), n.Bytes.Load())
				} else {
					c.a.err.Printf("\r%d files  %s   ", n.Files.Load(), terminal.Size(n.Bytes.Load()))
				}
			}
		}
	}()
	return func() { close(done); <-ended }, nil
}

// summary says what was copied.
func (c *cp) summary() error {
	n := c.o.Progress
	c.doc.copyCounts = copyCounts{Files: n.Files.Load(), Directories: n.Dirs.Load(), Links: n.Links.Load(), HardLinks: n.HardLinks.Load(), Special: n.Special.Load(),
		Identical: n.Identical.Load(), Bytes: n.Bytes.Load(), Failed: n.Failed.Load(), NoOwner: n.NoOwner.Load(), NoMode: n.NoMode.Load(), NoXattrs: n.NoXattrs.Load(), NoSpecial: n.NoSpecial.Load()}
	for _, l := range []struct {
		n    int64
		what string
	}{
		{c.doc.NoOwner, "their owner"}, {c.doc.NoMode, "a setuid bit or their whole mode (see --special)"},
		{c.doc.NoXattrs, "all extended attributes"},
	} {
		if l.n > 0 {
			c.a.warn([]error{fmt.Errorf("%d files do not have %s", l.n, l.what)})
		}
	}
	if c.doc.NoSpecial > 0 {
		c.a.warn([]error{fmt.Errorf("%d device nodes, fifos and sockets are left out; --special makes them", c.doc.NoSpecial)})
	}
	if !c.a.json {
		return nil
	}
	c.doc.Schema = schema("cp")
	c.doc.Renamed = notNil(c.doc.Renamed)
	c.doc.Problems = notNil(c.doc.Problems)
	return c.a.document(c.doc)
}
