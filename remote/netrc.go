package remote

import (
	"os"
	"strings"
)

// Netrc reads a file of logins in the form of .netrc (machine, login, password,
// default), for Options.Login.
func Netrc(file string) (func(host string) (user, password string), error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	type login struct{ user, password string }
	logins := map[string]*login{}
	var at *login
	words := strings.Fields(string(b))
	next := func(i int) string {
		if i+1 < len(words) {
			return words[i+1]
		}
		return ""
	}
	for i := 0; i < len(words); i++ {
		switch words[i] {
		case "machine":
			at = &login{}
			if _, ok := logins[next(i)]; !ok {
				logins[next(i)] = at
			}
			i++
		case "default":
			at = &login{}
			logins[""] = at
		case "login", "password", "account":
			if at != nil && words[i] == "login" {
				at.user = next(i)
			} else if at != nil && words[i] == "password" {
				at.password = next(i)
			}
			i++
		case "macdef": // up to an empty line, which Fields does not see
			at = nil
		}
	}
	return func(host string) (string, string) {
		l := logins[host]
		if l == nil {
			l = logins[""]
		}
		if l == nil {
			return "", ""
		}
		return l.user, l.password
	}, nil
}
