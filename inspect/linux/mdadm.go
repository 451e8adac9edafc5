package linux

import (
	"cmp"
	"strings"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/inspect/internal/guest"
	"github.com/guestkit/guestkit/inspect/system"
)

// mdadmConfs are where mdadm looks for its configuration: where Debian has it, and
// where all others do.
var mdadmConfs = [...]string{"etc/mdadm/mdadm.conf", "etc/mdadm.conf"}

// mdadmFiles lists the files of the configuration that is there: the first of
// those, and what the first folder of "mdadm.conf.d" has besides, in its order.
func (r *root) mdadmFiles() (files []string) {
	for _, name := range mdadmConfs {
		if r.IsThere(name) {
			files = append(files, name)
			break
		}
	}
	for _, name := range mdadmConfs {
		if !r.IsDir(name + ".d") {
			continue
		}
		for _, e := range r.List(name + ".d") {
			if file := name + ".d/" + e.Name(); strings.HasSuffix(file, ".conf") && !strings.HasPrefix(e.Name(), ".") && r.IsFile(file) {
				files = append(files, file)
			}
		}
		break
	}
	return files
}

// arrays reads which array is called how: the ARRAY lines of mdadm.conf(5), by the
// names of their devices without "/dev/" and "md".
func (r *root) arrays() map[string][]system.Device {
	out := map[string][]system.Device{}
	for _, name := range r.mdadmFiles() {
		b, _ := r.Text(name)
		for _, words := range mdadmLines(b) {
			if len(out) == maxMounts {
				r.Problem(block.Errorf("", "/"+name, -1, block.ErrLimit, "more than %d arrays", maxMounts))
				return out
			}
			if dev, is := arrayLine(words); is != nil && out[dev] == nil {
				out[dev] = is
			}
		}
	}
	return out
}

// mdadmLines splits a configuration into lines of words. A line that begins with a
// blank goes on with the one before it, and what begins with # is a comment.
func mdadmLines(b []byte) (out [][]string) {
	unquote := strings.NewReplacer(`"`, "", "'", "")
	for _, text := range guest.Lines(b) {
		var words []string
		for word := range strings.FieldsSeq(text) {
			if word[0] == '#' {
				break
			}
			words = append(words, unquote.Replace(word))
		}
		switch blank := text != "" && (text[0] == ' ' || text[0] == '\t'); {
		case len(words) == 0:
		case blank && len(out) > 0:
			out[len(out)-1] = append(out[len(out)-1], words...)
		default:
			out = append(out, words)
		}
	}
	return out
}

// arrayLine reads an ARRAY line: the device, and what it says the array is. Of a word
// that is there twice, mdadm takes the first.
func arrayLine(words []string) (dev string, is []system.Device) {
	if len(words) < 3 || len(words[0]) < 3 || !strings.HasPrefix("ARRAY", strings.ToUpper(words[0])) {
		return "", nil
	}
	uuid, called := "", ""
	for _, w := range words[1:] {
		key, val, ok := strings.Cut(w, "=")
		switch {
		case !ok && dev == "" && w != "<ignore>":
			dev = w
		case !ok:
		case len(val) > guest.MaxValue:
		case strings.EqualFold(key, "uuid"):
			uuid = cmp.Or(uuid, val)
		case strings.EqualFold(key, "name"):
			called = cmp.Or(called, withoutHost(val))
		}
	}
	if uuid != "" {
		is = append(is, system.Device{By: "array uuid", Value: uuid})
	}
	if called != "" {
		is = append(is, system.Device{By: "volume name", Value: "md:" + called})
	}
	dev = strings.TrimPrefix(dev, "/dev/")
	if name, ok := arrayName(dev); ok {
		dev = name
	}
	if dev == "" {
		return "", nil
	}
	return dev, is
}

// withoutHost is the name of an array without that of the host that made it.
func withoutHost(name string) string {
	if _, array, ok := strings.Cut(name, ":"); ok {
		return array
	}
	return name
}

// arrayName is what is behind "md/", or "md", in the name of an array.
func arrayName(name string) (string, bool) {
	if array, ok := strings.CutPrefix(name, "md/"); ok {
		return array, array != ""
	}
	array, ok := strings.CutPrefix(name, "md")
	return array, ok && array != "" && !strings.Contains(array, "/")
}

// array is what the name of an array may mean: what mdadm.conf says of it, the array
// that has the name itself, or a partition of one of these. Names that are numbers
// are given when an array is started, where nobody says otherwise.
func (n names) array(name string) []system.Device {
	out := append(n.arrays[name][:0:0], n.arrays[name]...)
	out = append(out, system.Device{By: "volume name", Value: "md:" + name})
	base, part := trailingNumber(name)
	if b, ok := strings.CutSuffix(base, "p"); ok && b != "" && b[len(b)-1] >= '0' && b[len(b)-1] <= '9' {
		base = b // md0p1
	}
	if part > 0 && base != "" && !strings.HasSuffix(base, "_d") {
		of := append(n.arrays[base][:0:0], n.arrays[base]...)
		for _, d := range append(of, system.Device{By: "volume name", Value: "md:" + base}) {
			d.Partition = part
			out = append(out, d)
		}
	} else {
		base, part = name, 0
	}
	if number, rest, ok := leadingNumber(base); ok && rest == "" && number >= 0 {
		out = append(out, system.Device{By: "array number", Value: base, Partition: part})
	}
	return out
}
