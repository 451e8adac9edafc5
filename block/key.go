package block

import (
	"context"
	"errors"
	"fmt"
)

// MaxAttempts is how many keys are tried on one thing.
const MaxAttempts = 64

// KeyNeed says for what a key is needed: an encrypted image or volume. Strings
// of the guest are as stored and may hold any bytes.
type KeyNeed struct {
	Format      string // of the encryption: "luks", "bitlocker"
	Name        string // of the volume, as package volume names it, or of the image's file
	UUID, Label string // of what is encrypted, where it has them
	// Hint says what kinds of key would do, in words, where the format knows:
	// "recovery password or passphrase".
	Hint string
	// Attempt counts from 0; more means that the keys given before do not fit.
	Attempt int
}

// Unlock gives a key: a passphrase, a recovery password, the content of a key
// file. It is asked again, with the next Attempt, until a key fits. An error
// ends that; one that has no key returns an error that wraps ErrEncrypted.
// A nil Unlock refuses. It may be called by several goroutines at once.
type Unlock func(ctx context.Context, need KeyNeed) ([]byte, error)

// ErrKey is of the function that Try calls: a key that does not fit. It wraps
// ErrEncrypted.
var ErrKey = fmt.Errorf("%w: the key does not fit", ErrEncrypted)

// Try asks for keys until try takes one, MaxAttempts at most. What is not
// unlocked is an error that wraps ErrEncrypted; an error of try that does not
// wrap ErrKey, and one of Unlock, end the attempts and are returned.
func (u Unlock) Try(ctx context.Context, need KeyNeed, try func(key []byte) error) error {
	if u == nil {
		return Errorf(need.Format, "key", -1, ErrEncrypted, "no key is given")
	}
	for need.Attempt = 0; need.Attempt < MaxAttempts; need.Attempt++ {
		if err := ctx.Err(); err != nil {
			return err
		}
		key, err := u(ctx, need)
		if err != nil {
			return Locate(need.Format, "key", -1, err)
		}
		if err := try(key); !errors.Is(err, ErrKey) {
			return err
		}
	}
	return Errorf(need.Format, "key", -1, ErrEncrypted, "none of %d keys fits", MaxAttempts)
}
