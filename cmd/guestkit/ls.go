package main

import (
	"cmp"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/guestkit/guestkit/fs/vfs"
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
	visited   vfs.Visited
	long      bool
	recursive bool
	human     bool
	byTime    bool
	bySize    bool
	reverse   bool
	itself    bool // directories as such
	classify  bool
	inodes    bool
	tree      *guestTree
	files     []lsEntry // for JSON
	code      int       // of the errors so far, which did not end it
	problems  []error
	printed   bool
	names     bool   // nothing but names is to be told
	buf       []byte // of a line
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
	f := cmd.Flags()
	f.BoolVarP(&l.long, "long", "l", false, "print type, mode, links, owner, size and time too")
	f.BoolVarP(&l.recursive, "recursive", "R", false, "list the directories below as well")
	humanFlag(cmd, &l.human)
	f.BoolVarP(&l.byTime, "time", "t", false, "newest first")
	f.BoolVarP(&l.bySize, "size", "S", false, "largest first")
	f.BoolVarP(&l.reverse, "reverse", "r", false, "the other way round")
	f.BoolVarP(&l.itself, "directory", "d", false, "list directories themselves, not what is in them")
	f.BoolVarP(&l.classify, "classify", "F", false, "mark names by their type: / @ | = *")
	f.BoolVarP(&l.inodes, "inode", "i", false, "print the number of each inode")
	// Names come one a line, and none is hidden, without these too.
	f.Bool("all", false, "")
	f.BoolP("one", "1", false, "one name a line, as always")
	f.BoolP("almost-all", "A", false, "")
	f.String("color", "", "")
	f.Lookup("color").NoOptDefVal = "auto"
	for _, name := range []string{"all", "one", "almost-all", "color"} {
		f.MarkHidden(name)
	}
	cmd.ValidArgsFunction = src.completePaths(volume)
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		return src.onTree(splitImage(args), *volume, func(t *guestTree, paths []string) (int, error) {
			if len(paths) == 0 {
				paths = []string{"/"}
			}
			if err := l.run(t, paths); err != nil {
				return 0, err
			}
			if l.code != exitDone {
				return l.code, nil
			}
			return exitDone, incomplete(t.report, *required)
		})
	}
	return cmd
}

// A row is a file and the name that it is listed by. Its inode is read where more
// than its name is to be told.
type row struct {
	c    vfs.Child
	n    *vfs.Node
	name string // the guest's bytes
}

// isDir reports whether it is a directory.
func (r row) isDir() bool { return r.mode().IsDir() }

// mode is the mode of the file, or what of it is known: its type.
func (r row) mode() fs.FileMode {
	if r.n != nil {
		return r.n.Stat().Mode
	}
	return r.c.Type()
}

func (l *ls) run(t *guestTree, paths []string) error {
	l.tree = t
	l.names = !l.long && !l.byTime && !l.bySize && !l.classify && !l.inodes && !l.a.json && !l.a.out.Color()
	var files []row
	var dirs []*vfs.Node
	for _, arg := range paths {
		nodes, err := l.find(t, arg)
		l.fail(err)
		for _, n := range nodes {
			if n.Stat().Mode.IsDir() && !l.itself {
				dirs = append(dirs, n)
			} else {
				files = append(files, row{n: n, name: "/" + n.RawPath()})
			}
		}
	}
	if err := l.show(files); err != nil {
		return err
	}
	titled := len(paths) > 1 || len(dirs) > 1 || l.recursive
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
func (l *ls) find(t *guestTree, arg string) ([]*vfs.Node, error) {
	nodes, err := t.glob(l.a.ctx, arg)
	if len(nodes) != 1 || nodes[0].Stat().Mode&fs.ModeSymlink == 0 || l.itself {
		return nodes, err
	}
	if !l.long && !l.classify || strings.HasSuffix(arg, "/") || t.windows() && strings.HasSuffix(arg, `\`) {
		if to, err := t.node(nodes[0].Path(), true); err == nil && to.Stat().Mode.IsDir() {
			return []*vfs.Node{to}, nil
		}
	}
	return nodes, err
}

// dir lists one directory, and with -R those below.
func (l *ls) dir(d *vfs.Node, titled bool) error {
	if err := l.a.ctx.Err(); err != nil {
		return err
	}
	if err := l.visited.Enter(d); err != nil {
		l.fail(guestError(d.Path(), err))
		return nil
	}
	children, err := d.Children()
	if err != nil {
		l.fail(guestError(d.Path(), err))
	}
	rows := make([]row, 0, len(children))
	for _, c := range children {
		r := row{c: c, name: c.Name()}
		if !l.names || c.Type().IsDir() || c.Type() == fs.ModeIrregular {
			if r.n, err = c.Node(); err != nil {
				l.fail(guestError(path.Join(d.Path(), vfs.Escape(c.Name())), err))
				continue
			}
		}
		rows = append(rows, r)
	}
	if titled && !l.a.json {
		if l.printed {
			l.a.out.Printf("\n")
		}
		l.a.out.Printf("%s:\n", "/"+d.RawPath())
		l.printed = true
	}
	if err := l.show(rows); err != nil {
		return err
	}
	if !l.recursive {
		return nil
	}
	// What is to be entered is all that is kept while that is done.
	dirs := rows[:0]
	for _, r := range rows {
		if r.isDir() {
			dirs = append(dirs, r)
		}
	}
	clear(rows[len(dirs):])
	for _, r := range slices.Clone(dirs) {
		if err := l.dir(r.n, true); err != nil {
			return err
		}
	}
	return nil
}

// sort puts rows, which are sorted by name, in the order that was asked for.
func (l *ls) sort(rows []row) {
	if l.byTime {
		slices.SortStableFunc(rows, func(a, b row) int { return b.n.Stat().Mtime.Compare(a.n.Stat().Mtime) })
	}
	if l.bySize {
		slices.SortStableFunc(rows, func(a, b row) int { return cmp.Compare(b.n.Stat().Size, a.n.Stat().Size) })
	}
	if l.reverse {
		slices.Reverse(rows)
	}
}

// show prints the files of one directory.
func (l *ls) show(rows []row) error {
	if len(rows) == 0 {
		return nil
	}
	l.sort(rows)
	l.printed = true
	var w widths
	if l.inodes && !l.a.json {
		for _, r := range rows {
			w.ino = max(w.ino, digits(r.n.Stat().Ino))
		}
	}
	if l.long && !l.a.json {
		for _, r := range rows {
			w.grow(r.n.Stat(), l.size(r.n.Stat()))
		}
	}
	for _, r := range rows {
		var target string
		if r.mode()&fs.ModeSymlink != 0 && (l.long || l.a.json) {
			var err error
			if target, err = r.n.ReadLink(); err != nil {
				l.fail(guestError(r.n.Path(), err))
			}
		}
		switch {
		case l.a.json:
			l.files = append(l.files, lsEntry{newFileDoc(r.n.Path(), r.n.Stat(), target), r.n.Stat().Nlink})
		case l.long:
			l.row(r, &w, target)
		default:
			l.buf = l.inode(l.buf[:0], r, &w)
			name := paint(r)
			if l.classify {
				name.Text += mark(r.mode())
			}
			l.a.out.Line(l.buf, name)
		}
	}
	return l.a.out.Err()
}

// widths are those of the columns that are aligned to the right, and of the owners.
type widths struct{ links, uid, gid, size, date, ino int }

func (w *widths) grow(st *vfs.Stat, size string) {
	w.links, w.size = max(w.links, digits(st.Nlink)), max(w.size, len(size))
	w.uid, w.gid = max(w.uid, digits(uint64(st.UID))), max(w.gid, digits(uint64(st.GID)))
	var date [24]byte
	w.date = max(w.date, len(appendDate(date[:0], st.Mtime)))
}

// appendDate writes a time as its column has it.
func appendDate(b []byte, t time.Time) []byte {
	if t.IsZero() {
		return append(b, '-')
	}
	t = t.UTC()
	year, month, day := t.Date()
	if year < 0 || year > 9999 {
		return t.AppendFormat(b, "2006-01-02 15:04")
	}
	hour, minute, _ := t.Clock()
	for i, n := range [...]int{year / 100, year % 100, int(month), day, hour, minute} {
		if i > 1 {
			b = append(b, "-- :"[i-2])
		}
		b = append(b, byte('0'+n/10), byte('0'+n%10))
	}
	return b
}

// digits is how many a number has.
func digits(n uint64) int {
	count := 1
	for ; n > 9; n /= 10 {
		count++
	}
	return count
}

// size is the size of a file as its column has it.
func (l *ls) size(st *vfs.Stat) string {
	switch {
	case st.Mode&fs.ModeDevice != 0:
		return fmt.Sprintf("%d, %d", st.Major, st.Minor)
	case l.human:
		return terminal.Size(st.Size)
	}
	return strconv.FormatInt(st.Size, 10)
}

const blanks = "                        "

// row prints a long line. It is written by hand: there may be one for each file of
// a guest.
func (l *ls) row(r row, w *widths, target string) {
	st := r.n.Stat()
	b := appendMode(l.inode(l.buf[:0], r, w), st.Mode)
	right := func(text string, width int) { b = append(append(append(b, ' '), blanks[:width-len(text)]...), text...) }
	left := func(n uint32, width int) {
		b = strconv.AppendUint(append(b, ' '), uint64(n), 10)
		b = append(b, blanks[:width-digits(uint64(n))]...)
	}
	right(strconv.FormatUint(st.Nlink, 10), w.links)
	left(st.UID, w.uid)
	left(st.GID, w.gid)
	right(l.size(st), w.size)
	b = append(b, ' ')
	at := len(b)
	b = appendDate(b, st.Mtime)
	b = append(b, blanks[:w.date-(len(b)-at)]...)
	name := paint(r)
	switch {
	case st.Mode&fs.ModeSymlink != 0:
		name.Text += " -> " + target
		if l.classify {
			if to, err := l.tree.node(r.n.Path(), true); err == nil {
				name.Text += mark(to.Stat().Mode)
			}
		}
	case l.classify:
		name.Text += mark(st.Mode)
	}
	l.buf = append(b, ' ')
	l.a.out.Line(l.buf, name)
}

// inode writes the number of the inode, if it is asked for, as a column.
func (l *ls) inode(b []byte, r row, w *widths) []byte {
	if !l.inodes {
		return b
	}
	ino := r.n.Stat().Ino
	b = append(b, blanks[:w.ino-digits(ino)]...)
	return append(strconv.AppendUint(b, ino, 10), ' ')
}

// mark is what -F puts behind a name.
func mark(m fs.FileMode) string {
	switch {
	case m.IsDir():
		return "/"
	case m&fs.ModeSymlink != 0:
		return "@"
	case m&fs.ModeNamedPipe != 0:
		return "|"
	case m&fs.ModeSocket != 0:
		return "="
	case m.IsRegular() && m&0o111 != 0:
		return "*"
	}
	return ""
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
func paint(n row) terminal.Styled {
	m := n.mode()
	switch {
	case m.IsDir():
		return terminal.Styled{Text: n.name, Style: terminal.Blue}
	case m&fs.ModeSymlink != 0:
		return terminal.Styled{Text: n.name, Style: terminal.Cyan}
	case !m.IsRegular():
		return terminal.Styled{Text: n.name, Style: terminal.Yellow}
	case m&0o111 != 0:
		return terminal.Styled{Text: n.name, Style: terminal.Green}
	}
	return terminal.Styled{Text: n.name, Style: terminal.Plain}
}

// modeString is the mode as ls writes it: "drwxr-xr-t".
func modeString(m fs.FileMode) string { return string(appendMode(nil, m)) }

func appendMode(to []byte, m fs.FileMode) []byte {
	to = append(append(to, typeLetter(m)...), "rwxrwxrwx"...)
	s := to[len(to)-10:]
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
	return to
}
