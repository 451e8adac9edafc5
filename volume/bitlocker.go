package volume

import (
	"context"
	"strings"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/volume/bitlocker"
)

// openBitLocker opens each member: a suspended one without a key, the others by
// the first key that fits.
func openBitLocker(ctx context.Context, members []*Volume, o *Options) (made []*Volume, problems []error) {
	for _, m := range members {
		v, err := bitlocker.Open(m.Device, nil)
		if err != nil {
			m.Err = err
			continue
		}
		info, s := v.Info(), v.Session()
		m.Facts = append(m.Facts, bitlockerFacts(info)...)
		var dev *bitlocker.Device
		if info.Suspended {
			dev, err = s.Unlock(ctx, nil)
		}
		if dev == nil {
			need := block.KeyNeed{Format: "bitlocker", Name: m.Name, UUID: info.ID, Label: info.Description, Hint: bitlockerHint(info)}
			err = tryKeys(ctx, o.Unlock, need, func(key []byte) (err error) {
				dev, err = s.Unlock(ctx, key)
				return err
			})
		}
		m.Problems = append(m.Problems, v.Problems()...)
		if m.Err = err; err == nil {
			p := dev.Protector()
			made = append(made, decrypted("bitlocker", m, info.ID, string(p.Kind)+" "+p.ID, dev))
		}
	}
	return made, nil
}

// bitlockerHint lists what opens the volume, with the number by which a
// recovery password is looked up.
func bitlockerHint(info bitlocker.Info) string {
	var kinds []string
	for _, p := range info.Protectors {
		if p.Err == nil {
			kinds = append(kinds, string(p.Kind)+" "+p.ID)
		}
	}
	return strings.Join(kinds, ", ")
}

func bitlockerFacts(info bitlocker.Info) []Fact {
	facts := []Fact{
		{"encryption", "BitLocker, " + info.State},
		{"cipher", info.Encryption},
	}
	if info.Description != "" {
		facts = append(facts, Fact{"description", info.Description})
	}
	for _, p := range info.Protectors {
		text := p.ID
		if p.Name != "" {
			text += ", " + p.Name
		}
		if p.Err != nil {
			text += ": " + p.Err.Error()
		}
		facts = append(facts, Fact{string(p.Kind), text})
	}
	return facts
}
