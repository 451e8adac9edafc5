// Package keys is a list of keys for encrypted volumes and images, said in the
// words of libguestfs:
//
//	ID:key:TEXT    a passphrase or a recovery password
//	ID:file:PATH   the content of a file: a key file, a passphrase, a .BEK file
//
// ID is the name of a volume as package volume gives it ("gpt3", "lvm:vg/root"),
// the UUID of what is encrypted, a device name of the guest ("/dev/sda3",
// "/dev/vg/root", "/dev/md/home"), or "all". A number that Linux gives to arrays as it
// finds them, "/dev/md127", is that of any array whose name is no number. [List.Unlock] is what volume.Options.Unlock and the
// options of image formats take.
package keys

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/internal/pattern"
)

// MaxFile bounds a key file, in bytes, as cryptsetup does.
const MaxFile = 8 << 20

// All is the ID of keys that are tried on everything.
const All = "all"

// A List is keys in the order in which they are tried: those for a thing by
// its ID before those for all. The zero value is empty. Keys are added before
// the list is used; then it is safe for concurrent use.
type List struct {
	keys []key
	// Ask is asked when no key of the list fits, if it is not nil, again until
	// it returns an error: one that wraps block.ErrEncrypted for "I have none".
	// It is called by one goroutine at a time.
	Ask func(ctx context.Context, need block.KeyNeed) ([]byte, error)

	mu sync.Mutex // held while Ask runs
}

type key struct {
	id   string
	text []byte
}

// Add adds a key by its selector, ID:key:TEXT or ID:file:PATH, of which it
// reads the file. The error never has the key in it.
func (l *List) Add(selector string) error {
	// An ID may have colons in it, as names of volumes do; so may a key.
	at, kind := -1, ""
	for _, k := range []string{":key:", ":file:"} {
		if i := strings.Index(selector, k); i > 0 && (at < 0 || i < at) {
			at, kind = i, k
		}
	}
	if at < 0 {
		if id, ok := strings.CutSuffix(selector, ":clevis"); ok {
			return fmt.Errorf("keys: %s: Clevis asks servers and devices for keys, which is not done here", id)
		}
		return errors.New("keys: not of the form ID:key:TEXT or ID:file:PATH")
	}
	id, rest := selector[:at], selector[at+len(kind):]
	if kind == ":file:" {
		return l.AddFile(id, rest)
	}
	l.AddKey(id, []byte(rest))
	return nil
}

// AddKey adds a key. The list keeps a copy.
func (l *List) AddKey(id string, text []byte) { l.keys = append(l.keys, key{id, bytes.Clone(text)}) }

// AddFile adds the content of a file as a key, and if it ends with a line break
// also what is before that.
func (l *List) AddFile(id, path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, MaxFile+1))
	defer clear(text)
	if err != nil {
		return err
	}
	if len(text) > MaxFile {
		return fmt.Errorf("%s: %w: a key file of more than %d bytes", path, block.ErrLimit, MaxFile)
	}
	l.AddKey(id, text)
	if line := bytes.TrimSuffix(bytes.TrimSuffix(text, []byte("\n")), []byte("\r")); len(line) < len(text) {
		l.AddKey(id, line)
	}
	return nil
}

// AddLines adds every line of r as a key for all.
func (l *List) AddLines(r io.Reader) error {
	text, err := io.ReadAll(io.LimitReader(r, MaxFile+1))
	defer clear(text)
	if err != nil {
		return err
	}
	if len(text) > MaxFile {
		return fmt.Errorf("%w: keys of more than %d bytes", block.ErrLimit, MaxFile)
	}
	for line := range bytes.Lines(text) {
		l.AddKey(All, bytes.TrimSuffix(bytes.TrimSuffix(line, []byte("\n")), []byte("\r")))
	}
	return nil
}

// Len returns how many keys there are.
func (l *List) Len() int { return len(l.keys) }

// Wipe overwrites the keys and empties the list.
func (l *List) Wipe() {
	for _, k := range l.keys {
		clear(k.text)
	}
	l.keys = nil
}

// Unlock is a block.Unlock. It returns copies, which the caller may wipe.
func (l *List) Unlock(ctx context.Context, need block.KeyNeed) ([]byte, error) {
	n := need.Attempt
	var tried [][]byte
	for _, own := range []bool{true, false} {
		for _, k := range l.keys {
			if (k.id != All) != own || own && !Matches(k.id, need) || slices.ContainsFunc(tried, func(t []byte) bool { return bytes.Equal(t, k.text) }) {
				continue
			}
			if len(tried) == n {
				return bytes.Clone(k.text), nil
			}
			tried = append(tried, k.text)
		}
	}
	if l.Ask == nil {
		if len(tried) > 0 {
			return nil, fmt.Errorf("%w: none of %d keys fits", block.ErrEncrypted, len(tried))
		}
		return nil, fmt.Errorf("%w: no key is given for it", block.ErrEncrypted)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	need.Attempt -= len(tried)
	return l.Ask(ctx, need)
}

var (
	diskName   = pattern.Of(`^/dev/(?:[shv]d|xvd)([a-z])([0-9]*)$`)
	nvmeName   = pattern.Of(`^/dev/(?:nvme([0-9]+)n1|mmcblk([0-9]+))(?:p([0-9]+))?$`)
	volumeName = pattern.Of(`^(?:disk([0-9]*)(?::|$))?(?:(?:gpt|mbr|bsd|sun|solaris|sgi|mac|atari)([0-9]+))?$`) // the schemes of package partition
	arrayName  = pattern.Of(`^md:([^:@]+)(?:@[0-9a-fA-F:-]*?)?(?::(?:gpt|mbr)([0-9]+))?$`)
	foundArray = pattern.Of(`^1[0-2][0-9](p[0-9]+)?$`)
)

// Matches reports whether an ID means what a key is needed for.
func Matches(id string, need block.KeyNeed) bool {
	if id == "" {
		return false
	}
	for _, prefix := range []string{"UUID=", "/dev/disk/by-uuid/"} {
		if u, ok := strings.CutPrefix(id, prefix); ok {
			return sameUUID(u, need.UUID)
		}
	}
	switch {
	case id == need.Name, sameUUID(id, need.UUID):
		return true
	case strings.TrimPrefix(strings.TrimPrefix(id, "luks:"), "bitlocker:") == need.Name: // of what is in it
		return need.Name != ""
	case strings.HasPrefix(id, "/dev/"):
		return matchesDevice(id, need.Name)
	}
	return false
}

// sameUUID compares UUIDs with and without dashes, as libguestfs does.
func sameUUID(a, b string) bool {
	return b != "" && strings.EqualFold(strings.ReplaceAll(a, "-", ""), strings.ReplaceAll(b, "-", ""))
}

// matchesDevice compares a device name of a guest with the name of a volume.
func matchesDevice(dev, name string) bool {
	if lv, ok := strings.CutPrefix(name, "lvm:"); ok {
		vg, lv, _ := strings.Cut(lv, "/")
		vg, _, _ = strings.Cut(vg, "@") // with its UUID where two have a name
		double := strings.NewReplacer("-", "--")
		return dev == "/dev/"+vg+"/"+lv || dev == "/dev/mapper/"+double.Replace(vg)+"-"+double.Replace(lv)
	}
	if m := arrayName().FindStringSubmatch(name); m != nil {
		return matchesArray(strings.TrimPrefix(dev, "/dev/"), m[1], m[2])
	}
	v := volumeName().FindStringSubmatch(name)
	if v == nil || name == "" {
		return false
	}
	disk := 1
	if v[1] != "" {
		fmt.Sscan(v[1], &disk)
	}
	number, part := -1, ""
	if m := diskName().FindStringSubmatch(dev); m != nil {
		number, part = int(m[1][0]-'a')+1, m[2]
	} else if m := nvmeName().FindStringSubmatch(dev); m != nil {
		fmt.Sscan(m[1]+m[2], &number)
		number, part = number+1, m[3]
	}
	return number == disk && part == v[2]
}

// matchesArray compares what is behind /dev/ with an array, or a partition of one.
func matchesArray(dev, array, part string) bool {
	digit := func(c byte) bool { return c >= '0' && c <= '9' }
	p := part
	if part != "" && digit(array[len(array)-1]) {
		p = "p" + part
	}
	switch rest, ok := strings.CutPrefix(dev, "md/"); {
	case ok:
		return rest == array+p
	case digit(array[0]) || strings.HasPrefix(array, "_d"):
		return dev == "md"+array+p
	}
	if host, name, ok := strings.Cut(strings.TrimPrefix(dev, "disk/by-id/md-name-"), ":"); ok && !strings.Contains(host, "/") {
		return part == "" && name == array || part != "" && name == array+"-part"+part
	}
	number, ok := strings.CutPrefix(dev, "md")
	m := foundArray().FindStringSubmatch(number)
	return ok && m != nil && (part == "" && m[1] == "" || part != "" && m[1] == "p"+part)
}
