package main

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/registry"
)

// A mounted hive is one in its place in the registry.
type mounted struct {
	registry.Mount
	file string         // where it lies, as users write it
	walk *registry.Walk // counts what is read
	tree *guestTree     // it comes from, nil for a file of the host
}

// fail says where an error belongs. A key or a value that is not there has its
// own exit code.
func (m mounted) fail(err error) error {
	var out *outputError
	switch {
	case err == nil || m.file == "" || errors.As(err, &out):
		return err
	case notFound(err):
		return &exitError{code: exitNothing, err: pathError(m.file, err)}
	}
	return pathError(m.file, err)
}

func (m mounted) problems() []error {
	var out []error
	for _, err := range m.Problems() {
		out = append(out, m.fail(err))
	}
	return out
}

// registryError gives an error of the registry of a guest its exit code.
func registryError(err error) error {
	var pe *fs.PathError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &pe) && pe.Err == fs.ErrNotExist:
		return guestError(pe.Path, err)
	case errors.As(err, &pe):
		return mounted{file: shownPath(pe.Path)}.fail(pe.Err)
	case errors.Is(err, registry.ErrPath):
		return usagef("%v", err)
	case notFound(err):
		return nothingf("%v", err)
	}
	return err
}

// isHive reports whether a file of the host is a hive, by its first bytes.
func isHive(name string) bool { return beginsWith(name, "regf") }

// beginsWith reports whether a file of the host is a regular one with this mark at
// its start.
func beginsWith(name, mark string) bool {
	// Look before opening: that of a fifo waits for its writer.
	if fi, err := os.Stat(name); err != nil || !fi.Mode().IsRegular() {
		return false
	}
	f, err := os.Open(name)
	if err != nil {
		return false
	}
	defer f.Close()
	have := make([]byte, len(mark))
	_, err = io.ReadFull(f, have)
	return err == nil && string(have) == mark
}

// hostFiles are files of the host that are open for reading.
type hostFiles []*os.File

func (h *hostFiles) open(name string) (block.Reader, error) {
	if err := plainFile(name); err != nil {
		return nil, err
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	*h = append(*h, f)
	fi, err := f.Stat()
	if err != nil {
		return nil, err
	}
	return io.NewSectionReader(f, 0, fi.Size()), nil
}

func (h *hostFiles) close() {
	for _, f := range *h {
		f.Close()
	}
}

// file reads a hive that is a file of the host.
func (r *registryRun) file(name string, args []string) error {
	if r.volume != "" {
		return usagef("--volume goes with a disk image, and %s is a hive", name)
	}
	var files hostFiles
	defer files.close()
	base, err := files.open(name)
	if err != nil {
		return err
	}
	o := *hiveOptions
	for _, log := range r.logs {
		l, err := files.open(log)
		if err != nil {
			return err
		}
		o.Logs = append(o.Logs, l)
	}
	m := mounted{file: name}
	if m.Hive, err = registry.Open(base, &o); err != nil {
		return m.fail(err)
	}
	if len(args) == 0 {
		args = []string{`\`}
	}
	names := registry.SplitPath(args[0])
	if key, err := registry.ParsePath(args[0]); err == nil && len(key.Names) > 0 {
		// Only who asks knows where the hive belongs.
		m.Name, names = key.Root+`\`+key.Names[0], key.Names[1:]
	}
	if r.reg && m.Name == "" {
		return usagef(`a .reg file needs whole names: say where the hive belongs, as in HKLM\%s`, strings.ToUpper(filepath.Base(name)))
	}
	if names, err = m.Resolve(names); err != nil {
		return m.fail(err)
	}
	m.Rest = strings.Join(names, `\`)
	return r.show(m, args[1:])
}

// hiveOptions are how hives are opened: keys and values are printed as they come,
// so that how many are listed bounds no memory.
var hiveOptions = &registry.Options{MaxSubkeys: 1 << 20, MaxValues: 1 << 20}
