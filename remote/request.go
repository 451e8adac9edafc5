package remote

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/guestkit/guestkit/block"
	"github.com/guestkit/guestkit/retry"
)

// newClient makes the client of a source: without cookies, and with redirects by
// rule.
func (s *source) newClient() *http.Client {
	transport := s.o.Transport
	if transport == nil {
		transport = &http.Transport{
			Proxy:                 http.ProxyFromEnvironment,
			DialContext:           (&net.Dialer{Timeout: min(s.o.Timeout, 30*time.Second)}).DialContext,
			TLSHandshakeTimeout:   min(s.o.Timeout, 30*time.Second),
			ResponseHeaderTimeout: s.o.Timeout,
			MaxIdleConnsPerHost:   aheadPieces + 2,
			IdleConnTimeout:       90 * time.Second,
			ForceAttemptHTTP2:     true,
			DisableCompression:    true, // ranges are of what lies there
		}
	}
	if s.o.signed != nil {
		transport = &signer{transport, s.o.signed, s.first.Host}
	}
	return &http.Client{Transport: transport, CheckRedirect: func(req *http.Request, via []*http.Request) error {
		switch {
		case len(via) > 10:
			return retry.Permanent(s.fail(block.ErrLimit, "more than 10 redirects"))
		case req.URL.Scheme != "http" && req.URL.Scheme != "https":
			return retry.Permanent(s.fail(block.ErrRefused, "a redirect to %s", req.URL.Scheme))
		case via[0].URL.Scheme == "https" && req.URL.Scheme != "https":
			return retry.Permanent(s.fail(block.ErrRefused, "a redirect from https to %s", req.URL.Scheme))
		}
		req.Header.Del("Referer") // the query may be a signature
		if req.URL.Host != s.first.Host {
			for name := range s.o.Header {
				req.Header.Del(name)
			}
			req.Header.Del("Authorization")
		}
		return nil
	}}
}

// An answer is what a request brought, checked.
type answer struct {
	n     int // bytes of the body that were read
	total int64
	tag   string
	date  string
	url   *url.URL
}

// start makes the first request, which pins the source. Its body is the first page.
func (s *source) start() error {
	page := make([]byte, s.o.PageBytes)
	first, err := s.fetch(page, 0, true)
	if err != nil {
		return err
	}
	if s.o.Folder != "" {
		if s.disk, err = openDiskCache(s.o.Folder, s.o.FolderBytes, s.identity(), s.o.PageBytes); err != nil {
			return err
		}
	}
	s.firstPage = page[:first.n]
	s.cache = block.Cached((*object)(s), &block.CacheOptions{PageBytes: s.o.PageBytes, Bytes: s.o.CacheBytes, Ahead: aheadPieces, PieceBytes: aheadPiece})
	return nil
}

// pin notes what the source is, by the first answer: the requests for the rest of a
// body that was cut are held to it too.
func (s *source) pin(first *answer) {
	s.size, s.date = first.total, first.date
	if strings.HasPrefix(first.tag, `"`) {
		s.tag = first.tag
	}
	s.mu.Lock()
	s.at = first.url
	s.mu.Unlock()
}

// identity tells one state of the source from all others; "" if nothing does.
func (s *source) identity() string {
	if s.tag == "" && s.date == "" {
		return ""
	}
	u := *s.first
	u.User, u.Fragment = nil, ""
	return fmt.Sprintf("%s\n%d\n%s\n%s", u.String(), s.size, s.tag, s.date)
}

// fetch makes a request again until it has filled p from off; the first answer may
// have less, if that is all. A body that ends early is kept, and the rest asked for.
func (s *source) fetch(p []byte, off int64, first bool) (*answer, error) {
	var got *answer
	policy := s.o.Retry
	notify := policy.Notify
	policy.Notify = func(err error, pause time.Duration) {
		s.o.Count.Retries.Add(1)
		if notify != nil {
			notify(err, pause)
		}
	}
	tried := 0
	_, err := retry.Do(s.ctx, policy, func(ctx context.Context) (struct{}, error) {
		tried++
		have := 0
		if got != nil {
			have = got.n
		}
		a, err := s.request(ctx, p[have:], off+int64(have), first && got == nil)
		if a != nil {
			if got == nil {
				if got = a; first {
					s.pin(a)
				}
			} else {
				got.n += a.n
			}
			if first && got.total < int64(len(p)) {
				p = p[:got.total]
			}
		}
		if err == nil && got.n < len(p) {
			err = s.fail(io.ErrUnexpectedEOF, "the body has %d bytes of %d", got.n, len(p))
		}
		return struct{}{}, err
	})
	if err != nil {
		var e *block.Error
		if errors.As(err, &e) {
			return nil, err
		}
		if s.ctx.Err() != nil && s.o.Context.Err() == nil {
			return nil, fs.ErrClosed
		}
		return nil, s.fail(plainError(err), "after %s", attempts(tried))
	}
	return got, nil
}

// plainError takes the address off an error of net/http, which may have secrets.
func plainError(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}

// request makes one request for what fills p from off. What it could read comes with
// the error that stopped it.
func (s *source) request(ctx context.Context, p []byte, off int64, first bool) (*answer, error) {
	n := int64(len(p))
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	answered := time.AfterFunc(s.o.Timeout, func() { cancel(s.fail(context.DeadlineExceeded, "no answer for %s", s.o.Timeout)) })
	defer answered.Stop()
	req, err := s.newRequest(ctx, off, n, first)
	if err != nil {
		return nil, retry.Permanent(err)
	}
	s.o.Count.Requests.Add(1)
	res, err := s.client.Do(req)
	if err != nil {
		var e *block.Error
		if errors.As(err, &e) && (errors.Is(e, block.ErrLimit) || errors.Is(e, block.ErrRefused)) {
			return nil, retry.Permanent(e)
		}
		return nil, because(ctx, plainError(err))
	}
	answered.Stop()
	defer res.Body.Close()
	if err := s.status(res, first, off); err != nil {
		return nil, err
	}
	a, err := s.check(res, off, n, first)
	if err != nil {
		return nil, retry.Permanent(err)
	}
	if a.total == 0 {
		return a, nil
	}
	want := int(min(n, a.total-off))
	least := max(int(float64(s.o.MinRate)*s.o.Timeout.Seconds()), 1)
	slow := time.AfterFunc(s.o.Timeout, func() {
		cancel(s.fail(context.DeadlineExceeded, "fewer than %d bytes came within %s", least, s.o.Timeout))
	})
	defer slow.Stop()
	for mark := 0; a.n < want; {
		m, err := res.Body.Read(p[a.n:min(a.n+64<<10, want)])
		if a.n += m; a.n-mark >= least {
			mark = a.n
			slow.Reset(s.o.Timeout)
		}
		if total := s.o.Count.Bytes.Add(int64(m)); s.o.MaxBytes > 0 && total > s.o.MaxBytes {
			return nil, retry.Permanent(s.fail(block.ErrLimit, "more than %d bytes were received", s.o.MaxBytes))
		}
		if err != nil && a.n < want {
			if err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			return a, because(ctx, err)
		}
	}
	return a, nil
}

// because is why ctx was cancelled, where it is what ended a request; else err.
func because(ctx context.Context, err error) error {
	var e *block.Error
	if errors.As(context.Cause(ctx), &e) {
		return e
	}
	return err
}

func (s *source) newRequest(ctx context.Context, off, n int64, first bool) (*http.Request, error) {
	s.mu.Lock()
	u := *s.at
	s.mu.Unlock()
	user := s.first.User
	u.User = nil
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, s.fail(block.ErrOption, "it is no address")
	}
	if u.Host == s.first.Host {
		for name, values := range s.o.Header {
			req.Header[http.CanonicalHeaderKey(name)] = values
		}
		if user != nil {
			password, _ := user.Password()
			req.SetBasicAuth(user.Username(), password)
		} else if s.o.Login != nil && req.Header.Get("Authorization") == "" {
			if name, password := s.o.Login(u.Hostname()); name != "" {
				req.SetBasicAuth(name, password)
			}
		}
	}
	req.Header.Set("Range", fmt.Sprintf("bytes=%d-%d", off, off+n-1))
	req.Header.Set("Accept-Encoding", "identity")
	if req.Header.Get("User-Agent") == "" {
		req.Header.Set("User-Agent", "guestkit")
	}
	if !first && s.tag != "" {
		req.Header.Set("If-Match", s.tag)
	}
	return req, nil
}

// status turns the codes that are no success into errors.
func (s *source) status(res *http.Response, first bool, off int64) error {
	switch code := res.StatusCode; {
	case code == http.StatusPartialContent:
		return nil
	case code == http.StatusOK:
		if !first { // it knew ranges before
			return retry.Permanent(s.change("the server sends all of it in place of a range"))
		}
		if res.ContentLength == 0 {
			return nil
		}
		return retry.Permanent(s.fail(block.ErrUnsupported, "the server knows no ranges; download the file, or pipe it in: curl … | guestkit convert - OUT"))
	case code == http.StatusPreconditionFailed:
		return retry.Permanent(s.change("its ETag is not %s any more", s.tag))
	case code == http.StatusRequestedRangeNotSatisfiable:
		if first && off == 0 && strings.HasSuffix(strings.TrimSpace(res.Header.Get("Content-Range")), "*/0") {
			return nil // it is empty
		}
		return retry.Permanent(s.change("it ends before byte %d", off))
	case code == http.StatusNotFound, code == http.StatusGone:
		return retry.Permanent(s.fail(fs.ErrNotExist, "%s", res.Status))
	case code == http.StatusUnauthorized, code == http.StatusForbidden:
		s.mu.Lock()
		moved := s.at != s.first && !first
		s.at = s.first // a signature that redirects led to may be too old
		s.mu.Unlock()
		if err := s.fail(fs.ErrPermission, "%s", res.Status); !moved {
			return retry.Permanent(err)
		} else {
			return err
		}
	case code == http.StatusRequestTimeout, code == http.StatusTooManyRequests, code >= 500:
		err := s.fail(errServer, "%s", res.Status)
		if pause, ok := retryAfter(res.Header.Get("Retry-After")); ok {
			return retry.After(pause, err)
		}
		return err
	default:
		return retry.Permanent(s.fail(errServer, "%s", res.Status))
	}
}

var errServer = errors.New("the server failed")

// retryAfter reads the header of that name: seconds, or a date.
func retryAfter(text string) (time.Duration, bool) {
	if n, err := strconv.ParseUint(text, 10, 31); err == nil {
		return time.Duration(n) * time.Second, true
	}
	if t, err := http.ParseTime(text); err == nil {
		return max(time.Until(t), 0), true
	}
	return 0, false
}

// check holds the header of an answer to what was asked, and to what the source
// was at first.
func (s *source) check(res *http.Response, off, n int64, first bool) (*answer, error) {
	a := &answer{tag: res.Header.Get("ETag"), date: res.Header.Get("Last-Modified"), url: res.Request.URL}
	if enc := res.Header.Get("Content-Encoding"); enc != "" && enc != "identity" {
		return nil, s.fail(block.ErrUnsupported, "the server encodes it as %s, and ranges are of that", enc)
	}
	if res.StatusCode != http.StatusPartialContent {
		return a, nil // empty
	}
	from, to, total, ok := contentRange(res.Header.Get("Content-Range"))
	switch {
	case ok && !first && total != s.size:
		return nil, s.change("it has %d bytes, and had %d", total, s.size)
	case !ok:
		return nil, s.fail(errServer, "its Content-Range is %q", res.Header.Get("Content-Range"))
	case from != off, to < from, to >= total, to > off+n-1:
		return nil, s.fail(errServer, "it sends bytes %d to %d of %d in place of %d to %d", from, to, total, off, off+n-1)
	}
	a.total = total
	if first {
		return a, nil
	}
	switch {
	case s.tag != "" && a.tag != "" && a.tag != s.tag:
		return nil, s.change("its ETag is %s, and was %s", a.tag, s.tag)
	case s.tag == "" && s.date != "" && a.date != "" && a.date != s.date:
		return nil, s.change("it was written at %s, and at %s before", a.date, s.date)
	}
	return a, nil
}

// change notes that the source is not what it was.
func (s *source) change(detail string, args ...any) error {
	err := s.fail(block.ErrChanged, detail, args...)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.changed == nil {
		s.changed = err
	}
	return err
}

// contentRange reads "bytes 0-99/1234".
func contentRange(text string) (from, to, total int64, ok bool) {
	rest, ok := strings.CutPrefix(strings.ToLower(strings.TrimSpace(text)), "bytes ")
	if !ok {
		return 0, 0, 0, false
	}
	span, size, ok1 := strings.Cut(rest, "/")
	a, b, ok2 := strings.Cut(span, "-")
	from, err1 := strconv.ParseInt(strings.TrimSpace(a), 10, 64)
	to, err2 := strconv.ParseInt(strings.TrimSpace(b), 10, 64)
	total, err3 := strconv.ParseInt(strings.TrimSpace(size), 10, 64)
	return from, to, total, ok1 && ok2 && err1 == nil && err2 == nil && err3 == nil && from >= 0 && total >= 0
}

// attempts says how many there were.
func attempts(n int) string {
	if n == 1 {
		return "1 attempt"
	}
	return fmt.Sprintf("%d attempts", n)
}
