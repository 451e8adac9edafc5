package main

import (
	"context"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"

	stereoscope "github.com/anchore/stereoscope/pkg/file"
	"github.com/anchore/syft/syft/file"
	"github.com/bmatcuk/doublestar/v4"

	"github.com/guestkit/guestkit/fs/vfs"
)

// A resolver is a guest's tree in the form in which syft asks for files.
type resolver struct{ vfs.FS }

// inside is a path of syft's as io/fs has it.
func inside(p string) string {
	if p = strings.TrimPrefix(path.Clean("/"+p), "/"); p != "" {
		return p
	}
	return "."
}

func (r resolver) HasPath(p string) bool {
	_, err := r.Stat(inside(p))
	return err == nil
}

func (r resolver) FilesByPath(paths ...string) ([]file.Location, error) {
	var out []file.Location
	for _, p := range paths {
		if fi, err := r.Stat(inside(p)); err == nil && !fi.IsDir() {
			real, err := vfs.Find(r.FS, inside(p), true)
			if err != nil {
				return nil, err
			}
			out = append(out, file.NewVirtualLocation("/"+real.Path(), "/"+inside(p)))
		}
	}
	return out, nil
}

func (r resolver) FilesByGlob(patterns ...string) ([]file.Location, error) {
	var out []file.Location
	err := r.walk(func(p string) error {
		if !slices.ContainsFunc(patterns, func(glob string) bool {
			ok, err := doublestar.Match(strings.TrimPrefix(glob, "/"), p)
			return err == nil && ok
		}) {
			return nil
		}
		found, err := r.FilesByPath(p)
		out = append(out, found...)
		return err
	})
	return out, err
}

func (r resolver) FilesByMIMEType(types ...string) ([]file.Location, error) {
	var out []file.Location
	err := r.walk(func(p string) error {
		fi, err := r.Lstat(p)
		if err != nil || !fi.Mode().IsRegular() {
			return err
		}
		f, err := r.Open(p)
		if err != nil {
			return err
		}
		defer f.Close()
		if slices.Contains(types, stereoscope.MIMEType(f)) {
			out = append(out, file.NewLocation("/"+p))
		}
		return nil
	})
	return out, err
}

func (r resolver) RelativeFileByPath(_ file.Location, p string) *file.Location {
	found, err := r.FilesByPath(p)
	if err != nil || len(found) == 0 {
		return nil
	}
	return &found[0]
}

func (r resolver) AllLocations(ctx context.Context) <-chan file.Location {
	out := make(chan file.Location)
	go func() {
		defer close(out)
		r.walk(func(p string) error {
			select {
			case out <- file.NewLocation("/" + p):
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		})
	}()
	return out
}

func (r resolver) FileContentsByLocation(l file.Location) (io.ReadCloser, error) {
	return r.Open(inside(l.RealPath))
}

func (r resolver) FileMetadataByLocation(l file.Location) (file.Metadata, error) {
	p := inside(l.RealPath)
	fi, err := r.Lstat(p)
	if err != nil {
		return file.Metadata{}, err
	}
	m := file.Metadata{FileInfo: fi, Path: l.RealPath, Type: stereoscope.TypeFromMode(fi.Mode())}
	if st, ok := vfs.StatOf(fi); ok {
		m.UserID, m.GroupID = int(st.UID), int(st.GID)
	}
	if fi.Mode()&fs.ModeSymlink != 0 {
		m.LinkDestination, err = r.ReadLink(p)
	}
	return m, err
}

// walk calls f with the path of each file, links and directories included.
func (r resolver) walk(f func(p string) error) error {
	return fs.WalkDir(r.FS, ".", func(p string, _ fs.DirEntry, err error) error {
		if err != nil || p == "." {
			return err
		}
		return f(p)
	})
}
