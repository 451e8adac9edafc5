package convert

import "os"

// linkAndRemove renames without replacing, by way of a second name.
func linkAndRemove(old, new string) error {
	if err := os.Link(old, new); err != nil {
		return err
	}
	return os.Remove(old)
}

// writeZeros writes n zeros at off.
func writeZeros(f *os.File, off, n int64) error {
	for n > 0 {
		part := min(n, int64(len(zeros)))
		if _, err := f.WriteAt(zeros[:part], off); err != nil {
			return err
		}
		off, n = off+part, n-part
	}
	return nil
}
