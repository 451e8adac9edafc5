// Package main is guestkit as a shared library of C, for the Python package
// beside it: the only package of the module that needs cgo. All calls but one take
// a method and a request in JSON, and answer in JSON: {"result": …}, or {"error":
// {"class", "message"}}.
package main

// What needs cgo is in the other files: without it, this is a program that does nothing,
// which vet of another system can look at.
func main() {}
