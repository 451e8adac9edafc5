package main

import "github.com/guestkit/guestkit/internal/remedy"

// flagWords are the flags that set what the library's errors name by its Go options.
var flagWords = remedy.Words{
	"Options.AllowDirs":     "--allow-dir",
	"Options.BackingFormat": "--backing-format",
	"Options.DiskFormat":    "--disk-format",
	"Options.Format":        "-f",
	"Options.SkipFree":      "--skip-free",
	"Options.Wrapped.Ratio": "--max-ratio",
	"ResizeOptions.Shrink":  "--shrink",
	"vhd.SizeRule":          "--vhd-size",
	"Options.FollowOwnDir":  "", // always so
	"Options.Unwrap":        "", // so wherever it can be
	"Options.Extents":       "", // so too
}

// inFlags is the text of an error with flags where it names options of Go: all that
// the command line says of errors goes through it.
func inFlags(err error) string { return flagWords.In(err.Error()) }
