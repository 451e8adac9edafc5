package format

// Names lists the formats that Open reads, each by its name in Options.Format.
func Names() []string {
	var out []string
	for _, d := range drivers() {
		out = append(out, d.name)
	}
	return out
}

// Known reports whether Open reads images of a format, by its name or another
// one that it goes by.
func Known(name string) bool {
	_, ok := find(name)
	return ok
}
