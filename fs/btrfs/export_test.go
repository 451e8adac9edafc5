package btrfs

// NameHash is nameHash, for tests that look for names with the same hash.
var NameHash = nameHash
