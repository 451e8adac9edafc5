// Package fs is the front door to the filesystems of guests: [Probe] says what
// a volume holds, by its content alone, and [Open] reads it.
//
// # Probing
//
// What a volume holds is for package probe to say, and names of types are its
// own, those of blkid. A type that is known and has no driver is named all the
// same, with the reason in [Found]. Two signatures that both hold make the
// volume ambiguous; Options.Type decides for Open.
//
// # Drivers
//
// All drivers are in one list (drivers.go); a new one is a row there.
package fs
