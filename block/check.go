package block

// A Fault is one thing that the check of an image finds to be wrong with it.
type Fault struct {
	Leak       bool  // room is lost, and nothing else is wrong
	Repairable bool  // only a count or a flag is wrong, which a repair sets right
	Count      int64 // how many units (clusters, grains, blocks) it concerns
	Err        error
	Disk       string // id of the disk in a package whose check found it, "" for any other fault
}

// A CheckResult sums up the check of an image. It counts in the format's unit
// of allocation.
type CheckResult struct {
	Format      string
	Unit        string // "clusters", "grains", "blocks"
	Corruptions int64
	Repairable  int64 // the part of Corruptions that a repair sets right
	Leaks       int64
	ImageEnd    int64 // offset past the last unit that is in use, 0 if the check does not tell

	Total      int64 // of the disk
	Allocated  int64
	Compressed int64
	Fragmented int64 // not behind the one before it

	Dirty   bool // a program did not close the image
	Corrupt bool // a program marked it as damaged

	Notes []string // what there is to say besides, which is no fault

	Package *PackageCheck // nil unless it is one of disk images
}

// A PackageCheck is what the check of a package of disk images says besides.
// The Corruptions and Leaks of its CheckResult are those of the package itself
// and of all disks.
type PackageCheck struct {
	Checksums   int    // of the manifest that were compared, 0 if there is no manifest
	Certificate string // name of the file with a signature, which is not judged; "" if there is none
	Disks       []DiskCheck
}

// A DiskCheck is the check of one disk of a package. Without Result its format
// has nothing to check, or Err says why the check was not finished.
type DiskCheck struct {
	Disk   string // id
	Member string // name of its file
	Format string // "" if it could not be told
	Result *CheckResult
	Err    error
}

// Clean reports whether nothing is wrong.
func (r *CheckResult) Clean() bool { return r.Corruptions == 0 && r.Leaks == 0 && !r.Corrupt }
