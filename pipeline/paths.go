package pipeline

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"

	"github.com/guestkit/guestkit/format"
)

// A job is one image of the plan with what its stages will write.
type job struct {
	Image
	index   int      // in the whole plan
	where   string   // "images[3]"
	outputs []string // of each stage, "" if it writes nothing
}

const maxImages = 1 << 20

// fields are what stands in braces in the names of outputs.
var fields = []string{"name", "index", "file"}

// checkPattern says what is wrong with the name of an output.
func checkPattern(pattern string) error {
	_, err := expand(pattern, func(string) string { return "" })
	return err
}

func expand(pattern string, value func(field string) string) (string, error) {
	var out strings.Builder
	for rest := pattern; ; {
		before, after, ok := strings.Cut(rest, "{")
		out.WriteString(before)
		if !ok {
			return out.String(), nil
		}
		field, behind, ok := strings.Cut(after, "}")
		known := false
		for _, f := range fields {
			known = known || f == field
		}
		if !ok || !known {
			return "", fmt.Errorf("in braces there is one of {%s}, in %q is another", strings.Join(fields, "}, {"), pattern)
		}
		out.WriteString(value(field))
		rest = behind
	}
}

// jobs finds the images and what is written of each, and refuses what would
// overwrite a source or another output.
func (p *Plan) jobs() ([]*job, []*Problem) {
	var jobs []*job
	var bad []*Problem
	names := map[string]string{}
	for n, image := range p.Images {
		where := fmt.Sprintf("images[%d]", n)
		found, err := p.find(image)
		if err != nil {
			bad = append(bad, problemf(where, "%v", err))
			continue
		}
		for _, i := range found {
			if i.Name == "" {
				i.Name = plainOf(i.Path)
			}
			if !plainName(i.Name) {
				bad = append(bad, problemf(where, "the name of %q is no name for files; give the image one (name)", i.Path))
				continue
			}
			if other, ok := names[i.Name]; ok {
				bad = append(bad, problemf(where, "%s and %s are both called %q; give one a name of its own", other, i.Path, i.Name))
				continue
			}
			names[i.Name] = i.Path
			jobs = append(jobs, &job{Image: i, index: len(jobs), where: where})
		}
		if len(jobs) > maxImages {
			return nil, append(bad, problemf(where, "there are more than %d images", maxImages))
		}
	}
	if len(bad) == 0 {
		bad = p.place(jobs)
	}
	return jobs, bad
}

// find gives the images that an entry of the plan stands for.
func (p *Plan) find(i Image) ([]Image, error) {
	if i.Glob == "" {
		i.Path = p.local(i.Path)
		return []Image{i}, nil
	}
	paths, err := filepath.Glob(p.local(i.Glob)) // in order
	if err != nil {
		return nil, err
	}
	var out []Image
	for _, path := range paths {
		if fi, err := os.Stat(path); err == nil && !fi.IsDir() {
			out = append(out, Image{Path: path, Format: i.Format, Disk: i.Disk})
		}
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("no file matches %q", i.Glob)
	}
	return out, nil
}

// local is a name as this machine has it: one that is relative lies in the
// folder of the plan.
func (p *Plan) local(name string) string {
	if format.IsAddress(name) || filepath.IsAbs(name) || p.Folder == "" {
		return name
	}
	return filepath.Join(p.Folder, name)
}

// base is the last part of a path or an address.
func base(path string) string {
	if format.IsAddress(path) {
		path, _, _ = strings.Cut(path, "?")
	}
	path = filepath.ToSlash(path)
	return path[strings.LastIndexByte(path, '/')+1:]
}

// plainOf is the base of a path without its ending.
func plainOf(path string) string {
	name := base(path)
	for _, wrapper := range []string{".gz", ".xz", ".zst", ".bz2"} {
		name = strings.TrimSuffix(name, wrapper)
	}
	if i := strings.LastIndexByte(name, '.'); i > 0 {
		name = name[:i]
	}
	return name
}

// place gives the outputs of all jobs their names.
func (p *Plan) place(jobs []*job) []*Problem {
	var bad []*Problem
	sources := newFileSet()
	for _, j := range jobs {
		if !format.IsAddress(j.Path) {
			sources.add(j.Path, j.Path)
		}
	}
	outputs := newFileSet()
	results := ""
	if p.Results != "" {
		results = resolved(p.local(p.Results))
	}
	for _, j := range jobs {
		j.outputs = make([]string, len(p.Stages))
		for n, s := range p.Stages {
			pattern := s.Work.Output()
			if pattern == "" {
				continue
			}
			where := fmt.Sprintf("stages[%d].%s.to", n, s.Work.Kind())
			name, err := expand(pattern, func(field string) string {
				switch field {
				case "index":
					return strconv.Itoa(j.index)
				case "file":
					return base(j.Path)
				}
				return j.Name
			})
			if err != nil {
				bad = append(bad, problemf(where, "%v", err))
				continue
			}
			out := p.local(name)
			j.outputs[n] = out
			if format.IsAddress(out) {
				bad = append(bad, problemf(where, "%s: outputs are files of this machine", out))
				continue
			}
			if strings.HasSuffix(name, "/") || base(out) == "" || base(out) == "." || base(out) == ".." {
				bad = append(bad, problemf(where, "%q is a folder; the output needs a name", name))
				continue
			}
			if src, ok := sources.find(out); ok {
				bad = append(bad, problemf(where, "%s would overwrite the source %s", out, src))
			} else if src, ok := sources.within(out); ok {
				bad = append(bad, problemf(where, "%s holds the source %s", out, src))
			}
			if other, ok := outputs.find(out); ok {
				bad = append(bad, problemf(where, "%s would be written twice: for %s and for %s; put {name} or {index} into it", out, other, j.Path))
			}
			outputs.add(out, j.Path)
			if results != "" && filepath.Dir(resolved(out)) == results && ourFile(filepath.Base(out)) {
				bad = append(bad, problemf(where, "%s is a file of the results", out))
			}
			if len(bad) > 20 {
				return bad
			}
		}
	}
	return bad
}

// A fileSet knows files by their names and by what they are.
type fileSet struct {
	names map[string]string
	by    map[stampKey][]named
	dirs  map[string]string // folders that hold one, to what that is called
}

// A stampKey is what the names of one file have in common.
type stampKey struct{ size, modified int64 }

func keyOf(i fs.FileInfo) stampKey { return stampKey{i.Size(), i.ModTime().UnixNano()} }

type named struct {
	info fs.FileInfo
	name string
}

func newFileSet() *fileSet {
	return &fileSet{names: map[string]string{}, by: map[stampKey][]named{}, dirs: map[string]string{}}
}

func (s *fileSet) add(path, as string) {
	r := folded(resolved(path))
	s.names[r] = as
	for dir := filepath.Dir(r); ; dir = filepath.Dir(dir) {
		if _, ok := s.dirs[dir]; ok || dir == filepath.Dir(dir) {
			break
		}
		s.dirs[dir] = as
	}
	if info, err := os.Stat(path); err == nil {
		s.by[keyOf(info)] = append(s.by[keyOf(info)], named{info, as})
	}
}

// find returns what a file is called that is in the set.
func (s *fileSet) find(path string) (string, bool) {
	if as, ok := s.names[folded(resolved(path))]; ok {
		return as, true
	}
	info, err := os.Stat(path)
	if err != nil {
		return "", false
	}
	for _, n := range s.by[keyOf(info)] { // a hard link
		if os.SameFile(n.info, info) {
			return n.name, true
		}
	}
	return "", false
}

// within returns a file of the set that lies below a folder.
func (s *fileSet) within(dir string) (string, bool) {
	as, ok := s.dirs[folded(resolved(dir))]
	return as, ok
}

// resolved is the absolute path without links, as far as it exists.
func resolved(path string) string {
	abs, err := filepath.Abs(path)
	if err != nil {
		abs = filepath.Clean(path)
	}
	rest := ""
	for dir := abs; ; {
		if real, err := filepath.EvalSymlinks(dir); err == nil {
			return filepath.Join(real, rest)
		}
		up := filepath.Dir(dir)
		if up == dir {
			return abs
		}
		rest = filepath.Join(filepath.Base(dir), rest)
		dir = up
	}
}

// folded is a path as systems compare it that do not tell cases apart.
func folded(path string) string {
	if runtime.GOOS == "windows" || runtime.GOOS == "darwin" {
		return strings.ToLower(path)
	}
	return path
}
