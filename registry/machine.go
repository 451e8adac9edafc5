package registry

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/fs/vfs"
)

// systemRoots are the folders that Windows was installed to over time.
var systemRoots = [...]string{"Windows", "WINNT", "WIN32", "WIN", "ReactOS"}

// machineHives are those of HKEY_LOCAL_MACHINE that are files of their own.
var machineHives = [...]string{"SOFTWARE", "SYSTEM", "SAM", "SECURITY", "COMPONENTS", "DRIVERS"}

// MachineOptions says how the registry of a Windows is found and read. Nil
// means the defaults.
type MachineOptions struct {
	// Root is the folder of Windows, as io/fs names it; empty means one of
	// the usual names.
	Root string
	// Path turns a path as Windows writes it, `C:\Users\Ada`, into a name of
	// the tree. Nil takes the letter that the registry has for the drive of
	// Windows off, and knows no other drives.
	Path func(string) (string, error)
	// Hive is how each hive is opened; its Logs are not used: those beside the
	// hives are.
	Hive *Options
}

// A Machine is the registry of a Windows that does not run: the hives in its
// files, each in the place where Windows would show it. It is immutable and safe
// for concurrent use.
type Machine struct {
	fsys fs.FS
	o    MachineOptions
}

// OpenMachine finds the registry in the tree of a Windows, whose root is its
// drive. The error wraps [fs.ErrNotExist] if there is none. Files of the tree
// must be an [io.ReaderAt], as those of a vfs.FS and of os.DirFS are.
func OpenMachine(fsys fs.FS, o *MachineOptions) (*Machine, error) {
	m := &Machine{fsys: fsys}
	if o != nil {
		m.o = *o
	}
	dirs := systemRoots[:]
	if m.o.Root != "" {
		dirs = []string{m.o.Root}
	}
	for _, dir := range dirs {
		if fi, err := fs.Stat(fsys, dir+"/System32/config"); err == nil && fi.IsDir() {
			m.o.Root = dir
			return m, nil
		}
	}
	return nil, missing("there is no registry: no folder of Windows was found")
}

// missing is an error in whole words for what is not there.
type missing string

func (m missing) Error() string { return string(m) }
func (m missing) Unwrap() error { return fs.ErrNotExist }

// A Mount is a hive in its place in the registry.
type Mount struct {
	*Hive
	Name string // the key that its root is: `HKEY_LOCAL_MACHINE\SYSTEM`
	File string // where it lies, as io/fs names it
	Rest string // the path of the key that was asked for, from the hive's root

	files []io.Closer
}

// Close closes the files of the hive, which is not used after.
func (m Mount) Close() error {
	var errs []error
	for _, f := range m.files {
		errs = append(errs, f.Close())
	}
	return errors.Join(errs...)
}

// Path is the whole path of a key of the hive.
func (m Mount) Path(k *Key) string {
	p := m.Name + `\` + k.Path()
	if m.Name != "" {
		return strings.TrimSuffix(p, `\`)
	}
	return p
}

// Find opens the hive that a key lies in, and says where it is there; the key
// itself need not exist. CurrentControlSet is the set that started last, as Select\Current names it.
// A user is named by SID, or by the name of the folder of the profile; with
// "_Classes" behind it is the user's part of HKEY_CLASSES_ROOT.
//
// The error wraps [fs.ErrNotExist] where there is no such hive or user, and
// [ErrPath] for a root alone. An error about a file is a *fs.PathError.
func (m *Machine) Find(p Path) (Mount, error) {
	if len(p.Names) == 0 {
		return Mount{}, pathFault(fmt.Sprintf(`%s is no key of a hive; without a KEY the hives are listed`, p.Root))
	}
	name, rest := p.Names[0], p.Names[1:]
	var mt Mount
	var err error
	if p.Root == Users {
		mt, err = m.user(name)
	} else {
		name = strings.ToUpper(name)
		known := false
		for _, h := range machineHives {
			known = known || h == name
		}
		if !known {
			return Mount{}, missing(fmt.Sprintf(`there is no hive %s\%s; there are %s`, LocalMachine, name, strings.Join(machineHives[:], ", ")))
		}
		mt, err = m.open(LocalMachine+`\`+name, m.config(name))
	}
	if err != nil {
		return mt, err
	}
	if name == "SYSTEM" && p.Root == LocalMachine {
		if rest, err = mt.Resolve(rest); err != nil {
			mt.Close()
			return mt, fault(mt.File, err)
		}
	}
	mt.Rest = strings.Join(rest, `\`)
	return mt, nil
}

// fault says which file an error is about.
func fault(file string, err error) error {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		err = pe.Err
	}
	return &fs.PathError{Op: "registry", Path: file, Err: err}
}

func (m *Machine) config(name string) string { return m.o.Root + "/System32/config/" + name }

// open opens a hive with the logs beside it.
func (m *Machine) open(name, file string) (Mount, error) {
	mt := Mount{Name: name, File: file}
	base, err := mt.reader(m.fsys, file)
	if err != nil {
		return mt, err
	}
	var o Options
	if m.o.Hive != nil {
		o = *m.o.Hive
	}
	o.Logs = nil
	for _, ext := range [...]string{".LOG1", ".LOG2", ".LOG"} {
		if l, err := mt.reader(m.fsys, file+ext); err == nil {
			o.Logs = append(o.Logs, l)
		} else if !errors.Is(err, fs.ErrNotExist) {
			mt.Close()
			return mt, err
		}
	}
	if mt.Hive, err = Open(base, &o); err != nil {
		mt.Close()
		return mt, fault(file, err)
	}
	return mt, nil
}

var errNoFile = errors.New("it is no regular file")

// reader opens a file of the tree, which is closed with m.
func (m *Mount) reader(fsys fs.FS, file string) (block.Reader, error) {
	f, err := fsys.Open(file)
	if err != nil {
		return nil, fault(file, err)
	}
	fi, err := f.Stat()
	at, ok := f.(io.ReaderAt)
	if err == nil && (!ok || !fi.Mode().IsRegular()) {
		err = errNoFile
	}
	if err != nil {
		f.Close()
		return nil, fault(file, err)
	}
	m.files = append(m.files, f)
	if r, ok := f.(block.Reader); ok {
		return r, nil
	}
	return io.NewSectionReader(at, 0, fi.Size()), nil
}

// A Profile is a user of Windows who has a folder.
type Profile struct {
	SID string
	Dir string // the folder, as io/fs names it
}

// Profiles lists the users that SOFTWARE names. Those whose folder is on a
// drive that is not here are left out; what cannot be read is in the error,
// beside those that can.
func (m *Machine) Profiles() ([]Profile, error) {
	mt, err := m.open(LocalMachine+`\SOFTWARE`, m.config("SOFTWARE"))
	if err != nil {
		return nil, err
	}
	defer mt.Close()
	version, err := mt.Hive.Find(`Microsoft\Windows NT\CurrentVersion`)
	var k *Key
	if err == nil {
		k, err = version.Key("ProfileList")
	}
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil, nil
		}
		return nil, fault(mt.File, err)
	}
	drive := ""
	if v, err := version.Value("SystemRoot"); err == nil {
		if s, err := v.Text(); err == nil && len(s) > 2 {
			drive = s[:2]
		}
	}
	var out []Profile
	var faults []error
	for sub, err := range k.Subkeys() {
		if err != nil {
			faults = append(faults, fault(mt.File, err))
			continue
		}
		v, err := sub.Value("ProfileImagePath")
		if errors.Is(err, fs.ErrNotExist) {
			continue // not all have a folder
		}
		var s string
		if err == nil {
			s, err = v.Text()
		}
		if err != nil {
			faults = append(faults, fault(mt.File, err))
			continue
		}
		if dir, err := m.profileDir(s, drive); err == nil {
			out = append(out, Profile{sub.Name(), dir})
		}
	}
	return out, errors.Join(faults...)
}

// profileDir turns the path of a profile into one of io/fs. drive is that of
// Windows, by its own word.
func (m *Machine) profileDir(s, drive string) (string, error) {
	for _, v := range [...][2]string{{"%SystemRoot%", `\` + m.o.Root}, {"%SystemDrive%", ""}} {
		if len(s) >= len(v[0]) && strings.EqualFold(s[:len(v[0])], v[0]) {
			s = v[1] + s[len(v[0]):]
		}
	}
	if m.o.Path != nil {
		return m.o.Path(s)
	}
	if len(s) >= 2 && s[1] == ':' {
		if !strings.EqualFold(s[:2], drive) {
			return "", missing(fmt.Sprintf("the drive %s is not known", s[:2]))
		}
		s = s[2:]
	}
	if strings.HasPrefix(s, `\\`) {
		return "", missing("it is a share")
	}
	return vfs.Path(strings.ReplaceAll(s, `\`, "/")), nil
}

// user opens the hive of a user.
func (m *Machine) user(name string) (Mount, error) {
	if strings.EqualFold(name, ".DEFAULT") || strings.EqualFold(name, localSystem) {
		return m.open(Users+`\.DEFAULT`, m.config("DEFAULT"))
	}
	hive, classes := userHive, ""
	if i := len(name) - len("_Classes"); i > 0 && strings.EqualFold(name[i:], "_Classes") {
		name, hive, classes = name[:i], classesHive, "_Classes"
	}
	profiles, damage := m.Profiles()
	for _, p := range profiles {
		if strings.EqualFold(p.SID, name) || strings.EqualFold(path.Base(p.Dir), name) {
			return m.open(Users+`\`+p.SID+classes, p.Dir+"/"+hive)
		}
	}
	for _, dir := range [...]string{"Users", "Documents and Settings"} {
		file := dir + "/" + name + "/" + hive
		if strings.ContainsAny(name, `/:`) || !fs.ValidPath(file) {
			break
		}
		if _, err := fs.Stat(m.fsys, file); err == nil {
			return m.open(Users+`\`+name+classes, file)
		}
	}
	if damage != nil {
		return Mount{}, damage // which may hide the user
	}
	return Mount{}, missing(fmt.Sprintf("there is no user %q; without a KEY the hives are listed", name))
}

// localSystem is the SID of the system itself, whose hive is .DEFAULT.
const localSystem = "S-1-5-18"

// Where the hives of a user lie in the folder of the profile.
const (
	userHive    = "NTUSER.DAT"
	classesHive = "AppData/Local/Microsoft/Windows/UsrClass.dat"
)

// A HiveFile is a hive that is there, and was not opened.
type HiveFile struct {
	Name string // the key that its root is
	File string // as io/fs names it
}

// Hives lists the hives that there are: those of the machine, then those of
// the users. The error is that of Profiles.
func (m *Machine) Hives() ([]HiveFile, error) {
	var out []HiveFile
	add := func(name, file string) {
		if fi, err := fs.Stat(m.fsys, file); err == nil && fi.Mode().IsRegular() {
			out = append(out, HiveFile{Name: name, File: file})
		}
	}
	for _, name := range machineHives {
		add(LocalMachine+`\`+name, m.config(name))
	}
	add(Users+`\.DEFAULT`, m.config("DEFAULT"))
	profiles, err := m.Profiles()
	for _, p := range profiles {
		if p.SID == localSystem {
			continue
		}
		add(Users+`\`+p.SID, p.Dir+"/"+userHive)
		add(Users+`\`+p.SID+"_Classes", p.Dir+"/"+classesHive)
	}
	return out, err
}
