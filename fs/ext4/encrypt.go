package ext4

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
)

// noKeyPrefix is how much of an encrypted name its shown form holds; of what is
// longer, the rest is hashed.
const noKeyPrefix = 149

// noKeyName returns the form in which the kernel shows an encrypted name to
// those who lack the key: base64url of the name's hash in the directory's index
// and of the encrypted bytes.
func (n *inode) noKeyName(stored []byte) string {
	if string(stored) == "." || string(stored) == ".." {
		return string(stored)
	}
	var hash, minor uint32
	if n.indexed() || n.stat.Size == n.fs.sb.blockSize || n.flags&flagInlineData != 0 {
		hash, minor = nameHash(n.fs.sb.hashVersion(n.fs.sb.defHashVersion), n.fs.sb.hashSeed, stored)
	}
	b := binary.LittleEndian.AppendUint32(nil, hash)
	b = binary.LittleEndian.AppendUint32(b, minor)
	b = append(b, stored[:min(len(stored), noKeyPrefix)]...)
	if len(stored) > noKeyPrefix {
		sum := sha256.Sum256(stored[noKeyPrefix:])
		b = append(b, sum[:]...)
	}
	return base64.RawURLEncoding.EncodeToString(b)
}
