package overlays

import (
	"path"
	"path/filepath"
	"strings"
	"unicode/utf8"

	"github.com/guestkit/guestkit/block"
)

// Name refuses the name of a parent that a format cannot say whose names are text with
// the separators of Windows. what and class are those of the error.
func Name(format, what string, class error, name string) error {
	why := ""
	switch {
	case !utf8.ValidString(name):
		why = "it is not UTF-8"
	case strings.ContainsRune(name, 0):
		why = "it contains NUL"
	case filepath.Separator != '\\' && strings.Contains(name, `\`):
		why = "its backslash would be a separator"
	case filepath.Separator != '\\' && strings.Contains(strings.Split(path.Clean(name), "/")[0], ":"):
		why = "its colon would be that of a drive or a protocol"
	default:
		return nil
	}
	return block.Errorf(format, what, -1, class, "the name of the parent %q cannot be stored: %s", name, why)
}
