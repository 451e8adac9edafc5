package remote

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"path"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/format"
	"github.com/guestkit/guestkit/nbd"
	"github.com/guestkit/guestkit/retry"
)

// Options says how images are fetched. Nil, and the zero value, suit servers of
// strangers.
type Options struct {
	// Context ends all requests; nil is context.Background().
	Context context.Context
	// Transport makes the requests; nil is one of our own, with the proxy that
	// the environment names.
	Transport http.RoundTripper
	// TLS is how TLS is spoken with NBD servers (nbds://…); nil trusts what the
	// system does.
	TLS *tls.Config
	// S3 is how objects at s3://bucket/key are reached; nil refuses them.
	S3 *S3
	// Header is sent with each request to the host that the address names, and
	// to no other.
	Header http.Header
	// Login gives the name and password for a host, "" if there are none: see
	// Netrc. Those in an address come first.
	Login func(host string) (user, password string)
	// Retry is the policy for each request.
	Retry retry.Policy
	// Timeout bounds how long a request may go without an answer, headers and all,
	// and a body below MinRate; 0 means a minute.
	Timeout time.Duration
	// MinRate is how many bytes a second a body has at least, over each Timeout: one
	// that trickles is given up, as one that stalls. 0 means 1 KiB, -1 any byte at all.
	MinRate int64
	// PageBytes is how much is fetched at least, 0 for 384 KiB; CacheBytes
	// bounds the pages in memory, 0 for 64 MiB.
	PageBytes  int
	CacheBytes int64
	// MaxBytes bounds what is received in all from one source, 0 for no bound.
	MaxBytes int64
	// Folder is a folder of this machine for pages that further runs use too, ""
	// for none; FolderBytes bounds it, 0 for 1 GiB.
	Folder      string
	FolderBytes int64
	// Count counts along, if it is not nil.
	Count *Count

	signed *S3 // what signs the requests of this source, nil if nothing does
}

// Count counts what was fetched.
type Count struct {
	Requests, Bytes, Retries atomic.Int64
}

const (
	defaultPage    = 384 << 10
	defaultCache   = 64 << 20
	defaultTimeout = time.Minute
	defaultMinRate = 1 << 10
	// aheadPiece is how much one request takes of what is read in order, and
	// aheadPieces how many of these are under way or wait.
	aheadPiece  = 4 << 20
	aheadPieces = 4
)

func (o *Options) filled() *Options {
	var out Options
	if o != nil {
		out = *o
	}
	if out.Context == nil {
		out.Context = context.Background()
	}
	if out.Timeout <= 0 {
		out.Timeout = defaultTimeout
	}
	if out.MinRate == 0 {
		out.MinRate = defaultMinRate
	}
	if out.PageBytes <= 0 {
		out.PageBytes = defaultPage
	}
	if out.CacheBytes <= 0 {
		out.CacheBytes = defaultCache
	}
	if out.Count == nil {
		out.Count = new(Count)
	}
	return &out
}

// Is reports whether a name is an address that Open takes.
func Is(name string) bool {
	lower := strings.ToLower(name)
	return nbd.Is(name) || isS3(name) || strings.HasPrefix(lower, "https://") || strings.HasPrefix(lower, "http://")
}

// Open opens what lies at an address, in the form that format.Options.Remote
// takes. An address that is none, or of another scheme, wraps block.ErrOption.
func (o *Options) Open(address string) (format.Source, error) { return Open(address, o) }

// Open opens what lies at an address. A server that knows no ranges wraps
// block.ErrUnsupported, an address where nothing is fs.ErrNotExist, one that may
// not be read fs.ErrPermission.
func Open(address string, o *Options) (format.Source, error) {
	if nbd.Is(address) {
		return o.openNBD(address)
	}
	if isS3(address) {
		return o.openS3(address)
	}
	u, err := url.Parse(address)
	if err != nil || !Is(address) || u.Host == "" {
		return nil, &block.Error{What: shown(u), Off: -1, Err: fmt.Errorf("%w: it is no address of http, https, s3 or nbd", block.ErrOption)}
	}
	o = o.filled()
	ctx, cancel := context.WithCancel(o.Context)
	s := &source{o: o, ctx: ctx, cancel: cancel, first: u, at: u}
	s.client = s.newClient()
	if err := s.start(); err != nil {
		cancel()
		s.client.CloseIdleConnections() // one that was dialled for what is cancelled becomes idle
		return nil, err
	}
	return s, nil
}

// Shown is how an address is named in errors and documents: without a name and
// password, and without a query, which may be a signature.
func Shown(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		u = nil
	}
	return shown(u)
}

// shown is an address without what may be secret: a password, a query.
func shown(u *url.URL) string {
	if u == nil {
		return "address"
	}
	c := *u
	c.User, c.Fragment = nil, ""
	if c.RawQuery != "" {
		c.RawQuery = "…"
	}
	return c.String()
}

// source implements format.Source over an object behind HTTP.
type source struct {
	o      *Options
	ctx    context.Context
	cancel context.CancelFunc
	client *http.Client
	first  *url.URL // that was asked for
	size   int64
	tag    string // the strong ETag that pins it, "" if there is none
	date   string // Last-Modified
	cache  *block.Cache
	disk   *diskCache

	mu        sync.Mutex
	at        *url.URL // where redirects led
	changed   error
	closed    bool
	firstPage []byte // until it is asked for
}

func (s *source) Size() int64           { return s.size }
func (s *source) Name() string          { return shown(s.first) }
func (s *source) Allocated() int64      { return -1 }
func (s *source) Folder() format.Folder { return (*folder)(s) }
func (s *source) Extent(off int64) (block.Extent, error) {
	return block.Extent{Off: off, Len: max(s.size-off, 1)}, nil
}

// Modified is when the server says that it was last written.
func (s *source) Modified() time.Time {
	t, _ := http.ParseTime(s.date)
	return t
}

// Same reports whether the other one is the same object.
func (s *source) Same(other format.Source) bool {
	o, ok := other.(*source)
	return ok && o.first.String() == s.first.String()
}

// Changed asks the server once more.
func (s *source) Changed() error {
	s.mu.Lock()
	err := s.changed
	s.mu.Unlock()
	if err != nil || s.size == 0 {
		return err
	}
	_, err = s.fetch(make([]byte, 1), 0, false)
	if errors.Is(err, block.ErrChanged) {
		return err
	}
	return nil
}

func (s *source) Close() error {
	s.mu.Lock()
	closed := s.closed
	s.closed = true
	s.mu.Unlock()
	s.cancel()
	s.cache.Close()
	s.client.CloseIdleConnections()
	if closed {
		return fs.ErrClosed
	}
	return nil
}

// fail is an error about the source.
func (s *source) fail(class error, detail string, args ...any) error {
	return &block.Error{What: s.Name(), Off: -1, Err: fmt.Errorf("%w: %s", class, fmt.Sprintf(detail, args...))}
}

// A folder is what lies beside a source: on the same server, in the same folder
// and below.
type folder source

// Open opens what an image calls name.
func (f *folder) Open(name string) (format.Source, error) {
	s := (*source)(f)
	refused := func(why string) error {
		return &block.Error{What: fmt.Sprintf("%q", name), Off: -1, Err: fmt.Errorf("%w: %s", block.ErrRefused, why)}
	}
	clean := path.Clean(name)
	switch {
	case name == "" || strings.ContainsAny(name, "\x00\\"):
		return nil, refused("it is no name of a file")
	case path.IsAbs(clean), strings.Contains(name, "://"):
		return nil, refused("an image behind HTTP names files in its own folder alone")
	case clean == "..", strings.HasPrefix(clean, "../"):
		return nil, refused("it leads out of the folder of the image")
	}
	u := *s.first
	u.RawQuery, u.Fragment = "", ""
	u.Path = path.Join(path.Dir(u.Path), clean)
	u.RawPath = ""
	return Open(u.String(), s.o)
}

// Names has no answer: HTTP lists no folders.
func (f *folder) Names() ([]string, error) {
	return nil, (*source)(f).fail(block.ErrUnsupported, "a server lists no folders")
}
