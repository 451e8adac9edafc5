package vfs

// Lookup finds one name in a directory, by the guest's bytes and by the rule of its
// filesystem. A link is not followed.
func (n *Node) Lookup(name string) (*Node, error) {
	if !n.ino.Stat().Mode.IsDir() {
		return nil, n.fail("lookup", errNotDir)
	}
	if n.depth == 0 && n.start == "." {
		if _, ok := n.t.drives[driveName(name)]; ok {
			w := &trail{inodes: []Inode{n.t.root}}
			if n.t.drive(w, name) {
				return &Node{t: n.t, ino: w.at(), fsys: n.t.mountOf(w), parent: n, name: w.names[len(w.names)-1], start: n.start, depth: 1}, nil
			}
		}
	}
	at := Escape(name)
	c := &Node{t: n.t, fsys: n.fsys, parent: n, name: name, start: n.start, depth: n.depth + 1, mounts: below(n.mounts, at)}
	if m, ok := n.mounts[at]; ok {
		c.ino, c.fsys = m.root, m.at
		return c, nil
	}
	var err error
	if c.ino, err = n.ino.Lookup(name); err != nil {
		return nil, c.fail("lookup", err)
	}
	return c, nil
}
