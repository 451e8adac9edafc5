package convert

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// A set is the files of one image: the one by which it is read (a descriptor, a
// header, the first part), and those beside it. They are of use together only,
// and no system renames several files at once. So the order is
//
//	lock the folder            two writers of one set exclude each other
//	sync every file            what fails up to here changes nothing
//	mark the new ones          .guestkit-SET-NAME.new, a second name
//	put the old main file away .guestkit-SET-NAME.old: now no image is here
//	put away the others, and give the new ones their names
//	name the new main file     the switch: from now on nothing is taken back
//	remove the old files
//
// A failure before the switch puts everything back. What a killed run leaves is
// put back or removed by the next one that writes the set (recoverSet): the
// names tell which, and the main file whether the switch has come.
type set struct {
	main   *File
	beside []*File
	old    []string // further files of the image that is replaced

	placed []string // files that have their names
	away   []string // names of files that were put away, that of the main one first
	marked []string
}

const newSuffix, oldSuffix = ".new", ".old"

// mark is the name of a file of the set while it is being replaced.
func (s *set) mark(path, suffix string) string { return markName(s.main.path, path, suffix) }

func markName(main, path, suffix string) string {
	return filepath.Join(filepath.Dir(path), tempPrefix+setName(main)+"-"+filepath.Base(path)+suffix)
}

// commit gives all files their names, or none.
func (s *set) commit() error {
	unlock, err := lockDir(filepath.Dir(s.main.path))
	if err != nil {
		return err
	}
	defer unlock()
	files := append(append([]*File(nil), s.beside...), s.main)
	for _, f := range files {
		if err := f.ready(); err != nil {
			return err
		}
	}
	for _, path := range s.old {
		if err := checkTarget(path, &s.main.o); err != nil {
			return err
		}
	}
	if err := s.replace(); err != nil {
		if uerr := s.undo(); uerr != nil {
			err = fmt.Errorf("%w; %w", err, uerr)
		}
		return err
	}
	err = notDurable(s.syncDirs())
	for _, path := range append(s.marked, s.away...) {
		if rerr := ignoreMissing(os.Remove(path)); err == nil {
			err = rerr
		}
	}
	return err
}

// replace does all up to the switch.
func (s *set) replace() error {
	for _, f := range s.beside {
		if err := s.begin(f); err != nil {
			return err
		}
	}
	if err := s.putAway(s.main.path); err != nil {
		return err
	}
	if err := s.syncDirs(); err != nil {
		return err
	}
	for _, path := range s.old {
		if err := s.putAway(path); err != nil {
			return err
		}
	}
	for _, f := range s.beside {
		if err := s.putAway(f.path); err != nil {
			return err
		}
		if err := s.name(f); err != nil {
			return err
		}
	}
	if err := s.syncDirs(); err != nil {
		return err
	}
	if err := s.main.place(s.main.path, false); err != nil {
		return err
	}
	s.main.done = true
	for _, f := range s.beside {
		f.done = true
	}
	return nil
}

// begin marks a new file, whose second name tells the next run whose it is.
func (s *set) begin(f *File) error {
	mark := s.mark(f.path, newSuffix)
	if err := f.place(mark, true); err != nil {
		return err
	}
	s.marked = append(s.marked, mark)
	return nil
}

// putAway gives the file at path, if there is one, the name of an old one.
func (s *set) putAway(path string) error {
	old := s.mark(path, oldSuffix)
	err := os.Rename(path, old)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	s.away = append(s.away, old)
	return nil
}

// name gives a marked file its own name, beside its mark where files can have
// two.
func (s *set) name(f *File) error {
	mark := s.mark(f.path, newSuffix)
	err := os.Link(mark, f.path)
	if err != nil && !errors.Is(err, fs.ErrExist) {
		err = renameFresh(mark, f.path)
	}
	if err != nil {
		return err
	}
	s.placed = append(s.placed, f.path)
	return nil
}

// undo takes back what replace has done. What cannot be put back stays under
// the name that the error tells.
func (s *set) undo() error {
	var failed error
	for _, path := range append(s.placed, s.marked...) {
		if err := ignoreMissing(os.Remove(path)); failed == nil {
			failed = err
		}
	}
	for i := len(s.away) - 1; i >= 0; i-- { // the main file last
		path := markedPath(s.main.path, s.away[i], oldSuffix)
		if err := os.Rename(s.away[i], path); err != nil {
			return fmt.Errorf("the old image was put away as %s and could not be put back: %w", s.away[i], err)
		}
	}
	s.syncDirs() // what is known of the failure is the first one
	return failed
}

// syncDirs makes the names durable in every folder of the set, that of the main
// file last.
func (s *set) syncDirs() error {
	if s.main.o.NoSync {
		return nil
	}
	dir := filepath.Dir(s.main.path)
	seen := map[string]bool{dir: true}
	for _, f := range s.beside {
		if d := filepath.Dir(f.path); !seen[d] {
			seen[d] = true
			if err := syncDir(d); err != nil {
				return err
			}
		}
	}
	return syncDir(dir)
}

func ignoreMissing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// markedPath is the file that a mark stands for.
func markedPath(main, mark, suffix string) string {
	name := strings.TrimSuffix(strings.TrimPrefix(filepath.Base(mark), tempPrefix+setName(main)+"-"), suffix)
	return filepath.Join(filepath.Dir(mark), name)
}

// recoverSet brings the set of the main file at path, which a run was about to
// write that was killed, to one side of the switch: with a main file, what is old
// goes; without one, what is new goes, and what is old gets its names back.
func recoverSet(path string, dirs []string, o *FileOptions) error {
	prefix := tempPrefix + setName(path) + "-"
	var olds, news []string
	for _, dir := range dirs {
		olds = append(olds, leftovers(dir, prefix, oldSuffix)...)
		news = append(news, leftovers(dir, prefix, newSuffix)...)
	}
	if len(olds)+len(news) == 0 {
		return nil
	}
	unlock, err := lockDir(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer unlock()
	_, err = os.Lstat(path)
	switched := err == nil
	for _, mark := range news {
		fi, err := os.Lstat(mark)
		if err != nil {
			continue // a run that was not killed has ended
		}
		final := markedPath(path, mark, newSuffix)
		if ffi, err := os.Lstat(final); err == nil && !switched && os.SameFile(fi, ffi) {
			if err := os.Remove(final); err != nil {
				return err
			}
			o.removed(Leftover{Path: final})
		}
		if err := ignoreMissing(os.Remove(mark)); err != nil {
			return err
		}
		o.removed(Leftover{Path: mark})
	}
	last := markName(path, path, oldSuffix)
	for _, mark := range append(without(olds, last), last) {
		if !own(mark) {
			continue
		}
		if switched {
			if err := os.Remove(mark); err != nil {
				return err
			}
			o.removed(Leftover{Path: mark})
			continue
		}
		final := markedPath(path, mark, oldSuffix)
		if err := renameFresh(mark, final); err != nil {
			return fmt.Errorf("a run that was killed has put %s away as %s: %w", final, mark, err)
		}
		o.removed(Leftover{mark, final})
	}
	return nil
}

func without(all []string, one string) []string {
	var out []string
	for _, x := range all {
		if x != one {
			out = append(out, x)
		}
	}
	return out
}
