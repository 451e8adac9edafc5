package qcow2

import (
	"encoding/binary"

	"github.com/guestkit/guestkit/block"
)

// refWriter hands out clusters in rising order and counts their references. Only
// the refcount block of the clusters that are handed out now is in memory: once
// they pass it, it gets a cluster itself and is written.
type refWriter struct {
	f       block.File
	cs      int64
	order   uint32
	perBlk  int64
	next    int64    // the first free host offset
	table   []uint64 // offsets of the refcount blocks that are written
	cur     []byte   // the block that counts the cluster before next
	full    [][]byte // blocks that are complete and have no cluster yet
	stopped func()   // called when the counts of cur become final
}

func newRefWriter(f block.File, h *header) refWriter {
	return refWriter{f: f, cs: h.clusterSize(), order: h.refcountOrder, perBlk: h.refcountsPerBlock(), cur: make([]byte, h.clusterSize())}
}

// curIndex is the index of cur in the refcount table.
func (w *refWriter) curIndex() int64 { return int64(len(w.table) + len(w.full)) }

// counts reports whether cluster i is counted by the block in memory.
func (w *refWriter) counts(i int64) bool { return i/w.perBlk == w.curIndex() }

// add adds n to the refcount of cluster i, which counts knows.
func (w *refWriter) add(i int64) {
	at := i % w.perBlk
	setRefcount(w.cur, at, w.order, refcount(w.cur, at, w.order)+1)
}

func (w *refWriter) of(i int64) uint64 { return refcount(w.cur, i%w.perBlk, w.order) }

// take hands out one cluster with refcount 1, and may leave a complete block
// behind.
func (w *refWriter) take() {
	i := w.next / w.cs
	if !w.counts(i) {
		w.stopped()
		w.full = append(w.full, w.cur)
		w.cur = make([]byte, w.cs)
	}
	w.add(i)
	w.next += w.cs
}

// alloc hands out n clusters in a row.
func (w *refWriter) alloc(n int64) (int64, error) {
	host := w.next
	if n > (maxHost-host)/w.cs {
		return 0, block.Errorf(format, "image", host, block.ErrLimit, "the file would pass %#x bytes", int64(maxHost))
	}
	for range n {
		w.take()
	}
	return host, w.writeFull()
}

// maxHost bounds the file, so that every host offset fits into an L2 entry.
const maxHost = 1 << 55

// writeFull gives the complete blocks their clusters and writes them.
func (w *refWriter) writeFull() error {
	for len(w.full) > 0 {
		at := w.next
		w.take()
		if err := w.writeBlock(w.full[0], at); err != nil {
			return err
		}
		w.full = w.full[1:]
	}
	return nil
}

func (w *refWriter) writeBlock(b []byte, at int64) error {
	w.table = append(w.table, uint64(at))
	_, err := w.f.WriteAt(b, at)
	return err
}

// finish writes the last blocks and the refcount table. Nothing can be handed
// out after it.
func (w *refWriter) finish() (table, clusters int64, err error) {
	// The table has to be placed before the blocks, whose number depends on its
	// size: grow it until it suffices.
	perTable := w.cs / 8
	for {
		total := w.next/w.cs + clusters + 1
		blocks := total/w.perBlk + 1
		blocks += (blocks-w.curIndex())/w.perBlk + 1
		if need := (blocks + perTable - 1) / perTable; need <= clusters {
			break
		} else {
			clusters = need
		}
	}
	if table, err = w.alloc(clusters); err != nil {
		return 0, 0, err
	}
	for {
		at := w.next
		w.take()
		if len(w.full) > 0 {
			err = w.writeBlock(w.full[0], at)
			w.full = w.full[1:]
			if err != nil {
				return 0, 0, err
			}
			continue
		}
		// The block counts itself.
		if err = w.writeBlock(w.cur, at); err != nil {
			return 0, 0, err
		}
		break
	}
	b := make([]byte, clusters*w.cs)
	for i, off := range w.table {
		binary.BigEndian.PutUint64(b[i*8:], off)
	}
	_, err = w.f.WriteAt(b, table)
	return table, clusters, err
}
