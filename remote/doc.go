// Package remote opens disk images behind HTTP, for package format: whoever puts
// [Options.Open] into format.Options.Remote reads https://… wherever a path is
// taken. It is the only package of the module that imports net/http; nothing of
// guestkit dials out without it.
//
// An image is read by ranges (RFC 9110, section 14). The first answer pins it: its
// length and its ETag, or Last-Modified where there is no strong ETag; whatever
// differs later is block.ErrChanged. Pages are cached in memory, within a bound;
// what is read in order is read ahead by several requests at once. Each request
// is tried again after failures that may pass (package retry), and goes on where a
// body ended early. What comes too slowly ([Options].MinRate) is such a failure.
//
// Exports of NBD servers (nbd://…, nbd+unix://…) are sources as well, by the client of
// package nbd, which makes a connection that broke again.
//
// What a server says is not trusted: ranges and lengths are checked, redirects are
// followed ten times at most, never from https to http, and no header or password
// goes to another host. Addresses in errors have neither passwords nor queries,
// which may be signatures.
package remote
