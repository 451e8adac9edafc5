package pipeline

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/guestkit/guestkit/digest"
	"github.com/guestkit/guestkit/format"
)

// A Print tells a file from what it was at another time.
type Print struct {
	Path string `json:"path"`
	Size int64  `json:"size"`
	// Modified is when it was last written to, "" where nothing tells.
	Modified string `json:"modified,omitempty"`
	// Digest is its checksum, as package digest makes it of all its bytes; of a
	// folder one of all that is in it. "" where it was not read whole.
	Digest string `json:"digest,omitempty"`
}

// stamp is a print without a checksum.
func stamp(path string, o *format.Options) (Print, error) {
	p := Print{Path: path}
	if !format.IsAddress(path) {
		fi, err := os.Stat(path)
		if err != nil {
			return p, err
		}
		if fi.IsDir() {
			return stampFolder(path)
		}
		if fi.Mode().IsRegular() {
			p.Size, p.Modified = fi.Size(), moment(fi.ModTime())
			return p, nil
		}
	}
	src, err := format.PathSource(path, o)
	if err != nil {
		return p, err
	}
	defer src.Close()
	p.Size = src.Size()
	if m, ok := src.(interface{ Modified() time.Time }); ok && format.IsAddress(path) && !m.Modified().IsZero() {
		p.Modified = moment(m.Modified())
	}
	return p, nil
}

func moment(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) }

// stampFolder takes the newest time and all sizes.
func stampFolder(dir string) (Print, error) {
	p := Print{Path: dir}
	var newest time.Time
	err := filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		fi, err := d.Info()
		if err != nil {
			return err
		}
		if d.Type().IsRegular() {
			p.Size += fi.Size()
		}
		if fi.ModTime().After(newest) {
			newest = fi.ModTime()
		}
		return nil
	})
	p.Modified = moment(newest)
	return p, err
}

// sum adds the checksum of a file of this machine.
func sum(ctx context.Context, p *Print) error {
	if format.IsAddress(p.Path) {
		return nil
	}
	fi, err := os.Stat(p.Path)
	if err != nil {
		return err
	}
	if fi.IsDir() {
		p.Digest, err = sumFolder(ctx, p.Path)
		return err
	}
	src, err := format.FileSource(p.Path)
	if err != nil {
		return err
	}
	defer src.Close()
	x, err := digest.Sum(ctx, src, 0, nil)
	if err != nil {
		return err
	}
	p.Digest = hex.EncodeToString(x[:])
	return src.Changed()
}

func sumFolder(ctx context.Context, dir string) (string, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return "", err
	}
	defer root.Close()
	h := sha256.New()
	err = fs.WalkDir(root.FS(), ".", func(name string, d fs.DirEntry, err error) error {
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return err
		}
		fmt.Fprintf(h, "%q %s\n", name, d.Type())
		switch {
		case d.Type()&fs.ModeSymlink != 0:
			to, err := root.Readlink(name)
			fmt.Fprintf(h, "%q\n", to)
			return err
		case d.Type().IsRegular():
			f, err := root.Open(name)
			if err != nil {
				return err
			}
			defer f.Close()
			n, err := io.Copy(h, f)
			fmt.Fprintf(h, "\n%d\n", n)
			return err
		}
		return nil
	})
	return hex.EncodeToString(h.Sum(nil)), err
}

// prints takes the prints of files, each checksum once in a run.
type prints struct {
	o  *Options
	mu sync.Mutex
	of map[Print]string // checksums by what stamps say
}

// take takes the print of a file, with its checksum if whole is true.
func (p *prints) take(ctx context.Context, path string, whole bool) (Print, error) {
	x, err := stamp(path, p.o.open(ctx))
	if err != nil || !whole {
		return x, err
	}
	if x.Modified != "" {
		p.mu.Lock()
		x.Digest = p.of[x]
		p.mu.Unlock()
		if x.Digest != "" {
			return x, nil
		}
	}
	bare := x
	if err := sum(ctx, &x); err != nil {
		return x, err
	}
	if x.Modified != "" {
		p.mu.Lock()
		p.of[bare] = x.Digest
		p.mu.Unlock()
	}
	return x, nil
}

// same reports whether a file still is what a print says: of the same size and
// time, or of the same checksum. recheck reads it whatever its time is.
func (p *prints) same(ctx context.Context, old Print, recheck bool) bool {
	now, err := stamp(old.Path, p.o.open(ctx))
	if err != nil || now.Size != old.Size {
		return false
	}
	if now.Modified == old.Modified && now.Modified != "" && (!recheck || old.Digest == "") {
		return true
	}
	if old.Digest == "" {
		return false
	}
	now, err = p.take(ctx, old.Path, true)
	return err == nil && now.Digest == old.Digest
}

// files are all files of an image, as far as they can be told: what is wrong with
// it is for the stages to say.
func (p *prints) files(ctx context.Context, i Image) []string {
	if format.IsAddress(i.Path) {
		return []string{i.Path}
	}
	o := p.o.open(ctx)
	o.Format, o.Disk = i.Format, i.Disk
	o.Unwrap, o.Unlock = false, nil // which file it is, not what is in it
	images, err := format.OpenFileDisks(i.Path, o)
	if err != nil {
		info, _, err := format.DescribeFile(i.Path, o)
		if err != nil {
			return []string{i.Path}
		}
		return filesOf(i.Path, info)
	}
	defer closeAll(images)
	var out []string
	for _, img := range images {
		for _, f := range filesOf(i.Path, img.Info()) {
			if !slices.Contains(out, f) {
				out = append(out, f)
			}
		}
	}
	return out
}

func filesOf(path string, info *format.Info) []string {
	var out []string
	seen := map[string]bool{}
	add := func(names ...string) {
		for _, n := range names {
			if n != "" && !seen[n] {
				seen[n] = true
				out = append(out, n)
			}
		}
	}
	if len(info.Parts) == 0 {
		add(path)
	}
	add(info.Parts...)
	add(info.Files...)
	for _, d := range info.Disks {
		add(d.Files...)
	}
	for _, below := range info.Chain {
		add(below.Name)
		add(below.Parts...)
		add(below.Files...)
	}
	return out
}
