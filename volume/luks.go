package volume

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/volume/keys"
	"github.com/guestkit/guestkit/volume/luks"
	"github.com/guestkit/guestkit/volume/probe"
)

// openLUKS opens each member by the first key that fits.
func openLUKS(ctx context.Context, members []*Volume, o *Options) (made []*Volume, problems []error) {
	for _, m := range members {
		head := o.luksHeader(m)
		v, err := luks.Open(m.Device, &luks.Options{Limits: o.KeyCost, Header: head})
		if err != nil {
			m.Err = err
			continue
		}
		m.Problems = append(m.Problems, v.Problems()...)
		m.Facts = append(m.Facts, luksFacts(v.Info())...)
		if head != nil {
			m.Facts = append(m.Facts, Fact{"header", "detached"})
		}
		info, s := v.Info(), v.Session()
		need := block.KeyNeed{Format: "luks", Name: m.Name, UUID: info.UUID, Label: info.Label, Hint: "passphrase, or the content of a key file" + cost(info)}
		var dev *luks.Device
		m.Err = tryKeys(ctx, o.Unlock, need, func(key []byte) (err error) {
			dev, err = s.Unlock(ctx, key)
			return err
		})
		if m.Err == nil {
			by := fmt.Sprintf("key slot %d", dev.Slot())
			made = append(made, decrypted("luks", m, info.UUID, by, dev))
		}
	}
	return made, nil
}

// luksHeader is the detached header of a volume, nil if none is stated. What was
// decrypted has the names of what it lies in, and is not meant.
func (o *Options) luksHeader(v *Volume) block.Reader {
	if v.Kind == Decrypted {
		return nil
	}
	for _, h := range o.LUKSHeaders {
		if keys.Matches(h.Volume, block.KeyNeed{Name: v.Name}) {
			return h.Header
		}
	}
	return nil
}

// probeHeader says what a volume holds that a detached header is stated for, nil
// for no volume else.
func (o *Options) probeHeader(v *Volume) (found *probe.Found, err error) {
	head := o.luksHeader(v)
	if head == nil {
		return nil, nil
	}
	f, err := probe.Volume(block.Plain(head))
	if err == nil && f.Type != "crypto_LUKS" {
		err = block.Errorf("luks", "detached header", 0, block.ErrOption, "what is stated for %s is no header of LUKS", v.Name)
	}
	return &f, err
}

// unusedHeaders are problems for the headers that are no volume's.
func (t *Tree) unusedHeaders(o *Options) (problems []error) {
	for _, h := range o.LUKSHeaders {
		if !slices.ContainsFunc(t.Volumes, func(v *Volume) bool {
			return v.Kind != Decrypted && keys.Matches(h.Volume, block.KeyNeed{Name: v.Name})
		}) {
			problems = append(problems, block.Errorf("luks", "detached header", -1, block.ErrOption, "it is stated for %q, and there is no such volume", h.Volume))
		}
	}
	return problems
}

// decrypted makes the volume with the content of m.
func decrypted(scheme string, m *Volume, uuid, by string, d block.Device) *Volume {
	m.Facts = append(m.Facts, Fact{"opened by", by})
	return &Volume{Name: scheme + ":" + m.Name, Kind: Decrypted, Parents: []*Volume{m}, UUID: uuid, Device: d, Size: d.Size(), Shared: true}
}

// tryKeys asks for keys until one fits. If none does, what kept it from being
// tried on all of the volume is in the error.
func tryKeys(ctx context.Context, u block.Unlock, need block.KeyNeed, try func([]byte) error) error {
	var last error
	err := u.Try(ctx, need, func(key []byte) error {
		err := try(key)
		if !errors.Is(err, block.ErrEncrypted) {
			return err
		}
		last = err
		return block.ErrKey
	})
	if errors.Is(err, block.ErrEncrypted) && errors.Is(last, block.ErrLimit) {
		return errors.Join(err, last)
	}
	return err
}

// cost says what the dearest key slot costs: a person may want to know it
// before.
func cost(info luks.Info) string {
	dearest := luks.Slot{}
	for _, s := range info.Slots {
		if s.Err == nil && (dearest.Cost == "" || s.Memory > dearest.Memory || s.Memory == dearest.Memory && s.Iterations > dearest.Iterations) {
			dearest = s
		}
	}
	if dearest.Cost == "" {
		return ""
	}
	return " (a try costs " + dearest.Cost + ")"
}

func luksFacts(info luks.Info) []Fact {
	facts := []Fact{
		{"encryption", fmt.Sprintf("LUKS%d", info.Version)},
		{"cipher", fmt.Sprintf("%s, key of %d bits, sectors of %d bytes", info.Cipher, info.KeyBits, info.SectorSize)},
	}
	for _, s := range info.Slots {
		text := s.Cost
		switch {
		case s.Err != nil:
			text = s.Err.Error()
		case s.Unbound:
			text += ", not for this volume"
		}
		if s.Priority != "normal" {
			text += ", priority " + s.Priority
		}
		facts = append(facts, Fact{fmt.Sprintf("key slot %d", s.ID), text})
	}
	for _, t := range info.Tokens {
		facts = append(facts, Fact{fmt.Sprintf("token %d", t.ID), fmt.Sprintf("%s, for key slots %s", t.Type, strings.Trim(fmt.Sprint(t.Slots), "[]"))})
	}
	if len(info.Flags) > 0 {
		facts = append(facts, Fact{"flags", strings.Join(info.Flags, ", ")})
	}
	return facts
}
