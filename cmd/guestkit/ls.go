package main

import (
	"fmt"
	"io/fs"
	"strings"

	"github.com/spf13/cobra"

	"github.com/guestkit/guestkit/internal/terminal"
)

type lsDoc struct {
	Schema   string    `json:"schema"`
	Files    []lsEntry `json:"files"`
	Problems []string  `json:"problems"`
}

type lsEntry struct {
	fileDoc
	Links uint64 `json:"links"`
}

// ls is one run of the command.
type ls struct {
	a         *app
	w         *walker
	long      bool
	recursive bool
	files     []lsEntry // for JSON
	code      int       // of the errors so far, which did not end it
	problems  []error
	printed   bool
}

func newLs(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "ls [flags] IMAGE [PATH…]",
		Short: "List files of the guest",
		Long: `Lists files of the guest: of the system with its mounts, of one volume with
--volume, or of the only filesystem where there is no system. Names that start
with a dot are not hidden. Times are in UTC, owners are numbers. In Windows a
PATH may have a drive letter and backslashes: 'C:\Users'.

'cat' prints a file, 'manifest' a whole tree with checksums.`,
		Example: `  guestkit ls disk.qcow2
  guestkit ls -l disk.qcow2 /etc/ssh
  guestkit ls -lR --volume gpt1 disk.qcow2`,
	}
	src := a.sourceFlags(cmd)
	a.jsonFlag(cmd)
	volume := src.volumeFlag(cmd)
	required := completeFlag(cmd)
	l := &ls{a: a}
	cmd.Flags().BoolVarP(&l.long, "long", "l", false, "print type, mode, links, owner, size and time too")
	cmd.Flags().BoolVarP(&l.recursive, "recursive", "R", false, "list the directories below as well")
	cmd.ValidArgsFunction = src.completePaths(volume)
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		disks, paths, err := src.one(args)
		if err != nil {
			return err
		}
		t, err := src.tree(disks, *volume)
		if err != nil {
			return err
		}
		defer t.Close()
		if len(paths) == 0 {
			paths = []string{"/"}
		}
		if err := l.run(t, paths); err != nil {
			return err
		}
		a.warn(t.Problems())
		a.noteTime()
		if l.code != exitDone {
			return exit(l.code)
		}
		return incomplete(t.report, *required)
	}
	return cmd
}

func (l *ls) run(t *guestTree, paths []string) error {
	l.w = l.a.walker(t)
	var files, dirs []node
	for _, arg := range paths {
		n, err := l.find(arg)
		switch {
		case err != nil:
			l.fail(err)
		case n.stat.Mode.IsDir():
			dirs = append(dirs, n)
		default:
			files = append(files, n)
		}
	}
	for i := range files {
		files[i].name = rawPath(shownPath(files[i].path))
	}
	if err := l.show(files); err != nil {
		return err
	}
	titled := len(paths) > 1 || l.recursive
	for _, d := range dirs {
		if err := l.dir(d, titled); err != nil {
			return err
		}
	}
	if l.a.json {
		return l.a.document(lsDoc{schema("ls"), notNil(l.files), texts(append(t.Problems(), l.problems...))})
	}
	return l.a.out.Err()
}

// find looks an argument up. A link to a directory is followed, but with -l,
// as ls does.
func (l *ls) find(arg string) (node, error) {
	p, err := l.w.tree.path(arg)
	if err != nil {
		return node{}, err
	}
	n := node{path: p}
	st, err := l.w.tree.lstat(p)
	if err == nil && st.Mode&fs.ModeSymlink != 0 && (!l.long || strings.HasSuffix(arg, "/") || l.w.tree.windows() && strings.HasSuffix(arg, `\`)) {
		fi, err2 := l.w.tree.Stat(n.path)
		if err2 == nil && fi.IsDir() {
			st = statOf(fi)
		}
	}
	n.stat = st
	return n, guestError(p, err)
}

// dir lists one directory, and with -R those below.
func (l *ls) dir(d node, titled bool) error {
	if err := l.w.enter(d); err != nil {
		l.fail(err)
		return nil
	}
	nodes, err := l.w.list(d.path)
	if cerr := l.a.ctx.Err(); cerr != nil {
		return cerr
	}
	l.fail(err)
	if titled && !l.a.json {
		if l.printed {
			l.a.out.Printf("\n")
		}
		l.a.out.Printf("%s:\n", rawPath(shownPath(d.path)))
		l.printed = true
	}
	if err := l.show(nodes); err != nil {
		return err
	}
	if !l.recursive {
		return nil
	}
	for _, n := range nodes {
		if n.err == nil && n.stat.Mode.IsDir() {
			if err := l.dir(n, true); err != nil {
				return err
			}
		}
	}
	return nil
}

// show prints the files of one directory.
func (l *ls) show(nodes []node) error {
	if len(nodes) == 0 {
		return nil
	}
	l.printed = true
	t := &terminal.Table{Gap: 1, Wide: true, Right: "-r--r"}
	for _, n := range nodes {
		if n.err != nil {
			l.fail(guestError(n.path, n.err))
			continue
		}
		var target string
		if n.stat.Mode&fs.ModeSymlink != 0 && (l.long || l.a.json) {
			var err error
			if target, err = l.w.tree.ReadLinkRaw(n.path); err != nil {
				l.fail(guestError(n.path, err))
			}
		}
		switch {
		case l.a.json:
			l.files = append(l.files, lsEntry{newFileDoc(n.path, n.stat, target), n.stat.Nlink})
		case l.long:
			l.row(t, n, target)
		default:
			l.a.out.Printf("%s\n", paint(n))
		}
	}
	l.a.out.Table(t)
	return l.a.out.Err()
}

func (l *ls) row(t *terminal.Table, n node, target string) {
	size := fmt.Sprint(n.stat.Size)
	if n.stat.Mode&fs.ModeDevice != 0 {
		size = fmt.Sprintf("%d, %d", n.stat.Major, n.stat.Minor)
	}
	date := "-"
	if !n.stat.Mtime.IsZero() {
		date = n.stat.Mtime.UTC().Format("2006-01-02 15:04")
	}
	name := paint(n)
	if n.stat.Mode&fs.ModeSymlink != 0 {
		name.Text += " -> " + target
	}
	t.Row(modeString(n.stat.Mode), n.stat.Nlink, n.stat.UID, n.stat.GID, size, date, name)
}

// fail notes an error that does not end the listing, and says it.
func (l *ls) fail(err error) {
	if err == nil {
		return
	}
	l.problems = append(l.problems, err)
	l.code = l.a.sayError(err, l.code)
}

// paint colours a name by its type, as people know it from ls.
func paint(n node) terminal.Styled {
	m := n.stat.Mode
	switch {
	case m.IsDir():
		return terminal.Blue.In(n.name)
	case m&fs.ModeSymlink != 0:
		return terminal.Cyan.In(n.name)
	case !m.IsRegular():
		return terminal.Yellow.In(n.name)
	case m&0o111 != 0:
		return terminal.Green.In(n.name)
	}
	return terminal.Plain.In(n.name)
}

// modeString is the mode as ls writes it: "drwxr-xr-t".
func modeString(m fs.FileMode) string {
	s := []byte(typeLetter(m) + "rwxrwxrwx")
	if s[0] == 'f' {
		s[0] = '-'
	}
	for i := range 9 {
		if m&(1<<(8-i)) == 0 {
			s[1+i] = '-'
		}
	}
	for _, b := range []struct {
		mode fs.FileMode
		at   int
		with byte // in place of x
	}{{fs.ModeSetuid, 3, 's'}, {fs.ModeSetgid, 6, 's'}, {fs.ModeSticky, 9, 't'}} {
		if m&b.mode == 0 {
			continue
		}
		if s[b.at] == 'x' {
			s[b.at] = b.with
		} else {
			s[b.at] = b.with - 'a' + 'A'
		}
	}
	return string(s)
}
