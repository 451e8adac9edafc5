package xpress

import (
	"testing"

	"github.com/guestkit/guestkit/fs/ntfs/internal/chunktest"
)

func decoder() *Decoder { return new(Decoder) }

func TestDecode(t *testing.T) { chunktest.Run(t, decoder, ErrCorrupt) }

func FuzzXPRESS(f *testing.F) { chunktest.Fuzz(f, decoder) }

func BenchmarkDecode(b *testing.B) { chunktest.Bench(b, decoder()) }
