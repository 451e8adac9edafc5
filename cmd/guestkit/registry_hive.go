package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/inspect"
	"github.com/guestkit/guestkit/internal/regf"
)

// The roots of the registry that a disk has.
const (
	localMachine = "HKEY_LOCAL_MACHINE"
	users        = "HKEY_USERS"
)

// A keyPath is a KEY as it was asked for: a root and the names below.
type keyPath struct {
	root  string
	names []string
}

// splitKey parts the names of a key: at backslashes, or at slashes where there
// is no backslash, for a name may hold a slash.
func splitKey(arg string) []string {
	sep := `\`
	if !strings.Contains(arg, sep) {
		sep = "/"
	}
	var out []string
	for name := range strings.SplitSeq(arg, sep) {
		if name != "" {
			out = append(out, name)
		}
	}
	return out
}

// parseKey reads a KEY that begins with a root, in a short or a long form, as
// regedit, reg and PowerShell write it.
func parseKey(arg string) (keyPath, error) {
	names := splitKey(arg)
	if len(names) > 1 && strings.EqualFold(names[0], "Computer") {
		names = names[1:]
	}
	if len(names) == 0 {
		return keyPath{}, usagef("the KEY is empty")
	}
	switch root := strings.ToUpper(strings.TrimSuffix(names[0], ":")); root {
	case "HKLM", localMachine:
		return keyPath{localMachine, names[1:]}, nil
	case "HKU", users:
		return keyPath{users, names[1:]}, nil
	case "HKCR", "HKEY_CLASSES_ROOT":
		return keyPath{localMachine, append([]string{"SOFTWARE", "Classes"}, names[1:]...)}, nil
	case "HKCU", "HKEY_CURRENT_USER":
		return keyPath{}, usagef(`nobody is logged on to a disk: name the user, as in HKU\USER`)
	}
	return keyPath{}, usagef(`KEY begins with HKLM\SOFTWARE, HKLM\SYSTEM, HKLM\SAM, HKLM\SECURITY or HKU\USER; got %q`, arg)
}

// A mounted hive is one in its place in the registry.
type mounted struct {
	hive *regf.Hive
	name string // the key that its root is; empty if that is not known
	file string // where it lies
	rest string // the path of the key that was asked for, from its root
	size int64
	tree *guestTree // it comes from, nil for a file of the host
}

// path is the whole path of a key.
func (m mounted) path(k *regf.Key) string {
	p := m.name + `\` + k.Path()
	if m.name != "" {
		return strings.TrimSuffix(p, `\`)
	}
	return p
}

// fail says where an error belongs. A key or a value that is not there has its
// own exit code.
func (m mounted) fail(err error) error {
	var out *outputError
	switch {
	case err == nil || m.file == "" || errors.As(err, &out):
		return err
	case notFound(err):
		return &exitError{code: exitNothing, err: pathError(m.file, err)}
	}
	return pathError(m.file, err)
}

func (m mounted) problems() []error {
	var out []error
	for _, err := range m.hive.Problems() {
		out = append(out, m.fail(err))
	}
	return out
}

// isHive reports whether a file of the host is a hive, by its first bytes.
func isHive(name string) bool {
	f, err := os.Open(name)
	if err != nil {
		return false
	}
	defer f.Close()
	if fi, err := f.Stat(); err != nil || !fi.Mode().IsRegular() {
		return false
	}
	var mark [4]byte
	_, err = io.ReadFull(f, mark[:])
	return err == nil && string(mark[:]) == "regf"
}

// hostFiles are files of the host that are open for reading.
type hostFiles []*os.File

func (h *hostFiles) open(name string) (block.Reader, error) {
	if err := plainFile(name); err != nil {
		return nil, err
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	*h = append(*h, f)
	fi, err := f.Stat()
	if err != nil {
		return nil, err
	}
	return io.NewSectionReader(f, 0, fi.Size()), nil
}

func (h *hostFiles) close() {
	for _, f := range *h {
		f.Close()
	}
}

// file reads a hive that is a file of the host.
func (r *registry) file(name string, args []string) error {
	if r.volume != "" {
		return usagef("--volume goes with a disk image, and %s is a hive", name)
	}
	var files hostFiles
	defer files.close()
	base, err := files.open(name)
	if err != nil {
		return err
	}
	o := &regf.Options{MaxSubkeys: listed, MaxValues: listed}
	for _, log := range r.logs {
		l, err := files.open(log)
		if err != nil {
			return err
		}
		o.Logs = append(o.Logs, l)
	}
	m := mounted{file: name, size: base.Size()}
	if m.hive, err = regf.Open(base, o); err != nil {
		return m.fail(err)
	}
	if len(args) == 0 {
		args = []string{`\`}
	}
	names := splitKey(args[0])
	if key, err := parseKey(args[0]); err == nil && len(key.names) > 0 {
		// Only who asks knows where the hive belongs.
		m.name, names = key.root+`\`+key.names[0], key.names[1:]
	}
	if r.reg && m.name == "" {
		return usagef(`a .reg file needs whole names: say where the hive belongs, as in HKLM\%s`, strings.ToUpper(filepath.Base(name)))
	}
	if names, err = currentControlSet(m.hive, names); err != nil {
		return m.fail(err)
	}
	m.rest = strings.Join(names, `\`)
	return r.show(m, args[1:])
}

// listed is how many subkeys or values of one key are listed. They are printed
// as they come, so it bounds no memory.
const listed = 1 << 20

// currentControlSet puts the control set that Windows would boot in place of
// the link to it, which a hive has not.
func currentControlSet(h *regf.Hive, names []string) ([]string, error) {
	if len(names) == 0 || !strings.EqualFold(names[0], "CurrentControlSet") {
		return names, nil
	}
	k, err := h.Find("Select")
	if err != nil {
		return nil, err
	}
	v, err := k.Value("Current")
	if err != nil {
		return nil, err
	}
	n, err := v.Uint()
	if err != nil {
		return nil, err
	}
	return append([]string{fmt.Sprintf("ControlSet%03d", n)}, names[1:]...), nil
}

// A guestRegistry is the registry of a Windows.
type guestRegistry struct {
	t    *guestTree
	root string // the folder of Windows, as io/fs names it
}

// findRegistry finds the folder of Windows in a tree.
func findRegistry(t *guestTree) (*guestRegistry, error) {
	dirs := []string{"Windows", "WINNT", "WIN32", "WIN", "ReactOS"}
	if t.windows() && t.system.SystemRoot != "" {
		dirs = []string{strings.Trim(t.system.SystemRoot, "/")}
	}
	for _, dir := range dirs {
		if fi, err := t.Stat(dir + "/System32/config"); err == nil && fi.IsDir() {
			return &guestRegistry{t, dir}, nil
		}
	}
	return nil, nothingf("there is no registry: no folder of Windows was found")
}

// machineHives are those of HKEY_LOCAL_MACHINE that are files of their own.
var machineHives = []string{"SOFTWARE", "SYSTEM", "SAM", "SECURITY", "COMPONENTS", "DRIVERS"}

// mount opens the hive that a key lies in.
func (g *guestRegistry) mount(key keyPath) (mounted, error) {
	if len(key.names) == 0 {
		return mounted{}, usagef(`%s is no key of a hive; without a KEY the hives are listed`, key.root)
	}
	name, rest := key.names[0], key.names[1:]
	var m mounted
	var err error
	if key.root == users {
		m, err = g.user(name)
	} else {
		name = strings.ToUpper(name)
		known := false
		for _, h := range machineHives {
			known = known || h == name
		}
		if !known {
			return mounted{}, nothingf(`there is no hive %s\%s; there are %s`, localMachine, name, strings.Join(machineHives, ", "))
		}
		m, err = g.open(localMachine+`\`+name, g.config(name))
	}
	if err != nil {
		return m, err
	}
	if name == "SYSTEM" && key.root == localMachine {
		if rest, err = currentControlSet(m.hive, rest); err != nil {
			return m, m.fail(err)
		}
	}
	m.rest = strings.Join(rest, `\`)
	return m, nil
}

func (g *guestRegistry) config(name string) string { return g.root + "/System32/config/" + name }

// open opens a hive of the guest with the logs beside it.
func (g *guestRegistry) open(name, file string) (mounted, error) {
	m := mounted{name: name, file: shownPath(file)}
	base, err := g.reader(file)
	if err != nil {
		return m, guestError(file, err)
	}
	o := &regf.Options{MaxSubkeys: listed, MaxValues: listed}
	for _, ext := range []string{".LOG1", ".LOG2", ".LOG"} {
		if l, err := g.reader(file + ext); err == nil {
			o.Logs = append(o.Logs, l)
		} else if !notFound(err) {
			return m, guestError(file+ext, err)
		}
	}
	m.size = base.Size()
	m.hive, err = regf.Open(base, o)
	return m, m.fail(err)
}

func (g *guestRegistry) reader(file string) (block.Reader, error) {
	f, err := g.t.Open(file)
	if err != nil {
		return nil, err
	}
	r, ok := f.(block.Reader)
	if !ok {
		return nil, errIsDir
	}
	return r, nil
}

// A profile is a user of Windows who has a folder.
type profile struct {
	sid, dir string // the folder as io/fs names it
}

// profiles lists the users that SOFTWARE names. Those whose folder is on a drive
// that is not here are left out.
func (g *guestRegistry) profiles(fail func(error)) []profile {
	m, err := g.open(localMachine+`\SOFTWARE`, g.config("SOFTWARE"))
	if err != nil {
		fail(err)
		return nil
	}
	version, err := m.hive.Find(`Microsoft\Windows NT\CurrentVersion`)
	var k *regf.Key
	if err == nil {
		k, err = version.Key("ProfileList")
	}
	if err != nil {
		if !notFound(err) {
			fail(m.fail(err))
		}
		return nil
	}
	drive := ""
	if v, err := version.Value("SystemRoot"); err == nil {
		if s, err := v.Text(); err == nil && len(s) > 2 {
			drive = s[:2]
		}
	}
	var out []profile
	for sub, err := range k.Subkeys() {
		if err != nil {
			fail(m.fail(err))
			continue
		}
		v, err := sub.Value("ProfileImagePath")
		if notFound(err) {
			continue // not all have a folder
		}
		var s string
		if err == nil {
			s, err = v.Text()
		}
		if err != nil {
			fail(m.fail(err))
			continue
		}
		if dir, err := g.profileDir(s, drive); err == nil {
			out = append(out, profile{sub.Name(), dir})
		}
	}
	return out
}

// profileDir turns the path of a profile into one of io/fs. drive is that of
// Windows, by its own word.
func (g *guestRegistry) profileDir(s, drive string) (string, error) {
	for _, v := range [][2]string{{"%SystemRoot%", `\` + g.root}, {"%SystemDrive%", ""}} {
		if len(s) >= len(v[0]) && strings.EqualFold(s[:len(v[0])], v[0]) {
			s = v[1] + s[len(v[0]):]
		}
	}
	system := g.t.system
	if system == nil { // of a volume alone, which has no letters
		system = &inspect.System{Type: inspect.TypeWindows}
		if len(s) > 2 && strings.EqualFold(s[:2], drive) {
			s = s[2:]
		}
	}
	return system.Path(s)
}

// user opens the hive of a user, who is named by SID or by the name of the
// folder; that of the settings of programs has "_Classes" behind.
func (g *guestRegistry) user(name string) (mounted, error) {
	if strings.EqualFold(name, ".DEFAULT") || strings.EqualFold(name, "S-1-5-18") {
		return g.open(users+`\.DEFAULT`, g.config("DEFAULT"))
	}
	hive, classes := "NTUSER.DAT", ""
	if i := len(name) - len("_Classes"); i > 0 && strings.EqualFold(name[i:], "_Classes") {
		name, hive, classes = name[:i], "AppData/Local/Microsoft/Windows/UsrClass.dat", "_Classes"
	}
	var damage error
	for _, p := range g.profiles(func(err error) { damage = errors.Join(damage, err) }) {
		if strings.EqualFold(p.sid, name) || strings.EqualFold(path.Base(p.dir), name) {
			return g.open(users+`\`+p.sid+classes, p.dir+"/"+hive)
		}
	}
	for _, dir := range []string{"Users", "Documents and Settings"} {
		file := dir + "/" + name + "/" + hive
		if strings.ContainsAny(name, `/:`) || !fs.ValidPath(file) {
			break
		}
		if _, err := g.t.Stat(file); err == nil {
			return g.open(users+`\`+name+classes, file)
		}
	}
	if damage != nil {
		return mounted{}, damage // which may hide the user
	}
	return mounted{}, nothingf("there is no user %q; without a KEY the hives are listed", name)
}

// hives lists the hives that there are.
func (g *guestRegistry) hives(fail func(error)) []hiveDoc {
	var out []hiveDoc
	add := func(name, file string) {
		if fi, err := g.t.Stat(file); err == nil && fi.Mode().IsRegular() {
			out = append(out, hiveDoc{Name: name, File: shownPath(file)})
		}
	}
	for _, name := range machineHives {
		add(localMachine+`\`+name, g.config(name))
	}
	add(users+`\.DEFAULT`, g.config("DEFAULT"))
	for _, p := range g.profiles(fail) {
		if p.sid == "S-1-5-18" {
			continue // the same as .DEFAULT
		}
		add(users+`\`+p.sid, p.dir+"/NTUSER.DAT")
		add(users+`\`+p.sid+"_Classes", p.dir+"/AppData/Local/Microsoft/Windows/UsrClass.dat")
	}
	return out
}
