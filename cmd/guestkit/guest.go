package main

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/guestkit/guestkit"
	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/fs/vfs"
	"github.com/guestkit/guestkit/inspect"
)

// A guestTree is the files that a command works on.
type guestTree struct {
	vfs.FS
	guest  *guestkit.Guest
	report *inspect.Report
	system *inspect.System // nil if it is that of a volume alone
}

func (t *guestTree) Close() error { return t.guest.Close() }

// Problems are those of the images, and then of the filesystems.
func (t *guestTree) Problems() []error { return append(problems(t.guest, nil), t.FS.Problems()...) }

// tree opens the disks of a guest, and of what they hold the tree that a path
// means: that of the volume named, or of the system with its mounts, or of the
// only filesystem where there is no system.
func (s *source) tree(disks []string, volume string) (*guestTree, error) {
	typeOf, err := s.typeOf(volume)
	if err != nil {
		return nil, err
	}
	// No path needs the packages.
	g, err := s.open(disks, &inspect.Options{NoPackages: true, Type: typeOf})
	if err != nil {
		return nil, err
	}
	t, err := s.treeOf(g, volume)
	if err != nil {
		g.Close()
		return nil, pathError(strings.Join(disks, " "), err)
	}
	return t, nil
}

// onTree runs a command on the tree of the guest that its arguments name. run is
// given the other arguments, and returns the exit code where errors were said that
// did not end it.
func (s *source) onTree(args []string, volume string, run func(t *guestTree, rest []string) (int, error)) error {
	disks, rest, err := s.one(args)
	if err != nil {
		return err
	}
	t, err := s.tree(disks, volume)
	if err != nil {
		return err
	}
	defer t.Close()
	code, err := run(t, rest)
	if err != nil {
		return err
	}
	s.a.warn(t.Problems())
	s.noteRemote()
	s.a.noteTime()
	return exit(code)
}

func (s *source) treeOf(g *guestkit.Guest, volume string) (*guestTree, error) {
	t := &guestTree{guest: g}
	var err error
	if volume != "" {
		if t.report, err = g.Volumes(s.a.ctx); err != nil {
			return nil, err
		}
		s.a.noteVolumes(t.report)
		v, err := volumeNamed(t.report, volume)
		if err != nil && strings.HasPrefix(volume, "/dev/mapper/") { // the guest says what it calls so
			if t.report, err = g.Inspect(s.a.ctx); err == nil {
				v, err = volumeNamed(t.report, volume)
			}
		}
		if err != nil {
			return nil, err
		}
		if t.FS, err = v.FS(); errors.Is(err, block.ErrAmbiguous) {
			err = fmt.Errorf("%w; state its type with --type", err)
		}
		return t, err
	}
	if t.report, err = g.Inspect(s.a.ctx); err != nil {
		return nil, err
	}
	s.a.noteVolumes(t.report)
	switch systems := installed(t.report.Systems); len(systems) {
	case 0:
		return t, t.onlyVolume()
	case 1:
		t.system = systems[0]
		t.FS, err = systems[0].FS()
		return t, err
	default:
		var names []string
		for _, sys := range systems {
			names = append(names, fmt.Sprintf("%s (%s)", sys.Volume, sys.ProductName))
		}
		return nil, fmt.Errorf("there are several systems: %s; choose with --volume", strings.Join(names, ", "))
	}
}

// installed leaves out media, where a guest has a system as well.
func installed(systems []*inspect.System) []*inspect.System {
	var out []*inspect.System
	for _, s := range systems {
		if s.Kind == inspect.KindInstalled {
			out = append(out, s)
		}
	}
	if len(out) == 0 {
		return systems
	}
	return out
}

// onlyVolume takes the only filesystem there is.
func (t *guestTree) onlyVolume() error {
	var readable []*inspect.Volume
	for _, v := range t.report.Volumes {
		if v.Status == inspect.StatusRead {
			readable = append(readable, v)
		}
	}
	switch len(readable) {
	case 0:
		if err := damage(t.report); err != nil {
			return err
		}
		if why := unread(t.report); why != "" {
			return nothingf("there is no filesystem that can be read: %s", why)
		}
		return nothingf("there is no filesystem")
	case 1:
		var err error
		t.FS, err = readable[0].FS()
		return err
	}
	return fmt.Errorf("there is no system and there are several filesystems: %s; choose with --volume", volumeNames(readable))
}

func volumeNames(vs []*inspect.Volume) string {
	var names []string
	for _, v := range vs {
		name := v.Name
		if known(v.Content) {
			name += " (" + v.Content + ")"
		}
		names = append(names, name)
	}
	return strings.Join(names, ", ")
}

// path turns a path that a user gave into one of io/fs, as the system does that
// the tree is of.
func (t *guestTree) path(arg string) (string, error) {
	if t.system == nil {
		return vfs.Path(arg), nil
	}
	p, err := t.system.Path(arg)
	if err != nil {
		return "", nothingf("%s: %v", arg, bare(err))
	}
	return p, nil
}

// windows reports whether the tree is that of Windows.
func (t *guestTree) windows() bool { return t.system != nil && t.system.Type == inspect.TypeWindows }

// shownPath is a path of io/fs as a user would write it.
func shownPath(p string) string {
	if p == "." {
		return "/"
	}
	return "/" + p
}

// guestError says which file of a guest an error is about. A file that is not
// there has its own exit code.
func guestError(p string, err error) error {
	var out *outputError
	if err == nil || errors.As(err, &out) {
		return err
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nothingf("%s: no such file or directory in the guest", shownPath(p))
	}
	return pathError(shownPath(p), bare(err))
}

// bare takes the path off an error, for messages that have it already.
func bare(err error) error {
	if pe, ok := err.(*fs.PathError); ok {
		return pe.Err
	}
	return err
}
