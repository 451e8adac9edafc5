package volume

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/volume/luks"
)

// openLUKS opens each member by the first key that fits.
func openLUKS(ctx context.Context, members []*Volume, o *Options) (made []*Volume, problems []error) {
	for _, m := range members {
		v, err := luks.Open(m.Device, &luks.Options{Limits: o.KeyCost})
		if err != nil {
			m.Err = err
			continue
		}
		m.Problems = append(m.Problems, v.Problems()...)
		m.Facts = append(m.Facts, luksFacts(v.Info())...)
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
