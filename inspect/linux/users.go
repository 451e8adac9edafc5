package linux

import (
	"fmt"
	"path"
	"strconv"
	"strings"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/inspect/internal/guest"
	"github.com/guestkit/guestkit/inspect/system"
)

// maxUsers and maxGroups bound the accounts that are listed, and the groups of
// each.
const (
	maxUsers  = 4096
	maxGroups = 256
)

// findUsers lists the accounts (passwd(5), group(5), shadow(5), sudoers(5)). Of a
// password it is only told whether there is one.
func (r *root) findUsers() {
	const passwd = "etc/passwd"
	b, ok := r.textIf(passwd)
	if !ok {
		return
	}
	passwords := r.passwords()
	groups, of := r.groups()
	sudoers, keys := map[string]bool{}, map[string]int{}
	for _, who := range r.sudoers() {
		sudoers[who] = true
	}
	for line, text := range guest.Entries(b) {
		f := strings.Split(text, ":")
		if len(f) != 7 || f[0] == "" || strings.HasPrefix(f[0], "+") || strings.HasPrefix(f[0], "-") { // those of NIS
			continue
		}
		uid, err1 := strconv.ParseUint(f[2], 10, 32)
		gid, err2 := strconv.ParseUint(f[3], 10, 32)
		if err1 != nil || err2 != nil {
			r.Problem(block.Errorf("", fmt.Sprintf("/%s line %d", passwd, line), -1, block.ErrCorrupt, "an account without a number"))
			continue
		}
		if len(r.Sys.Users) == maxUsers {
			r.Problem(block.Errorf("", "/"+passwd, -1, block.ErrLimit, "more than %d accounts", maxUsers))
			break
		}
		u := system.User{Name: r.Value(f[0], passwd, line), UID: uint32(uid), GID: uint32(gid), Gecos: r.Value(f[4], passwd, line),
			Home: r.Value(f[5], passwd, line), Shell: r.Value(f[6], passwd, line), Password: system.Unknown}
		u.Login = isShell(u.Shell)
		if state, ok := passwords[f[0]]; ok {
			u.Password = state
		} else if f[1] == "" {
			u.Password = "empty"
		}
		u.Sudo = sudoers[f[0]] || sudoers["%"+groups[u.GID]]
		for _, g := range of[f[0]] {
			if len(u.Groups) < maxGroups {
				u.Groups = append(u.Groups, g)
			}
			u.Sudo = u.Sudo || sudoers["%"+g]
		}
		if u.Login && u.Home != "" && u.Home != "/" {
			n, ok := keys[u.Home] // several accounts may have one home
			if !ok {
				n = r.authorizedKeys(path.Join(guest.Name(u.Home), ".ssh/authorized_keys"))
				keys[u.Home] = n
			}
			u.Keys = n
		}
		r.Sys.Users = append(r.Sys.Users, u)
	}
	if len(r.Sys.Users) > 0 {
		r.Because("users", passwd, 0, "")
	}
}

// isShell tells programs that let a person in from those that refuse.
func isShell(shell string) bool {
	switch path.Base(shell) {
	case "nologin", "false", "true", "sync", "halt", "shutdown", "git-shell":
		return false
	}
	return true // an empty shell is /bin/sh
}

// passwords tells of each account what /etc/shadow has, and not the hash.
func (r *root) passwords() map[string]string {
	out := map[string]string{}
	b, ok := r.textIf("etc/shadow")
	if !ok {
		return out
	}
	for _, text := range guest.Entries(b) {
		name, rest, ok := strings.Cut(text, ":")
		hash, _, _ := strings.Cut(rest, ":")
		switch {
		case !ok || len(out) > maxUsers:
		case hash == "":
			out[name] = "empty"
		case hash[0] == '!' || hash[0] == '*' || hash == "x":
			out[name] = "locked"
		default:
			out[name] = "set"
		}
	}
	return out
}

// groups reads the names of groups by their numbers, and which a user is in beside
// its own.
func (r *root) groups() (names map[uint32]string, of map[string][]string) {
	names, of = map[uint32]string{}, map[string][]string{}
	b, ok := r.textIf("etc/group")
	if !ok {
		return names, of
	}
	for _, text := range guest.Entries(b) {
		f := strings.Split(text, ":")
		if len(f) != 4 || len(names) == maxUsers {
			continue
		}
		gid, err := strconv.ParseUint(f[2], 10, 32)
		if err != nil {
			continue
		}
		name := strings.ToValidUTF8(f[0], "\uFFFD")
		if _, again := names[uint32(gid)]; !again {
			names[uint32(gid)] = name
		}
		for member := range strings.SplitSeq(f[3], ",") {
			if member != "" {
				of[member] = append(of[member], name)
			}
		}
	}
	return names, of
}

// sudoers lists the users, and groups after a "%", that sudo lets run a command.
func (r *root) sudoers() []string {
	files := []string{"etc/sudoers", "usr/etc/sudoers"}
	for _, dir := range [...]string{"etc/sudoers.d", "usr/etc/sudoers.d"} {
		for _, e := range r.List(dir) {
			if !strings.Contains(e.Name(), ".") && !strings.HasSuffix(e.Name(), "~") { // as sudoers(5) says
				files = append(files, path.Join(dir, e.Name()))
			}
		}
	}
	var out []string
	for _, name := range files {
		b, ok := r.textIf(name)
		if !ok {
			continue
		}
		for _, text := range guest.Entries(b) {
			who, rest, ok := strings.Cut(text, " ")
			if i := strings.IndexByte(text, '\t'); i > 0 && (i < len(who) || !ok) {
				who, rest, ok = text[:i], text[i:], true
			}
			if !ok || !strings.Contains(rest, "=") || strings.HasPrefix(who, "@") || strings.HasPrefix(who, "Defaults") || strings.HasSuffix(who, "_Alias") {
				continue
			}
			if len(out) < maxUsers {
				out = append(out, strings.Split(who, ",")...)
			}
		}
	}
	return out
}

// authorizedKeys counts the lines by which somebody may log in.
func (r *root) authorizedKeys(name string) int {
	b, ok := r.textIf(name)
	if !ok {
		return 0
	}
	n := 0
	for range guest.Entries(b) {
		n++
	}
	return n
}
