package windows

import (
	"errors"
	"io"
	"io/fs"
	"iter"
	"strings"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/inspect/internal/guest"
	"github.com/guestkit/guestkit/inspect/system"
	"github.com/guestkit/guestkit/registry"
)

// Bounds of what is read of one hive. That of Windows with all its updates
// takes a tenth of it.
const (
	maxKeys   = 1 << 16 // keys looked into
	maxValues = 1 << 20 // values looked at, and 256 bytes of data that were read
	maxData   = 64 << 10
)

// A hive is one hive of the guest, open for the detectors. As with files,
// nothing that is met there is fatal: what cannot be read is reported and
// counts as not there.
type hive struct {
	r            *Windows
	name         string // as its keys are called: "HKLM\SOFTWARE"
	file         string // where it lies
	hive         *registry.Hive
	keys, values int // left to be read
	faults       int // met so far
}

// openHive opens a hive with the logs beside it; nil if there is none.
func (r *Windows) openHive(name, file string) *hive {
	reader := func(name string) block.Reader {
		f, err := r.FS.Open(name)
		if err != nil {
			r.Fail(name, err)
			return nil
		}
		if b, ok := f.(block.Reader); ok { // what is no regular file is none
			return b
		}
		fi, err := f.Stat()
		if at, ok := f.(io.ReaderAt); ok && err == nil && fi.Mode().IsRegular() {
			return io.NewSectionReader(at, 0, fi.Size())
		}
		f.Close()
		return nil
	}
	base := reader(file)
	if base == nil {
		return nil
	}
	var logs []block.Reader
	for _, ext := range []string{".LOG1", ".LOG2", ".LOG"} {
		if at := r.Fold(file + ext); at != "" {
			if b := reader(at); b != nil {
				logs = append(logs, b)
			}
		}
	}
	h, err := registry.Open(base, &registry.Options{Logs: logs, MaxValueBytes: maxData})
	if err != nil {
		r.Problem(guest.Named(guest.Shown(file), err))
		return nil
	}
	return &hive{r: r, name: name, file: file, hive: h, keys: maxKeys, values: maxValues}
}

// problems reports what is odd about the hive, once all is read.
func (g *hive) problems() {
	if g == nil {
		return
	}
	for _, err := range g.hive.Problems() {
		g.fail(err)
	}
}

func (g *hive) fail(err error) {
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		g.faults++
		g.r.Problem(guest.Named(guest.Shown(g.file), err))
	}
}

// spend takes n from what may still be read, and says once that nothing is
// left.
func (g *hive) spend(left *int, n int) bool {
	if *left < 0 {
		return false
	}
	if *left -= n; *left < 0 {
		g.faults++
		g.r.Problem(block.Errorf("regf", guest.Shown(g.file), -1, block.ErrLimit, "it has more keys or values than an inspection looks at"))
		return false
	}
	return true
}

// spent reports whether nothing more is read of the hive, whatever it has.
func (g *hive) spent() bool { return g.keys < 0 || g.values < 0 }

// A regKey is a key of a hive. The nil one is not there, and has nothing.
type regKey struct {
	g    *hive
	path string // from the root of the hive
	k    *registry.Key
}

// key finds a key from the root of the hive.
func (g *hive) key(path string) *regKey {
	if g == nil {
		return nil
	}
	return (&regKey{g: g, k: g.hive.Root()}).key(path)
}

// key finds a key below k.
func (k *regKey) key(path string) *regKey {
	if k == nil || !k.g.spend(&k.g.keys, 1) {
		return nil
	}
	sub, err := k.k.Find(path)
	if err != nil {
		k.g.fail(err)
		return nil
	}
	return &regKey{k.g, join(k.path, path), sub}
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + `\` + name
}

// keys yields the subkeys.
func (k *regKey) keys() iter.Seq[*regKey] {
	return func(yield func(*regKey) bool) {
		if k == nil {
			return
		}
		for sub, err := range k.k.Subkeys() {
			if k.g.r.Ctx.Err() != nil || !k.g.spend(&k.g.keys, 1) {
				return
			}
			if err != nil {
				k.g.fail(err)
				continue
			}
			if !yield(&regKey{k.g, join(k.path, sub.Name()), sub}) {
				return
			}
		}
	}
}

// read reads the values of the key: those of the given names, or all if there
// are none.
func (k *regKey) read(names ...string) regValues {
	out := regValues{k, nil}
	if k == nil {
		return out
	}
	for v, err := range k.k.Values() {
		if !k.g.spend(&k.g.values, 1) {
			break
		}
		if err != nil {
			k.g.fail(err)
			continue
		}
		for _, name := range names {
			if strings.EqualFold(name, v.Name()) {
				out.values = append(out.values, v)
			}
		}
		if len(names) == 0 {
			out.values = append(out.values, v)
		}
	}
	return out
}

// regValues are some values of a key.
type regValues struct {
	k      *regKey
	values []*registry.Value
}

// find returns the value of a name, nil if there is none.
func (vs regValues) find(name string) *registry.Value {
	for _, v := range vs.values {
		if strings.EqualFold(name, v.Name()) && vs.k.g.spend(&vs.k.g.values, int(min(v.Size(), maxData)>>8)) {
			return v
		}
	}
	return nil
}

// text returns a text, fit for a field; "" if there is none.
func (vs regValues) text(name string) string {
	v := vs.find(name)
	if v == nil {
		return ""
	}
	s, err := v.Text()
	if err != nil {
		vs.k.g.fail(err)
		return ""
	}
	return vs.k.g.r.Fit(s, vs.k.where(v.Name()))
}

// maxStrings bounds the texts of one value.
const maxStrings = 256

// strings returns the texts of a value that may have several, without empty ones.
func (vs regValues) strings(name string) []string {
	v := vs.find(name)
	if v == nil {
		return nil
	}
	all, err := v.Strings()
	if err != nil {
		vs.k.g.fail(err)
		return nil
	}
	if len(all) > maxStrings {
		vs.k.g.fail(block.Errorf("regf", vs.k.where(v.Name()), -1, block.ErrLimit, "%d texts, of which the first %d are taken", len(all), maxStrings))
	}
	var out []string
	for _, s := range all[:min(len(all), maxStrings)] {
		if s = vs.k.g.r.Fit(s, vs.k.where(v.Name())); s != "" {
			out = append(out, s)
		}
	}
	return out
}

// number returns a number, or false.
func (vs regValues) number(name string) (uint64, bool) {
	v := vs.find(name)
	if v == nil {
		return 0, false
	}
	n, err := v.Uint()
	vs.k.g.fail(err)
	return n, err == nil
}

// bytes returns what the value holds, whatever its type; nil if there is none.
func (vs regValues) bytes(name string) []byte {
	v := vs.find(name)
	if v == nil {
		return nil
	}
	b, err := v.Bytes()
	vs.k.g.fail(err)
	return b
}

// label makes the name of a key or a value, which may hold anything, fit for a
// field.
func (k *regKey) label(name string) string { return k.g.r.Fit(name, k.where("")) }

// where names a value in problems.
func (k *regKey) where(value string) string {
	return strings.TrimSuffix(guest.Shown(k.g.file)+": "+join(k.path, value), `\`)
}

// because records that a field's value comes from a value of the key, or from
// the key if value is "".
func (k *regKey) because(field, value, detail string) {
	s := k.g.r.Sys
	s.Evidence = append(s.Evidence, system.Evidence{Field: field, Path: guest.Shown(k.g.file), Key: join(k.g.name, k.label(k.path)), Value: value, Detail: detail})
}

// set gives a text field the first of the named values that has a text, unless
// it has one already.
func (vs regValues) set(dst *string, field string, names ...string) bool {
	for _, name := range names {
		if *dst != system.Unknown {
			return false
		}
		if s := vs.text(name); s != "" {
			*dst = s
			vs.k.because(field, name, "")
			return true
		}
	}
	return false
}
