package main

import (
	"fmt"
	"io/fs"
	"math"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/guestkit/guestkit/fs/vfs"
	"github.com/guestkit/guestkit/internal/terminal"
)

// finder is one run of find.
type finder struct {
	a *app
	t *guestTree

	name, iname, path, types string
	size, mtime, perm, newer string
	uid, gid                 string
	minDepth, maxDepth       int
	print0, long, oneFS      bool
	empty                    bool
	names                    []func(c vfs.Child) bool
	tests                    []func(n *vfs.Node) bool // these read the inode

	dir  *vfs.Node // of the last name
	at   []byte    // its path, with a slash at the end
	line []byte    // the path of the file that is looked at
	code int
}

// findHabit is what find(1) writes with one dash.
var findHabit = []string{"name", "iname", "path", "wholename", "type", "size", "mtime", "perm", "newer", "newermt", "uid", "gid", "user", "group", "mindepth", "maxdepth", "print0", "print", "ls", "xdev", "mount", "empty"}

// findArgs lets "find IMAGE -name x" be written as find(1) takes it.
func findArgs(args []string) []string {
	if i := slices.Index(args, "find"); i < 0 || i > 3 {
		return args
	}
	out := slices.Clone(args)
	for i, arg := range out {
		if name, ok := strings.CutPrefix(arg, "-"); ok && slices.Contains(findHabit, name) {
			out[i] = "-" + arg
		}
	}
	return out
}

func newFind(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "find [flags] IMAGE [PATH…]",
		Short: "Find files of the guest by name, type, size, time, owner or mode",
		Long: `Prints the files below each PATH, or of the whole guest, for which all tests hold.
The tests are those of find(1), with one dash or two. Links are not followed.

  size   N, +N or -N with c (bytes), k, M, G or T; 512-byte blocks without
  mtime  N, +N or -N days ago
  newer  a time such as 2026-01-31 or 2026-01-31T12:00:00Z, or a file of the guest
  perm   octal: MODE exactly, -MODE all of the bits, /MODE any of them`,
		Example: `  guestkit find disk.qcow2 /etc -name '*.conf'
  guestkit find disk.qcow2 --type f --size +100M --json
  guestkit find disk.qcow2 -perm /6000 -type f -print0 | xargs -0 -n1 echo`,
	}
	src := a.sourceFlags(cmd)
	a.jsonFlag(cmd)
	volume := src.volumeFlag(cmd)
	d := &finder{a: a}
	f := cmd.Flags()
	f.StringVar(&d.name, "name", "", "the name matches `PATTERN`")
	f.StringVar(&d.iname, "iname", "", "the name matches `PATTERN` in any case")
	f.StringVar(&d.path, "path", "", "the whole path matches `PATTERN`; * takes slashes too")
	f.StringVar(&d.path, "wholename", "", "the same as --path")
	f.StringVar(&d.types, "type", "", "the type is one of these `LETTERS`: f d l b c p s")
	f.StringVar(&d.size, "size", "", "the size is `N`, +N or -N")
	f.StringVar(&d.mtime, "mtime", "", "it changed `DAYS` ago, +N or -N")
	f.StringVar(&d.newer, "newer", "", "it changed after this `TIME` or file of the guest")
	f.StringVar(&d.newer, "newermt", "", "the same as --newer")
	f.StringVar(&d.perm, "perm", "", "the permission bits are `MODE`, -MODE or /MODE")
	for _, name := range []string{"uid", "user"} {
		f.StringVar(&d.uid, name, "", "it belongs to the user of this `NUMBER`")
	}
	for _, name := range []string{"gid", "group"} {
		f.StringVar(&d.gid, name, "", "it belongs to the group of this `NUMBER`")
	}
	f.IntVar(&d.minDepth, "mindepth", 0, "at least `N` levels below PATH")
	f.IntVar(&d.maxDepth, "maxdepth", 0, "at most `N` levels below PATH")
	f.BoolVar(&d.empty, "empty", false, "it is an empty file or directory")
	f.BoolVar(&d.oneFS, "xdev", false, "stay on the filesystem of PATH")
	f.BoolVar(&d.oneFS, "mount", false, "the same as --xdev")
	f.BoolVarP(&d.print0, "print0", "0", false, "end each path with a NUL byte, as the guest's own bytes")
	f.BoolVar(&d.long, "ls", false, "print as ls -l does")
	f.Bool("print", true, "print the path, which is done anyway")
	for _, same := range []string{"wholename", "newermt", "uid", "gid", "mount", "print"} {
		f.MarkHidden(same)
	}
	cmd.ValidArgsFunction = src.completePaths(volume)
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		if d.minDepth < 0 || d.maxDepth < 0 {
			return usagef("a depth is 0 or more")
		}
		if !f.Changed("maxdepth") {
			d.maxDepth = -1
		}
		return src.onTree(splitImage(args), *volume, d.run)
	}
	return cmd
}

func (d *finder) run(t *guestTree, paths []string) (int, error) {
	d.t = t
	if err := d.compile(); err != nil {
		return 0, err
	}
	if len(paths) == 0 {
		paths = []string{"/"}
	}
	for _, arg := range paths {
		nodes, err := t.glob(d.a.ctx, arg)
		if err != nil {
			d.code = d.a.sayError(err, d.code)
		}
		for _, n := range nodes {
			err := vfs.WalkNames(d.a.ctx, n, &vfs.WalkOptions{OneFilesystem: d.oneFS}, func(c vfs.Child, err error) error {
				if err != nil {
					d.fail(c, err)
					return nil
				}
				return d.visit(c, c.Depth())
			})
			if err != nil {
				return 0, err
			}
		}
	}
	return d.code, d.a.out.Err()
}

// fail says an error that does not end the walk.
func (d *finder) fail(c vfs.Child, err error) {
	d.code = d.a.sayError(guestError(vfs.EscapeTarget(c.RawPath()), err), d.code)
}

// visit looks at a file, depth levels below the PATH.
func (d *finder) visit(c vfs.Child, depth int) error {
	if depth >= d.minDepth {
		if err := d.look(c); err != nil {
			return err
		}
	}
	if d.maxDepth >= 0 && depth >= d.maxDepth {
		return fs.SkipDir
	}
	return nil
}

func (d *finder) look(c vfs.Child) error {
	for _, test := range d.names {
		if !test(c) {
			return nil
		}
	}
	if len(d.tests) == 0 && !d.a.json && !d.long {
		return d.printName(d.pathOf(c))
	}
	n, err := c.Node()
	if err != nil {
		d.fail(c, err)
		return nil
	}
	for _, test := range d.tests {
		if !test(n) {
			return nil
		}
	}
	return d.print(n, d.pathOf(c))
}

// pathOf is the path of a file as the bytes of the guest, until the next call.
func (d *finder) pathOf(c vfs.Child) []byte {
	dir := c.Dir()
	if dir == nil {
		return append(append(d.line[:0], '/'), c.RawPath()...)
	}
	if dir != d.dir {
		d.dir, d.at = dir, append(d.at[:0], '/')
		if p := dir.RawPath(); p != "" {
			d.at = append(append(d.at, p...), '/')
		}
	}
	d.line = append(append(d.line[:0], d.at...), c.Name()...)
	return d.line
}

func (d *finder) printName(path []byte) error {
	if d.print0 {
		_, err := d.a.raw.Write(append(path, 0))
		return err
	}
	d.a.out.Line(nil, terminal.Styled{Text: string(path)})
	return d.a.out.Err()
}

func (d *finder) print(n *vfs.Node, path []byte) error {
	switch {
	case d.a.json:
		target := ""
		if n.Stat().Mode&fs.ModeSymlink != 0 {
			var err error
			if target, err = n.ReadLink(); err != nil {
				d.code = d.a.sayError(guestError(n.Path(), err), d.code)
			}
		}
		return d.a.line(newFileDoc(n.Path(), n.Stat(), target))
	case !d.long || d.print0:
		return d.printName(path)
	}
	st := n.Stat()
	var room [96]byte
	b := appendMode(room[:0], st.Mode)
	for _, col := range []struct {
		n     int64
		width int
	}{{int64(st.Nlink), 3}, {int64(st.UID), 5}, {int64(st.GID), 5}, {st.Size, 12}} {
		b = append(b, ' ')
		if d := digits(uint64(col.n)); d < col.width {
			b = append(b, blanks[:col.width-d]...)
		}
		b = strconv.AppendInt(b, col.n, 10)
	}
	b = append(appendDate(append(b, ' '), st.Mtime), ' ')
	d.a.out.Line(b, terminal.Styled{Text: string(path)})
	return d.a.out.Err()
}

// compile makes tests of the flags.
func (d *finder) compile() error {
	name := func(test func(c vfs.Child) bool) { d.names = append(d.names, test) }
	add := func(test func(n *vfs.Node) bool) { d.tests = append(d.tests, test) }
	if d.types != "" {
		letters := strings.ReplaceAll(d.types, ",", "")
		if strings.Trim(letters, "fdlbcps") != "" {
			return usagef("--type takes letters of f d l b c p s, not %q", d.types)
		}
		name(func(c vfs.Child) bool { return strings.Contains(letters, typeLetter(c.Type())) })
	}
	for i, text := range []string{d.name, d.iname} {
		if text == "" {
			continue
		}
		fold := i == 1
		pattern, err := shellPattern(text)
		if err != nil {
			return usagef("%s: %v", text, err)
		}
		if fold {
			pattern = strings.ToLower(pattern)
		}
		begin, end := literals(pattern)
		name(func(c vfs.Child) bool {
			text := c.Name()
			if fold {
				text = strings.ToLower(text)
			}
			if !strings.HasSuffix(text, end) || !strings.HasPrefix(text, begin) {
				return false
			}
			ok, _ := path.Match(pattern, strings.ReplaceAll(text, "/", "\x01"))
			return ok
		})
	}
	if d.path != "" {
		pattern, err := shellPattern(strings.ReplaceAll(d.path, "/", "\x01"))
		if err != nil {
			return usagef("%s: %v", d.path, err)
		}
		name(func(c vfs.Child) bool {
			ok, _ := path.Match(pattern, strings.ReplaceAll(string(d.pathOf(c)), "/", "\x01"))
			return ok
		})
	}
	for _, id := range []struct {
		text string
		of   func(st *vfs.Stat) uint32
	}{{d.uid, func(st *vfs.Stat) uint32 { return st.UID }}, {d.gid, func(st *vfs.Stat) uint32 { return st.GID }}} {
		if id.text == "" {
			continue
		}
		want, err := strconv.ParseUint(id.text, 10, 32)
		if err != nil {
			return usagef("users and groups are numbers here, as those of the guest are not the host's; not %q", id.text)
		}
		add(func(n *vfs.Node) bool { return uint64(id.of(n.Stat())) == want })
	}
	if d.empty {
		add(func(n *vfs.Node) bool {
			if n.Stat().Mode.IsDir() {
				children, err := n.Children()
				return err == nil && len(children) == 0
			}
			return n.Stat().Mode.IsRegular() && n.Stat().Size == 0
		})
	}
	return d.compileNumbers(add)
}

// literals are the parts of a pattern before its first and behind its last sign, which
// decide about most names.
func literals(pattern string) (begin, end string) {
	const signs = `*?[]\`
	if i := strings.IndexAny(pattern, signs); i >= 0 {
		return pattern[:i], pattern[strings.LastIndexAny(pattern, signs)+1:]
	}
	return pattern, pattern
}

// compileNumbers makes tests of sizes, times and modes.
func (d *finder) compileNumbers(add func(func(n *vfs.Node) bool)) error {
	if d.size != "" {
		text, unit := d.size, int64(512)
		units := map[byte]int64{'c': 1, 'w': 2, 'b': 512, 'k': 1 << 10, 'M': 1 << 20, 'G': 1 << 30, 'T': 1 << 40}
		if u, ok := units[text[len(text)-1]]; ok {
			text, unit = text[:len(text)-1], u
		}
		holds, err := compare(text)
		if err != nil {
			return usagef("--size %s: %v", d.size, err)
		}
		add(func(n *vfs.Node) bool {
			size := n.Stat().Size
			return holds(size/unit + min(size%unit, 1)) // rounded up, as find does
		})
	}
	if d.mtime != "" {
		holds, err := compare(d.mtime)
		if err != nil {
			return usagef("--mtime %s: %v", d.mtime, err)
		}
		now := d.a.start
		add(func(n *vfs.Node) bool {
			return !n.Stat().Mtime.IsZero() && holds(int64(math.Floor(now.Sub(n.Stat().Mtime).Hours()/24)))
		})
	}
	if d.newer != "" {
		when, err := d.time(d.newer)
		if err != nil {
			return err
		}
		add(func(n *vfs.Node) bool { return n.Stat().Mtime.After(when) })
	}
	if d.perm != "" {
		bits, err := strconv.ParseUint(strings.TrimLeft(d.perm, "-/"), 8, 32)
		if err != nil || bits > 0o7777 {
			return usagef("--perm takes an octal mode, not %q", d.perm)
		}
		want := uint32(bits)
		add(func(n *vfs.Node) bool {
			have := vfs.ModeToUnix(n.Stat().Mode) & 0o7777
			switch d.perm[0] {
			case '-':
				return have&want == want
			case '/':
				return want == 0 || have&want != 0
			}
			return have == want
		})
	}
	return nil
}

// compare makes a test of a number: N, +N for more, -N for less.
func compare(text string) (func(int64) bool, error) {
	want, err := strconv.ParseInt(strings.TrimLeft(text, "+-"), 10, 64)
	if err != nil {
		return nil, fmt.Errorf("it is not a number")
	}
	switch text[0] {
	case '+':
		return func(n int64) bool { return n > want }, nil
	case '-':
		return func(n int64) bool { return n < want }, nil
	}
	return func(n int64) bool { return n == want }, nil
}

// time reads a time, or takes that of a file of the guest.
func (d *finder) time(text string) (time.Time, error) {
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05", "2006-01-02 15:04:05", "2006-01-02 15:04", "2006-01-02"} {
		if t, err := time.Parse(layout, text); err == nil {
			return t, nil
		}
	}
	n, err := d.t.node(text, true)
	if err != nil {
		return time.Time{}, fmt.Errorf("--newer: %q is no time and no file: %w", text, err)
	}
	return n.Stat().Mtime, nil
}
