package main

import (
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/klauspost/compress/zstd"
	"github.com/spf13/cobra"
	"github.com/ulikunitz/xz"

	"github.com/guestkit/guestkit/fs/vfs"
	"github.com/guestkit/guestkit/internal/terminal"
)

// otherArchives are endings of names that promise what tar does not write.
var otherArchives = []string{".bz2", ".tbz", ".tbz2", ".tb2", ".lz", ".lz4", ".lzma", ".tlz", ".lzo", ".z", ".br", ".zip", ".7z", ".rar", ".cpio"}

func newTar(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "tar [flags] IMAGE [PATH] -o FILE",
		Short: "Write a tree of the guest as a tar archive",
		Long: `Writes a directory of the guest, or all of it, as a tar archive (pax): owners,
times to the nanosecond, hard links, device nodes, extended attributes and ACLs,
files with holes as GNU tar writes them. The same tree gives the same bytes.

FILE may end in .gz, .tgz, .zst or .xz; "-" is standard output, for a pipe. It
appears when it is whole. What cannot be read is said and left out, and makes the
exit code 1.`,
		Example: `  guestkit tar disk.qcow2 -o root.tar.zst
  guestkit tar disk.qcow2 /etc -o - | tar -tv
  guestkit tar -czf etc.tar.gz disk.qcow2 /etc
  guestkit tar disk.qcow2 --exclude 'var/cache/**' -o - | docker import - guest`,
	}
	src := a.sourceFlags(cmd)
	volume := src.volumeFlag(cmd)
	var o vfs.TarOptions
	var out string
	var exclude []string
	var force, list bool
	var compress string
	f := cmd.Flags()
	f.StringVarP(&out, "output", "o", "", "write to `FILE`, or to standard output with -")
	f.StringArrayVar(&exclude, "exclude", nil, "leave out what `PATTERN` matches, and what is below; repeatable")
	f.BoolVar(&o.OneFilesystem, "one-file-system", false, "leave out what other filesystems hold")
	f.BoolVar(&o.NoXattrs, "no-xattrs", false, "leave out extended attributes and ACLs")
	f.BoolVar(&force, "force", false, "replace FILE if it exists")
	f.BoolVar(&list, "list", false, "print the names of what is archived")
	f.StringVar(&compress, "compress", "", "compress by this `METHOD`, gz, xz or zst, whatever the name of FILE")
	cmd.ValidArgsFunction = src.completePaths(volume)
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		if out == "" {
			return usagef("no output is given; -o FILE, or -o - for standard output")
		}
		if slices.Contains(otherArchives, strings.ToLower(filepath.Ext(out))) {
			return usagef("%s: tar writes .tar, .tar.gz, .tar.zst and .tar.xz, no %s", out, filepath.Ext(out))
		}
		skip, err := excluder(exclude)
		if err != nil {
			return err
		}
		o.Exclude = skip
		named := out
		switch compress {
		case "":
		case "gz", "xz", "zst":
			named = "." + compress
		default:
			return usagef("--compress is gz, xz or zst, not %q", compress)
		}
		if list {
			to := a.out
			if out == "-" {
				to = a.err
			}
			o.Exclude = listed(to, skip)
		}
		return src.onTree(splitImage(args), *volume, func(t *guestTree, rest []string) (int, error) {
			return a.tar(t, rest, out, named, force, &o)
		})
	}
	return cmd
}

func (a *app) tar(t *guestTree, args []string, out, named string, force bool, o *vfs.TarOptions) (int, error) {
	if len(args) > 1 {
		return 0, usagef("one PATH at most; got %d", len(args))
	}
	start, err := t.node(strings.Join(args, ""), true)
	if err != nil {
		return 0, err
	}
	code := exitDone
	o.OnError = func(p string, err error) { code = a.sayError(guestError(p, err), code) }
	o.Count = new(vfs.TarCount)
	write := func(w io.Writer) error {
		return compressed(w, named, func(w io.Writer) error { return vfs.Tar(a.ctx, w, start, o) })
	}
	if out == "-" {
		if a.outTerminal {
			return 0, usagef("an archive is not for a terminal; pipe it on, or name a file with -o")
		}
		err = write(a.raw)
	} else {
		a.tidies.Store(true)
		err = newFile(out, force, write)
	}
	if err != nil {
		return 0, err
	}
	if o.Count.Sockets > 0 {
		a.warn([]error{fmt.Errorf("%d sockets are left out: an archive has no place for them", o.Count.Sockets)})
	}
	a.note("%d files, %d directories, %d links, %d hard links, %d special files", o.Count.Files, o.Count.Dirs, o.Count.Links, o.Count.HardLinks, o.Count.Special)
	if code != exitDone {
		code = exitFailed
	}
	return code, nil
}

// listed prints the names of what is not excluded.
func listed(to *terminal.Printer, skip func(string, *vfs.Node) bool) func(string, *vfs.Node) bool {
	return func(below string, n *vfs.Node) bool {
		if skip != nil && skip(below, n) {
			return true
		}
		if n.Stat().Mode.IsDir() {
			below += "/"
		}
		if n.Stat().Mode&fs.ModeSocket == 0 {
			to.Printf("%s\n", below)
		}
		return false
	}
}

// excluder makes a filter of patterns: one without a slash matches a name
// anywhere, one with a slash a path from where the archive begins.
func excluder(patterns []string) (func(string, *vfs.Node) bool, error) {
	if len(patterns) == 0 {
		return nil, nil
	}
	for i, p := range patterns {
		p = strings.TrimPrefix(strings.TrimPrefix(p, "."), "/")
		elements := strings.Split(strings.TrimSuffix(p, "/"), "/")
		for j, e := range elements {
			var err error
			if elements[j], err = shellPattern(e); err != nil {
				return nil, usagef("--exclude %s: %v", p, err)
			}
		}
		patterns[i] = strings.Join(elements, "/")
	}
	return func(below string, n *vfs.Node) bool {
		for _, p := range patterns {
			if !strings.Contains(p, "/") {
				if ok, _ := path.Match(p, n.Name()); ok {
					return true
				}
			} else if matchPath(strings.Split(p, "/"), strings.Split(below, "/")) {
				return true
			}
		}
		return false
	}, nil
}

// matchPath matches the elements of a path with those of a pattern, in which "**"
// stands for any number of them.
func matchPath(pattern, elements []string) bool {
	for len(pattern) > 0 {
		if pattern[0] == "**" {
			for i := range len(elements) + 1 {
				if matchPath(pattern[1:], elements[i:]) {
					return i > 0 || len(pattern) > 1
				}
			}
			return false
		}
		if len(elements) == 0 {
			return false
		}
		if ok, _ := path.Match(pattern[0], elements[0]); !ok {
			return false
		}
		pattern, elements = pattern[1:], elements[1:]
	}
	return len(elements) == 0
}

// compressed lets what is written be compressed as the name of a file says.
func compressed(w io.Writer, name string, write func(io.Writer) error) error {
	var c io.WriteCloser
	var err error
	switch lower := strings.ToLower(name); {
	case strings.HasSuffix(lower, ".gz"), strings.HasSuffix(lower, ".tgz"):
		c = gzip.NewWriter(w)
	case strings.HasSuffix(lower, ".zst"), strings.HasSuffix(lower, ".tzst"):
		c, err = zstd.NewWriter(w)
	case strings.HasSuffix(lower, ".xz"), strings.HasSuffix(lower, ".txz"):
		c, err = xz.NewWriter(w)
	default:
		return write(w)
	}
	if err != nil {
		return err
	}
	if err := write(c); err != nil {
		return err
	}
	return c.Close()
}

// newFile writes a file that appears when it is whole. What is there is replaced
// with force alone, and never if it is no regular file.
func newFile(name string, force bool, write func(io.Writer) error) (err error) {
	fi, err := os.Stat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return err
	case !fi.Mode().IsRegular():
		return fmt.Errorf("%s: it is no regular file", name)
	case !force:
		return fmt.Errorf("%s: it exists; --force replaces it", name)
	}
	if real, err := filepath.EvalSymlinks(name); err == nil {
		name = real // a link stays, what it leads to is replaced
	}
	f, err := os.CreateTemp(filepath.Dir(name), ".guestkit-*.partial")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			f.Close()
			os.Remove(f.Name())
		}
	}()
	if err := write(f); err != nil {
		return err
	}
	if err := errors.Join(f.Chmod(0o644), f.Sync()); err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	return os.Rename(f.Name(), name)
}
