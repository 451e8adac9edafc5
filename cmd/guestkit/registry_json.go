package main

import (
	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/registry"
)

type registryDoc struct {
	Schema   string      `json:"schema"`
	Hives    []hiveDoc   `json:"hives"`
	Keys     []regKeyDoc `json:"keys"`
	Problems []string    `json:"problems"`
}

type hiveDoc struct {
	Name string `json:"name"`
	File string `json:"file"`
}

type regKeyDoc struct {
	Path    string        `json:"path"`
	Mtime   string        `json:"mtime,omitempty"`
	Class   string        `json:"class,omitempty"`
	Values  []regValueDoc `json:"values"`
	Subkeys []string      `json:"subkeys"`
}

type regValueDoc struct {
	Name    string   `json:"name"`
	Type    string   `json:"type"`
	Text    *string  `json:"text,omitempty"`
	Strings []string `json:"strings,omitempty"`
	Number  *uint64  `json:"number,omitempty"`
	Data    *[]byte  `json:"data,omitempty"`
	Error   string   `json:"error,omitempty"`
}

// maxDocument bounds one document, which is made in memory: the data in it, and
// all names, paths and errors.
const maxDocument = 256 << 20

func newRegKeyDoc(m mounted, k *registry.Key) regKeyDoc {
	return regKeyDoc{Path: m.Path(k), Mtime: timeText(k.ModTime()), Values: []regValueDoc{}, Subkeys: []string{}}
}

func (r *registryRun) keyDoc(m mounted, k *registry.Key) (regKeyDoc, error) {
	d := newRegKeyDoc(m, k)
	var err error
	if d.Class, err = k.Class(); err != nil {
		r.fail(m, err)
	}
	for v, err := range k.Values() {
		if err != nil {
			r.fail(m, err)
			continue
		}
		value, err := r.valueDoc(m, v)
		if err != nil {
			return d, err
		}
		if err := r.hold(m, value.Name, value.Error); err != nil {
			return d, err
		}
		d.Values = append(d.Values, value)
	}
	for sub, err := range k.Subkeys() {
		if err != nil {
			r.fail(m, err)
			continue
		}
		if err := r.hold(m, sub.Name()); err != nil {
			return d, err
		}
		d.Subkeys = append(d.Subkeys, sub.Name())
	}
	return d, r.hold(m, d.Path, d.Class)
}

// hold counts texts that the document keeps, and fails once that is too large.
func (r *registryRun) hold(m mounted, texts ...string) error {
	for _, s := range texts {
		r.held += int64(len(s))
	}
	if r.held > maxDocument-m.walk.Read() {
		return m.fail(block.Errorf("regf", "hive", -1, block.ErrLimit, "more than one JSON document takes; ask for fewer keys"))
	}
	return nil
}

func (r *registryRun) valueDoc(m mounted, v *registry.Value) (regValueDoc, error) {
	d := regValueDoc{Name: v.Name(), Type: v.Type().String()}
	b, fault, err := r.read(m, v)
	if err != nil {
		return d, err
	}
	if fault != nil {
		d.Error = inFlags(fault)
		return d, nil
	}
	form := registry.Decode(v.Type(), b)
	d.Text, d.Strings, d.Number = form.Text, form.Strings, form.Number
	if !form.Whole {
		d.Data = &b
	}
	return d, nil
}

// document prints the keys.
func (r *registryRun) document(m mounted, keys []regKeyDoc) error {
	problems := append(m.problems(), r.errs.All()...)
	if m.tree != nil {
		problems = append(m.tree.Problems(), problems...)
	}
	return r.a.document(registryDoc{schema("registry"), []hiveDoc{{m.Name, m.file}}, keys, texts(problems)})
}
