package format

import (
	"context"
	"errors"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/volume/luks"
)

// unlock is Options.Unlock for the image that is being opened, whose name a
// driver does not know.
func (o *Options) unlock() block.Unlock {
	if o.Unlock == nil {
		return nil
	}
	return func(ctx context.Context, need block.KeyNeed) ([]byte, error) {
		need.Name = o.name
		return o.Unlock(ctx, need)
	}
}

// luksImage is a disk that is encrypted as a whole, where its format is stated
// to be luks: qemu's driver of that name. Otherwise such a file is a raw disk,
// and package volume finds what is encrypted on it.
type luksImage struct {
	block.Device
	problems []error
}

func (l *luksImage) Close() error      { return nil }
func (l *luksImage) SectorSize() int   { return block.SectorSize(l.Device) }
func (l *luksImage) Problems() []error { return l.problems }

func openLUKS(r block.Reader, o *Options) (opened, *Info, error) {
	v, err := luks.Open(block.Plain(r), &luks.Options{Limits: o.KeyCost})
	if err != nil {
		return nil, nil, err
	}
	info, s := v.Info(), v.Session()
	var d *luks.Device
	err = o.unlock().Try(context.Background(), block.KeyNeed{Format: "luks", UUID: info.UUID, Label: info.Label, Hint: "passphrase, or the content of a key file"}, func(key []byte) (err error) {
		d, err = s.Unlock(context.Background(), key)
		if errors.Is(err, block.ErrEncrypted) {
			return block.ErrKey
		}
		return err
	})
	if err != nil {
		return nil, nil, err
	}
	return &luksImage{d, v.Problems()}, luksInfo(info), nil
}

func describeLUKS(r block.Reader, _ *Options) (*Info, []error, error) {
	v, err := luks.Open(block.Plain(r), nil)
	if err != nil {
		return nil, nil, err
	}
	return luksInfo(v.Info()), v.Problems(), nil
}

func luksInfo(i luks.Info) *Info {
	return &Info{VirtualSize: i.PayloadSize, Encryption: "LUKS"}
}
