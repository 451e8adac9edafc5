package luks_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/testimg"
	"github.com/guestkit/guestkit/volume/luks"
)

func Example() {
	v, err := luks.Open(block.Plain(bytes.NewReader(testimg.Gunzip("testdata/luks2.img.gz"))), nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	info := v.Info()
	fmt.Println(info.Version, info.Label, info.Cipher, len(info.Slots))
	_, err = v.Unlock(context.Background(), []byte("a guess"))
	fmt.Println(errors.Is(err, block.ErrEncrypted))
	d, err := v.Unlock(context.Background(), []byte("geheim"))
	if err != nil {
		fmt.Println(err)
		return
	}
	b, err := block.ReadBytes(d, 54, 8, 8)
	fmt.Printf("%s %v\n", b, err)
	// Output:
	// 2 geheimnis aes-cbc-essiv:sha256 1
	// true
	// FAT12    <nil>
}
