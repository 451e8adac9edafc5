package diff

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/guestkit/guestkit/registry"
)

// A RegistryChange is a key or a value that two registries do not have alike.
type RegistryChange struct {
	Key    string // its whole path
	Value  string // the name of the value, "" for the default one
	IsKey  bool   // a key with all below it, which is in one registry only
	A, B   *RegistryData
	Change string // "added", "removed" or "changed"
}

// RegistryData is the data of a value.
type RegistryData struct {
	Type registry.Type
	registry.Data
}

// Registry compares the hives of two machines, and calls fn for each key and value
// that differs. fail is told of what could not be read. An error of fn or ctx ends it.
func Registry(ctx context.Context, a, b *registry.Machine, fn func(RegistryChange) error, fail func(error)) error {
	hives := func(m *registry.Machine) map[string]bool {
		list, err := m.Hives()
		if err != nil {
			fail(err)
		}
		out := map[string]bool{}
		for _, h := range list {
			out[strings.ToUpper(h.Name)] = true
		}
		return out
	}
	inA, inB := hives(a), hives(b)
	list, _ := a.Hives()
	more, _ := b.Hives()
	for i, h := range append(list, more...) {
		name := strings.ToUpper(h.Name)
		var err error
		switch {
		case i >= len(list) && inA[name]: // was compared
		case !inB[name]:
			err = fn(RegistryChange{Key: h.Name, IsKey: true, Change: "removed"})
		case !inA[name]:
			err = fn(RegistryChange{Key: h.Name, IsKey: true, Change: "added"})
		default:
			err = hive(ctx, a, b, h.Name, fn, fail)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// hive compares one that both have.
func hive(ctx context.Context, a, b *registry.Machine, name string, fn func(RegistryChange) error, fail func(error)) error {
	p, err := registry.ParsePath(name)
	if err != nil {
		fail(err)
		return nil
	}
	ma, err := a.Find(p)
	if err != nil {
		fail(fmt.Errorf("%s: %w", name, err))
		return nil
	}
	defer ma.Close()
	mb, err := b.Find(p)
	if err != nil {
		fail(fmt.Errorf("%s: %w", name, err))
		return nil
	}
	defer mb.Close()
	h := hives{ctx: ctx, a: ma, b: mb, name: name, fn: fn, fail: func(err error) {
		if err != nil {
			fail(fmt.Errorf("%s: %w", name, err))
		}
	}}
	h.wa, h.wb = ma.Walk(), mb.Walk()
	err = h.wa.Keys(ctx, ma.Hive.Root(), h.visit, h.fail)
	for _, problem := range append(ma.Problems(), mb.Problems()...) {
		h.fail(problem)
	}
	return err
}

type hives struct {
	ctx    context.Context
	a, b   registry.Mount
	wa, wb *registry.Walk
	name   string
	gone   string // the key below which the second hive has nothing
	fn     func(RegistryChange) error
	fail   func(error)
}

// visit compares a key of the first hive.
func (h *hives) visit(ka *registry.Key) error {
	path := ka.Path()
	if h.gone != "" && strings.HasPrefix(path, h.gone) {
		return nil
	}
	whole := h.name
	if path != "" {
		whole += `\` + path
	}
	kb, err := h.b.Hive.Find(path)
	if errors.Is(err, fs.ErrNotExist) {
		h.gone = path + `\`
		return h.fn(RegistryChange{Key: whole, IsKey: true, Change: "removed"})
	}
	if err != nil {
		h.fail(err)
		return nil
	}
	if err := h.values(whole, ka, kb); err != nil {
		return err
	}
	for sub, err := range kb.Subkeys() {
		if err != nil {
			h.fail(err)
			continue
		}
		_, err := ka.Key(sub.Name())
		if errors.Is(err, fs.ErrNotExist) {
			if err := h.fn(RegistryChange{Key: whole + `\` + sub.Name(), IsKey: true, Change: "added"}); err != nil {
				return err
			}
		}
	}
	return h.ctx.Err()
}

// values compares those of a key.
func (h *hives) values(key string, ka, kb *registry.Key) error {
	seen := map[string]bool{}
	for va, err := range ka.Values() {
		if err != nil {
			h.fail(err)
			continue
		}
		seen[strings.ToUpper(va.Name())] = true
		a, whole, err := h.data(h.wa, va)
		if err != nil {
			return err
		}
		vb, err := kb.Value(va.Name())
		if errors.Is(err, fs.ErrNotExist) {
			if err := h.fn(RegistryChange{Key: key, Value: va.Name(), A: a, Change: "removed"}); err != nil {
				return err
			}
			continue
		}
		if err != nil {
			h.fail(err)
			continue
		}
		b, whole2, err := h.data(h.wb, vb)
		if err != nil {
			return err
		}
		if whole && whole2 && (a.Type != b.Type || !bytes.Equal(a.Bytes, b.Bytes)) {
			if err := h.fn(RegistryChange{Key: key, Value: va.Name(), A: a, B: b, Change: "changed"}); err != nil {
				return err
			}
		}
	}
	for vb, err := range kb.Values() {
		if err != nil {
			h.fail(err)
			continue
		}
		if seen[strings.ToUpper(vb.Name())] {
			continue
		}
		b, _, err := h.data(h.wb, vb)
		if err != nil {
			return err
		}
		if err := h.fn(RegistryChange{Key: key, Value: vb.Name(), B: b, Change: "added"}); err != nil {
			return err
		}
	}
	return nil
}

// data reads the data of a value; whole is false if it cannot be read.
func (h *hives) data(w *registry.Walk, v *registry.Value) (d *RegistryData, whole bool, err error) {
	b, fault, err := w.Bytes(v)
	if err != nil {
		return nil, false, err
	}
	h.fail(fault)
	return &RegistryData{v.Type(), registry.Decode(v.Type(), b)}, fault == nil, nil
}
