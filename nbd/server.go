package nbd

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"sync"

	"github.com/guestkit/guestkit/block"
)

// An Export is a disk or volume that is served.
type Export struct {
	Name        string // "" is the one that a client gets who names none
	Description string
	Device      block.Device
}

// A Server serves exports. Its fields are not to be changed once it serves.
type Server struct {
	Exports []Export
	// TLS makes clients use TLS; without it there is none.
	TLS *tls.Config
	// MaxConns bounds the connections at once, 0 for 64.
	MaxConns int

	once   sync.Once
	memory chan struct{} // a token for each MiB that a read may take
}

// Serve answers all who connect to l, until ctx ends; then it closes l and the
// connections, waits for what is under way, and returns nil. Any other end of l is
// an error.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	s.once.Do(func() { s.memory = make(chan struct{}, maxMemory>>20) })
	most := s.MaxConns
	if most <= 0 {
		most = 64
	}
	ctx, cancel := context.WithCancel(ctx)
	var running sync.WaitGroup
	defer running.Wait()
	defer cancel()
	stop := context.AfterFunc(ctx, func() { l.Close() })
	defer stop()
	free := make(chan struct{}, most)
	for {
		c, err := l.Accept()
		if err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return err
		}
		select {
		case free <- struct{}{}:
		default:
			c.Close() // too many
			continue
		}
		running.Go(func() {
			defer func() { <-free }()
			s.talk(ctx, c)
		})
	}
}

// talk serves one connection to its end.
func (s *Server) talk(ctx context.Context, c net.Conn) {
	stop := context.AfterFunc(ctx, func() { c.Close() })
	defer stop()
	defer c.Close()
	p := &peer{s: s, conn: c}
	p.reset(c)
	if export, err := p.handshake(ctx); err == nil {
		p.transmit(export)
	}
}

// Find returns the export of a name, nil if there is none; "" is the first one.
func (s *Server) Find(name string) *Export {
	for i := range s.Exports {
		if s.Exports[i].Name == name {
			return &s.Exports[i]
		}
	}
	if name == "" && len(s.Exports) > 0 {
		return &s.Exports[0]
	}
	return nil
}

// take waits for the memory that a read of n bytes needs.
func (s *Server) take(n int64) (release func()) {
	tokens := min(int((n+1<<20-1)>>20), cap(s.memory)/2)
	for range tokens {
		s.memory <- struct{}{}
	}
	return func() {
		for range tokens {
			<-s.memory
		}
	}
}

var (
	errProtocol = errors.New("nbd: the other side does not speak the protocol")
	errDone     = io.EOF
)
