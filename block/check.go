package block

// A Fault is one thing that the check of an image finds to be wrong with it.
type Fault struct {
	Leak  bool  // room is lost, and nothing else is wrong
	Count int64 // how many units (clusters, grains, blocks) it concerns
	Err   error
}

// A CheckResult sums up the check of an image. It counts in the format's unit
// of allocation.
type CheckResult struct {
	Format      string
	Unit        string // "clusters", "grains", "blocks"
	Corruptions int64
	Leaks       int64
	ImageEnd    int64 // offset past the last unit that is in use, 0 if the check does not tell

	Total      int64 // of the disk
	Allocated  int64
	Compressed int64
	Fragmented int64 // not behind the one before it

	Dirty   bool // a program did not close the image
	Corrupt bool // a program marked it as damaged
}

// Clean reports whether nothing is wrong.
func (r *CheckResult) Clean() bool { return r.Corruptions == 0 && r.Leaks == 0 && !r.Corrupt }
