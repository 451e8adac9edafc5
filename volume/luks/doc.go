// Package luks reads volumes that LUKS encrypts, of version 1 and 2, with a
// passphrase, the content of a key file or the volume key.
//
//	LUKS1   | header | key material of 8 slots …             | payload …
//
//	LUKS2   | binary | JSON  | binary | JSON  | key material | payload …
//	        | header | area  | header | area  | of the slots |
//	        0                hdr_size                        segment 0
//
// [Open] reads the headers, which needs no key: [Volume.Info] says which slots
// there are, which tokens, and what a key costs. [Volume.Unlock] gives the
// decrypted [Device].
//
// Of LUKS2, the copy of the headers with the higher sequence number counts if
// its checksum is right, else the other one, which is a problem. Read are
// segments of type crypt with sectors of 512 to 4,096 bytes, keys by PBKDF2,
// argon2i and argon2id, the ciphers AES, Twofish and Serpent in the modes XTS,
// CBC, CTR and ECB. Refused by name: what stands in the list of mandatory
// requirements, such as a reencryption in progress, dm-integrity, OPAL, the
// ciphers Camellia, CAST and Kuznyechik, the mode LRW, the hash Whirlpool.
//
// What a key may cost is bounded by [Limits]: a header may ask for any amount
// of memory and time. Keys are wiped after use, but for what crypto/aes expands
// of the volume key, and the memory of argon2, which Go gives no way to wipe.
//
// The specifications are "LUKS1 On-Disk Format Specification", version 1.2.3,
// and "LUKS2 On-Disk Format Specification", version 1.1.1.
package luks
