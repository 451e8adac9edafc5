package windows

import (
	"encoding/binary"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"
	"unicode/utf16"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/inspect/system"
)

// Bounds of the accounts that are listed.
const (
	maxAccounts = 4096
	maxMembers  = 4096 // of one group
	maxProfiles = 256  // whose own hive is looked into
)

// findUsers lists the accounts of the machine itself, by SAM, and those of a domain
// that have a profile, by SOFTWARE. Nothing of their passwords is taken.
func (r *Windows) findUsers() {
	users := map[string]*system.WindowsUser{} // by SID
	var order []string
	cut := false
	add := func(sid string) *system.WindowsUser {
		u := users[sid]
		if u == nil {
			if len(order) == maxAccounts {
				cut = true
				return nil
			}
			u = &system.WindowsUser{SID: sid}
			users[sid] = u
			order = append(order, sid)
		}
		return u
	}
	sam := r.openHive(`HKLM\SAM`, r.Fold(path.Join(r.dir, "System32/config/SAM")))
	account := sam.key(`SAM\Domains\Account`)
	machine := machineSID(account.read("V").bytes("V"))
	for k := range account.key("Users").keys() {
		rid, err := strconv.ParseUint(k.k.Name(), 16, 32)
		if err != nil {
			continue // Names
		}
		sid := fmt.Sprintf("%s-%d", machine, rid)
		if machine == "" {
			sid = fmt.Sprintf("RID %d", rid)
		}
		if u := add(sid); u != nil {
			r.readAccount(k, u)
		}
	}
	if len(order) > 0 {
		account.because("windows.users", "", "")
	}
	profiles := r.software.key(`Microsoft\Windows NT\CurrentVersion\ProfileList`)
	for k := range profiles.keys() {
		sid := k.label(k.k.Name())
		if !strings.HasPrefix(sid, "S-1-5-21-") && !strings.HasPrefix(sid, "S-1-12-1-") { // no person
			continue
		}
		dir := k.read("ProfileImagePath").text("ProfileImagePath")
		sid, _ = strings.CutSuffix(sid, ".bak")
		if u := add(sid); u != nil && u.Profile == "" {
			u.Profile = dir
			if u.Name == "" {
				u.Name = dir[strings.LastIndexAny(dir, `\/`)+1:]
			}
			k.because("windows.users", "ProfileImagePath", "")
		}
	}
	r.readGroups(sam, users)
	if cut {
		r.Problem(block.Errorf("", `HKLM\SAM`, -1, block.ErrLimit, "more than %d accounts", maxAccounts))
	}
	for _, sid := range order {
		u := users[sid]
		if u.Local && u.Name == "" {
			u.Name = sid // as Windows shows it
		}
		if u.Name != "" {
			r.Sys.Windows.Users = append(r.Sys.Windows.Users, *u)
		}
	}
	sam.problems()
}

// Account control bits, as the value F has them.
const accountDisabled = 0x0001

// readAccount reads the values F and V of an account: fixed fields, and a table of
// texts, of which those with hashes are left alone.
func (r *Windows) readAccount(k *regKey, u *system.WindowsUser) {
	vs := k.read("F", "V")
	u.Local = true
	v := vs.bytes("V")
	text := func(at int) string {
		return r.samText(v, at, 0xcc, k.where("V"))
	}
	if u.Name, u.FullName, u.Comment = text(0x0c), text(0x18), text(0x24); u.Name == "" {
		r.Problem(block.Errorf("", k.where("V"), -1, block.ErrCorrupt, "an account without a name"))
	}
	f := vs.bytes("F")
	if len(f) < 0x3a {
		r.Problem(block.Errorf("", k.where("F"), -1, block.ErrCorrupt, "an account of %d bytes", len(f)))
		return
	}
	u.LastLogon = filetime(binary.LittleEndian.Uint64(f[0x08:]))
	u.PasswordSet = filetime(binary.LittleEndian.Uint64(f[0x18:]))
	u.Disabled = binary.LittleEndian.Uint16(f[0x38:])&accountDisabled != 0
}

// samText is a text that a table of SAM has at a place: its offset behind the table,
// and its length.
func (r *Windows) samText(b []byte, at, table int, where string) string {
	if len(b) < table {
		return ""
	}
	off, n := int64(binary.LittleEndian.Uint32(b[at:]))+int64(table), int64(binary.LittleEndian.Uint32(b[at+4:]))
	if off+n > int64(len(b)) {
		r.Problem(block.Errorf("", where, -1, block.ErrCorrupt, "a text of %d bytes at %d of %d", n, off, len(b)))
		return ""
	}
	return r.Fit(utf16Text(b[off:off+n]), where)
}

func utf16Text(b []byte) string {
	var units []uint16
	for i := 0; i+1 < len(b); i += 2 {
		units = append(units, binary.LittleEndian.Uint16(b[i:]))
	}
	return strings.TrimRight(string(utf16.Decode(units)), "\x00")
}

// machineSID is the identifier that those of a machine's accounts begin with: it ends
// the value V.
func machineSID(v []byte) string {
	if len(v) < 24 {
		return ""
	}
	sid, n := sidText(v[len(v)-24:])
	if n != 24 {
		return ""
	}
	return sid
}

// sidText is a SID in words (MS-DTYP, 2.4.2), and how many bytes it takes; 0 if it is
// none.
func sidText(b []byte) (string, int) {
	if len(b) < 8 || b[0] != 1 || b[1] > 15 || len(b) < 8+4*int(b[1]) {
		return "", 0
	}
	n := 8 + 4*int(b[1])
	s := fmt.Sprintf("S-1-%d", uint64(binary.BigEndian.Uint16(b[2:]))<<32|uint64(binary.BigEndian.Uint32(b[4:])))
	for i := 8; i < n; i += 4 {
		s += fmt.Sprintf("-%d", binary.LittleEndian.Uint32(b[i:]))
	}
	return s, n
}

// readGroups adds to the users the groups of the machine that they are in. A group is
// a value C: a table with its name and its members.
func (r *Windows) readGroups(sam *hive, users map[string]*system.WindowsUser) {
	const table = 0x34
	for _, domain := range [...]string{"Builtin", "Account"} {
		for k := range sam.key(`SAM\Domains\` + domain + `\Aliases`).keys() {
			if _, err := strconv.ParseUint(k.k.Name(), 16, 32); err != nil {
				continue
			}
			c := k.read("C").bytes("C")
			if len(c) < table {
				r.Problem(block.Errorf("", k.where("C"), -1, block.ErrCorrupt, "a group of %d bytes", len(c)))
				continue
			}
			name := r.samText(c, 0x10, table, k.where("C"))
			at := int64(binary.LittleEndian.Uint32(c[0x28:])) + table
			members := binary.LittleEndian.Uint32(c[0x30:])
			if members > maxMembers {
				r.Problem(block.Errorf("", k.where("C"), -1, block.ErrLimit, "a group of %d members, of which the first %d are looked at", members, maxMembers))
			}
			for i := range min(members, maxMembers) {
				sid, n := sidText(c[min(at, int64(len(c))):])
				if n == 0 {
					r.Problem(block.Errorf("", k.where("C"), -1, block.ErrCorrupt, "of %d members of a group %d can be read", members, i))
					break
				}
				at += int64(n)
				if u := users[sid]; u != nil && name != "" && !slices.Contains(u.Groups, name) {
					u.Groups = append(u.Groups, name)
				}
			}
		}
	}
}

// findMembership tells by SECURITY whether the machine is in a domain: the SID of its
// primary domain is there if it is. The name is that of the domain or the workgroup.
func (r *Windows) findMembership() {
	w := r.Sys.Windows
	security := r.openHive(`HKLM\SECURITY`, r.Fold(path.Join(r.dir, "System32/config/SECURITY")))
	name := security.key(`Policy\PolPrDmN`)
	if name == nil {
		return
	}
	text := func(k *regKey) string {
		b := k.read("").bytes("")
		if len(b) < 8 { // a length, the room for it, and an offset that is always 8
			return ""
		}
		n := min(int(binary.LittleEndian.Uint16(b)), len(b)-8)
		return r.Fit(utf16Text(b[8:8+n]), k.where(""))
	}
	m := &system.Membership{Kind: "workgroup", Name: text(name)}
	name.because("windows.membership", "", "")
	if k := security.key(`Policy\PolPrDmS`); k != nil {
		if sid, n := sidText(k.read("").bytes("")); n > 0 {
			m.Kind, m.SID = "domain", sid
			k.because("windows.membership", "", "")
			m.DNSName = text(security.key(`Policy\PolDnDDN`))
		}
	}
	w.Membership = m
	security.problems()
}

// aboutUsers visits the hive of each user that has a profile on a drive that is here.
// All of them together are looked into as far as one other hive is.
func (r *Windows) aboutUsers(visit func(u *system.WindowsUser, g *hive)) {
	users := r.Sys.Windows.Users
	seen := map[string]bool{}
	keys, values := maxKeys, maxValues
	for i := range users {
		u := &users[i]
		if u.Profile == "" || r.Ctx.Err() != nil {
			continue
		}
		at := r.Fold(path.Join(r.profileDir(u.Profile), "NTUSER.DAT"))
		if at == "" || !r.IsFile(at) || seen[at] {
			continue
		}
		if seen[at] = true; len(seen) > maxProfiles {
			r.Problem(block.Errorf("", "NTUSER.DAT", -1, block.ErrLimit, "the hives of the first %d users are looked into", maxProfiles))
			r.partial(fmt.Sprintf("the registries of more than %d users", maxProfiles))
			return
		}
		if g := r.openHive(`HKU\`+u.SID, at); g != nil {
			g.keys, g.values = keys, values
			visit(u, g)
			keys, values = g.keys, g.values
			g.problems()
			if g.spent() {
				r.partial("the registries of the users have more keys or values than an inspection looks at")
				return // which was said
			}
		} else {
			r.partial("the registry of the user " + u.Name + " could not be read")
		}
	}
}

// Homes are the folders of the users' profiles, as far as they are on drives that are
// here.
func (r *Windows) Homes() []string {
	var out []string
	for _, u := range r.Sys.Windows.Users {
		if u.Profile == "" {
			continue
		}
		at := r.Fold(r.profileDir(u.Profile))
		if at == "" || at == "." {
			continue
		}
		if len(out) == maxProfiles {
			r.Problem(block.Errorf("", "folders of users", -1, block.ErrLimit, "the first %d are looked into", maxProfiles))
			break
		}
		out = append(out, at)
	}
	return out
}

// profileDir is the folder that a path of the registry stands for, as io/fs names it.
func (r *Windows) profileDir(dir string) string {
	for _, v := range [...]struct{ name, is string }{{"%SystemRoot%", `\` + strings.ReplaceAll(r.dir, "/", `\`)}, {"%SystemDrive%", ""}} {
		if len(dir) >= len(v.name) && strings.EqualFold(dir[:len(v.name)], v.name) {
			dir = v.is + dir[len(v.name):]
		}
	}
	name, err := r.Sys.Path(dir)
	if err != nil {
		return "" // a share
	}
	return name
}
