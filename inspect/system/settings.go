package system

// A User is an account of a Unix system. What could be used to log in, the hash of
// a password, is never read into it.
type User struct {
	Name  string `json:"name"`
	UID   uint32 `json:"uid"`
	GID   uint32 `json:"gid"`
	Gecos string `json:"gecos,omitempty"` // the full name, mostly
	Home  string `json:"home"`
	Shell string `json:"shell"`
	// Login says whether a person can log in by the shell: it is set, and none
	// of those that only refuse.
	Login bool `json:"login"`
	// Password is "set", "locked", "empty" or Unknown, where /etc/shadow does not
	// tell.
	Password string   `json:"password"`
	Groups   []string `json:"groups,omitempty"` // beside its own, in the order of /etc/group
	// Sudo says that a line of sudoers names the user or a group that it is in.
	Sudo bool `json:"sudo"`
	// Keys are how many lines of authorized_keys let somebody in.
	Keys int `json:"keys,omitempty"`
}

// A HostKey is one by which an SSH server proves who it is.
type HostKey struct {
	Type        string `json:"type"`        // "ssh-ed25519"
	Fingerprint string `json:"fingerprint"` // "SHA256:…", as ssh-keygen -l prints it
	Comment     string `json:"comment,omitempty"`
	Path        string `json:"path"`
}

// An Interface is what the configuration of a network says of one interface, or of
// those that match.
type Interface struct {
	Name string `json:"name,omitempty"` // "eth0"; may be a pattern, or what netplan calls a set
	MAC  string `json:"mac,omitempty"`
	// Device is the adapter in words, where Windows says it: "vmxnet3 Ethernet Adapter".
	Device string `json:"device,omitempty"`
	// By is what reads the file: "networkmanager", "netplan", "ifcfg", "networkd",
	// "interfaces", "cloud-init", "dhcpcd", "netctl", "netifrc", "windows".
	By   string `json:"by"`
	Path string `json:"path"`
	DHCP bool   `json:"dhcp"` // of either version
	// Addresses are static ones, with the length of their prefix if it is stated.
	Addresses []string `json:"addresses,omitempty"`
	// Leased are those that a server of DHCP gave it last, where that is kept.
	Leased   []string `json:"leased,omitempty"`
	Gateways []string `json:"gateways,omitempty"`
	DNS      []string `json:"dns,omitempty"`
}

// A CryptEntry is one line of crypttab.
type CryptEntry struct {
	Name    string `json:"name"`
	Source  string `json:"source"` // as the guest says it: "UUID=…"
	Key     string `json:"key,omitempty"`
	Options string `json:"options,omitempty"`
	Line    int    `json:"line"`
}

// SELinux is how a system starts SELinux.
type SELinux struct {
	Mode   string `json:"mode"`             // "enforcing", "permissive", "disabled"
	Policy string `json:"policy,omitempty"` // "targeted"
}
