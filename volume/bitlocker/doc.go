// Package bitlocker reads volumes that BitLocker encrypts: of Windows Vista
// (metadata of version 1) and of Windows 7 and later (version 2), BitLocker To
// Go, fixed or removable.
//
//	boot sector  …  FVE metadata  …  FVE metadata  …  FVE metadata  …
//	|               (three copies, which read as zeros)
//	|               followed by the relocated first sectors of the filesystem
//	says where the copies are
//
// [Open] reads the metadata, which needs no key: [Volume.Info] says how the
// volume is encrypted and which protectors there are. [Session.Unlock] takes a
// passphrase, a recovery password of 48 digits or the content of a startup key
// file (.BEK); a suspended volume has a clear key and is opened without any.
//
//	key ──derives──> intermediate key ──unwraps──> VMK ──unwraps──> FVEK
//
// Read are AES-CBC with 128 and 256 bits, with and without the Elephant
// diffuser, and AES-XTS with 128 and 256 bits; sectors of 512 to 4,096 bytes;
// volumes in conversion, of which a part is not yet, or not any more, encrypted,
// by the watermark or by the bitmaps of encrypt-on-write. The part of which the
// conversion was interrupted lies in a log that is not read: those bytes give an
// error that wraps block.ErrDirty. Protectors by a TPM, a certificate or a smart
// card are listed; their keys are not in the image.
//
// Microsoft publishes no specification. The structures are those that Joachim
// Metz describes in "BitLocker Drive Encryption (BDE) format" (libbde), with the
// names that dissect.fve found in Windows; the diffuser is that of Niels
// Ferguson, "AES-CBC + Elephant diffuser", 2006.
package bitlocker
