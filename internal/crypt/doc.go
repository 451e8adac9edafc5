// Package crypt has what the encrypted layers of disks share: the ciphers of
// dm-crypt by their names ("aes-xts-plain64"), the functions that make keys of
// passphrases with bounds on what they cost, the anti-forensic splitter of LUKS,
// and a device that decrypts.
//
// Keys that this package makes are wiped by those who asked for them. What
// crypto/aes expands of a key, and the memory of argon2, cannot be wiped: Go
// gives no way to.
package crypt
