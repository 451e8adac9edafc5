//go:build libguestfs && linux

package guestfish

import (
	"context"
	"net"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/nbd"
)

const sector = 512

// A server lends a volume over NBD.
type server struct {
	end  context.CancelFunc
	done chan struct{}
}

// serve answers all who connect to l until the server is closed.
func serve(l net.Listener, r block.Reader) *server {
	ctx, end := context.WithCancel(context.Background())
	s := &server{end, make(chan struct{})}
	n := &nbd.Server{Exports: []nbd.Export{{Device: block.Plain(wholeSectors{r})}}}
	go func() {
		defer close(s.done)
		n.Serve(ctx, l) // what is wrong with a listener guestfish says
	}()
	return s
}

// Close ends all connections, and returns when the volume is read no more.
func (s *server) Close() {
	s.end()
	<-s.done
}

// wholeSectors is a volume that is filled up with zeros to whole sectors.
type wholeSectors struct{ r block.Reader }

func (w wholeSectors) Size() int64 { return (w.r.Size() + sector - 1) &^ (sector - 1) }

func (w wholeSectors) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 || off >= w.Size() || int64(len(p)) > w.Size()-off {
		return block.Section(block.Plain(w.r), 0, w.r.Size()).ReadAt(p, off)
	}
	have := p[:max(0, min(int64(len(p)), w.r.Size()-off))]
	clear(p[len(have):])
	if err := block.ReadFull(w.r, have, off); err != nil {
		return 0, err
	}
	return len(p), nil
}
