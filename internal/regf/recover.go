package regf

import "github.com/guestkit/guestkit/block"

// recover lays the logs over a hive whose last write did not reach its end.
func (h *Hive) recover() {
	h.problems.Add(block.Errorf(format, "hive", 0, block.ErrDirty, "its last write was not finished, and there is no log of it"))
}
